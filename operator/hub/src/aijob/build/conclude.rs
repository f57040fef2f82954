//! What an attempt that is over means for its job: done, failed, or another attempt.

use eai_api::{
    AIJobStatus,
    aijob::{Attempt, AttemptResult, FailureAction, Outcome, PastAttempt, Phase, policy::FAIL_JOB_REASON},
};

use super::{
    keep,
    plan::Plan,
    rules::{MOST_ATTEMPTS, MOST_FALSE_STARTS, MOST_LOST},
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

/// Whether another attempt is due, given how this one ended. Each kind of end has a limit of its own: what members do
/// doesn't use up the attempts that the vendor gives the work.
fn may_try_again(s: &Situation<'_>, status: &AIJobStatus, outcome: &Outcome) -> bool {
    let past = &status.past_attempts;
    let repeatable = reason::may_be_repeated(&outcome.reason) && !fails_the_job(s, status, outcome);
    if s.ending().is_some() || past.len() + 1 >= MOST_ATTEMPTS || !repeatable {
        return false;
    }
    let kind = Kind::of(outcome);
    let made = past.iter().filter(|p| Kind::of(&p.outcome) == kind).count() + 1;
    match kind {
        // The one passes, and the job is left alone for longer each time; the other is no fault of the job's.
        Kind::NoRoom | Kind::Moved => true,
        Kind::FalseStart => made < MOST_FALSE_STARTS,
        Kind::Lost => made < MOST_LOST,
        Kind::Own => u32::try_from(made).is_ok_and(|made| made < s.job.spec.retry.max_attempts),
    }
}

/// How an attempt ended, as far as limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Its member was full.
    NoRoom,
    /// It was taken away from its member on purpose.
    Moved,
    /// It ended before any work ran, for its member's reasons.
    FalseStart,
    /// Its member lost the work.
    Lost,
    /// The work failed by itself.
    Own,
}

impl Kind {
    fn of(outcome: &Outcome) -> Self {
        match outcome.reason.as_str() {
            _ if outcome.result != AttemptResult::Lost => Self::Own,
            reason::NO_ROOM => Self::NoRoom,
            moved if reason::is_a_move(moved) => Self::Moved,
            reason::REFUSED | reason::NOT_STARTED_IN_TIME => Self::FalseStart,
            _ => Self::Lost,
        }
    }
}

/// Whether the work ended with an exit code that its vendor says fails the job: by its agent's word, or, if that is of
/// a version that doesn't know such rules, by the exit code.
fn fails_the_job(s: &Situation<'_>, status: &AIJobStatus, outcome: &Outcome) -> bool {
    let exit = status.exit_code.filter(|_| outcome.result == AttemptResult::Failed);
    let action = s.job.spec.failure_policy.as_ref().zip(exit).map(|(policy, exit)| policy.action(exit));
    outcome.reason == FAIL_JOB_REASON || action == Some(FailureAction::FailJob)
}

fn unknown() -> Outcome {
    Outcome {
        result: AttemptResult::Lost,
        reason: reason::LEASE_CLOSED.to_owned(),
        message: "The lease was closed before the work ended.".to_owned(),
    }
}
