//! Percentiles.

use std::time::Duration;

/// Times of many jobs, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread(Vec<Duration>);

impl Spread {
    /// Sorts what is there.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    /// The time within which `percent` of a hundred were done, by nearest rank: one that was measured, never one in
    /// between. In whole milliseconds; `None` when nothing was measured.
    pub fn percentile_ms(&self, percent: usize) -> Option<u64> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map(|time| millis(*time))
    }
}

/// Whole milliseconds, rounded.
pub fn millis(time: Duration) -> u64 {
    u64::try_from((time.as_micros() + 500) / 1000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: impl IntoIterator<Item = u64>) -> Spread {
        Spread::of(values.into_iter().map(Duration::from_millis))
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred = ms((1..=100).rev());
        assert_eq!(hundred.percentile_ms(50), Some(50));
        assert_eq!(hundred.percentile_ms(99), Some(99));
        assert_eq!(hundred.percentile_ms(100), Some(100));
        assert_eq!(ms([7, 3, 5]).percentile_ms(50), Some(5));
        assert_eq!(ms([7, 3, 5]).percentile_ms(99), Some(7));
        assert_eq!(ms([4]).percentile_ms(0), Some(4));
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        assert_eq!(ms([]).percentile_ms(50), None);
    }

    #[test]
    fn half_a_millisecond_rounds_up() {
        assert_eq!(millis(Duration::from_micros(1500)), 2);
        assert_eq!(millis(Duration::from_micros(1499)), 1);
    }
}
