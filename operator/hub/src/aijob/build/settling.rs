//! The attempt is over; a final voucher closes its lease. Usage was fixed in the write that recorded the outcome, so
//! every hub that ever settles this attempt presents the same bill.

use eai_api::aijob::{Attempt, LeaseState, Phase};
use eai_chain::{LeaseState as OnChain, LeaseView, Refusal, SettleOutcome};
use eai_core::{
    metering::{UsageMs, cost},
    money::Amount,
};
use k8s_openapi::jiff::SignedDuration;

use super::{
    Said, conclude, keep,
    plan::{Bill, Plan, Wish},
    situation::{Asked, Situation},
};
use crate::aijob::words::Say;

/// Between tries.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// What is owed for an attempt so far: never more than its lease holds.
pub fn owed(attempt: &Attempt) -> Amount {
    cost(attempt.rate, UsageMs(attempt.usage_ms)).min(attempt.lease.hold)
}

/// The bill of an attempt.
pub fn bill(attempt: &Attempt, is_final: bool) -> Bill {
    Bill { usage: UsageMs(attempt.usage_ms), amount: owed(attempt), is_final }
}

/// Gets the lease closed, then concludes.
pub fn step(s: &Situation<'_>, plan: &mut Plan) -> Said {
    let mut attempt = plan.status.attempt.clone()?;
    plan.status.phase = Phase::Settling;
    plan.by(s.now.saturating_add(PATIENCE).unwrap_or(s.now));
    if attempt.lease.state == LeaseState::Closed {
        return Some(conclude::conclude(s, plan, attempt));
    }
    if let Some(closed) = closed(s) {
        attempt.lease.state = LeaseState::Closed;
        attempt.lease.paid = closed.paid;
        attempt.lease.refunded = closed.refunded;
        attempt.lease.close_tx = closed.tx;
        let (paid, refunded) = (closed.paid, closed.refunded);
        plan.note("Settled", format!("Lease {} is closed: {paid} EAI paid, {refunded} refunded.", attempt.lease.id));
        return Some(conclude::conclude(s, plan, attempt));
    }
    let reason = match &s.chain.settle {
        // The chain's clock is a little behind what the voucher claims.
        Asked::Answered(SettleOutcome::Skipped(skipped)) if skipped.reason.is_transient() => {
            plan.wish(Wish::Settle(bill(&attempt, true)));
            plan.by(s.now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(s.now));
            None
        }
        Asked::Answered(SettleOutcome::Skipped(skipped)) => {
            plan.wish(Wish::LookAtLease);
            if skipped.reason != Refusal::ClosingWindowOver {
                plan.wish(Wish::Settle(bill(&attempt, true)));
            }
            Some(skipped.reason.to_string())
        }
        Asked::Impossible(why) => {
            plan.wish(Wish::LookAtLease);
            Some(why.clone())
        }
        Asked::Waiting => None,
        // An answer that left the lease open was to an interim voucher.
        Asked::No | Asked::Answered(SettleOutcome::Settled(_)) => {
            plan.wish(Wish::Settle(bill(&attempt, true)));
            None
        }
    };
    let trouble = reason.or_else(|| s.chain.trouble.clone());
    let owed = owed(&attempt);
    let outcome = attempt.outcome.clone();
    keep(plan, attempt);
    Some(Say::Settling { owed, outcome, trouble })
}

struct Closed {
    paid: Amount,
    refunded: Amount,
    tx: Option<String>,
}

/// Whether a voucher was refused, in a block, because there is no such lease: the chain lost it (it was restored from
/// an earlier state, say), so nothing is held and nothing can be paid.
fn refused_as_unknown(s: &Situation<'_>) -> bool {
    matches!(&s.chain.settle, Asked::Answered(SettleOutcome::Skipped(skip)) if skip.reason == Refusal::UnknownLease)
}

/// How the lease was closed, if it is.
fn closed(s: &Situation<'_>) -> Option<Closed> {
    if let Asked::Answered(SettleOutcome::Settled(settled)) = &s.chain.settle
        && settled.closed
    {
        let tx = settled.tx.map(|tx| tx.to_string());
        return Some(Closed { paid: settled.paid, refunded: settled.refunded, tx });
    }
    let look = s.chain.look.as_ref()?;
    if look.lease.is_none() && refused_as_unknown(s) {
        return Some(Closed { paid: Amount::ZERO, refunded: Amount::ZERO, tx: None });
    }
    let view = look.lease.as_ref()?;
    let LeaseView { state: OnChain::Closed, paid, refunded, .. } = view else { return None };
    Some(Closed { paid: *paid, refunded: *refunded, tx: None })
}
