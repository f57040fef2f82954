use eai_core::fencing::{Grant, Heartbeat, Instance, Known, Policy, SteadyMs, lending::grant_now};
use proptest::prelude::*;

use super::{beat, grant};

const POLICY: Policy = Policy::new(600_000);

fn known(sequence: u64, at: u64) -> Known {
    Known { grant: Some(grant(sequence, 600_000)), at: SteadyMs(at) }
}

#[test]
fn the_first_grant_is_given_at_once() {
    assert_eq!(grant_now(&POLICY, None, Some(beat(7)), SteadyMs(0)), Some(grant(7, 600_000)));
    let nothing = Known { grant: None, at: SteadyMs(0) };
    assert_eq!(grant_now(&POLICY, Some(&nothing), Some(beat(7)), SteadyMs(0)), Some(grant(7, 600_000)));
}

#[test]
fn who_was_never_heard_is_granted_nothing() {
    assert_eq!(grant_now(&POLICY, None, None, SteadyMs(0)), None);
    assert_eq!(grant_now(&POLICY, Some(&known(7, 0)), None, SteadyMs(10_000_000)), None);
}

#[test]
fn a_grant_is_renewed_when_a_third_is_used_up() {
    let at = |ms| grant_now(&POLICY, Some(&known(7, 1_000)), Some(beat(40)), SteadyMs(ms));
    assert_eq!(at(1_000), None);
    assert_eq!(at(200_999), None);
    assert_eq!(at(201_000), Some(grant(40, 600_000)));
}

#[test]
fn nothing_new_is_granted_on_an_old_heartbeat() {
    assert_eq!(grant_now(&POLICY, Some(&known(7, 0)), Some(beat(7)), SteadyMs(10_000_000)), None);
}

#[test]
fn an_agent_that_began_anew_is_granted_anew_at_once() {
    let anew = Heartbeat { instance: Instance(2), sequence: 1 };
    let given = grant_now(&POLICY, Some(&known(7, 0)), Some(anew), SteadyMs(1));
    assert_eq!(given, Some(Grant { heartbeat: anew, valid_for_ms: 600_000 }));
}

#[test]
fn a_validity_that_was_lowered_does_not_lower_what_was_given() {
    let short = Policy::new(60_000);
    let given = grant_now(&short, Some(&known(7, 0)), Some(beat(20)), SteadyMs(30_000));
    assert_eq!(given, Some(grant(20, 600_000)));
    assert_eq!(grant_now(&short, None, Some(beat(20)), SteadyMs(0)), Some(grant(20, 60_000)));
}

#[test]
fn a_validity_that_was_raised_is_given_soon() {
    let long = Policy::new(3_600_000);
    assert_eq!(grant_now(&long, Some(&known(7, 0)), Some(beat(30)), SteadyMs(199_999)), None);
    assert_eq!(grant_now(&long, Some(&known(7, 0)), Some(beat(30)), SteadyMs(200_000)), Some(grant(30, 3_600_000)));
}

proptest! {
    /// However often it looks, the hub writes a few times per validity and never leaves a living member without: a
    /// heartbeat comes every 10 s and the hub looks every `step`.
    #[test]
    fn grants_are_few_and_never_run_out(valid in 60_000u64..3_600_000, step in 1_000u64..10_000) {
        let policy = Policy::new(valid);
        let (mut known, mut writes) = (None::<Known>, 0u64);
        let hours = 4 * 3_600_000 / step;
        for look in 0..hours {
            let now = SteadyMs(look * step);
            let latest = beat(now.0 / 10_000 + 1);
            if let Some(given) = grant_now(&policy, known.as_ref(), Some(latest), now) {
                known = Some(Known::saw(known, Some(given), now));
                writes += 1;
            }
            let given = known.unwrap().grant.unwrap();
            // The heartbeat that it echoes was sent at (sequence - 1) x 10 s.
            prop_assert!((given.heartbeat.sequence - 1) * 10_000 + valid > now.0);
        }
        let most = 4 * 3_600_000 / policy.renew_after_ms() + 2;
        prop_assert!(writes <= most, "{} writes, {} at most", writes, most);
    }

    /// No grant ends before the one that it replaces, whatever becomes of the policy.
    #[test]
    fn ends_never_move_back(validities in prop::collection::vec(1_000u64..2_000_000, 1..30), step in 1_000u64..400_000) {
        let (mut known, mut end) = (None::<Known>, 0);
        for (look, valid) in validities.into_iter().enumerate() {
            let now = SteadyMs(look as u64 * step);
            let latest = beat(now.0 / 1_000 + 1);
            if let Some(given) = grant_now(&Policy::new(valid), known.as_ref(), Some(latest), now) {
                let its = (given.heartbeat.sequence - 1) * 1_000 + given.valid_for_ms;
                prop_assert!(its >= end);
                end = its;
                known = Some(Known::saw(known, Some(given), now));
            }
        }
    }
}
