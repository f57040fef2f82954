#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, clippy::type_complexity)]
use proptest::prelude::*;

use super::*;

fn run(index: u32, start: u64, finish: u64, exit: i32) -> Run {
    Run { index, start_ms: start, finish_ms: finish, exit, lost: false }
}

#[test]
fn adds_up_what_ran() {
    let mut ledger = Ledger::default();
    assert!(ledger.record("a", run(0, 1_000, 4_000, 0)));
    assert!(ledger.record("b", run(1, 2_000, 2_500, 1)));
    assert_eq!(ledger.run_ms(), 3_500);
    assert_eq!(ledger.first_start_ms(), Some(1_000));
    assert_eq!(ledger.last_finish_ms(), Some(4_000));
}

#[test]
fn a_pod_counts_once_whatever_is_said_of_it_later() {
    let mut ledger = Ledger::default();
    assert!(ledger.record("a", run(0, 1_000, 4_000, 0)));
    assert!(!ledger.record("a", run(0, 1_000, 9_000, 0)));
    assert_eq!(ledger.run_ms(), 3_000);
}

#[test]
fn what_never_started_counts_nothing() {
    let mut ledger = Ledger::default();
    ledger.record("a", run(0, 0, 1_800_000_000_000, 128));
    assert_eq!((ledger.run_ms(), ledger.first_start_ms()), (0, None));
}

#[test]
fn a_clock_that_steps_back_counts_nothing() {
    assert_eq!(run(0, 5_000, 4_000, 0).ms(), 0);
}

#[test]
fn reads_back_what_it_writes() {
    let mut ledger = Ledger::default();
    ledger.record("a", run(3, 1_000, 4_000, -1));
    assert_eq!(Ledger::read(Some(&ledger.write())).unwrap(), ledger);
    assert_eq!(Ledger::read(None).unwrap(), Ledger::default());
    assert_eq!(Ledger::read(Some("")).unwrap(), Ledger::default());
    assert_eq!(Ledger::read(Some(&Ledger::default().write())).unwrap(), Ledger::default());
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_not_an_empty_one() {
    for text in ["{", "[]", "{\"runs\":{\"a\":{}}}", "{\"runs\":{\"a\":{\"i\":0,\"s\":-1,\"f\":0,\"e\":0}}}"] {
        assert!(Ledger::read(Some(text)).is_err(), "{text}");
    }
}

#[test]
fn the_root_is_over_every_field() {
    let root = |r: Run, uid: &str| {
        let mut ledger = Ledger::default();
        ledger.record(uid, r);
        ledger.root().unwrap()
    };
    let base = root(run(0, 1_000, 2_000, 0), "a");
    assert!(base.len() == 66 && base.starts_with("0x"));
    for other in [
        root(run(1, 1_000, 2_000, 0), "a"),
        root(run(0, 1_001, 2_000, 0), "a"),
        root(run(0, 1_000, 2_001, 0), "a"),
        root(run(0, 1_000, 2_000, 1), "a"),
        root(run(0, 1_000, 2_000, 0), "b"),
    ] {
        assert_ne!(other, base);
    }
    assert_eq!(Ledger::default().root(), None);
}

/// A record of `count` interrupted runs, a second each.
fn long(count: u64) -> Ledger {
    let mut ledger = Ledger::default();
    for i in 0..count {
        let start = 1_800_000_000_000 + i * 10_000;
        ledger.record(&format!("{i:036}"), run(u32::try_from(i % 1000).unwrap(), start, start + 1_000, 143));
    }
    ledger
}

#[test]
fn a_long_record_is_folded_without_losing_a_millisecond() {
    let mut ledger = long(3_000);
    ledger.record("good", run(0, 1_800_000_000_000, 1_800_000_007_000, 0));
    let (before, root, last) = (ledger.run_ms(), ledger.root(), ledger.last_finish_ms());
    ledger.fold(|uid| uid != format!("{:036}", 5));
    assert!(ledger.write().len() < 1_000);
    assert_eq!(ledger.run_ms(), before);
    assert_ne!(ledger.root(), root);
    assert_eq!(ledger.first_start_ms(), Some(1_800_000_000_000));
    assert_eq!(ledger.last_finish_ms(), last);
    // Pods that are still there stay.
    assert!(ledger.has(&format!("{:036}", 5)) && !ledger.has("good"));
    let again = Ledger::read(Some(&ledger.write())).unwrap();
    assert_eq!(again, ledger);
}

#[test]
fn folding_twice_adds_to_what_was_folded() {
    let mut ledger = long(3_000);
    ledger.fold(|_| true);
    for (uid, r) in long(6_000).runs().skip(3_000) {
        ledger.record(uid, *r);
    }
    ledger.fold(|_| true);
    assert_eq!(ledger.run_ms(), 6_000 * 1_000);
    assert_eq!(ledger.runs().count(), 0);
    assert!(ledger.root().is_some());
}

#[test]
fn a_short_record_is_not_folded() {
    let mut ledger = long(100);
    let before = ledger.clone();
    ledger.fold(|_| true);
    assert_eq!(ledger, before);
}

#[test]
fn a_thousand_successes_fit_an_annotation() {
    let mut ledger = Ledger::default();
    for i in 0..1000 {
        ledger.record(&format!("{i:036}"), run(i, 1_800_000_000_000, 1_800_000_100_000, 0));
    }
    ledger.fold(|_| true);
    assert!(ledger.write().len() < 128 << 10);
}

proptest! {
    #[test]
    fn the_order_of_records_makes_no_difference(
        runs in prop::collection::btree_map("[a-f0-9]{4}", (0u32..9, 1u64..10_000, 0u64..10_000, 0i32..3), 0..20),
        seed in any::<u64>(),
    ) {
        let forward: Vec<_> = runs.iter().collect();
        let mut shuffled = forward.clone();
        // A cheap shuffle that the seed decides.
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, usize::try_from(seed.rotate_left(u32::try_from(i).unwrap()) % (i as u64 + 1)).unwrap());
        }
        let fill = |order: &[(&String, &(u32, u64, u64, i32))]| {
            let mut ledger = Ledger::default();
            for (uid, (index, start, length, exit)) in order.iter().map(|(uid, run)| (uid, **run)) {
                ledger.record(uid, run(index, start, start + length, exit));
                // Twice, as after a restart.
                ledger.record(uid, run(index, start, start + length, exit));
            }
            ledger
        };
        let (one, other) = (fill(&forward), fill(&shuffled));
        prop_assert_eq!(one.root(), other.root());
        prop_assert_eq!(one.run_ms(), runs.values().map(|r| r.2).sum::<u64>());
        prop_assert_eq!(one, other);
    }
}
