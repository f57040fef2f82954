//! Checkpoints: taken from work while it runs, and put back into the next pod of the same index.
//!
//! Work may have no network, and a member's cluster no way in: so the agent reads a checkpoint out of the pod that has it,
//! hands it to the hub, and carries it into the pod that goes on from it.

use std::{sync::Arc, time::Duration};

use eai_api::{aijob::Checkpoint, artifact::CheckpointArtifact};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::Client;
use tokio::sync::Semaphore;

use super::{
    download::{self, Fetched, GetError},
    exec::{self, ExecError},
    output::{Failed, Holder, Piece, SendError, command, send},
    upload::{Backoff, Target},
};
use crate::{sidecar::Stat, work::pods::RESTORE_CONTAINER};

/// Between looks at work that is about to end.
const SOON: Duration = Duration::from_secs(1);
/// For how long work that was asked to go is given to leave a last checkpoint, within the grace that its pod has.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// How far the work of a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It was asked to go, and may leave one more checkpoint.
    Leaving,
    /// It has ended: there will be no other.
    Over,
    /// Its pod can't be read any more.
    Gone,
}

/// A pod whose work leaves checkpoints.
pub struct Keeper {
    /// The pod.
    pub holder: Holder,
    /// What its vendor asked for.
    pub wanted: Checkpoint,
    /// How far its work is.
    pub life: Arc<dyn Fn() -> Life + Send + Sync>,
    /// What the hub has already.
    pub known: Option<CheckpointArtifact>,
}

/// Hands each new checkpoint to the hub, at most one in `everySeconds`, until the work is over and its last one is there.
/// `tell` is called with each that the hub has.
pub async fn save(
    mut keeper: Keeper,
    hub: Client,
    target: Target,
    uploads: Arc<Semaphore>,
    tell: impl Fn(CheckpointArtifact),
) {
    let mut seen = String::new();
    let mut leaving: Option<tokio::time::Instant> = None;
    loop {
        let life = (keeper.life)();
        if life == Life::Gone {
            return;
        }
        if life == Life::Leaving {
            leaving.get_or_insert_with(tokio::time::Instant::now);
        }
        let saved = match look(&keeper, &mut seen, &hub, &target, &uploads).await {
            Ok(saved) => saved,
            Err(Ended) => return,
        };
        if let Some(artifact) = &saved {
            keeper.known = Some(artifact.clone());
            tell(artifact.clone());
        }
        let last = leaving.is_some_and(|since| saved.is_some() || since.elapsed() >= LAST_WORDS);
        if life == Life::Over || last {
            return;
        }
        pause(&keeper, life).await;
    }
}

/// Waits for the next look: sooner once the work is about to end.
async fn pause(keeper: &Keeper, life: Life) {
    let until = tokio::time::Instant::now() + Duration::from_secs(u64::from(keeper.wanted.every_seconds));
    loop {
        tokio::time::sleep(SOON).await;
        let changed = (keeper.life)() != life || life == Life::Leaving;
        if changed || tokio::time::Instant::now() >= until {
            return;
        }
    }
}

/// The pod is gone, and what it held.
struct Ended;

