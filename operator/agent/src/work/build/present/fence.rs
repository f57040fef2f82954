//! What a grant means for a Job that exists: that it ends with it, and goes on with the next.

use std::time::Duration;

use eai_api::{aijob::OnHubLoss, assignment::Desired};
use eai_core::fencing::{Verdict, term::SUSPEND_LEAD_MS};

use super::{EXTEND_BELOW, HOLD_CHECK, View, Wanted};
use crate::work::{
    build::{
        Step,
        grant::{self, End},
        job::{UNATTENDED_SECONDS, unattended_deadline},
    },
    pods::PodFact,
    snapshot::{JobFact, Snapshot, Words, unix_ms},
};

/// With less than this left of a grant the pods of work that was suspended are ended one by one: its controllers, which do
/// that within a moment, may be down. They come first, because they alone know what they have counted.
const PODS_MS: u64 = SUSPEND_LEAD_MS - 1_000;
/// An end that is no more than this before that of the grant stays. Clocks that are read twice are never quite equal.
const NEAR_SECONDS: u64 = 2;

/// What is wanted of work that the hub wants to run.
pub(super) fn wanted(snapshot: &Snapshot, job: &JobFact) -> Wanted {
    match snapshot.verdict(Some(job)) {
        None | Some(Verdict::Granted { .. }) => Wanted::Run,
        Some(Verdict::Leave) if !job.suspended() => Wanted::Run,
        Some(Verdict::Leave | Verdict::Fence) => Wanted::Wait,
    }
}

impl View<'_> {
    /// Whether its right to run is over.
    pub(super) fn fenced(&self) -> bool {
        self.verdict == Some(Verdict::Fence)
    }

    /// Whether it ends with its grant.
    pub(super) fn ends_with_grant(&self) -> bool {
        self.verdict.is_some() && self.snapshot.assignment.spec.on_hub_loss == OnHubLoss::SelfFence
    }

    /// Ends what has no right to run any more. Comes before everything else.
    pub(super) fn fence(&self) -> Vec<Step> {
        if !self.fenced() || self.job.over() {
            return Vec::new();
        }
        let (hold, mut steps) = (self.hold(), Vec::new());
        if hold && !self.job.suspended() {
            steps.push(Step::Suspend(true));
        }
        let left_ms = self.snapshot.term.remaining_ms(self.snapshot.boot);
        let left_ms = left_ms.or_else(|| self.job.left_ms(self.snapshot.now_ms()));
        if left_ms.is_none_or(|left| left <= PODS_MS) {
            steps.extend(self.snapshot.pods.iter().filter(|pod| pod.live()).map(|pod| ending(pod, hold)));
        }
        steps
    }

    /// Lets the Job go on; under a grant with the end that is the grant's.
    pub(super) fn resume(&self) -> Step {
        match self.verdict {
            Some(Verdict::Granted { remaining_ms }) if self.ends_with_grant() => {
                let (workload, now_ms) = (&self.snapshot.assignment.spec.workload, self.snapshot.now_ms());
                Step::Resume(End::next(workload, self.job, now_ms, remaining_ms))
            }
            _ => Step::Suspend(false),
        }
    }

    /// Puts the Job's end where it belongs, if that isn't where it is.
    pub(super) fn end_of_job(&self) -> Option<Step> {
        match self.verdict {
            Some(Verdict::Granted { remaining_ms }) if self.ends_with_grant() => self.granted_end(remaining_ms),
            Some(_) if self.ends_with_grant() => self.written_end(),
            _ => self.unattended_end(),
        }
    }

    /// The end of a grant, or that of a Job that nobody looks after if that comes first: a grant for a day is no leave to
    /// run for a day without an agent.
    fn granted_end(&self, remaining_ms: u64) -> Option<Step> {
        let job = self.job;
        let started = job.started.filter(|_| !job.suspended() && !job.resuming)?;
        let (start_ms, now_ms) = (unix_ms(started), self.snapshot.now_ms());
        let elapsed = now_ms.saturating_sub(start_ms) / 1_000;
        let end = End::after(start_ms, now_ms, remaining_ms);
        let granted = end.seconds;
        let unattended = unattended_deadline(&self.snapshot.assignment.spec.workload);
        let wish = granted.min(unattended.max(elapsed.saturating_add(UNATTENDED_SECONDS)));
        let stays = match job.deadline {
            Some(stands) if stands > granted => false,
            Some(stands) if wish < granted => wish <= stands || stands >= elapsed.saturating_add(EXTEND_BELOW),
            Some(stands) => wish < stands.saturating_add(NEAR_SECONDS),
            None => false,
        };
        (!stays).then_some(Step::Deadline(End { seconds: wish, ..end }))
    }

    /// What an agent that remembers no grant does: nothing, unless the Job's start, which came later than was allowed for,
    /// has moved its end beyond the one that was written down.
    fn written_end(&self) -> Option<Step> {
        let until_ms = self.job.lent_until_ms?;
        let start_ms = unix_ms(self.job.started.filter(|_| !self.job.suspended() && !self.job.resuming)?);
        let seconds = until_ms.saturating_sub(start_ms) / 1_000;
        (self.job.deadline? > seconds).then_some(Step::Deadline(End { seconds, until_ms }))
    }

    fn unattended_end(&self) -> Option<Step> {
        let (Some(started), Some(deadline), false) = (self.job.started, self.job.deadline, self.job.suspended()) else {
            return None;
        };
        let elapsed = self.snapshot.now.duration_since(started).unsigned_abs().as_secs();
        let due = deadline < elapsed.saturating_add(EXTEND_BELOW);
        due.then(|| Step::Extend(elapsed.saturating_add(UNATTENDED_SECONDS)))
    }

    /// When its grant is to be looked at though nothing has happened.
    pub(super) fn fence_looks(&self) -> Option<Duration> {
        let at = grant::fence_at(self.snapshot)?;
        let left = Duration::from_millis(at.since(self.snapshot.boot));
        // What is due is looked at until it is done: its controllers first, then its pods.
        Some(if left.is_zero() { HOLD_CHECK / 2 } else { left })
    }

    /// Whether it waits for a grant, and nothing of it runs or will before.
    pub(super) fn waits_for_grant(&self) -> bool {
        self.wanted == Wanted::Wait && self.job.suspended() && self.recorded()
    }

    /// Why it is paused.
    pub(super) fn why_paused(&self) -> Words {
        if self.snapshot.assignment.spec.desired == Desired::Pause {
            return Words::new("Paused", "the hub asked for it");
        }
        Words::new(
            "Fenced",
            "the hub hasn't renewed its right to run, so it was suspended; it goes on when the hub does",
        )
    }

    /// Why the member's cluster ended its Job.
    pub(super) fn why_expired(&self) -> Words {
        if self.ends_with_grant() {
            let text = "its right to run ran out while its agent was away, so the member's cluster ended it";
            return Words::new("FenceExpired", text);
        }
        Words::new("AgentAway", "its agent didn't look after it, so the member's cluster ended it")
    }
}

/// Ends `pod`; so that it runs again later if its Job is on `hold`.
fn ending(pod: &PodFact, hold: bool) -> Step {
    match pod.tracked_at.filter(|_| hold) {
        Some(at) => Step::Interrupt { pod: pod.name.clone(), at },
        None => Step::End { pod: pod.name.clone() },
    }
}
