use eai_core::fencing::{
    Policy, SteadyMs,
    silence::{Pauses, Voice, is_mass_silence, part},
};
use proptest::prelude::*;

const POLICY: Policy = Policy::new(600_000);
const NOW: SteadyMs = SteadyMs(10_000_000);

fn heard(stake: u128) -> Voice {
    Voice { stake, silent_since: None }
}

fn silent(stake: u128) -> Voice {
    Voice { stake, silent_since: Some(SteadyMs(NOW.0 - 60_000)) }
}

fn mass(members: &[Voice]) -> bool {
    is_mass_silence(&POLICY, members, NOW)
}

#[test]
fn more_than_half_of_the_stake_at_once_is_a_mass() {
    assert!(mass(&[silent(10), silent(10), heard(10)]));
    assert!(!mass(&[silent(10), silent(10), heard(10), heard(10)]));
    assert!(!mass(&[silent(10), silent(10), heard(100)]));
}

#[test]
fn one_alone_is_no_mass_however_large() {
    assert!(!mass(&[silent(1_000_000)]));
    assert!(!mass(&[silent(1_000_000), heard(1)]));
    assert!(!mass(&[]));
}

#[test]
fn who_has_been_silent_for_long_is_not_counted() {
    let long_gone = Voice { stake: 100, silent_since: Some(SteadyMs(0)) };
    assert!(!mass(&[long_gone, long_gone, heard(1)]));
    assert!(mass(&[long_gone, silent(5), silent(5), heard(9)]));
}

#[test]
fn a_crowd_without_stakes_brings_nothing_about() {
    let mut members = vec![silent(0); 10_000];
    members.extend([heard(10), heard(10)]);
    assert!(!mass(&members));
    // Nor with the help of a small part of the stake.
    members.push(silent(1));
    assert!(!mass(&members));
}

#[test]
fn a_crowd_without_stakes_keeps_no_real_mass_silence_from_being_seen() {
    let mut members = vec![heard(0); 10_000];
    members.extend([silent(10), silent(10)]);
    assert!(mass(&members));
}

#[test]
fn where_nobody_has_a_stake_each_counts_the_same() {
    assert!(mass(&[silent(0), silent(0), heard(0)]));
    assert!(!mass(&[silent(0), silent(0), heard(0), heard(0)]));
}

#[test]
fn a_stake_is_divided_among_the_members_that_stand_on_it() {
    assert_eq!((part(90, 1), part(90, 3), part(91, 3)), (90, 30, 30));
    assert_eq!((part(0, 3), part(90, 0)), (0, 90));
    assert_eq!(part(2, 3), 1, "rounded to nothing it would weigh as much as the least stake of anybody");
}

#[test]
fn a_pause_lasts_one_validity() {
    let all = [silent(1), silent(1)];
    let pauses = Pauses::default().look(&POLICY, &all, NOW);
    let end = NOW.after(600_000);
    assert_eq!(pauses.frozen_until(&POLICY, NOW), Some(end));
    assert_eq!(pauses.frozen_until(&POLICY, SteadyMs(end.0 - 1)), Some(end));
    assert_eq!(pauses.frozen_until(&POLICY, end), None);
    assert_eq!(Pauses::default().frozen_until(&POLICY, NOW), None);
}

#[test]
fn no_silence_prolongs_a_pause() {
    let all = |now: SteadyMs| [0, 1].map(|_| Voice { stake: 1, silent_since: Some(now) });
    let first = Pauses::default().look(&POLICY, &all(NOW), NOW);
    let soon = NOW.after(3 * 600_000 - 1);
    assert_eq!(first.look(&POLICY, &all(soon), soon), first);
    let later = NOW.after(3 * 600_000);
    assert_ne!(first.look(&POLICY, &all(later), later), first);
}

#[test]
fn while_all_speak_nothing_pauses() {
    assert_eq!(Pauses::default().look(&POLICY, &[heard(1), heard(0)], NOW), Pauses::default());
}

proptest! {
    /// Whatever those without a stake do, they neither bring a pause about nor keep one away.
    #[test]
    fn the_cheap_decide_nothing_alone(
        stakes in prop::collection::vec((1u128..1_000, any::<bool>()), 1..12),
        cheap in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        let voice = |stake, fell: bool| if fell { silent(stake) } else { heard(stake) };
        let staked: Vec<_> = stakes.iter().map(|(stake, fell)| voice(*stake, *fell)).collect();
        let mut all = staked.clone();
        all.extend(cheap.iter().map(|fell| voice(0, *fell)));
        let total: u128 = stakes.iter().map(|(stake, _)| stake).sum();
        let fell: u128 = stakes.iter().filter(|(_, fell)| *fell).map(|(stake, _)| stake).sum();
        if mass(&all) {
            // At most half as much again as the staked weigh: a quarter of the stake must have fallen silent.
            prop_assert!(4 * fell > total, "{} of {}", fell, total);
        }
        if 4 * fell > 3 * total && stakes.iter().filter(|(_, fell)| *fell).count() >= 2 {
            prop_assert!(mass(&all), "{} of {}", fell, total);
        }
    }

    /// Over however many members an owner spreads a stake, and however many cheap ones fall silent with them: they bring
    /// nothing about that the stake alone, with any crowd of cheap ones, couldn't. Nor do they keep anything away.
    #[test]
    fn spreading_a_stake_gains_nothing(
        stake in 1u128..1_000_000,
        members in 1usize..200,
        others in prop::collection::vec(1u128..1_000_000, 2..12),
        cheap in 0usize..200,
    ) {
        let spread = |voice: fn(u128) -> Voice| (0..members).map(move |_| voice(part(stake, members)));
        let weighs = (part(stake, members) * members as u128).max(stake);
        prop_assert!(weighs <= stake.max(members as u128), "a least unit each at most");
        let rest: u128 = others.iter().sum();
        let total = weighs + rest;
        let attack: Vec<_> = spread(silent)
            .chain((0..cheap).map(|_| silent(0)))
            .chain(others.iter().map(|stake| heard(*stake)))
            .collect();
        prop_assert!(!mass(&attack) || 4 * weighs > total, "{} of {}", weighs, total);
        let defence: Vec<_> = spread(heard)
            .chain((0..cheap).map(|_| heard(0)))
            .chain(others.iter().map(|stake| silent(*stake)))
            .collect();
        prop_assert!(mass(&defence) || 4 * rest <= 3 * total, "{} of {}", rest, total);
    }

    /// However members come and go, expiry is frozen for at most a third of the time.
    #[test]
    fn pauses_are_bounded_in_a_row(flaps in prop::collection::vec(any::<bool>(), 100..400)) {
        let step = 60_000;
        let (mut pauses, mut frozen) = (Pauses::default(), 0u64);
        for (look, fell) in flaps.iter().enumerate() {
            let now = SteadyMs(1_000_000 + look as u64 * step);
            let since = fell.then_some(now);
            pauses = pauses.look(&POLICY, &[1, 1].map(|stake| Voice { stake, silent_since: since }), now);
            frozen += u64::from(pauses.frozen_until(&POLICY, now).is_some());
        }
        let periods = (flaps.len() as u64 * step).div_ceil(3 * 600_000);
        prop_assert!(frozen <= periods * 600_000 / step);
    }

    #[test]
    fn no_stake_overflows(stakes in prop::collection::vec((any::<u128>(), any::<bool>()), 0..20)) {
        let all: Vec<_> = stakes.iter().map(|(s, fell)| if *fell { silent(*s) } else { heard(*s) }).collect();
        let _ = mass(&all);
    }
}