/// Hands the checkpoint that is there to the hub, if it is another than `seen` and than the hub has.
async fn look(
    keeper: &Keeper,
    seen: &mut String,
    hub: &Client,
    target: &Target,
    uploads: &Semaphore,
) -> Result<Option<CheckpointArtifact>, Ended> {
    let Keeper { holder, wanted, known, .. } = keeper;
    let Some(mark) = ask(holder, &["mark"]).await? else { return Ok(None) };
    let mark = String::from_utf8_lossy(&mark).into_owned();
    if mark.is_empty() || mark == *seen {
        return Ok(None);
    }
    // A few at a time: the owner's line is shared, and every part is held in memory.
    let _turn = uploads.acquire().await;
    let Some(stat) = ask(holder, &["stat", "--max-bytes", &wanted.max_bytes.to_string()]).await? else {
        return Ok(None);
    };
    let (size, digest) = match serde_json::from_slice::<Stat>(&stat) {
        Ok(Stat::File { size, digest }) => (size, digest),
        other => {
            tracing::info!(pod = holder.pod, ?other, "a checkpoint isn't kept");
            *seen = mark;
            return Ok(None);
        }
    };
    if known.as_ref().is_some_and(|known| known.digest == digest) {
        *seen = mark;
        return Ok(None);
    }
    match send(holder, Piece::Checkpoint, (size, digest), hub, target).await {
        Ok(()) => {
            *seen = mark;
            let at = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
            Ok(Some(CheckpointArtifact { index: holder.index, digest, size_bytes: size, at: Time(at) }))
        }
        // It was replaced while it was read: the next look finds the new one.
        Err(SendError::Restart(why)) => {
            tracing::debug!(pod = holder.pod, why, "a checkpoint is sent anew");
            Ok(None)
        }
        Err(SendError::Failed(Failed::Gone)) => Err(Ended),
        Err(SendError::Failed(Failed::Note(why))) => {
            tracing::warn!(pod = holder.pod, why, "the hub doesn't take a checkpoint");
            *seen = mark;
            Ok(None)
        }
    }
}

/// Asks the container beside the work; `None` if it can't answer now.
async fn ask(holder: &Holder, words: &[&str]) -> Result<Option<Vec<u8>>, Ended> {
    let command = command(holder, &[&["checkpoint"], words].concat());
    match exec::answer(&holder.pods, &holder.pod, &command).await {
        Ok(answer) => Ok(Some(answer)),
        Err(ExecError::Gone) => Err(Ended),
        Err(error) => {
            tracing::info!(pod = holder.pod, %error, "a checkpoint can't be read now");
            if (holder.gone)() { Err(Ended) } else { Ok(None) }
        }
    }
}

/// Puts the last checkpoint that the hub has of the pod's index into the pod, if there is one, and lets its work begin.
pub async fn restore(holder: Holder, hub: Client, target: Target) {
    let mut backoff = Backoff::new();
    while !(holder.gone)() {
        match put_back(&holder, &hub, &target).await {
            Ok(restored) => {
                tracing::info!(pod = holder.pod, restored, "work may begin");
                return;
            }
            Err(why) => tracing::info!(pod = holder.pod, why, "a checkpoint can't be put back yet"),
        }
        backoff.wait().await;
    }
}

async fn put_back(holder: &Holder, hub: &Client, target: &Target) -> Result<bool, String> {
    let path = target.checkpoint_of(holder.index);
    let first = match download::part(hub, &path, 0).await {
        Ok(first) => Some(first),
        Err(GetError::Missing) => None,
        Err(GetError::Again(why)) => return Err(why),
    };
    if let Some(first) = &first {
        feed(holder, hub, &path, first).await?;
    }
    let done = command(holder, &["done"]);
    match exec::answer_of(&holder.pods, &holder.pod, RESTORE_CONTAINER, &done).await {
        // It has ended: it was told before, by an agent that ended then.
        Ok(_) | Err(ExecError::Gone) => Ok(first.is_some()),
        Err(error) => Err(error.to_string()),
    }
}

/// Carries a checkpoint from the hub into the pod, part by part.
async fn feed(holder: &Holder, hub: &Client, path: &str, first: &Fetched) -> Result<(), String> {
    let (size, digest) = (first.total.to_string(), first.digest.to_string());
    let store = command(holder, &["checkpoint", "store", "--size", &size, "--digest", &digest]);
    let mut inlet =
        exec::inlet(&holder.pods, &holder.pod, RESTORE_CONTAINER, &store).await.map_err(|e| e.to_string())?;
    inlet.write(&first.bytes).await.map_err(|e| e.to_string())?;
    let mut offset = first.bytes.len() as u64;
    while offset < first.total {
        let part = match download::part(hub, path, offset).await {
            Ok(part) if part.digest == first.digest && !part.bytes.is_empty() => part,
            Ok(_) => return Err("the hub has another one now".to_owned()),
            Err(error) => return Err(error.to_string()),
        };
        inlet.write(&part.bytes).await.map_err(|e| e.to_string())?;
        offset += part.bytes.len() as u64;
    }
    inlet.finish().await.map_err(|e| e.to_string())
}
