use eai_core::{
    metering::{CLAMP_ALLOWANCE_MS, MS_PER_HOUR, MilliUnits, Observed, UsageMs, affordable, cost, usage},
    money::Amount,
};
use proptest::prelude::*;

const HOUR: u64 = 3_600_000;

#[test]
fn usage_is_units_by_time() {
    assert_eq!(usage(MilliUnits(1000), HOUR), UsageMs(HOUR));
    assert_eq!(usage(MilliUnits(4000), 10), UsageMs(40));
    assert_eq!(usage(MilliUnits(500), HOUR), UsageMs(HOUR / 2));
    assert_eq!(usage(MilliUnits(0), HOUR), UsageMs(0));
}

#[test]
fn usage_rounds_down_and_saturates() {
    assert_eq!(usage(MilliUnits(1), 999), UsageMs(0));
    assert_eq!(usage(MilliUnits(1), 1000), UsageMs(1));
    assert_eq!(usage(MilliUnits(u64::MAX), u64::MAX), UsageMs(u64::MAX));
}

#[test]
fn an_hour_of_one_unit_costs_the_rate() {
    let rate: Amount = "1.25".parse().unwrap();
    assert_eq!(cost(rate, UsageMs(HOUR)), rate);
    assert_eq!(cost(rate, UsageMs(0)), Amount::ZERO);
    assert_eq!(cost(Amount::ZERO, UsageMs(u64::MAX)), Amount::ZERO);
}

#[test]
fn cost_rounds_down_to_a_wei() {
    assert_eq!(cost(Amount::from_wei(1), UsageMs(HOUR - 1)), Amount::ZERO);
    assert_eq!(cost(Amount::from_wei(1), UsageMs(HOUR)), Amount::from_wei(1));
    assert_eq!(cost(Amount::from_wei(7), UsageMs(HOUR / 2)), Amount::from_wei(3));
}

#[test]
fn nothing_overflows() {
    assert_eq!(cost(Amount::MAX, UsageMs(u64::MAX)), Amount::MAX);
    assert_eq!(cost(Amount::MAX, UsageMs(HOUR)), Amount::MAX);
}

#[test]
fn affordable_is_the_last_usage_within_the_amount() {
    let rate: Amount = "2".parse().unwrap();
    assert_eq!(affordable(rate, rate).0 / 1000, HOUR / 1000);
    assert_eq!(affordable(Amount::ZERO, Amount::ZERO), UsageMs(u64::MAX));
    assert_eq!(affordable(Amount::MAX, Amount::ZERO), UsageMs(0));
    assert_eq!(affordable(Amount::from_wei(1), Amount::MAX), UsageMs(u64::MAX));
}

#[test]
fn observed_counts_only_while_running() {
    let seen = Observed::default().running(1000).stopped(4000);
    assert_eq!(seen.run_ms(9_999_999), 3000);
    let again = seen.running(10_000);
    assert_eq!(again.run_ms(10_500), 3500);
    assert_eq!(again.stopped(11_000).run_ms(0), 4000);
    assert_eq!(again.intervals, 2);
}

#[test]
fn seeing_it_again_changes_nothing() {
    let seen = Observed::default().running(1000);
    assert_eq!(seen.running(5000), seen);
    let over = seen.stopped(2000);
    assert_eq!(over.stopped(9000), over);
}

#[test]
fn a_clock_that_steps_back_adds_nothing() {
    let seen = Observed::default().running(10_000);
    assert_eq!(seen.run_ms(500), 0);
    assert_eq!(seen.stopped(500).run_ms(500), 0);
}

#[test]
fn nothing_counts_before_it_was_seen_running() {
    assert_eq!(Observed::default().clamp(MilliUnits(1000), UsageMs(HOUR), 1, HOUR), UsageMs(0));
}

