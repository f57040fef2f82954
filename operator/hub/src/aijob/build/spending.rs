//! Keeping work within the money its lease holds: top up in time, pause before the money ends, resume when there is
//! more.
//!
//! A pause begins early enough that pods can end with grace within what is paid for, though at most a quarter of the
//! hold is given up for that.

use eai_api::aijob::Attempt;
use eai_chain::TopUpOutcome;
use eai_core::{
    metering::{MilliUnits, UsageMs},
    money::Amount,
};

use super::{
    money::{self, Price, longest_run_ms},
    rules::{LEAST_MARGIN_MS, LEAST_RUN_MS, POD_GRACE_MS, TOP_UP_LEAD_MS},
    situation::{Asked, Situation},
};

/// Why there is no more money for the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// The budget is spent.
    Budget,
    /// The payer's account or authorisation is.
    Account,
}

/// How the money stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The work may run.
    pub may_run: bool,
    /// Raise the hold to this.
    pub top_up: Option<Amount>,
    /// The payer's funds must be known to go on.
    pub needs_funds: bool,
    /// What binds, when the work may not run.
    pub short: Short,
    /// Milliseconds until this must be looked at again; `None` if the lease holds all that the work can cost.
    pub again_ms: Option<u64>,
}

/// How the money of a live attempt stands when `used` has been used at most. `stopped`: its pods are ended, or asked to.
pub fn standing(s: &Situation<'_>, attempt: &Attempt, used: UsageMs, stopped: bool) -> Standing {
    let spec = &s.job.spec;
    let price = price(attempt);
    // A budget that was lowered since binds although more is held.
    let left = left(s);
    let purse = left.map_or(attempt.lease.hold, |left| left.min(attempt.lease.hold));
    let fine = Standing { may_run: true, top_up: None, needs_funds: false, short: Short::Account, again_ms: None };
    if attempt.pauses == 0 && purse >= price.of_run(longest_run_ms(spec)) {
        return fine;
    }
    let lasts = price.lasts_ms(purse, used);
    let margin = (price.lasts_ms(purse, UsageMs(0)) / 4).clamp(LEAST_MARGIN_MS, POD_GRACE_MS);
    let lead = margin + TOP_UP_LEAD_MS;
    if lasts > lead && !stopped {
        return Standing { again_ms: Some(lasts - lead), ..fine };
    }
    let may_run = lasts > if stopped { 2 * margin } else { margin };
    let again_ms = Some(if may_run && !stopped { (lasts - margin).min(TOP_UP_LEAD_MS) } else { 5_000 });
    if may_run && lasts > lead {
        return Standing { again_ms: Some(lasts - lead), ..fine };
    }
    let offer = top_up(s, attempt, price, used);
    Standing {
        may_run,
        top_up: offer.total.filter(|_| !matches!(s.chain.top_up, Asked::Waiting)),
        needs_funds: offer.needs_funds,
        short: offer.bound,
        again_ms,
    }
}

/// What the budget leaves for this attempt; `None` without a budget.
fn left(s: &Situation<'_>) -> Option<Amount> {
    money::budget_left(&s.job.spec, s.job.status.as_ref().map_or(&[][..], |status| &status.past_attempts))
}

/// What running costs in this attempt.
pub fn price(attempt: &Attempt) -> Price {
    Price { rate: attempt.rate, units: MilliUnits(attempt.milli_units) }
}

struct Offer {
    /// What the lease could have held in all.
    total: Option<Amount>,
    needs_funds: bool,
    bound: Short,
}

/// The next top-up, as far as budget and account allow.
fn top_up(s: &Situation<'_>, attempt: &Attempt, price: Price, used: UsageMs) -> Offer {
    let hold = attempt.lease.hold;
    let step = price.of_run(s.rules.hold_seconds.saturating_mul(1000));
    // Work may have outrun its hold, if no hub was there to pause it: what it owes comes first.
    let mut total = hold.max(price.of(used)).saturating_add(step);
    if attempt.pauses == 0 {
        total = total.min(price.of_run(longest_run_ms(&s.job.spec)));
    }
    let left = left(s);
    let mut bound = Short::Account;
    if let Some(left) = left.filter(|left| *left < total) {
        (total, bound) = (left, Short::Budget);
    }
    let useful = |total: Amount| {
        let (before, after) = (price.lasts_ms(hold, used), price.lasts_ms(total, used));
        after.saturating_sub(before) >= LEAST_RUN_MS
    };
    if !useful(total) {
        return Offer { total: None, needs_funds: false, bound };
    }
    let Some(addable) = s.chain.addable else { return Offer { total: None, needs_funds: true, bound: Short::Account } };
    let affordable = hold.saturating_add(addable);
    if affordable < total {
        (total, bound) = (affordable, Short::Account);
    }
    Offer { total: Some(total).filter(|total| useful(*total)), needs_funds: false, bound }
}

/// What a lease has held in all, as the latest answers say.
pub fn hold_now(s: &Situation<'_>, attempt: &Attempt) -> Amount {
    let topped = match &s.chain.top_up {
        Asked::Answered(TopUpOutcome::ToppedUp(topped)) => topped.hold,
        _ => Amount::ZERO,
    };
    let seen = s.chain.look.as_ref().and_then(|look| look.lease.as_ref()).map_or(Amount::ZERO, |lease| lease.hold);
    attempt.lease.hold.max(topped).max(seen)
}
