//! Keeping up with a log: reading it into a spool as it grows, and telling the hub its tail now and then.

use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use eai_api::{
    artifact::{LOG_LIMIT_BYTES, LogArtifact},
    names::WORK_CONTAINER,
};
use eai_core::digest::Digest;
use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    LogState,
    spool::{Spool, Tail, lines_in},
    upload::{self, Backoff, PutError, Target},
};

/// The first upload comes this long after the first line.
const FIRST: Duration = Duration::from_secs(1);
/// Between uploads of a log that grows, plus a second for each [`PER_SECOND`] of it.
const EVERY: Duration = Duration::from_secs(5);
const PER_SECOND: u64 = 64 << 10;
/// While a log is read again: a pause of the node's, one after which no more of what was read before will come, and how
/// long that can take in all; and between looks where it pauses not.
const PAUSE: Duration = Duration::from_millis(300);
const LONG_PAUSE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_secs(1);
/// How often reading the log of a pod that is over is tried before it is taken for lost.
const READ_TRIES: u32 = 5;
/// Lines asked for beyond what the log's end is likely to have.
const MORE_LINES: usize = 1024;
/// Lines that a node may count and not end: it writes a line of more than 16 KiB as several.
const CUT_LINES: usize = 64;

/// Whose log it is.
#[derive(Clone)]
pub struct Source {
    /// Pods of the work namespace.
    pub pods: Api<Pod>,
    /// The pod.
    pub pod: String,
    /// Its UID.
    pub pod_uid: String,
    /// Its completion index.
    pub index: u32,
    /// Whether the pod's work is over or the pod gone, as far as is known.
    pub over: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// How far reading is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rises whenever something was read.
    pub version: u64,
    /// Nothing more will be.
    pub finished: bool,
}

/// A log while it is read, for whoever wants to read along.
#[derive(Clone)]
pub struct Live {
    spool: Arc<Mutex<Spool>>,
    seen: watch::Receiver<Progress>,
}

impl Live {
    /// A log that will be read into `spool`, and where it is told how far reading is.
    pub fn new(spool: Spool) -> (Self, watch::Sender<Progress>) {
        let (progress, seen) = watch::channel(Progress::default());
        (Self { spool: Arc::new(Mutex::new(spool)), seen }, progress)
    }

    /// What is kept of it now.
    pub fn spool(&self) -> MutexGuard<'_, Spool> {
        lock(&self.spool)
    }

    /// Whether the two are one reading of one pod's log.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.spool, &other.spool)
    }

    /// How far reading is now.
    pub fn progress(&mut self) -> Progress {
        *self.seen.borrow_and_update()
    }

    /// Waits until it is further than it was told to be; false if nobody reads it any more.
    pub async fn changed(&mut self) -> bool {
        self.seen.changed().await.is_ok()
    }
}

/// Follows a log and uploads it until it is over; returns how that ended.
pub async fn follow(
    source: Source,
    live: Live,
    progress: watch::Sender<Progress>,
    hub: Client,
    target: Target,
) -> LogState {
    let Live { spool, seen } = live;
    let reading = read(source.clone(), Arc::clone(&spool), progress);
    let uploading = upload_as_it_grows(source.index, spool, seen, hub, target);
    let (readable, kept) = tokio::join!(reading, uploading);
    let pod_uid = source.pod_uid;
    match kept {
        Some(log) if readable => LogState::Kept { pod_uid, log },
        _ => LogState::Lost { pod_uid },
    }
}

/// Reads until the log is over. Says whether it could be read at all.
async fn read(source: Source, spool: Arc<Mutex<Spool>>, progress: watch::Sender<Progress>) -> bool {
    let mut backoff = Backoff::new();
    let readable = loop {
        let over = (source.over)();
        let read = if over { read_end(&source, &spool).await } else { follow_on(&source, &spool, &progress).await };
        match read {
            Ok(()) if over => break true,
            // A node stops following once the work is over, whether or not it has sent all of the log.
            Ok(()) if has_ended(&source).await => {
                backoff = Backoff::new();
                continue;
            }
            // The connection was closed while the work still runs.
            Ok(()) => backoff = Backoff::new(),
            Err(ReadError::Gone) => break !lock(&spool).is_empty(),
            Err(ReadError::Again(error)) => {
                tracing::debug!(pod = source.pod, %error, "can't read its log now");
                if backoff.tries() >= READ_TRIES && (source.over)() {
                    break !lock(&spool).is_empty();
                }
            }
        }
        backoff.wait().await;
    };
    if let Err(error) = lock(&spool).finish() {
        tracing::error!(%error, pod = source.pod, "what was read of its log before can't be read back; see scratchDir");
    }
    progress.send_modify(|p| p.finished = true);
    readable
}

