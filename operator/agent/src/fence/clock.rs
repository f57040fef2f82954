//! The clocks that are gone by. What is decided takes its time as an argument; here is where that comes from.

use eai_core::fencing::BootMs;
use k8s_openapi::jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use super::MemberTime;

/// The clocks of a machine.
pub trait Clock: Send + Sync {
    /// Since the machine was started, sleep included. It never steps.
    fn boot(&self) -> BootMs;
    /// The time of day in the member's cluster.
    fn wall(&self) -> Timestamp;
}

/// This machine's, and the time of day in the member's cluster.
#[derive(Clone, Debug, Default)]
pub struct System(pub MemberTime);

/// Linux's boot-time clock goes on while a laptop sleeps.
#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT: ClockId = ClockId::Boottime;
/// Elsewhere there is none to rely on. macOS's monotonic clock goes on while it sleeps; where one doesn't, work that was
/// asleep may run for as long again. Agents that are given to people are built for Linux.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT: ClockId = ClockId::Monotonic;

impl Clock for System {
    fn boot(&self) -> BootMs {
        let time = clock_gettime(BOOT);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let ms = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
        BootMs(seconds.saturating_mul(1_000).saturating_add(ms))
    }

    fn wall(&self) -> Timestamp {
        self.0.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_goes_on() {
        let before = System::default().boot();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!((20..5_000).contains(&System::default().boot().since(before)));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn it_is_the_one_that_counts_sleep() {
        // What the kernel shows here is since boot, sleep included.
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds: f64 = uptime.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or_default();
        #[allow(clippy::cast_precision_loss)]
        let shown = System::default().boot().0 as f64 / 1_000.0;
        assert!((shown - seconds).abs() < 2.0, "{shown} and {seconds}");
    }
}
