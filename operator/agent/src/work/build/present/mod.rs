//! An Assignment whose Job exists.

mod control;
mod fence;
mod keep;
mod starting;
mod tries;
mod verdict;

use std::{collections::BTreeSet, time::Duration};

use eai_api::{
    AssignmentStatus,
    assignment::{AssignmentPhase, Desired},
};

use eai_core::fencing::Verdict;

use super::{Plan, Step, report};
use crate::{
    ledger::{Ledger, Run},
    work::{
        USAGE_EVERY,
        pods::UNTOLD_EXIT,
        snapshot::{Claim, JobFact, Snapshot},
    },
};

/// An unattended Job's end is moved on when less than this is left of it. It is looked at twice in that time, so half of
/// it is always left: more than a Job is kept without its Assignment.
const EXTEND_BELOW: u64 = 1800;
/// How often an attempt that is to be held and isn't yet is looked at.
const HOLD_CHECK: Duration = Duration::from_secs(2);

/// What is wanted of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Run,
    Pause,
    Stop,
    /// It is to run, and has no right to now.
    Wait,
}

/// The view that every part of the decision shares.
struct View<'a> {
    snapshot: &'a Snapshot,
    job: &'a JobFact,
    wanted: Wanted,
    /// What its grant says.
    verdict: Option<Verdict>,
    /// The record with what is new in it.
    ledger: Ledger,
}

/// Decides for a Job that exists.
pub(super) fn decide(snapshot: &Snapshot, job: &JobFact) -> Plan {
    let mut status = report::base(snapshot);
    let claim = snapshot.claim(job);
    if claim == Claim::Foreign {
        status.phase = AssignmentPhase::Refused;
        report::say(&mut status, "NameTaken", "a Job of that name is there and isn't this Assignment's");
        return Plan { steps: vec![], status, again: None };
    }
    status.job_uid = Some(job.uid.clone());
    let unread = Ledger::default();
    let recorded = job.ledger.as_ref().unwrap_or(&unread);
    let (wanted, verdict) = (wanted(snapshot, job), snapshot.verdict(Some(job)));
    let view = View { snapshot, job, wanted, verdict, ledger: with_new_runs(snapshot, recorded) };
    let mut steps = view.fence();
    if let Err(error) = &job.ledger {
        report::say(&mut status, "RecordUnreadable", error.to_string());
        let again = view.fence_looks().into_iter().chain([report::STUCK_CHECK]).min();
        return Plan { steps, status, again };
    }
    if let Claim::Adopted { from } = claim {
        steps.push(Step::Adopt { from });
    }
    steps.extend(view.meter(recorded));
    let given_up = view.job.given_up.clone().or_else(|| view.hopeless());
    steps.extend(view.control(given_up.as_ref()));
    steps.extend(view.artifacts());
    report::measure(snapshot, &view.ledger, &mut status);
    report::artifacts(snapshot, &mut status);
    view.phase(given_up.as_ref(), &mut status);
    Plan { steps, again: view.again(&status), status }
}

fn wanted(snapshot: &Snapshot, job: &JobFact) -> Wanted {
    let spec = &snapshot.assignment.spec;
    match spec.desired {
        _ if spec.acknowledged.finished || job.given_up.is_some() => Wanted::Stop,
        Desired::Run => fence::wanted(snapshot, job),
        Desired::Pause => Wanted::Pause,
        Desired::Stop => Wanted::Stop,
    }
}

/// The record with the runs that are over and not in it yet.
fn with_new_runs(snapshot: &Snapshot, recorded: &Ledger) -> Ledger {
    let mut ledger = recorded.clone();
    for pod in &snapshot.pods {
        // Nothing more will be heard of a pod whose node is gone; nothing is billed for what can't be known.
        let lost = Run { index: pod.index, start_ms: 0, finish_ms: 0, exit: UNTOLD_EXIT, lost: true };
        let run = pod.run().or_else(|| report::is_stuck(pod, snapshot.now).then_some(lost));
        if let Some(run) = run {
            ledger.record(&pod.uid, run);
        }
    }
    let there: BTreeSet<&str> = snapshot.pods.iter().map(|pod| pod.uid.as_str()).collect();
    ledger.fold(|uid| !there.contains(uid));
    ledger
}

impl View<'_> {
    /// Records what is over, then lets it go.
    fn meter(&self, recorded: &Ledger) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.ledger != *recorded {
            steps.push(Step::Record { before: self.job.ledger_text.clone(), ledger: self.ledger.clone() });
        }
        steps.extend(
            self.snapshot
                .pods
                .iter()
                .filter(|pod| self.ledger.has(&pod.uid))
                .filter_map(|pod| pod.finalizer_at.map(|at| Step::Release { pod: pod.name.clone(), at })),
        );
        steps
    }

    /// When something will be due that no event tells.
    fn again(&self, status: &AssignmentStatus) -> Option<Duration> {
        let pods = || self.snapshot.pods.iter();
        let tick = (status.running > 0).then_some(USAGE_EVERY);
        let ends = pods().filter_map(|pod| self.time_left(pod)).filter(|&left| left > 0).map(Duration::from_millis);
        let starts = pods().flat_map(|pod| self.start_looks(pod)).chain(self.podless_looks());
        let stuck = pods().any(|pod| pod.deleted_at.is_some() && !pod.ended()).then_some(report::STUCK_CHECK);
        let hold = (self.wanted != Wanted::Run && !self.job.suspended() && !self.job.over()).then_some(HOLD_CHECK);
        let keep = (!status.phase.is_final()).then_some(Duration::from_secs(EXTEND_BELOW / 2));
        tick.into_iter().chain(ends).chain(starts).chain(stuck).chain(hold).chain(keep).chain(self.fence_looks()).min()
    }
}
