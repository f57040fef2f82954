//! Pods that aren't running yet: what they wait for, and how long they may.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{View, Wanted};
use crate::work::{
    pods::{PodFact, Restore, Work},
    snapshot::Words,
};

/// How long a pod that isn't the attempt's first may take to start, whether or not anything is known to be wrong: another
/// node may have to pull the image first. The hub waits a little longer than this, so that it is told why. Where nothing
/// is wrong, how long the first pod may take is the hub's to say: it promised the vendor a time.
const LATER_START: Duration = Duration::from_mins(10);
/// A pod that takes longer than this to start is told of: what it waits for may be of interest to its vendor.
const TELL_AFTER: Duration = Duration::from_secs(30);

impl View<'_> {
    /// How long `pod` may still take to start; `None` if it doesn't wait for that, or nothing bounds it here.
    pub(super) fn start_left(&self, pod: &PodFact) -> Option<Duration> {
        // How long its checkpoint takes to come is the hub's to judge.
        if pod.restore == Restore::Running {
            return None;
        }
        let bound = self.bound(is_problem(waits_for(pod)?))?;
        Some(bound.saturating_sub(self.waited(pod)?))
    }

    /// For how long a pod may not start, or not be there, in trouble or without any that is known.
    fn bound(&self, trouble: bool) -> Option<Duration> {
        match (trouble, self.begun()) {
            (true, false) => Some(Duration::from_secs(self.snapshot.start_within)),
            (_, true) => Some(LATER_START),
            (false, false) => None,
        }
    }

    /// Whether any of its work ever ran.
    fn begun(&self) -> bool {
        self.ledger.first_start_ms().is_some() || self.snapshot.previous.started_at.is_some()
    }

    /// Why an attempt is given up that can't start, or, having run, can't go on: that its image and its pods can be had
    /// here was shown. Where no container is what fails, it is the member that has no place for it.
    pub(super) fn start_failed(&self, pod: Option<&PodFact>) -> Words {
        let text = pod.map_or_else(|| self.no_pod(), cannot_start);
        let word = match pod {
            _ if self.begun() => "NotGoingOn",
            None => "NoPod",
            Some(pod) if pod.node.is_none() => "Unschedulable",
            Some(_) => "StartFailed",
        };
        Words::new(word, text)
    }

    /// Since when the Job should have a pod and has none: its namespace's quota, or a policy, lets it make none.
    fn podless(&self) -> Option<Timestamp> {
        let since = self.job.podless.filter(|_| self.wanted == Wanted::Run && !self.work_over())?;
        // One that is over makes place for the next only when it is counted.
        if self.snapshot.pods.iter().any(|pod| !pod.terminal || pod.tracked_at.is_some()) {
            return None;
        }
        let finish = self.ledger.last_finish_ms().and_then(|ms| Timestamp::from_millisecond(ms.try_into().ok()?).ok());
        let gone = self.snapshot.pods.iter().filter_map(|pod| pod.deleted_at);
        Some(finish.into_iter().chain(gone).chain(self.backing_off()).fold(since, Timestamp::max))
    }

    /// How long the Job may still be without a pod; `None` if it isn't, or needn't have one.
    pub(super) fn podless_left(&self) -> Option<Duration> {
        Some(self.bound(true)?.saturating_sub(self.since(self.podless()?)))
    }

    /// When a Job without a pod is to be looked at though nothing has happened.
    pub(super) fn podless_looks(&self) -> impl Iterator<Item = Duration> + use<> {
        let told = self.podless().map(|at| TELL_AFTER.saturating_sub(self.since(at)));
        told.into_iter().chain(self.podless_left()).filter(|left| !left.is_zero())
    }

    /// What is said of a Job without a pod.
    pub(super) fn no_pod(&self) -> String {
        let since = self.podless().map(|at| format!(" since {at}")).unwrap_or_default();
        format!(
            "the member's cluster has made no pod for it{since}: a quota or a policy there may not let it; the events of \
             its Job say why"
        )
    }

    /// When a pod that waits is to be looked at though nothing has happened.
    pub(super) fn start_looks(&self, pod: &PodFact) -> impl Iterator<Item = Duration> + use<> {
        let told =
            self.waited(pod).filter(|_| waits_for(pod).is_some()).map(|waited| TELL_AFTER.saturating_sub(waited));
        told.into_iter().chain(self.start_left(pod)).filter(|left| !left.is_zero())
    }

    /// What the attempt waits for, if a pod of it doesn't start at once.
    pub(super) fn waiting_for(&self) -> Option<Words> {
        let trouble = self.snapshot.pods.iter().find_map(|pod| match &pod.work {
            Work::Waiting { reason, message } if is_problem(reason) => Some(Words::new(reason, message.clone())),
            _ => None,
        });
        let slow = || self.snapshot.pods.iter().find_map(|pod| self.slow(pod));
        let podless = || self.podless().filter(|&at| self.since(at) >= TELL_AFTER);
        trouble.or_else(slow).or_else(|| podless().map(|_| Words::new("NoPod", self.no_pod())))
    }

    /// What `pod` waits for, if it has waited for long and nothing is known to be wrong.
    fn slow(&self, pod: &PodFact) -> Option<Words> {
        let reason = waits_for(pod)?;
        let long = self.waited(pod).is_some_and(|waited| waited >= TELL_AFTER);
        let word = if reason.is_empty() { "Waiting" } else { reason };
        long.then(|| Words::new(word, format!("index {} {}", pod.index, what_for(pod))))
    }

    fn waited(&self, pod: &PodFact) -> Option<Duration> {
        Some(self.since(pod.created?))
    }

    fn since(&self, at: Timestamp) -> Duration {
        self.snapshot.now.duration_since(at).try_into().unwrap_or_default()
    }
}

/// Why `pod` is given up.
fn cannot_start(pod: &PodFact) -> String {
    match &pod.work {
        Work::Waiting { reason, message } if is_problem(reason) => {
            format!("index {} can't start: {reason}: {message}", pod.index)
        }
        _ => format!("index {} can't start: it {}", pod.index, what_for(pod)),
    }
}

/// Why `pod` waits to start, in the word of its node; empty if that says nothing. `None` if it doesn't wait.
fn waits_for(pod: &PodFact) -> Option<&str> {
    match &pod.work {
        Work::Waiting { reason, .. } if pod.deleted_at.is_none() => Some(reason),
        _ => None,
    }
}

/// What a pod waits for with which nothing is known to be wrong. The moment is told rather than how long ago it was, so
/// that the words stay the same.
fn what_for(pod: &PodFact) -> String {
    let since = pod.created.map(|at| format!(" since {at}")).unwrap_or_default();
    let (word, message) = match &pod.work {
        Work::Waiting { reason, message } => (reason.as_str(), message.as_str()),
        _ => ("", ""),
    };
    let what = match (&pod.node, word) {
        (None, _) => "for a node".to_owned(),
        (Some(_), "") => "for its node to begin with it".to_owned(),
        (Some(_), word) => format!("for its node to pull its image and make its container ({word})"),
    };
    let colon = if message.is_empty() { "" } else { ": " };
    format!("waits{since} {what}{colon}{message}")
}

/// Whether a container that waits for this reason isn't just being started.
fn is_problem(reason: &str) -> bool {
    !matches!(reason, "" | "ContainerCreating" | "PodInitializing")
}
