//! Fetching a pod's outputs and handing them to the hub, in parts, each as it is read.

use std::sync::Arc;

use eai_api::{aijob::Output, artifact::OutputArtifact};
use eai_core::digest::Digest;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::{
    Collected,
    exec::{self, ExecError},
    upload::{self, Backoff, MAX_RESTARTS, PutError, Target},
};
use crate::sidecar::{Stat, StatProblem};

/// Bytes in a part; the hub takes at most 4 MiB.
const PART: usize = 2 << 20;

/// A pod whose work is over.
#[derive(Clone)]
pub struct Holder {
    /// Pods of the work namespace.
    pub pods: Api<Pod>,
    /// The pod.
    pub pod: String,
    /// Its UID.
    pub pod_uid: String,
    /// Its completion index.
    pub index: u32,
    /// Where the outputs container has this program.
    pub binary: String,
    /// Whether the outputs container is gone, as far as is known.
    pub gone: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// Why one output isn't kept.
pub(super) enum Failed {
    /// For good.
    Note(String),
    /// The pod is gone, and all it held.
    Gone,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    /// An output.
    Output(&'a Output),
    /// The checkpoint.
    Checkpoint,
}

impl Piece<'_> {
    /// What it is called in a log.
    fn name(self) -> String {
        match self {
            Self::Output(output) => format!("output {}", output.name),
            Self::Checkpoint => "checkpoint".to_owned(),
        }
    }

    /// The command that reads it from `offset`.
    fn read(self, holder: &Holder, offset: u64) -> Vec<String> {
        let offset = offset.to_string();
        match self {
            Self::Output(output) => command(holder, &["read", "--offset", &offset, &output.path]),
            Self::Checkpoint => command(holder, &["checkpoint", "read", "--offset", &offset]),
        }
    }

