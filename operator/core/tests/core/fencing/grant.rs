use eai_core::fencing::{BootMs, Heartbeat, HeartbeatError, Heartbeats, Instance, Refused};
use proptest::prelude::*;

use super::beat;

#[test]
fn a_heartbeat_has_one_name() {
    let heartbeat = Heartbeat { instance: Instance(0xab), sequence: 57 };
    assert_eq!(heartbeat.to_string(), "00000000000000ab-57");
    assert_eq!("00000000000000ab-57".parse(), Ok(heartbeat));
    for bad in ["", "-", "ab-57", "00000000000000AB-57", "00000000000000ab-057", "00000000000000ab-+5", "1-2-3"] {
        assert_eq!(bad.parse::<Heartbeat>(), Err(HeartbeatError), "{bad}");
    }
}

#[test]
fn the_zeroth_heartbeat_was_never_sent() {
    assert_eq!("00000000000000ab-0".parse::<Heartbeat>(), Err(HeartbeatError));
    let mut sent = Heartbeats::new(Instance(1));
    sent.send(BootMs(5));
    assert_eq!(sent.sent_at(beat(0)), Err(Refused::UnknownHeartbeat));
}

#[test]
fn each_heartbeat_keeps_the_moment_of_its_sending() {
    let mut sent = Heartbeats::new(Instance(1));
    assert_eq!(sent.sent_at(beat(1)), Err(Refused::UnknownHeartbeat));
    assert_eq!(sent.send(BootMs(100)), beat(1));
    assert_eq!(sent.send(BootMs(200)), beat(2));
    assert_eq!(sent.sent_at(beat(1)), Ok(BootMs(100)));
    assert_eq!(sent.sent_at(beat(2)), Ok(BootMs(200)));
    assert_eq!(sent.sent_at(beat(3)), Err(Refused::UnknownHeartbeat));
}

#[test]
fn anothers_sequence_says_nothing() {
    let mut sent = Heartbeats::new(Instance(1));
    sent.send(BootMs(100));
    let other = Heartbeat { instance: Instance(2), sequence: 1 };
    assert_eq!(sent.sent_at(other), Err(Refused::OtherInstance));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut sent = Heartbeats::keeping(Instance(1), 3);
    for at in 1..=10 {
        sent.send(BootMs(at * 10));
    }
    assert_eq!(sent.sent_at(beat(7)), Err(Refused::UnknownHeartbeat));
    for sequence in 8..=10 {
        assert_eq!(sent.sent_at(beat(sequence)), Ok(BootMs(sequence * 10)));
    }
    assert_eq!(sent.sent_at(beat(u64::MAX)), Err(Refused::UnknownHeartbeat));
}

#[test]
fn it_remembers_at_least_one() {
    let mut sent = Heartbeats::keeping(Instance(1), 0);
    sent.send(BootMs(1));
    sent.send(BootMs(2));
    assert_eq!(sent.sent_at(beat(2)), Ok(BootMs(2)));
}

proptest! {
    #[test]
    fn names_are_read_back(instance: u64, sequence in 1u64..) {
        let heartbeat = Heartbeat { instance: Instance(instance), sequence };
        prop_assert_eq!(heartbeat.to_string().parse(), Ok(heartbeat));
    }

    #[test]
    fn no_text_breaks_reading(text in ".{0,60}") {
        if let Ok(heartbeat) = text.parse::<Heartbeat>() {
            prop_assert_eq!(heartbeat.to_string(), text);
        }
    }

    /// Whatever is remembered is remembered right, and it is the latest ones.
    #[test]
    fn memory_is_exact(steps in prop::collection::vec(0u64..1000, 1..60), kept in 1usize..20) {
        let mut sent = Heartbeats::keeping(Instance(1), kept);
        let (mut now, mut all) = (0, Vec::new());
        for step in steps {
            now += step;
            all.push((sent.send(BootMs(now)), BootMs(now)));
        }
        for (place, (heartbeat, at)) in all.iter().rev().enumerate() {
            let expected = if place < kept { Ok(*at) } else { Err(Refused::UnknownHeartbeat) };
            prop_assert_eq!(sent.sent_at(*heartbeat), expected);
        }
    }
}
