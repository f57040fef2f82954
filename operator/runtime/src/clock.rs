//! What this process goes by: the time of day of the hub's cluster, as its API server tells it with each answer, and a clock
//! that goes on while the machine sleeps. What is decided takes its time as an argument; here is where that comes from.
//!
//! A program can be told to be wrong about the time of day by some seconds, so that what a wrong clock does can be tried on
//! real clusters without setting the clock of the machine: docs/chaos.md.

mod server_time;

use std::sync::{LazyLock, OnceLock};

use eai_core::fencing::BootMs;
use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

pub use self::server_time::{Hearing, ServerTime};

/// How far this process is ahead of its machine, as it was told.
static AHEAD: OnceLock<SignedDuration> = OnceLock::new();
/// What the hub's API server says.
static HUB: LazyLock<ServerTime> = LazyLock::new(ServerTime::default);

/// Linux's boot-time clock goes on while a laptop sleeps.
#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT: ClockId = ClockId::Boottime;
/// Elsewhere there is none to rely on. macOS's monotonic clock goes on while it sleeps; where one doesn't, work that was
/// asleep may run for as long again. Agents that are given to people are built for Linux.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT: ClockId = ClockId::Monotonic;

/// Has this process take the time to be `seconds` later than its machine says, or earlier for a negative number. Only the
/// first call counts: a program's first step, before anybody asks for the time.
pub fn ahead_by(seconds: i64) {
    if AHEAD.set(SignedDuration::from_secs(seconds)).is_ok() && seconds != 0 {
        tracing::warn!(seconds, "this process was told to be wrong about the time of day");
    }
}

/// The time of day in the hub's cluster; the machine's until the hub's API server has answered.
pub fn now() -> Timestamp {
    HUB.now()
}

/// What the client for the hub's cluster is to hear the time with.
pub fn hub() -> ServerTime {
    HUB.clone()
}

/// The time of day by the machine's own clock.
fn machine() -> Timestamp {
    AHEAD.get().map_or_else(Timestamp::now, |ahead| shifted(Timestamp::now(), *ahead))
}

/// Since the machine was started, sleep included. It never steps.
pub fn boot() -> BootMs {
    let time = clock_gettime(BOOT);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let ms = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    BootMs(seconds.saturating_mul(1_000).saturating_add(ms))
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

    #[test]
    fn the_boot_clock_goes_on() {
        let before = boot();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!((20..5_000).contains(&boot().since(before)));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn it_is_the_one_that_counts_sleep() {
        // What the kernel shows here is since boot, sleep included.
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds: f64 = uptime.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or_default();
        #[allow(clippy::cast_precision_loss)]
        let shown = boot().0 as f64 / 1_000.0;
        assert!((shown - seconds).abs() < 2.0, "{shown} and {seconds}");
    }
}