    /// Where its part at `offset` goes.
    fn path(self, target: &Target, index: u32, offset: u64, total: u64, digest: &str) -> String {
        match self {
            Self::Output(output) => target.output(&output.name, index, offset, total, digest),
            Self::Checkpoint => target.checkpoint(index, offset, total, digest),
        }
    }
}

/// Hands all `outputs` to the hub. Those in `known` it has already.
pub async fn collect(
    holder: Holder,
    outputs: Vec<Output>,
    known: Vec<OutputArtifact>,
    hub: Client,
    target: Target,
    uploads: Arc<Semaphore>,
) -> Collected {
    let mut collected = Collected { pod_uid: holder.pod_uid.clone(), ..Collected::default() };
    for output in &outputs {
        let here = |o: &&OutputArtifact| o.index == holder.index && o.name == output.name;
        if let Some(known) = known.iter().find(here) {
            collected.kept.push(known.clone());
            continue;
        }
        // A few at a time: the owner's line is shared, and every part is held in memory.
        let _turn = uploads.acquire().await;
        match keep(&holder, output, &hub, &target).await {
            Ok(kept) => collected.kept.push(kept),
            Err(Failed::Note(why)) => {
                collected.notes.push(format!("output {} of index {}: {why}", output.name, holder.index));
            }
            Err(Failed::Gone) => {
                let note =
                    format!("output {} of index {}: its pod was gone before it was fetched", output.name, holder.index);
                collected.notes.push(note);
            }
        }
    }
    collected
}

async fn keep(holder: &Holder, output: &Output, hub: &Client, target: &Target) -> Result<OutputArtifact, Failed> {
    let mut restarts = Backoff::new();
    loop {
        let (size, digest) = stat(holder, output).await?;
        match send(holder, Piece::Output(output), (size, digest), hub, target).await {
            Ok(()) => {
                return Ok(OutputArtifact { name: output.name.clone(), index: holder.index, digest, size_bytes: size });
            }
            Err(SendError::Failed(failed)) => return Err(failed),
            Err(SendError::Restart(why)) if restarts.tries() < MAX_RESTARTS => {
                tracing::info!(pod = holder.pod, output = output.name, why, "an output is sent anew");
                restarts.wait().await;
            }
            Err(SendError::Restart(why)) => return Err(Failed::Note(why)),
        }
    }
}

/// The file's size and digest, as told by the outputs container.
async fn stat(holder: &Holder, output: &Output) -> Result<(u64, Digest), Failed> {
    let max = output.max_bytes.to_string();
    let command = command(holder, &["stat", "--max-bytes", &max, &output.path]);
    let mut backoff = Backoff::new();
    loop {
        match exec::answer(&holder.pods, &holder.pod, &command).await {
            Ok(bytes) => match serde_json::from_slice::<Stat>(&bytes) {
                Ok(Stat::File { size, digest }) => return Ok((size, digest)),
                Ok(Stat::Problem(problem)) => return Err(Failed::Note(words(problem, output))),
                Err(error) => tracing::warn!(pod = holder.pod, %error, "the outputs container's answer can't be read"),
            },
            Err(ExecError::Gone) => return Err(Failed::Gone),
            Err(error) => tracing::info!(pod = holder.pod, %error, "outputs can't be read now"),
        }
        if (holder.gone)() {
            return Err(Failed::Gone);
        }
        backoff.wait().await;
    }
}

fn words(problem: StatProblem, output: &Output) -> String {
    match problem {
        StatProblem::Missing => format!("there is no file {}", output.path),
        StatProblem::NotAFile => format!("{} isn't a plain file", output.path),
        StatProblem::TooLarge(size) => format!("{size} bytes are more than its maxBytes ({})", output.max_bytes),
        StatProblem::Unreadable => format!("{} can't be read", output.path),
    }
}

/// Why something wasn't sent.
pub(super) enum SendError {
    /// Begin anew: what was sent and what the hub expected don't fit.
    Restart(String),
    /// It can't be kept.
    Failed(Failed),
}

/// Sends the file, going on where it was when the hub was away or the connection to the pod broke off.
pub(super) async fn send(
    holder: &Holder,
    piece: Piece<'_>,
    (size, digest): (u64, Digest),
    hub: &Client,
    target: &Target,
) -> Result<(), SendError> {
    let text = digest.to_string();
    let path = |offset| piece.path(target, holder.index, offset, size, &text);
    let mut hash = Sha256::new();
    let mut offset = 0;
    let mut backoff = Backoff::new();
    loop {
        let mut stream = match exec::stream(&holder.pods, &holder.pod, &piece.read(holder, offset)).await {
            Ok(stream) => stream,
            Err(ExecError::Gone) => return Err(SendError::Failed(Failed::Gone)),
            Err(error) => {
                tracing::info!(pod = holder.pod, %error, "{} can't be read now", piece.name());
                if (holder.gone)() {
                    return Err(SendError::Failed(Failed::Gone));
                }
                backoff.wait().await;
                continue;
            }
        };
        while let Ok(part) = stream.read(PART).await {
            let last = offset + part.len() as u64 >= size;
            if part.is_empty() && size > 0 || part.len() < PART && !last {
                break;
            }
            hash.update(&part);
            if last && Digest::from_bytes(hash.clone().finalize().into()) != digest {
                return Err(SendError::Restart("the file changed while it was read".to_owned()));
            }
            let length = part.len() as u64;
            put(hub, &path(offset), part).await?;
            (offset, backoff) = (offset + length, Backoff::new());
            if last {
                return Ok(());
            }
        }
        backoff.wait().await;
    }
}

/// Sends one part for as long as it takes.
async fn put(hub: &Client, path: &str, part: Vec<u8>) -> Result<(), SendError> {
    let mut backoff = Backoff::new();
    loop {
        match upload::put(hub, path, part.clone()).await {
            Ok(()) => return Ok(()),
            Err(PutError::Restart(why)) => return Err(SendError::Restart(why)),
            Err(PutError::Refused(why)) => return Err(SendError::Failed(Failed::Note(why))),
            Err(PutError::Again(why)) => {
                tracing::info!(why, "an output waits for the hub");
                backoff.wait().await;
            }
        }
    }
}

pub(super) fn command(holder: &Holder, words: &[&str]) -> Vec<String> {
    let program = [holder.binary.as_str(), "outputs"];
    program.iter().chain(words).map(|word| (*word).to_owned()).collect()
}
