use eai_core::fencing::{Expiry, Grant, Known, OnLoss, Policy, SteadyMs, Tenure, expiry::expiry};
use proptest::prelude::*;

use super::grant;

const POLICY: Policy = Policy::new(600_000);
/// (600 s + 30 s) x 1.1 / 0.9 + 10 s.
const WHOLE: u64 = 780_000;

fn at(given: Option<Grant>, since: u64, now: u64) -> Expiry {
    expiry(&POLICY, OnLoss::SelfFence, &Known { grant: given, at: SteadyMs(since) }, None, SteadyMs(now))
}

#[test]
fn the_hub_waits_for_validity_grace_and_margin() {
    assert_eq!(POLICY.fence_after_ms(600_000), WHOLE);
    let given = Some(grant(1, 600_000));
    assert_eq!(at(given, 1_000, 1_000), Expiry::At(SteadyMs(WHOLE + 1_000)));
    assert_eq!(at(given, 1_000, WHOLE + 999), Expiry::At(SteadyMs(WHOLE + 1_000)));
    assert_eq!(at(given, 1_000, WHOLE + 1_000), Expiry::Passed);
}

#[test]
fn grace_is_capped_and_skew_too() {
    let long = Policy { grace_ms: 3_600_000, ..POLICY };
    assert_eq!(long.fence_after_ms(600_000), WHOLE);
    let absurd = Policy { skew_percent: 250, ..POLICY };
    assert_eq!(absurd.fence_after_ms(1), Policy { skew_percent: 99, ..POLICY }.fence_after_ms(1));
}

#[test]
fn the_wait_is_rounded_up() {
    let bare = Policy { grace_ms: 0, sync_ms: 0, ..POLICY };
    assert_eq!(bare.fence_after_ms(0), 0);
    assert_eq!(bare.fence_after_ms(1), 2);
    assert_eq!(bare.fence_after_ms(90), 110);
    assert_eq!(bare.fence_after_ms(91), 112);
}

#[test]
fn a_record_without_a_grant_is_no_proof_that_none_was_given() {
    assert_eq!(at(None, 0, WHOLE - 1), Expiry::At(SteadyMs(WHOLE)));
    assert_eq!(at(None, 0, WHOLE), Expiry::Passed);
}

#[test]
fn a_grant_longer_than_the_policy_is_waited_for() {
    let long = Some(grant(1, 1_200_000));
    assert_eq!(at(long, 0, 0), Expiry::At(SteadyMs(POLICY.fence_after_ms(1_200_000))));
    // And one that is shorter isn't waited for less: an earlier one may have been longer.
    assert_eq!(at(Some(grant(1, 1_000)), 0, 0), Expiry::At(SteadyMs(WHOLE)));
}

#[test]
fn work_that_continues_is_never_given_to_another() {
    let known = Known { grant: Some(grant(1, 600_000)), at: SteadyMs(0) };
    assert_eq!(expiry(&POLICY, OnLoss::Continue, &known, None, SteadyMs(u64::MAX)), Expiry::Never);
}

#[test]
fn a_pause_holds_expiry_back_and_shortens_nothing() {
    let known = Known { grant: Some(grant(1, 600_000)), at: SteadyMs(0) };
    let frozen = |until, now| expiry(&POLICY, OnLoss::SelfFence, &known, Some(SteadyMs(until)), SteadyMs(now));
    assert_eq!(frozen(WHOLE + 500, WHOLE), Expiry::At(SteadyMs(WHOLE + 500)));
    assert_eq!(frozen(WHOLE + 500, WHOLE + 500), Expiry::Passed);
    assert_eq!(frozen(5, WHOLE - 1), Expiry::At(SteadyMs(WHOLE)));
}

#[test]
fn what_is_known_keeps_its_moment_until_something_new_is_seen() {
    let first = Known::saw(None, Some(grant(1, 600_000)), SteadyMs(10));
    assert_eq!(first.at, SteadyMs(10));
    assert_eq!(Known::saw(Some(first), Some(grant(1, 600_000)), SteadyMs(99)), first);
    let next = Known::saw(Some(first), Some(grant(2, 600_000)), SteadyMs(99));
    assert_eq!(next, Known { grant: Some(grant(2, 600_000)), at: SteadyMs(99) });
    // A record that lost its grant takes nothing back.
    assert_eq!(Known::saw(Some(next), None, SteadyMs(500)), next);
    assert_eq!(Known::saw(None, None, SteadyMs(7)), Known { grant: None, at: SteadyMs(7) });
}

#[test]
fn a_restored_hub_begins_nothing_for_as_long_as_what_it_does_not_know_can_run() {
    let since = SteadyMs(5_000);
    let restored = Tenure { since, restored: true };
    assert!(!restored.may_begin(&POLICY, SteadyMs(5_000 + WHOLE - 1)));
    assert!(restored.may_begin(&POLICY, SteadyMs(5_000 + WHOLE)));
    assert!(Tenure { since, restored: false }.may_begin(&POLICY, since));
}

#[test]
fn nothing_overflows() {
    let huge = Policy { valid_for_ms: u64::MAX, grace_ms: u64::MAX, sync_ms: u64::MAX, skew_percent: 99 };
    assert_eq!(huge.fence_after_ms(u64::MAX), u64::MAX);
    let known = Known { grant: Some(grant(1, u64::MAX)), at: SteadyMs(u64::MAX) };
    assert_eq!(expiry(&huge, OnLoss::SelfFence, &known, None, SteadyMs(0)), Expiry::At(SteadyMs(u64::MAX)));
}

proptest! {
    /// Monotone in everything that makes it longer.
    #[test]
    fn longer_grants_are_waited_for_longer(a in 0u64..10u64.pow(12), b in 0u64..10u64.pow(12)) {
        let (less, more) = (a.min(b), a.max(b));
        prop_assert!(POLICY.fence_after_ms(less) <= POLICY.fence_after_ms(more));
        prop_assert!(POLICY.fence_after_ms(less) >= less + less / 5 + POLICY.sync_ms);
    }

    /// Once passed it stays passed, and before that it names one and the same moment.
    #[test]
    fn expiry_is_one_moment(since in 0u64..10u64.pow(9), looks in prop::collection::vec(0u64..2_000_000, 1..30)) {
        let mut looks = looks;
        looks.sort_unstable();
        let mut passed = false;
        for look in looks {
            match at(Some(grant(1, 600_000)), since, since + look) {
                Expiry::Passed => passed = true,
                Expiry::At(moment) => prop_assert!(!passed && moment == SteadyMs(since + WHOLE)),
                Expiry::Never => prop_assert!(false),
            }
        }
    }
}
