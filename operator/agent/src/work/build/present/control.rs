//! Suspending, resuming, ending what runs too long, giving up what can't start.

use std::time::Duration;

use super::{View, Wanted};
use crate::work::{
    build::{Step, report},
    pods::{PodFact, Work},
    snapshot::{Outcome, Words},
};

/// For how long a pod whose work has succeeded keeps its attempt from being suspended: suspending would throw its
/// outputs away, and run its index again after.
const COLLECT_FIRST: Duration = Duration::from_secs(20);

impl View<'_> {
    /// Suspends, resumes, ends what ran too long, and keeps the Job from ending while this agent looks after it.
    pub(super) fn control(&self, given_up: Option<&Words>) -> Vec<Step> {
        if self.job.over() {
            return Vec::new();
        }
        let mut steps = Vec::new();
        match given_up {
            Some(words) if self.job.given_up.is_none() => steps.push(Step::GiveUp(words.clone())),
            // What is fenced is held already.
            _ if self.hold() && !self.job.suspended() && !self.fenced() => steps.push(Step::Suspend(true)),
            _ if !self.hold() && self.job.suspended() => steps.push(self.resume()),
            _ => {}
        }
        let overdue =
            self.snapshot.pods.iter().filter(|pod| pod.deleted_at.is_none() && self.time_left(pod) == Some(0));
        steps.extend(overdue.map(|pod| Step::End { pod: pod.name.clone() }));
        steps.extend(self.end_of_job());
        steps
    }

    /// Whether the Job is to be suspended now.
    pub(super) fn hold(&self) -> bool {
        let collecting = |pod: &PodFact| {
            let finish_ms = pod.run().filter(|run| run.exit == 0).map(|run| run.finish_ms);
            let since = finish_ms.map(|ms| Duration::from_millis(self.snapshot.now_ms().saturating_sub(ms)));
            !pod.terminal && pod.deleted_at.is_none() && since.is_some_and(|since| since < COLLECT_FIRST)
        };
        match self.wanted {
            Wanted::Run => false,
            _ if self.job.suspended() || self.job.given_up.is_some() => true,
            // Also a pod that holds no more than outputs ends then; but not what is done.
            _ if self.fenced() => !self.work_over() || self.snapshot.pods.iter().any(PodFact::live),
            // It is as good as done, and nothing of it is billed any more.
            _ if self.work_over() => false,
            Wanted::Stop | Wanted::Wait => true,
            Wanted::Pause => !self.snapshot.pods.iter().any(collecting),
        }
    }

    /// Milliseconds that the work of `pod` may still run; `None` if it isn't running.
    pub(super) fn time_left(&self, pod: &PodFact) -> Option<u64> {
        let Work::Running { start_ms } = pod.work else { return None };
        let most = self.snapshot.longest_ms(self.job);
        Some(start_ms.saturating_add(most).saturating_sub(self.snapshot.now_ms()))
    }

    /// Why the attempt is to be given up, if it is: a pod that can't be made or started for too long, or whose
    /// node is gone.
    pub(super) fn hopeless(&self) -> Option<Words> {
        if self.job.outcome != Outcome::Open {
            return None;
        }
        if self.podless_left().is_some_and(|left| left.is_zero()) {
            return Some(self.start_failed(None));
        }
        if let Some(words) = self.taken_away() {
            return Some(words);
        }
        self.snapshot.pods.iter().find_map(|pod| {
            if report::is_stuck(pod, self.snapshot.now) {
                return Some(Words::new("NodeLost", format!("index {}: its node doesn't answer any more", pod.index)));
            }
            let overdue = self.wanted == Wanted::Run && self.start_left(pod)?.is_zero();
            overdue.then(|| self.start_failed(Some(pod)))
        })
    }
}
