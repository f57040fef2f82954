//! A member is claimed; its lease isn't known to be open.
//!
//! The lease is asked for until the chain says yes or no. A job that is to end isn't asked for any more, but an earlier
//! transaction may still open its lease: only when the chain's clock is past `openBy` and the lease isn't there is it
//! certain that it never will be.

use eai_api::aijob::{Attempt, LeaseState, Phase};
use eai_chain::{OpenOutcome, Refusal};
use eai_core::money::Amount;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::SignedDuration};

use super::{
    Said, keep,
    plan::{Plan, Wish},
    situation::{Asked, Situation, from_unix, unix_seconds},
};
use crate::aijob::words::Say;

/// Between looks at a chain that doesn't answer.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// Gets the lease opened, or finds that it never will be.
pub fn step(s: &Situation<'_>, plan: &mut Plan) -> Said {
    let attempt = plan.status.attempt.clone()?;
    plan.by(s.now.saturating_add(PATIENCE).unwrap_or(s.now));
    match &s.chain.open {
        Asked::Answered(OpenOutcome::Opened(opened)) => {
            let tx = opened.tx.map(|tx| tx.to_string());
            opened_lease(s, plan, attempt, Terms { hold: opened.hold, at: opened.opened_at, tx });
            None
        }
        Asked::Answered(OpenOutcome::Skipped(skipped)) => Some(refused(s, plan, attempt, skipped.reason)),
        Asked::Impossible(why) => Some(release(plan, attempt, Say::OpeningImpossible(why.clone()))),
        Asked::Waiting => Some(waiting(s, &attempt)),
        Asked::No => unasked(s, plan, attempt),
    }
}

/// Nothing was asked by this process; another may have.
fn unasked(s: &Situation<'_>, plan: &mut Plan, attempt: Attempt) -> Said {
    let open_by = attempt.lease.open_by.as_ref().map_or(0, |t| unix_seconds(t.0));
    let look = s.chain.look.as_ref();
    if let Some(lease) = look.and_then(|look| look.lease.as_ref()) {
        opened_lease(s, plan, attempt, Terms { hold: lease.hold, at: lease.opened_at, tx: None });
        return None;
    }
    if look.is_some_and(|look| look.at > open_by) {
        return Some(refused(s, plan, attempt, Refusal::OpenByPassed));
    }
    let late = s.chain.time.is_some_and(|time| time > open_by);
    plan.wish(if late || s.ending().is_some() { Wish::LookAtLease } else { Wish::OpenLease });
    Some(waiting(s, &attempt))
}

fn waiting(s: &Situation<'_>, attempt: &Attempt) -> Say {
    Say::Opening { member: attempt.member.clone(), trouble: s.chain.trouble.clone() }
}

/// How a lease was opened.
struct Terms {
    hold: Amount,
    /// By the chain's clock, in Unix seconds.
    at: u64,
    tx: Option<String>,
}

/// The lease is open. The time that opening took isn't the member's.
fn opened_lease(s: &Situation<'_>, plan: &mut Plan, mut attempt: Attempt, opened: Terms) {
    let took = attempt.claimed_at.as_ref().map_or(SignedDuration::ZERO, |at| s.now_time().0.duration_since(at.0));
    let shifted = attempt.start_by.as_ref().and_then(|by| by.0.checked_add(took).ok());
    attempt.start_by = shifted.map(Time).or(attempt.start_by);
    attempt.lease.state = LeaseState::Open;
    attempt.lease.hold = opened.hold;
    attempt.lease.open_tx = opened.tx;
    attempt.lease.opened_at = Some(from_unix(opened.at));
    plan.status.phase = Phase::Starting;
    plan.note("LeaseOpened", format!("Lease {} holds {} EAI.", attempt.lease.id, opened.hold));
    keep(plan, attempt);
}

/// The chain said no for good: the claim is given up and the job waits again, or ends.
fn refused(s: &Situation<'_>, plan: &mut Plan, attempt: Attempt, reason: Refusal) -> Say {
    let payer = s.job.spec.payment.account;
    release(plan, attempt, Say::OpeningRefused { reason, payer })
}

fn release(plan: &mut Plan, mut attempt: Attempt, say: Say) -> Say {
    attempt.lease.state = LeaseState::Refused;
    plan.status.phase = Phase::Pending;
    plan.warn("LeaseRefused", format!("The claim on {} is given up: {}", attempt.member, say.message()));
    keep(plan, attempt);
    say
}
