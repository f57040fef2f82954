//! The time of day, as this process takes it to be. What is decided takes its time as an argument; here is where that
//! comes from.
//!
//! A program can be told to be wrong by some seconds, so that what a wrong clock does can be tried on real clusters
//! without setting the clock of the machine: docs/chaos.md.

use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};

/// How far this process's time of day is ahead of its machine's.
static AHEAD: OnceLock<SignedDuration> = OnceLock::new();

/// Has this process take the time to be `seconds` later than its machine says, or earlier for a negative number. Only the
/// first call counts: a program's first step, before anybody asks for the time.
pub fn ahead_by(seconds: i64) {
    if AHEAD.set(SignedDuration::from_secs(seconds)).is_ok() && seconds != 0 {
        tracing::warn!(seconds, "this process was told to be wrong about the time of day");
    }
}

/// The time of day.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    AHEAD.get().map_or(now, |ahead| shifted(now, *ahead))
}

/// `now` where a clock is `ahead`; as it is where there is no such time.
fn shifted(now: Timestamp, ahead: SignedDuration) -> Timestamp {
    now.checked_add(ahead).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_wrong_in_both_directions() {
        let noon = Timestamp::UNIX_EPOCH;
        assert_eq!(shifted(noon, SignedDuration::from_secs(600)).as_second(), 600);
        assert_eq!(shifted(noon, SignedDuration::from_secs(-600)).as_second(), -600);
        assert_eq!(shifted(noon, SignedDuration::MAX), noon, "there is no such time");
    }

    #[test]
    fn it_is_the_machines_unless_told_otherwise() {
        let (before, now, after) = (Timestamp::now(), now(), Timestamp::now());
        assert!(before <= now && now <= after);
    }
}
