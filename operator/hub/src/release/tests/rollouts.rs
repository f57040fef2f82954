//! Whole rollouts, with members of all kinds.

use proptest::prelude::*;

use super::{super::waves::decide, *};

/// How a member takes the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Good,
    Refuses,
    RollsBack,
    NeverAnswers,
    Dies,
    LosesWork,
}

fn nature() -> impl Strategy<Value = Nature> {
    prop_oneof![
        12 => Just(Nature::Good),
        1 => Just(Nature::Refuses),
        1 => Just(Nature::RollsBack),
        1 => Just(Nature::NeverAnswers),
        1 => Just(Nature::Dies),
        1 => Just(Nature::LosesWork),
    ]
}

fn react(member: &mut Candidate, nature: Nature) {
    if member.offer.is_none() {
        return;
    }
    match nature {
        Nature::Good => updated(member),
        Nature::Refuses => answered(member, UpdateResult::Refused),
        Nature::RollsBack => answered(member, UpdateResult::RolledBack),
        Nature::NeverAnswers => {}
        Nature::Dies => {
            updated(member);
            member.alive = false;
        }
        Nature::LosesWork => {
            updated(member);
            member.lost += 1;
        }
    }
}

/// The course after all looks, one every 100 s, and how many were ever offered it.
fn roll(all: &mut [Candidate], natures: &[Nature], shuffle: usize) -> (Course, usize) {
    let release = release();
    let (mut course, mut most) = (Course::default(), 0);
    for look in 0..120 {
        let now = at(look * 100);
        let mut seen = all.to_vec();
        seen.rotate_left(shuffle % all.len());
        let decision = decide(&release, &course, &seen, now);
        let stopped = course.phase == ReleasePhase::Stopped;
        assert!(!stopped || decision.offer.is_empty(), "offered after it stopped");
        assert!(decision.offer.is_empty() || decision.failed.is_empty());
        course = decision.course;
        for (member, nature) in all.iter_mut().zip(natures) {
            if decision.withdraw.contains(&member.name) {
                member.offer = None;
            }
            if decision.offer.contains(&member.name) {
                offered(member, course.wave, now);
            }
            react(member, *nature);
        }
        most = most.max(all.iter().filter(|m| m.offer.is_some()).count());
        let wave = usize::try_from(course.wave).unwrap().clamp(1, 4);
        let target = release.waves.iter().take(wave).map(|wave| wave.of(all.len())).max().unwrap();
        assert!(most <= target, "{most} were offered it in wave {wave} of {}", all.len());
    }
    (course, most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// A release ends: complete with all members if all are good, else stopped in the wave of the first that isn't.
    #[test]
    fn a_rollout_ends_and_never_runs_ahead_of_its_wave(natures in prop::collection::vec(nature(), 1..40), shuffle in 0..40_usize) {
        let mut all = members(natures.len());
        let (course, most) = roll(&mut all, &natures, shuffle);
        if natures.iter().all(|nature| *nature == Nature::Good) {
            prop_assert_eq!(course.phase, ReleasePhase::Complete);
            prop_assert!(all.iter().all(|m| m.digest == digest("0.2.0")));
        } else {
            prop_assert_eq!(course.phase, ReleasePhase::Stopped);
            prop_assert!(most <= all.len());
            prop_assert!(all.iter().all(|m| m.offer.is_none() || m.digest == digest("0.2.0")), "an offer stayed");
        }
        let mut again = members(natures.len());
        prop_assert_eq!(roll(&mut again, &natures, 0).0, course, "the order in which members are listed changes nothing");
    }
}
