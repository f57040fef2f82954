use super::{super::waves::decide, *};

/// One member of the first wave, changed, and what it stops for.
fn first_wave(change: impl FnOnce(&mut Candidate), seconds: i64) -> Vec<String> {
    let mut all = members(3);
    offered(&mut all[0], 1, at(0));
    change(&mut all[0]);
    let decision = decide(&release(), &rolling(1, None), &all, at(seconds));
    let stopped = decision.course.phase == ReleasePhase::Stopped;
    assert_eq!(stopped, !decision.failed.is_empty());
    assert!(!stopped || decision.offer.is_empty());
    decision.failed.into_iter().map(|failed| failed.reason).collect()
}

#[test]
fn a_share_of_members_is_rounded_up() {
    for (text, all, wanted) in [("1", 0, 0), ("1", 5, 1), ("7", 5, 5), ("10%", 5, 1), ("10%", 11, 2), ("100%", 7, 7)] {
        assert_eq!(Wave::parse(text).unwrap().of(all), wanted, "{text} of {all}");
    }
}

#[test]
fn it_is_offered_to_one_member_first() {
    let decision = decide(&release(), &Course::default(), &members(30), at(0));
    assert_eq!((decision.offer.len(), decision.members, decision.updated), (1, 30, 0));
    assert_eq!((decision.course.phase, decision.course.wave), (ReleasePhase::Rolling, 1));
}

#[test]
fn other_releases_begin_with_other_members() {
    let first = |name: &str| {
        let release = Release { name: name.to_owned(), ..release() };
        decide(&release, &Course::default(), &members(30), at(0)).offer
    };
    let firsts: std::collections::BTreeSet<_> = (0..20).map(|n| first(&format!("v0.{n}.0"))).collect();
    assert!(firsts.len() > 5, "{firsts:?}");
    assert_eq!(first("v1"), first("v1"));
}

#[test]
fn only_those_are_offered_it_who_are_heard_and_older() {
    let mut all = members(4);
    all[0].alive = false;
    all[1].version = "0.2.0".parse().unwrap();
    all[2].version = "0.3.0".parse().unwrap();
    let everybody = Release { waves: vec![Wave::Percent(100)], ..release() };
    let decision = decide(&everybody, &Course::default(), &all, at(0));
    assert_eq!((decision.offer, decision.members), (vec!["m3".to_owned()], 1));
}

#[test]
fn while_it_is_paused_nothing_more_is_offered_and_failures_still_stop_it() {
    let paused = Release { paused: true, ..release() };
    let decision = decide(&paused, &Course::default(), &members(3), at(0));
    assert_eq!((decision.offer.len(), decision.course), (0, Course::default()));
    let mut all = members(3);
    offered(&mut all[0], 1, at(0));
    answered(&mut all[0], UpdateResult::Refused);
    assert_eq!(decide(&paused, &rolling(1, None), &all, at(1)).course.phase, ReleasePhase::Stopped);
}

#[test]
fn a_wave_soaks_and_then_the_next_one_begins() {
    let mut all = members(30);
    offered(&mut all[0], 1, at(0));
    let waits = decide(&release(), &rolling(1, None), &all, at(10));
    assert_eq!((waits.course, waits.awaited), (rolling(1, None), vec!["m0".to_owned()]));
    updated(&mut all[0]);
    let soaks = decide(&release(), &rolling(1, None), &all, at(20));
    assert_eq!((soaks.course.clone(), soaks.updated), (rolling(1, Some(at(20))), 1));
    assert_eq!(decide(&release(), &soaks.course, &all, at(619)).course, soaks.course);
    let next = decide(&release(), &soaks.course, &all, at(620));
    assert_eq!((next.course.clone(), next.offer.len()), (rolling(2, None), 0));
    assert_eq!(decide(&release(), &next.course, &all, at(621)).offer.len(), 2, "three of thirty have it");
}

#[test]
fn who_has_it_already_is_not_waited_for() {
    let mut all = members(2);
    all.iter_mut().for_each(updated);
    let mut course = Course::default();
    for _ in 0..4 {
        course = decide(&release(), &course, &all, at(0)).course;
    }
    assert_eq!(course.phase, ReleasePhase::Complete);
}

