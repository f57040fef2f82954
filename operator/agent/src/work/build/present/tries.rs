//! Which indexes have succeeded, which have failed for good, and which are tried again, as far as their containers tell.
//!
//! Kubernetes decides the same from the same rules, seconds later. Where it weighs what isn't seen here (pods that were
//! asked to go or taken away, a success policy), its word is waited for.

use std::collections::BTreeSet;

use eai_api::aijob::{
    FailureAction, FailurePolicy,
    policy::{self, backoff_seconds},
};
use k8s_openapi::jiff::Timestamp;

use super::View;
use crate::{
    ledger::Run,
    work::{
        pods::{PodFact, UNTOLD_EXIT},
        snapshot::Words,
    },
};

/// An index whose pod is taken away more often than this is better off on another member.
const MOST_DISRUPTIONS: usize = 5;

/// Where an attempt's indexes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Those that succeeded.
    pub succeeded: BTreeSet<u32>,
    /// Those that have failed and aren't tried again.
    pub failed: BTreeSet<u32>,
    /// Whether what failed ends the attempt, whatever the other indexes do.
    pub all_failed: bool,
}

impl View<'_> {
    fn failure_policy(&self) -> Option<&FailurePolicy> {
        self.snapshot.assignment.spec.workload.failure_policy.as_ref()
    }

    /// What the failure of a pod with this exit code means.
    fn action(&self, run: Run) -> FailureAction {
        match self.failure_policy() {
            // Without a container that ended no rule on exit codes fits.
            Some(policy) if run.exit != UNTOLD_EXIT => policy.action(run.exit),
            _ => FailureAction::Count,
        }
    }

    /// Whether `pod`, which failed with `run`, was its index's last.
    fn is_final(&self, pod: &PodFact, run: Run) -> bool {
        let limit = policy::tries(self.failure_policy());
        match self.action(run) {
            FailureAction::Ignore => false,
            FailureAction::FailJob | FailureAction::FailIndex => true,
            FailureAction::Count => pod.failures_before.saturating_add(1) >= limit,
        }
    }

    /// The pods whose failure was their index's last.
    fn final_failures(&self) -> impl Iterator<Item = (&PodFact, Run)> {
        let failed = |pod: &PodFact| pod.judged().filter(|run| run.exit != 0);
        self.snapshot
            .pods
            .iter()
            .filter_map(move |pod| Some((pod, failed(pod)?)))
            .filter(|(pod, run)| self.is_final(pod, *run))
    }

    /// Where the indexes are.
    pub(super) fn tally(&self) -> Tally {
        let well = self.snapshot.pods.iter().filter(|pod| pod.judged().is_some_and(|run| run.exit == 0));
        let succeeded: BTreeSet<u32> = well.map(|pod| pod.index).chain(self.job.completed.iter().copied()).collect();
        let policy = self.failure_policy();
        let per_index = policy.is_some_and(|policy| policy.backoff_limit_per_index.is_some());
        let ends_all = |run: Run| !per_index || self.action(run) == FailureAction::FailJob;
        let all_failed = self.final_failures().any(|(pod, run)| ends_all(run) && !succeeded.contains(&pod.index));
        let failed = self.final_failures().map(|(pod, _)| pod.index).chain(self.job.failed.iter().copied());
        let failed: BTreeSet<u32> = failed.filter(|index| !succeeded.contains(index)).collect();
        let too_many = policy.and_then(|p| p.max_failed_indexes).is_some_and(|most| failed.len() > most as usize);
        Tally { succeeded, failed, all_failed: all_failed || too_many }
    }

    /// Whether the index of `pod`, whose work failed, will run again: what it left isn't a result.
    pub(super) fn runs_again(&self, pod: &PodFact) -> bool {
        if pod.disrupted {
            return true;
        }
        let Some(run) = pod.run().filter(|run| run.exit != 0) else { return false };
        let tally = self.tally();
        !self.is_final(pod, run) && !tally.all_failed && !tally.failed.contains(&pod.index)
    }

    /// Whether another pod of the index of `pod` is on record.
    pub(super) fn ran_before(&self, pod: &PodFact) -> bool {
        self.ledger.runs().any(|(uid, run)| run.index == pod.index && uid != pod.uid)
    }

    /// The pod that decided that the attempt failed, and how it ended: one that fails the job before others, then one
    /// with a reason of its own, then the last.
    pub(super) fn decisive(&self) -> Option<(&PodFact, Run)> {
        self.final_failures().max_by_key(|(pod, run)| {
            (self.action(*run) == FailureAction::FailJob, !pod.reason.is_empty(), run.finish_ms)
        })
    }

    /// Whether `run` ended with an exit code that its vendor said fails the job.
    pub(super) fn fails_the_job(&self, run: Run) -> bool {
        self.action(run) == FailureAction::FailJob
    }

    /// Why the attempt is given up for being taken away again and again, if it is.
    pub(super) fn taken_away(&self) -> Option<Words> {
        let lost = |index: u32| self.ledger.runs().filter(|(_, run)| run.lost && run.index == index).count();
        let often = self
            .ledger
            .runs()
            .filter(|(_, run)| run.lost)
            .map(|(_, run)| run.index)
            .find(|index| lost(*index) > MOST_DISRUPTIONS)?;
        let text = format!("index {often}: the member's cluster took its pod away {} times", lost(often));
        Some(Words::new("Disrupted", text))
    }

    /// Until when the Job controller may wait before it makes the next pod of an index that failed.
    pub(super) fn backing_off(&self) -> Option<Timestamp> {
        let failed = || self.ledger.runs().map(|(_, run)| run).filter(|run| run.exit != 0);
        let until = |run: &Run| {
            let failures = failed().filter(|other| other.index == run.index).count();
            let wait = backoff_seconds(u32::try_from(failures).unwrap_or(u32::MAX)).saturating_mul(1000);
            i64::try_from(run.finish_ms.saturating_add(wait)).ok()
        };
        failed().filter_map(until).max().and_then(|ms| Timestamp::from_millisecond(ms).ok())
    }
}
