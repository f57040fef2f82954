//! What an attempt that is over means for its job: done, failed, or another attempt.

use eai_api::{
    AIJobStatus,
    aijob::{Attempt, AttemptResult, Outcome, PastAttempt, Phase},
};

use super::{
    keep,
    plan::Plan,
    rules::{MOST_ATTEMPTS, MOST_FALSE_STARTS},
    situation::{Ending, Situation},
};
use crate::aijob::words::{Say, reason};

/// Ends the job, or lets it try again. The attempt's lease is closed.
pub fn conclude(s: &Situation<'_>, plan: &mut Plan, attempt: Attempt) -> Say {
    let outcome = attempt.outcome.clone().unwrap_or_else(unknown);
    let phase = match outcome.result {
        AttemptResult::Succeeded => Phase::Succeeded,
        AttemptResult::Cancelled => Phase::Cancelled,
        _ if s.ending() == Some(Ending::Cancelled) => Phase::Cancelled,
        AttemptResult::Failed | AttemptResult::Lost => {
            if may_try_again(s, &plan.status, &outcome) {
                return try_again(plan, attempt, outcome);
            }
            Phase::Failed
        }
    };
    plan.status.phase = phase;
    let (paid, refunded) = (attempt.lease.paid, attempt.lease.refunded);
    match phase {
        Phase::Succeeded => plan.note("Succeeded", format!("The work succeeded; {paid} EAI paid.")),
        Phase::Cancelled => plan.note("Cancelled", format!("The job is cancelled; {paid} EAI paid for what ran.")),
        _ => plan.warn("Failed", format!("{}: {}", outcome.reason, outcome.message)),
    }
    keep(plan, attempt);
    Say::Over { phase, outcome, paid, refunded }
}

fn try_again(plan: &mut Plan, attempt: Attempt, outcome: Outcome) -> Say {
    let say = Say::TryingAgain { member: attempt.member.clone(), outcome: outcome.clone() };
    plan.warn("AttemptEnded", say.message());
    if outcome.reason == reason::NO_ROOM {
        // A member can be full for days: what it says each time isn't kept.
        let same = |p: &PastAttempt| p.outcome.reason == reason::NO_ROOM && p.member == attempt.member;
        plan.status.past_attempts.retain(|p| !same(p) || !p.lease.paid.is_zero());
    }
    let past = PastAttempt {
        epoch: attempt.epoch,
        member: attempt.member,
        outcome,
        usage_ms: attempt.usage_ms,
        lease: attempt.lease,
    };
    plan.status.past_attempts.push(past);
    plan.status.attempt = None;
    plan.status.phase = Phase::Pending;
    plan.status.logs.clear();
    plan.status.outputs.clear();
    plan.status.finished_at = None;
    plan.status.exit_code = None;
    say
}

/// Whether another attempt is due, given how this one ended.
fn may_try_again(s: &Situation<'_>, status: &AIJobStatus, outcome: &Outcome) -> bool {
    let past = &status.past_attempts;
    if s.ending().is_some() || past.len() + 1 >= MOST_ATTEMPTS || !reason::may_be_repeated(&outcome.reason) {
        return false;
    }
    if outcome.reason == reason::NO_ROOM || reason::is_a_move(&outcome.reason) {
        // The one passes, and the job is left alone for longer each time; the other is no fault of the job's.
        return true;
    }
    if false_start(outcome) {
        let counts = |p: &&PastAttempt| false_start(&p.outcome) && p.outcome.reason != reason::NO_ROOM;
        return past.iter().filter(counts).count() + 1 < MOST_FALSE_STARTS;
    }
    let counts = |p: &&PastAttempt| !false_start(&p.outcome) && !reason::is_a_move(&p.outcome.reason);
    let made = past.iter().filter(counts).count() + 1;
    u32::try_from(made).is_ok_and(|made| made < s.job.spec.retry.max_attempts)
}

/// Whether an attempt ended before any work ran, for the member's reasons. It doesn't count against the job's attempts.
fn false_start(outcome: &Outcome) -> bool {
    outcome.result == AttemptResult::Lost
        && [reason::REFUSED, reason::NO_ROOM, reason::NOT_STARTED_IN_TIME].contains(&outcome.reason.as_str())
}

fn unknown() -> Outcome {
    Outcome {
        result: AttemptResult::Lost,
        reason: reason::LEASE_CLOSED.to_owned(),
        message: "The lease was closed before the work ended.".to_owned(),
    }
}
