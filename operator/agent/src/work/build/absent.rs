//! An Assignment without a Job.

use eai_api::assignment::{AssignmentPhase, Desired};
use eai_core::fencing::Verdict;

use super::{Plan, Step, report};
use crate::work::{pods::Outputs, snapshot::Snapshot};

/// Begins, ends or reports the loss of an attempt that has no Job.
pub(super) fn decide(snapshot: &Snapshot) -> Plan {
    let spec = &snapshot.assignment.spec;
    let begun = snapshot.previous.job_uid.is_some() || spec.acknowledged.started || !snapshot.pods.is_empty();
    if begun {
        return lost(snapshot);
    }
    let mut status = report::base(snapshot);
    if spec.desired == Desired::Stop || spec.acknowledged.finished {
        status.phase = AssignmentPhase::Stopped;
        report::say(&mut status, "Stopped", "it was stopped before it began");
        return Plan { steps: vec![], status, again: None };
    }
    if spec.desired == Desired::Pause {
        status.phase = AssignmentPhase::Paused;
        report::say(&mut status, "Paused", "it was paused before it began");
        return Plan { steps: vec![], status, again: None };
    }
    if matches!(snapshot.verdict(None), None | Some(Verdict::Granted { .. })) {
        return Plan { steps: vec![Step::Admit], status, again: None };
    }
    status.phase = AssignmentPhase::Pending;
    report::await_grant(&mut status);
    Plan { steps: vec![Step::Judge], status, again: None }
}

/// The Job is gone though it had begun: it is never made again. Its pods, if any are left, end first.
fn lost(snapshot: &Snapshot) -> Plan {
    let mut status = report::base(snapshot);
    let left = snapshot.pods.iter().filter(|pod| !pod.ended() && !report::is_stuck(pod, snapshot.now));
    let ending: Vec<_> = left.filter(|pod| pod.deleted_at.is_none()).collect();
    let mut steps: Vec<_> = ending.iter().map(|pod| Step::End { pod: pod.name.clone() }).collect();
    // Nobody fetches their outputs any more, and nodes tell the end of work only with that of its pod.
    let holding = snapshot.pods.iter().filter(|pod| pod.deleted_at.is_some() && pod.outputs == Outputs::Running);
    steps.extend(holding.map(|pod| Step::Done { pod: pod.name.clone(), uid: pod.uid.clone() }));
    report::usage_without_job(snapshot, &mut status);
    let all_over = snapshot.pods.iter().all(|pod| pod.ended() || report::is_stuck(pod, snapshot.now));
    if all_over {
        status.phase = AssignmentPhase::Lost;
        report::say(
            &mut status,
            "JobMissing",
            "its Job was deleted in the member's cluster; work that had begun is never begun again",
        );
    } else {
        status.phase = AssignmentPhase::Finishing;
        report::say(&mut status, "JobMissing", "its Job was deleted in the member's cluster; its pods are ending");
    }
    let again = (!all_over).then_some(report::STUCK_CHECK);
    Plan { steps, status, again }
}