/// The news of a container's end comes a little after its log's.
async fn has_ended(source: &Source) -> bool {
    for _ in 0..12 {
        if (source.over)() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    false
}

enum ReadError {
    /// The pod is gone.
    Gone,
    /// It may work later.
    Again(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Again(error.to_string())
    }
}

/// Reads the log from its start for as long as the node sends it.
async fn follow_on(source: &Source, spool: &Mutex<Spool>, progress: &watch::Sender<Progress>) -> Result<(), ReadError> {
    let params = LogParams { container: Some(WORK_CONTAINER.to_owned()), follow: true, ..LogParams::default() };
    let mut stream = pin!(open(source, &params).await?);
    lock(spool).begin_again()?;
    let mut buffer = vec![0; 8 << 10];
    let began = Instant::now();
    let (mut heard, mut looked) = (began, began);
    loop {
        let behind = lock(spool).is_behind();
        let count = if behind {
            // What was read before comes in one go; a pause may mean that it is through.
            match timeout(PAUSE, stream.read(&mut buffer)).await {
                Ok(count) => Some(count?),
                Err(_) => None,
            }
        } else {
            Some(stream.read(&mut buffer).await?)
        };
        match count {
            Some(0) => return Ok(()),
            Some(count) => {
                heard = Instant::now();
                lock(spool).append(&buffer[..count])?;
            }
            None => {}
        }
        if behind && (count.is_none() || looked.elapsed() >= LOOK) {
            let patient = heard.elapsed() < LONG_PAUSE && began.elapsed() < PATIENCE;
            lock(spool).catch_up(patient)?;
            looked = Instant::now();
        }
        progress.send_modify(|p| p.version += 1);
    }
}

/// Reads the end of a log that is over, and adds what wasn't known of it. A node that is asked to follow begins at the
/// log file it has then and, when it has begun another file meanwhile, may stop at the end of the first.
async fn read_end(source: &Source, spool: &Mutex<Spool>) -> Result<(), ReadError> {
    let (likely, mut end) = {
        let mut spool = lock(spool);
        spool.finish()?;
        (2 * spool.lines()? + MORE_LINES, spool.beside()?)
    };
    let enough = usize::try_from(LOG_LIMIT_BYTES).unwrap_or(usize::MAX);
    // No line is shorter than a byte: the second time it is certainly enough.
    for lines in [likely.min(enough), enough] {
        let params = LogParams {
            container: Some(WORK_CONTAINER.to_owned()),
            tail_lines: i64::try_from(lines).ok(),
            ..LogParams::default()
        };
        let mut stream = pin!(open(source, &params).await?);
        end.reset()?;
        let (mut buffer, mut came) = (vec![0; 8 << 10], 0);
        loop {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                break;
            }
            came += lines_in(&buffer[..count]);
            end.append(&buffer[..count])?;
        }
        if end.len() >= LOG_LIMIT_BYTES || came + CUT_LINES < lines {
            break;
        }
    }
    Ok(lock(spool).end_with(&mut end)?)
}

async fn open(source: &Source, params: &LogParams) -> Result<impl futures::AsyncBufRead + use<>, ReadError> {
    match source.pods.log_stream(&source.pod, params).await {
        Ok(stream) => Ok(stream),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(ReadError::Gone),
        Err(error) => Err(ReadError::Again(error.to_string())),
    }
}

async fn upload_as_it_grows(
    index: u32,
    spool: Arc<Mutex<Spool>>,
    mut seen: watch::Receiver<Progress>,
    hub: Client,
    target: Target,
) -> Option<LogArtifact> {
    let mut sent: Option<Digest> = None;
    let mut backoff = Backoff::new();
    loop {
        let progress = *seen.borrow_and_update();
        if progress.version > 0 || progress.finished {
            let tail = lock(&spool).tail().ok()?;
            match send(&hub, &target, index, &tail, sent).await {
                Ok(()) => {
                    sent = Some(tail.digest);
                    backoff = Backoff::new();
                    if progress.finished {
                        return Some(artifact(index, &tail));
                    }
                }
                Err(error) if error.is_hopeless(backoff.tries()) => {
                    tracing::warn!(assignment = target.assignment, index, %error, "a log isn't kept");
                    return None;
                }
                Err(error) => {
                    tracing::info!(assignment = target.assignment, index, %error, "a log waits for the hub");
                    backoff.wait().await;
                    continue;
                }
            }
        }
        let length = lock(&spool).len();
        if !pause(&mut seen, sent.is_none(), length).await {
            return None;
        }
    }
}

/// Sends `tail` unless the hub has it.
async fn send(hub: &Client, target: &Target, index: u32, tail: &Tail, sent: Option<Digest>) -> Result<(), PutError> {
    if sent == Some(tail.digest) {
        return Ok(());
    }
    let path = target.log(index, tail.bytes.len() as u64, &tail.digest.to_string());
    upload::put(hub, &path, tail.bytes.clone()).await
}

/// Waits until there is more, and then a while, but not once reading is over. False if the reader is gone.
async fn pause(seen: &mut watch::Receiver<Progress>, first: bool, length: u64) -> bool {
    if seen.borrow().finished {
        return true;
    }
    if seen.changed().await.is_err() {
        return seen.borrow().finished;
    }
    let wait = if first { FIRST } else { EVERY + Duration::from_secs(length / PER_SECOND) };
    // Either the time is up or reading is over; the caller looks which.
    let _ = tokio::time::timeout(wait, seen.wait_for(|p| p.finished)).await;
    true
}

fn artifact(index: u32, tail: &Tail) -> LogArtifact {
    LogArtifact { index, digest: tail.digest, size_bytes: tail.bytes.len() as u64, truncated: tail.truncated }
}

/// A spool stays usable whatever happened to whoever held it.
fn lock(spool: &Mutex<Spool>) -> MutexGuard<'_, Spool> {
    spool.lock().unwrap_or_else(PoisonError::into_inner)
}
