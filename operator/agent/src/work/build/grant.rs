//! Grants: when the end of one is due, and the ends that Jobs are given for them.

use eai_api::{aijob::OnHubLoss, assignment::Workload};
use eai_core::fencing::{
    BootMs, Verdict,
    policy::SYNC_MS,
    term::{SUSPEND_LEAD_MS, deadline_seconds},
};
use k8s_openapi::api::batch::v1::Job;

use super::job::unattended_deadline;
use crate::work::{
    pods::PodFact,
    snapshot::{JobFact, Snapshot, unix_ms},
};

/// Annotation of a Job that runs under grants, whatever becomes of its Assignment: until when, in Unix milliseconds; empty
/// if that isn't bounded.
pub const LENT: &str = "eai.network/lent";
/// For how long a Job that is resumed keeps clear of an end that is counted from its former start.
const CLEAR_MS: u64 = 30_000;

/// From when on the attempt must not run, if anything of it runs or may; 0 if it is to end now.
pub fn fence_at(snapshot: &Snapshot) -> Option<BootMs> {
    let job = snapshot.job.as_ref().filter(|job| !job.over() && !snapshot.is_foreign(job))?;
    if snapshot.previous.phase.is_final() || (job.suspended() && !snapshot.pods.iter().any(PodFact::live)) {
        return None;
    }
    let fences = snapshot.assignment.spec.on_hub_loss == OnHubLoss::SelfFence;
    let left_ms = match snapshot.verdict(Some(job)).filter(|_| fences)? {
        Verdict::Granted { remaining_ms } => remaining_ms,
        Verdict::Leave => job.left_ms(snapshot.now_ms())?,
        Verdict::Fence => return Some(BootMs(0)),
    };
    Some(snapshot.boot.after(left_ms.saturating_sub(SUSPEND_LEAD_MS)))
}

/// When a Job is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// So many seconds after its start.
    pub seconds: u64,
    /// When that is to be at the latest, in Unix milliseconds by the member's time of day: the end of its grant. It is
    /// written down with the other, for an agent that begins anew before the Job's start is known.
    pub until_ms: u64,
}

impl End {
    /// That of a Job that has no start yet and may run for `remaining_ms`. Its start is its controller's to write, when
    /// that sees it, so the time that words take here is kept back; the rest is added once the start is known.
    pub fn first(workload: &Workload, now_ms: u64, remaining_ms: u64) -> Self {
        let kept_back = remaining_ms.saturating_sub(SYNC_MS).max(remaining_ms / 2);
        let seconds = (kept_back / 1_000).clamp(1, unattended_deadline(workload));
        Self { seconds, until_ms: now_ms.saturating_add(remaining_ms) }
    }

    /// That of a suspended Job that goes on now and may run for `remaining_ms`: it is counted from a start that is still
    /// to be written.
    ///
    /// Where the former start stands there still, as it does before Kubernetes 1.36, or because the controller hasn't
    /// seen that the Job was suspended, it is looked at once more first: an end that is over by then fails the Job for
    /// good. So it is put a little beyond now, within the grant, and is right only once the new start is known.
    pub fn next(workload: &Workload, job: &JobFact, now_ms: u64, remaining_ms: u64) -> Self {
        let first = Self::first(workload, now_ms, remaining_ms);
        let Some(former) = job.started else { return first };
        let clear = deadline_seconds(now_ms.saturating_sub(unix_ms(former)), remaining_ms.min(CLEAR_MS));
        Self { seconds: first.seconds.max(clear), ..first }
    }

    /// That of a Job that began at `start_ms` and may run for `remaining_ms`.
    pub fn after(start_ms: u64, now_ms: u64, remaining_ms: u64) -> Self {
        // A controller's clock may be a little ahead.
        let ahead = start_ms.saturating_sub(now_ms);
        let elapsed = now_ms.saturating_sub(start_ms);
        let seconds = deadline_seconds(elapsed, remaining_ms.saturating_sub(ahead));
        Self { seconds, until_ms: now_ms.saturating_add(remaining_ms) }
    }
}

/// Makes `job`, which isn't there yet, one that runs under grants. Its end is that of its grant if it has one: work that
/// is to run on where the hub is out of sight has none but that of a Job nobody looks after.
pub fn lend(job: &mut Job, end: Option<End>) {
    let until = end.map(|end| end.until_ms.to_string()).unwrap_or_default();
    job.metadata.annotations.get_or_insert_default().insert(LENT.to_owned(), until);
    if let (Some(spec), Some(end)) = (&mut job.spec, end) {
        spec.active_deadline_seconds = i64::try_from(end.seconds).ok();
    }
}
