//! Keeping up with a log: reading it into a spool as it grows, and telling the hub its tail now and then.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eai_api::{artifact::LogArtifact, names::WORK_CONTAINER};
use eai_core::digest::Digest;
use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};
use tokio::sync::watch;

use super::{
    LogState,
    spool::{Spool, Tail},
    upload::{self, Backoff, PutError, Target},
};

/// The first upload comes this long after the first line.
const FIRST: Duration = Duration::from_secs(1);
/// Between uploads of a log that grows, plus a second for each [`PER_SECOND`] of it.
const EVERY: Duration = Duration::from_secs(5);
const PER_SECOND: u64 = 64 << 10;
/// How often reading the log of a pod that is over is tried before it is taken for lost.
const READ_TRIES: u32 = 5;

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
struct Progress {
    /// Rises whenever something was read.
    version: u64,
    /// Nothing more will be.
    finished: bool,
}

/// Follows the log into `spool` and uploads it until it is over; returns how that ended.
pub async fn follow(source: Source, spool: Spool, hub: Client, target: Target) -> LogState {
    let spool = Arc::new(Mutex::new(spool));
    let (progress, seen) = watch::channel(Progress::default());
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
        match read_once(&source, &spool, &progress).await {
            Ok(()) if has_ended(&source).await => break true,
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

async fn read_once(source: &Source, spool: &Mutex<Spool>, progress: &watch::Sender<Progress>) -> Result<(), ReadError> {
    let params = LogParams { container: Some(WORK_CONTAINER.to_owned()), follow: true, ..LogParams::default() };
    let mut stream = match source.pods.log_stream(&source.pod, &params).await {
        Ok(stream) => std::pin::pin!(stream),
        Err(kube::Error::Api(status)) if status.code == 404 => return Err(ReadError::Gone),
        Err(error) => return Err(ReadError::Again(error.to_string())),
    };
    let again = |error: io::Error| ReadError::Again(error.to_string());
    // It comes from its start again.
    lock(spool).reset().map_err(again)?;
    let mut buffer = vec![0; 8 << 10];
    loop {
        let count = stream.read(&mut buffer).await.map_err(again)?;
        if count == 0 {
            return Ok(());
        }
        lock(spool).append(&buffer[..count]).map_err(again)?;
        progress.send_modify(|p| p.version += 1);
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
fn lock(spool: &Mutex<Spool>) -> std::sync::MutexGuard<'_, Spool> {
    spool.lock().unwrap_or_else(PoisonError::into_inner)
}