#[test]
fn a_true_report_counts_whole_and_a_false_one_is_cut() {
    let units = MilliUnits(2000);
    let seen = Observed::default().running(1_000_000).stopped(1_010_000);
    assert_eq!(seen.clamp(units, UsageMs(20_000), 1, 0), UsageMs(20_000));
    assert_eq!(seen.clamp(units, UsageMs(21_999), 1, 0), UsageMs(21_999));
    assert_eq!(seen.clamp(units, UsageMs(u64::MAX), 1, 0), UsageMs(2 * (10_000 + CLAMP_ALLOWANCE_MS)));
}

#[test]
fn starts_that_nobody_asked_for_earn_no_allowance() {
    let mut seen = Observed::default();
    for i in 0..100 {
        seen = seen.running(i * 10).stopped(i * 10);
    }
    assert_eq!(seen.clamp(MilliUnits(1000), UsageMs(HOUR), 2, 1000), UsageMs(2 * CLAMP_ALLOWANCE_MS));
}

#[test]
fn json_keeps_every_field() {
    let seen = Observed::default().running(1000).stopped(2000).running(3000);
    let text = serde_json::to_string(&seen).unwrap();
    assert_eq!(text, r#"{"settledMs":1000,"runningSinceMs":3000,"intervals":2}"#);
    assert_eq!(serde_json::from_str::<Observed>(&text).unwrap(), seen);
}

proptest! {
    /// The two-halves formula is the plain one wherever that fits.
    #[test]
    fn cost_is_the_formula(rate in 0u128..10u128.pow(18), ms in 0u64..10u64.pow(15)) {
        let plain = rate * u128::from(ms) / MS_PER_HOUR;
        prop_assert_eq!(cost(Amount::from_wei(rate), UsageMs(ms)).wei(), plain);
    }

    #[test]
    fn cost_never_falls(rate: u128, a: u64, b: u64) {
        let rate = Amount::from_wei(rate);
        prop_assert!(cost(rate, UsageMs(a.min(b))) <= cost(rate, UsageMs(a.max(b))));
    }

    /// Readings in any number of steps end at the same bill: cost is of the sum, so no wei is made or lost.
    #[test]
    fn splitting_a_reading_never_gains(rate in 0u128..10u128.pow(24), a in 0u64..10u64.pow(12), b in 0u64..10u64.pow(12)) {
        let rate = Amount::from_wei(rate);
        let parts = cost(rate, UsageMs(a)).wei() + cost(rate, UsageMs(b)).wei();
        let whole = cost(rate, UsageMs(a + b)).wei();
        prop_assert!(parts <= whole && whole <= parts + 1);
    }

    #[test]
    fn affordable_and_no_more(rate in 1u128..10u128.pow(30), amount in 0u128..10u128.pow(33)) {
        let (rate, amount) = (Amount::from_wei(rate), Amount::from_wei(amount));
        let most = affordable(rate, amount);
        prop_assert!(cost(rate, most) <= amount);
        if most.0 < u64::MAX {
            prop_assert!(cost(rate, UsageMs(most.0 + 1)) > amount);
        }
    }

    /// Whatever the member says and however it flaps, it is paid for at most what the hub saw and the allowance.
    #[test]
    fn clamp_bounds_every_report(
        events in prop::collection::vec((any::<bool>(), 0u64..100_000), 0..30),
        reported: u64,
        milli in 1u64..64_000,
        starts in 0u32..40,
    ) {
        let (mut seen, mut now, mut truth, mut since) = (Observed::default(), 1_000_000, 0, None);
        for (running, step) in events {
            now += step;
            if running {
                seen = seen.running(now);
                since.get_or_insert(now);
            } else {
                seen = seen.stopped(now);
                truth += since.take().map_or(0, |s| now - s);
            }
        }
        truth += since.map_or(0, |s| now - s);
        prop_assert_eq!(seen.run_ms(now), truth);
        let bound = usage(MilliUnits(milli), truth + CLAMP_ALLOWANCE_MS * u64::from(seen.intervals.min(starts)));
        prop_assert_eq!(seen.clamp(MilliUnits(milli), UsageMs(reported), starts, now), UsageMs(reported).min(bound));
    }
}
