//! A member's agent, as far as one Assignment goes.

use eai_api::{
    Assignment,
    assignment::{AssignmentPhase, Desired},
};

use super::world::{Move, Work, seconds};

/// One step of an agent with one Assignment.
pub fn step(assignment: &mut Assignment, work: &mut Work, how: Move, now_ms: u64, lies: bool) {
    use AssignmentPhase as P;
    let desired = assignment.spec.desired;
    let status = assignment.status.get_or_insert_default();
    if status.phase.is_final() {
        return;
    }
    status.job_uid = Some("job".to_owned());
    let next = match (how, desired, status.phase) {
        (Move::Refuse, _, P::Pending) => P::Refused,
        (Move::Lose, _, P::Running | P::Paused) => P::Lost,
        (Move::Fail, _, P::Running) => P::Failed,
        (_, Desired::Stop, _) => P::Stopped,
        (_, Desired::Pause, P::Running | P::Starting | P::Paused | P::Pending) => P::Paused,
        (_, Desired::Run, P::Pending | P::Paused) => P::Starting,
        (_, Desired::Run, P::Starting) => P::Running,
        // It needs 60 s in all.
        (_, Desired::Run, P::Running) if work.ran_ms < 60_000 => P::Running,
        (_, _, P::Running) => P::Finishing,
        (_, _, P::Finishing) => P::Succeeded,
        (_, _, other) => other,
    };
    work.running = next == P::Running;
    if work.running && !work.started {
        work.started = true;
        status.started_at = Some(seconds(now_ms));
    }
    if status.phase == P::Running && !work.running {
        status.finished_at = Some(seconds(now_ms));
    }
    status.phase = next;
    status.running = u32::from(work.running);
    status.usage_ms = if lies { work.ran_ms * 3 } else { work.ran_ms };
}
