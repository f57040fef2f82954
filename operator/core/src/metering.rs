//! From the time containers ran to what is owed.
//!
//! Usage is unit-milliseconds, where the unit is one accelerator or one core. A job's units are kept in thousandths so
//! that half a core is exact. `amount = floor(rate per hour x cumulative usage / 3,600,000)`, on the cumulative usage of
//! an attempt, so that nothing is lost or gained by how often it is read.

use serde::{Deserialize, Serialize};

use crate::money::Amount;

/// Milliseconds in an hour.
pub const MS_PER_HOUR: u128 = 3_600_000;

/// Thousandths of a unit: accelerators x 1000, or millicores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MilliUnits(pub u64);

/// Cumulative use of an attempt, in unit-milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UsageMs(pub u64);

/// The use of `units` over `run_ms` of running time, rounded down; at most `u64::MAX`.
pub fn usage(units: MilliUnits, run_ms: u64) -> UsageMs {
    let exact = u128::from(units.0) * u128::from(run_ms) / 1000;
    UsageMs(u64::try_from(exact).unwrap_or(u64::MAX))
}

/// What `usage` costs at `rate` per unit-hour, rounded down to a wei.
///
/// Computed in two halves so that no rate and no usage overflows: with `rate = q x 3,600,000 + r`, the cost is
/// `q x usage + floor(r x usage / 3,600,000)`.
pub fn cost(rate: Amount, usage: UsageMs) -> Amount {
    let ms = u128::from(usage.0);
    let (quotient, rest) = (rate.wei() / MS_PER_HOUR, rate.wei() % MS_PER_HOUR);
    Amount::from_wei(quotient.saturating_mul(ms).saturating_add(rest * ms / MS_PER_HOUR))
}

/// The greatest usage that costs no more than `amount` at `rate`; `u64::MAX` if the rate is zero.
pub fn affordable(rate: Amount, amount: Amount) -> UsageMs {
    if rate.is_zero() {
        return UsageMs(u64::MAX);
    }
    // cost(u) <= a  <=>  rate x u < (a + 1) x MS_PER_HOUR; found by bisection, which can't overflow.
    let (mut low, mut high) = (0u64, u64::MAX);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if cost(rate, UsageMs(middle)) <= amount { low = middle } else { high = middle - 1 }
    }
    UsageMs(low)
}

/// How much more than the hub itself saw a member may report, in milliseconds of running time. Kubernetes gives a
/// container's start and finish in whole seconds, so a true report can exceed what the hub saw by up to this.
pub const CLAMP_ALLOWANCE_MS: u64 = 1_000;

/// The hub's own measure of an attempt: the time between its first sight of it running and its sight of the end,
/// without the pauses between. A member's report counts only up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Milliseconds of the intervals that are over.
    pub settled_ms: u64,
    /// When the running interval began, in Unix milliseconds; `None` while nothing runs.
    pub running_since_ms: Option<u64>,
    /// How many intervals there were.
    pub intervals: u32,
}

impl Observed {
    /// The hub sees the work running at `now_ms`. A second sight of the same interval changes nothing.
    #[must_use]
    pub fn running(self, now_ms: u64) -> Self {
        match self.running_since_ms {
            Some(_) => self,
            None => Self { running_since_ms: Some(now_ms), intervals: self.intervals.saturating_add(1), ..self },
        }
    }

    /// The hub sees the work stopped at `now_ms`.
    #[must_use]
    pub fn stopped(self, now_ms: u64) -> Self {
        Self { settled_ms: self.run_ms(now_ms), running_since_ms: None, ..self }
    }

    /// Milliseconds seen running until `now_ms`. A clock that steps back adds nothing.
    pub fn run_ms(self, now_ms: u64) -> u64 {
        let open = self.running_since_ms.map_or(0, |since| now_ms.saturating_sub(since));
        self.settled_ms.saturating_add(open)
    }

    /// The member's cumulative `reported` usage of `units`, cut to what the hub saw. The allowance is for each start
    /// that was seen, and for no more than the `starts` that the hub asked for: a member that says of itself that it
    /// stopped and started again gains nothing by it.
    pub fn clamp(self, units: MilliUnits, reported: UsageMs, starts: u32, now_ms: u64) -> UsageMs {
        let allowance = CLAMP_ALLOWANCE_MS.saturating_mul(u64::from(self.intervals.min(starts)));
        reported.min(usage(units, self.run_ms(now_ms).saturating_add(allowance)))
    }
}
