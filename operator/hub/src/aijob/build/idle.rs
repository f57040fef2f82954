//! Before a member is claimed, and after everything is over.

use eai_api::{aijob::Phase, names::SETTLEMENT_FINALIZER};

use super::{
    Said,
    plan::{Plan, Wish},
    situation::{Ending, Situation},
};
use crate::aijob::words::Say;

/// Ends the job if it is to end, holds it back if it is suspended, and otherwise leaves it to the placement pass.
pub fn step(s: &Situation<'_>, plan: &mut Plan) -> Said {
    plan.status.refusals.retain(|_| !s.job.spec.suspend);
    if let Some(deadline) = &s.job.spec.deadline {
        plan.by(deadline.0);
    }
    match s.ending() {
        Some(Ending::Cancelled) => {
            plan.status.phase = Phase::Cancelled;
            plan.status.finished_at = Some(s.now_time());
            plan.note("Cancelled", "The job was cancelled before any work ran; nothing is owed.");
            Some(Say::Cancelled)
        }
        Some(Ending::Deadline) => {
            plan.status.phase = Phase::Failed;
            plan.status.finished_at = Some(s.now_time());
            plan.warn("DeadlineExceeded", "The deadline passed before a member could finish the job.");
            Some(Say::DeadlineWhileWaiting)
        }
        None if s.job.spec.suspend => {
            plan.status.phase = Phase::Pending;
            Some(Say::HeldBack)
        }
        None => {
            plan.status.phase = Phase::Pending;
            plan.wish(Wish::Place);
            None
        }
    }
}

/// Lets go of the job: nothing of it is left on the chain.
pub fn over(s: &Situation<'_>, plan: &mut Plan) -> Said {
    let held = s.job.metadata.finalizers.iter().flatten().any(|f| f == SETTLEMENT_FINALIZER);
    if held {
        plan.wish(Wish::Release);
    }
    None
}
