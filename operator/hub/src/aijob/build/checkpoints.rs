//! Checkpoints that the hub has: acknowledged in the job's status, where the next attempt finds them, and worth their
//! usage if the member loses the attempt after.

use eai_api::{
    AIJobStatus,
    aijob::Attempt,
    artifact::{CheckpointArtifact, SavedCheckpoint},
};

use super::{plan::Plan, situation::Situation};

/// How fast a member's line is taken to be at least.
const FETCH_BYTES_PER_SECOND: u64 = 512 << 10;

/// How long it may take a member to fetch what the work goes on from, before it begins.
pub fn fetch_seconds(status: &AIJobStatus) -> u64 {
    let bytes = status.checkpoints.iter().fold(0u64, |sum, saved| sum.saturating_add(saved.size_bytes));
    bytes / FETCH_BYTES_PER_SECOND
}

/// Those that `reported` names, of the attempt's own, and that the job's record doesn't have yet.
pub fn unknown<'a>(
    status: &AIJobStatus,
    attempt: &Attempt,
    reported: &'a [CheckpointArtifact],
) -> Vec<&'a CheckpointArtifact> {
    let known = |told: &CheckpointArtifact| {
        let same = |saved: &SavedCheckpoint| saved.index == told.index && saved.epoch == attempt.epoch;
        status.checkpoints.iter().any(|saved| same(saved) && saved.digest == told.digest)
    };
    reported.iter().filter(|told| !known(told)).collect()
}

/// Acknowledges what is stored: one for each index, the last. Usage counts as it stands now.
pub fn acknowledge(s: &Situation<'_>, plan: &mut Plan, attempt: &Attempt) {
    for stored in &s.stored {
        let saved = SavedCheckpoint {
            index: stored.index,
            epoch: attempt.epoch,
            digest: stored.digest,
            size_bytes: stored.size_bytes,
            at: s.now_time(),
            usage_ms: attempt.usage_ms,
        };
        let all = &mut plan.status.checkpoints;
        match all.binary_search_by_key(&saved.index, |known| known.index) {
            Ok(at) => all[at] = saved,
            Err(at) => all.insert(at, saved),
        }
    }
}

/// Usage that the vendor has something to show for, should the attempt be lost now: that at the oldest of its indexes'
/// last checkpoints, and none while an index has left none in this attempt.
pub fn usage_saved(status: &AIJobStatus, attempt: &Attempt, completions: u32) -> u64 {
    let own = || status.checkpoints.iter().filter(|saved| saved.epoch == attempt.epoch && saved.index < completions);
    let all = own().count() >= completions as usize;
    own().map(|saved| saved.usage_ms).min().filter(|_| all).unwrap_or(0)
}
