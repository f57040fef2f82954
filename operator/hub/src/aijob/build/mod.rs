//! The life of a job as a pure function: given the job, its Assignment, what the chain said and the time, what its
//! status should be next and what is to be done.
//!
//! A job is in one of five stages, read off its status alone, so that a hub that restarts goes on where another stopped:
//!
//! | stage | its status | what happens |
//! |---|---|---|
//! | idle | no attempt, or one whose lease was refused | waits for the placement pass, which claims a member |
//! | opening | attempt, lease `Opening` | the lease is asked for until the chain says yes or no |
//! | live | lease `Open`, no outcome | the Assignment exists; usage is metered, money watched |
//! | settling | lease `Open`, outcome | a final voucher closes the lease |
//! | over | a final phase | what is left behind is cleaned up |
//!
//! What keeps money and work safe, and is tested:
//! - an Assignment is wished for only when the lease is open, and only after a conditional write of the status;
//! - an attempt has one final bill: usage is fixed in the same write that records the outcome;
//! - a bill is never above the hold;
//! - a new attempt begins only when the old one's lease is closed and its member has said that the work ended, or its
//!   grants have run out.

pub mod checkpoints;
mod conclude;
mod doubt;
mod drain;
mod idle;
mod live;
mod meter;
pub mod money;
mod opening;
pub mod plan;
pub mod rules;
mod settling;
pub mod situation;
mod spending;
#[cfg(test)]
mod tests;

use eai_api::{
    AIJobStatus,
    aijob::{Attempt, LeaseState},
    assignment::{Acknowledged, Desired},
};

pub use doubt::doubt;
pub use plan::{Bill, Plan, Wish};
pub use rules::Rules;
pub use situation::{Asked, ChainNews, Look, Sight, Situation, ending};

use super::words::{self, Say};

/// Where a job is, read off its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody works on it.
    Idle,
    /// A member is claimed; its lease isn't known to be open.
    Opening,
    /// The lease is open and the attempt goes on.
    Live,
    /// The attempt is over; its lease isn't closed yet.
    Settling,
    /// Nothing more happens.
    Over,
}

/// The stage of a job with this status.
pub fn stage(status: &AIJobStatus) -> Stage {
    if status.phase.is_final() {
        return Stage::Over;
    }
    let Some(attempt) = &status.attempt else { return Stage::Idle };
    match (attempt.lease.state, &attempt.outcome) {
        (LeaseState::Refused, _) => Stage::Idle,
        (LeaseState::Opening, _) => Stage::Opening,
        (LeaseState::Open, None) => Stage::Live,
        (LeaseState::Open | LeaseState::Closed, _) => Stage::Settling,
    }
}

/// Decides. Goes through as many stages as the situation allows at once, so that they cost one write.
pub fn build(s: &Situation<'_>) -> Plan {
    let mut plan = Plan::new(s.status());
    loop {
        let before = stage(&plan.status);
        plan.wishes.clear();
        plan.again = None;
        let say = match before {
            Stage::Idle => idle::step(s, &mut plan),
            Stage::Opening => opening::step(s, &mut plan),
            Stage::Live => live::step(s, &mut plan),
            Stage::Settling => settling::step(s, &mut plan),
            Stage::Over => idle::over(s, &mut plan),
        };
        if let Some(say) = say {
            words::write(&mut plan.status, &say, s.job.metadata.generation, s.now);
        }
        if stage(&plan.status) == before {
            break;
        }
    }
    plan.status.cost = total_cost(&plan.status);
    if !worth_writing(&s.status(), &plan.status, s.rules) {
        plan.status = s.status();
    }
    plan
}

/// What all attempts have cost so far.
fn total_cost(status: &AIJobStatus) -> Option<eai_core::money::Amount> {
    let current = status.attempt.as_ref().map(|a| match a.lease.state {
        LeaseState::Opening | LeaseState::Refused => eai_core::money::Amount::ZERO,
        LeaseState::Open => settling::owed(a).max(a.lease.paid),
        LeaseState::Closed => a.lease.paid,
    });
    let past = status.past_attempts.iter().map(|p| p.lease.paid);
    past.chain(current).reduce(eai_core::money::Amount::saturating_add)
}

/// Whether the difference is more than a little usage, which would mean a write per job every few seconds.
fn worth_writing(before: &AIJobStatus, after: &AIJobStatus, rules: &Rules) -> bool {
    let (Some(old), Some(new)) = (&before.attempt, &after.attempt) else { return before != after };
    let step_ms = rules.settle_seconds.clamp(1, 15) * 1000;
    let step = eai_core::metering::usage(eai_core::metering::MilliUnits(new.milli_units), step_ms).0;
    if new.outcome.is_some() || new.usage_ms.saturating_sub(old.usage_ms) >= step {
        return before != after;
    }
    let mut same = after.clone();
    same.cost = before.cost;
    if let Some(attempt) = &mut same.attempt {
        attempt.usage_ms = old.usage_ms;
    }
    same != *before
}

/// Tells the member `desired`, and what the hub noted, unless its Assignment says so already. Work that is to run is lent
/// the right to when that is due.
fn tell(s: &Situation<'_>, plan: &mut Plan, desired: Desired, noted: &Acknowledged) {
    let Some(assignment) = s.assignment else { return };
    // Stop is for good.
    let desired = if assignment.spec.desired == Desired::Stop { Desired::Stop } else { desired };
    let grant = s.tether.due.clone().filter(|_| desired == Desired::Run);
    if assignment.spec.desired != desired || assignment.spec.acknowledged != *noted || grant.is_some() {
        plan.wish(Wish::Tell(desired, noted.clone(), grant));
    }
}

/// Puts the attempt back into the plan's status.
fn keep(plan: &mut Plan, attempt: Attempt) {
    plan.status.attempt = Some(attempt);
}

/// What a step says about the job; `None` leaves its conditions.
type Said = Option<Say>;