#[test]
fn one_that_is_not_well_stops_it() {
    let nothing: Vec<String> = Vec::new();
    assert_eq!(first_wave(|_| {}, 900), nothing);
    assert_eq!(first_wave(|_| {}, 901), ["DeadlineExceeded"]);
    assert_eq!(first_wave(|m| m.alive = false, 900), nothing, "a laptop may sleep for a while");
    assert_eq!(first_wave(|m| answered(m, UpdateResult::Updating), 900), nothing);
    assert_eq!(first_wave(|m| answered(m, UpdateResult::Refused), 1), ["NeverReady"]);
    assert_eq!(first_wave(|m| answered(m, UpdateResult::RolledBack), 1), ["NeverReady"]);
    assert_eq!(first_wave(|m| m.lost = 1, 1), ["WorkLost"]);
    let well = |m: &mut Candidate| updated(m);
    assert_eq!(first_wave(well, 5000), nothing);
    let then = |change: fn(&mut Candidate)| {
        move |m: &mut Candidate| {
            updated(m);
            change(m);
        }
    };
    assert_eq!(first_wave(then(|m| m.alive = false), 1), ["Unreachable"]);
    assert_eq!(first_wave(then(|m| m.lost = 1), 1), ["WorkLost"]);
    assert_eq!(
        first_wave(then(|m| m.degraded = Some("NoSandbox".to_owned())), 900),
        nothing,
        "its probes take a while"
    );
    assert_eq!(first_wave(then(|m| m.degraded = Some("NoSandbox".to_owned())), 901), ["Degraded"]);
}

#[test]
fn what_was_wrong_before_is_not_the_releases_fault() {
    let mut all = members(1);
    (all[0].lost, all[0].degraded) = (3, Some("NodesAway".to_owned()));
    offered(&mut all[0], 1, at(0));
    updated(&mut all[0]);
    let decision = decide(&release(), &rolling(1, None), &all, at(5000));
    assert_eq!(decision.course, rolling(1, Some(at(5000))));
    let other = UpdateAttempt { release: "v0.2.0-mistaken".to_owned(), ..answer() };
    let mut all = members(1);
    offered(&mut all[0], 1, at(0));
    all[0].last = Some(other);
    assert_eq!(
        decide(&release(), &rolling(1, None), &all, at(1)).failed,
        vec![],
        "that was another release of the same image"
    );
}

fn answer() -> UpdateAttempt {
    let mut m = member("x");
    answered(&mut m, UpdateResult::RolledBack);
    m.last.unwrap()
}

#[test]
fn once_stopped_it_is_offered_to_nobody_and_taken_back_from_those_without_it() {
    let mut all = members(6);
    for m in all.iter_mut().take(3) {
        offered(m, 2, at(0));
    }
    updated(&mut all[0]);
    answered(&mut all[1], UpdateResult::RolledBack);
    let stopped = decide(&release(), &rolling(2, None), &all, at(1));
    assert_eq!(stopped.withdraw, ["m1", "m2"]);
    assert_eq!(stopped.course.phase, ReleasePhase::Stopped);
    all[1].last = None;
    (all[1].offer, all[2].offer) = (None, None);
    let later = decide(&release(), &stopped.course, &all, at(100_000));
    assert_eq!((later.course.phase, later.offer.len(), later.withdraw.len()), (ReleasePhase::Stopped, 0, 0));
}

#[test]
fn once_complete_members_may_sleep_and_late_ones_come_in_a_wave_of_their_own() {
    let mut all = members(3);
    for m in &mut all {
        offered(m, 4, at(0));
        updated(m);
    }
    all[1].alive = false;
    let complete = Course { phase: ReleasePhase::Complete, wave: 4, soaking_since: None };
    assert_eq!(decide(&release(), &complete, &all, at(9000)).course, complete);
    all.push(member("late"));
    let next = decide(&release(), &complete, &all, at(9000));
    assert_eq!(next.course, rolling(5, None));
    let then = decide(&release(), &next.course, &all, at(9001));
    assert_eq!((then.offer, then.failed), (vec!["late".to_owned()], vec![]));
}
