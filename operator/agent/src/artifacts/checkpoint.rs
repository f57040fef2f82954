//! Checkpoints: taken from work while it runs, and put back into the next pod of the same index.
//!
//! Work may have no network, and a member's cluster no way in: so the agent reads a checkpoint out of the pod that has it,
//! hands it to the hub, and carries it into the pod that goes on from it.

use std::{sync::Arc, time::Duration};

use eai_api::{aijob::Checkpoint, artifact::CheckpointArtifact};
use eai_runtime::clock;
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

/// How often work that is over is looked at again when that fails.
const TRIES: u32 = 5;

/// How far the work of a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It was asked to go, at this time in Unix seconds, and may leave one more checkpoint.
    Leaving(i64),
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
    let (mut seen, mut failures) = (String::new(), 0);
    let mut leaving: Option<tokio::time::Instant> = None;
    loop {
        let life = (keeper.life)();
        if life == Life::Gone {
            return;
        }
        let found = look(&keeper, &mut seen, &hub, &target, &uploads).await;
        let later = matches!(found, Found::Later);
        match found {
            Found::Gone => return,
            Found::Saved(artifact) => {
                keeper.known = Some(artifact.clone());
                tell(artifact);
            }
            Found::Nothing | Found::Later => {}
        }
        if matches!(life, Life::Leaving(_)) {
            leaving.get_or_insert_with(tokio::time::Instant::now);
        }
        failures = if later { failures + 1 } else { 0 };
        if is_last(life, &seen, later && failures < TRIES, leaving.map(|since| since.elapsed())) {
            return;
        }
        pause(&keeper, life).await;
    }
}

/// Whether there is nothing to look for any more. `seen` is the mark of what the hub has, `again` whether this look is to be
/// made again, and `leaving` for how long the work has been about to go.
fn is_last(life: Life, seen: &str, again: bool, leaving: Option<Duration>) -> bool {
    match life {
        Life::Gone => true,
        Life::Running => false,
        Life::Over => !again,
        // What was written since it was asked to go is what it saved for that.
        Life::Leaving(since) => {
            let written = seen.rsplit_once('-').and_then(|(_, at)| at.split_once('.')?.0.parse::<i64>().ok());
            leaving.is_some_and(|for_| for_ >= LAST_WORDS) || (!again && written.is_some_and(|at| at >= since))
        }
    }
}

/// Waits for the next look: sooner once the work is about to end.
async fn pause(keeper: &Keeper, life: Life) {
    let until = tokio::time::Instant::now() + Duration::from_secs(u64::from(keeper.wanted.every_seconds));
    loop {
        tokio::time::sleep(SOON).await;
        let changed = (keeper.life)() != life || life != Life::Running;
        if changed || tokio::time::Instant::now() >= until {
            return;
        }
    }
}

/// What a look came to.
enum Found {
    /// A new checkpoint, which the hub has now.
    Saved(CheckpointArtifact),
    /// None that is new.
    Nothing,
    /// It couldn't be read, or was replaced meanwhile.
    Later,
    /// The pod is gone, and what it held.
    Gone,
}

/// The pod is gone.
struct Ended;

/// Hands the checkpoint that is there to the hub, if it is another than `seen` and than the hub has.
async fn look(keeper: &Keeper, seen: &mut String, hub: &Client, target: &Target, uploads: &Semaphore) -> Found {
    let Keeper { holder, wanted, known, .. } = keeper;
    let mark = match ask(holder, &["mark"]).await {
        Ok(Some(mark)) => String::from_utf8_lossy(&mark).into_owned(),
        Ok(None) => return Found::Later,
        Err(Ended) => return Found::Gone,
    };
    if mark.is_empty() || mark == *seen {
        return Found::Nothing;
    }
    // A few at a time: the owner's line is shared, and every part is held in memory.
    let _turn = uploads.acquire().await;
    let stat = match ask(holder, &["stat", "--max-bytes", &wanted.max_bytes.to_string()]).await {
        Ok(Some(stat)) => serde_json::from_slice::<Stat>(&stat),
        Ok(None) => return Found::Later,
        Err(Ended) => return Found::Gone,
    };
    let Ok(Stat::File { size, digest }) = stat else {
        tracing::info!(pod = holder.pod, ?stat, "a checkpoint isn't kept");
        *seen = mark;
        return Found::Nothing;
    };
    if known.as_ref().is_some_and(|known| known.digest == digest) {
        *seen = mark;
        return Found::Nothing;
    }
    match send(holder, Piece::Checkpoint, (size, digest), hub, target).await {
        Ok(()) => {
            *seen = mark;
            let at = Timestamp::from_second(clock::now().as_second()).unwrap_or_default();
            Found::Saved(CheckpointArtifact { index: holder.index, digest, size_bytes: size, at: Time(at) })
        }
        // It was replaced while it was read: the next look finds the new one.
        Err(SendError::Restart(why)) => {
            tracing::debug!(pod = holder.pod, why, "a checkpoint is sent anew");
            Found::Later
        }
        Err(SendError::Failed(Failed::Gone)) => Found::Gone,
        Err(SendError::Failed(Failed::Note(why))) => {
            tracing::warn!(pod = holder.pod, why, "the hub doesn't take a checkpoint");
            *seen = mark;
            Found::Nothing
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_look_is_the_one_after_the_work_or_its_last_words() {
        let (before, after) = ("7-100-1500.000000001", "8-100-1600.000000000");
        let asked = Life::Leaving(1600);
        let soon = Some(Duration::from_secs(1));
        for (life, seen, again, leaving, last) in [
            (Life::Running, after, false, None, false),
            (Life::Over, before, false, None, true),
            (Life::Over, before, true, None, false),
            (Life::Gone, before, true, None, true),
            // What it had saved before isn't what it saves now.
            (asked, before, false, soon, false),
            (asked, "", false, soon, false),
            (asked, after, false, soon, true),
            (asked, after, true, soon, false),
            (asked, before, true, Some(LAST_WORDS), true),
        ] {
            assert_eq!(is_last(life, seen, again, leaving), last, "{life:?} {seen} {again} {leaving:?}");
        }
    }
}
