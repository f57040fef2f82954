use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::SignedDuration,
};

use super::now;
use crate::heartbeat::*;

struct Clock {
    start: Instant,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now() }
    }

    fn at(&self, seconds: u64) -> Moment {
        Moment {
            steady: self.start + Duration::from_secs(seconds),
            wall: now() + SignedDuration::from_secs(seconds.try_into().unwrap()),
        }
    }
}

fn lease(uid: &str, renewed: Option<i64>) -> Lease {
    let mut lease = Lease::default();
    lease.metadata.uid = Some(uid.to_owned());
    let renew_time = renewed.map(|s| MicroTime(k8s_openapi::jiff::Timestamp::from_second(s).unwrap()));
    lease.spec = Some(LeaseSpec { renew_time, ..LeaseSpec::default() });
    lease
}

const NEVER: (Option<k8s_openapi::jiff::Timestamp>, bool) = (None, false);

#[test]
fn the_first_sight_of_a_lease_is_no_heartbeat() {
    let clock = Clock::new();
    let beats = Heartbeats::new(clock.start);
    assert!(!beats.observe("m", &lease("l", Some(1)), clock.at(0)));
    assert!(!beats.pulse("m", NEVER, clock.at(0)).alive);
}

#[test]
fn a_change_is_a_heartbeat_whatever_the_members_clock_says() {
    let clock = Clock::new();
    for renewed in [2, -5_000_000_000, 50_000_000_000] {
        let beats = Heartbeats::new(clock.start);
        beats.observe("m", &lease("l", None), clock.at(0));
        assert!(beats.observe("m", &lease("l", Some(renewed)), clock.at(5)), "comes back from silence");
        let pulse = beats.pulse("m", NEVER, clock.at(5));
        assert!(pulse.alive);
        assert_eq!(pulse.last_seen, Some(clock.at(5).wall));
        assert_eq!(pulse.fresh_for, Some(SILENCE));
    }
}

#[test]
fn silence_of_forty_seconds_ends_it() {
    let clock = Clock::new();
    let beats = Heartbeats::new(clock.start);
    beats.observe("m", &lease("l", None), clock.at(0));
    beats.observe("m", &lease("l", Some(1)), clock.at(10));
    assert!(beats.pulse("m", NEVER, clock.at(50)).alive);
    assert!(!beats.pulse("m", NEVER, clock.at(51)).alive);
    // The same Lease seen again, as after the watch was cut, is no heartbeat.
    assert!(!beats.observe("m", &lease("l", Some(1)), clock.at(52)));
    assert!(!beats.pulse("m", NEVER, clock.at(52)).alive);
    assert!(beats.observe("m", &lease("l", Some(2)), clock.at(53)), "this one is");
    assert!(!beats.observe("m", &lease("l", Some(3)), clock.at(63)), "no return from silence: it was alive");
    assert!(beats.pulse("m", NEVER, clock.at(103)).alive);
}

#[test]
fn a_lease_made_anew_says_nothing_of_the_agent() {
    let clock = Clock::new();
    let beats = Heartbeats::new(clock.start);
    beats.observe("m", &lease("l", None), clock.at(0));
    beats.observe("m", &lease("l", Some(1)), clock.at(1));
    assert!(!beats.observe("m", &lease("other", Some(2)), clock.at(2)));
    assert!(!beats.pulse("m", NEVER, clock.at(2)).alive);
}

#[test]
fn a_hub_that_restarts_lets_the_living_live_for_one_silence() {
    let clock = Clock::new();
    let beats = Heartbeats::new(clock.start);
    let before = (Some(clock.at(0).wall - SignedDuration::from_secs(65)), true);
    beats.observe("m", &lease("l", Some(1)), clock.at(1));
    assert!(beats.pulse("m", before, clock.at(2)).alive);
    assert_eq!(beats.pulse("m", before, clock.at(2)).fresh_for, Some(Duration::from_secs(38)));
    assert!(!beats.pulse("m", before, clock.at(41)).alive);
    assert!(!beats.pulse("m", (before.0, false), clock.at(2)).alive, "who was gone stays gone");
    let long_ago = (Some(clock.at(0).wall - SignedDuration::from_hours(2)), true);
    assert!(!beats.pulse("m", long_ago, clock.at(2)).alive, "the hub itself was away for long");
}

#[test]
fn a_member_that_left_is_forgotten() {
    let clock = Clock::new();
    let beats = Heartbeats::new(clock.start);
    beats.observe("m", &lease("l", None), clock.at(0));
    beats.observe("m", &lease("l", Some(1)), clock.at(1));
    beats.forget("m");
    assert!(!beats.pulse("m", NEVER, clock.at(1)).alive);
}

#[test]
fn a_number_that_an_earlier_agent_leaves_standing_is_not_its_own() {
    let clock = Clock::new();
    let beats = Heartbeats::new(clock.start);
    let beat = |renewed, number: Option<&str>| {
        let mut lease = lease("l", Some(renewed));
        let key = eai_api::names::HEARTBEAT_ANNOTATION.to_owned();
        lease.metadata.annotations = number.map(|number| [(key, number.to_owned())].into());
        lease
    };
    beats.observe("m", &beat(1, Some("00000000000000aa-1")), clock.at(0));
    assert_eq!(beats.voice("m", clock.at(1).steady), Voice::Silent, "the first sight may be old");
    beats.observe("m", &beat(2, Some("00000000000000aa-2")), clock.at(10));
    assert_eq!(beats.voice("m", clock.at(11).steady), Voice::Heard("00000000000000aa-2".parse().unwrap()));
    assert_eq!(beats.voice("m", clock.at(51).steady), Voice::Silent);
    beats.observe("m", &beat(3, Some("00000000000000aa-2")), clock.at(52));
    assert_eq!(beats.voice("m", clock.at(53).steady), Voice::Unnumbered, "its agent was rolled back");
    beats.observe("m", &beat(4, None), clock.at(62));
    assert_eq!(beats.voice("m", clock.at(63).steady), Voice::Unnumbered);
}
