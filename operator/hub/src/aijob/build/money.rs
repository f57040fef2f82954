//! How much a lease holds, how long that lasts, and when it is topped up.

use eai_api::{
    AIJobSpec,
    aijob::{
        PastAttempt,
        policy::{runs_in_a_row, tries},
    },
};
use eai_core::{
    metering::{MilliUnits, UsageMs, affordable, cost, usage},
    money::Amount,
    quantity::{QuantityError, parse_milli},
};

/// What running costs: so many units at such a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// EAI per unit-hour.
    pub rate: Amount,
    /// All units that run at once.
    pub units: MilliUnits,
}

impl Price {
    /// What `ms` of running costs.
    pub fn of_run(self, ms: u64) -> Amount {
        cost(self.rate, usage(self.units, ms))
    }

    /// What `used` costs.
    pub fn of(self, used: UsageMs) -> Amount {
        cost(self.rate, used)
    }

    /// For how many milliseconds of running `amount` lasts once `used` is paid out of it.
    pub fn lasts_ms(self, amount: Amount, used: UsageMs) -> u64 {
        let left = affordable(self.rate, amount).0.saturating_sub(used.0);
        let ms = u128::from(left) * 1000 / u128::from(self.units.0.max(1));
        u64::try_from(ms).unwrap_or(u64::MAX)
    }
}

/// Thousandths of a unit that one pod holds: its accelerators, or its cores.
pub fn pod_units(spec: &AIJobSpec) -> Result<MilliUnits, QuantityError> {
    match &spec.accelerator {
        Some(accelerator) => Ok(MilliUnits(u64::from(accelerator.count) * 1000)),
        None => parse_milli(&spec.resources.cpu).map(MilliUnits),
    }
}

/// Thousandths of a unit that all pods hold that run at once.
pub fn gang_units(spec: &AIJobSpec) -> Result<MilliUnits, QuantityError> {
    let pods = u64::from(spec.parallelism.min(spec.completions));
    pod_units(spec)?.0.checked_mul(pods).map(MilliUnits).ok_or(QuantityError::TooLarge)
}

/// How often pods follow each other.
pub fn waves(spec: &AIJobSpec) -> u64 {
    u64::from(spec.completions.div_ceil(spec.parallelism.max(1)))
}

/// How often an index may run, with failures that count.
pub fn most_tries(spec: &AIJobSpec) -> u32 {
    tries(spec.failure_policy.as_ref())
}

/// How often pods may follow each other, if their indexes have all their tries.
pub fn most_runs(spec: &AIJobSpec) -> u64 {
    runs_in_a_row(spec.completions, spec.parallelism, most_tries(spec))
}

/// Milliseconds that the work runs at most, all its tries together, without a pause.
pub fn longest_run_ms(spec: &AIJobSpec) -> u64 {
    spec.max_duration_seconds.saturating_mul(1000).saturating_mul(most_runs(spec))
}

/// What a lease holds at first: the longest run without failures, at most `hold_seconds` of it per wave, within what is
/// left of the budget. Tries that follow failures are topped up for.
pub fn first_hold(spec: &AIJobSpec, price: Price, hold_seconds: u64, budget_left: Option<Amount>) -> Amount {
    let seconds = spec.max_duration_seconds.min(hold_seconds).saturating_mul(waves(spec));
    let wanted = price.of_run(seconds.saturating_mul(1000));
    budget_left.map_or(wanted, |left| wanted.min(left))
}

/// What the budget leaves for an attempt's lease in all; `None` without a budget.
pub fn budget_left(spec: &AIJobSpec, past: &[PastAttempt]) -> Option<Amount> {
    let paid = past.iter().fold(Amount::ZERO, |sum, p| sum.saturating_add(p.lease.paid));
    spec.budget.map(|budget| budget.saturating_sub(paid))
}
