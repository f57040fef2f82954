//! The clocks of a machine in a test: those of the system until they are set, then they go with the runtime's time, which
//! such a test stops.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use eai_core::fencing::BootMs;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{BOOT, at};
use crate::fence::Clock;

/// Cheap to clone: all show the same.
#[derive(Clone, Default)]
pub struct TestClock(Arc<Mutex<Option<Began>>>);

#[derive(Clone, Copy)]
struct Began {
    at: Instant,
    asleep_ms: u64,
}

impl TestClock {
    /// It is the beginning of tests.
    pub fn begin(&self) {
        *self.0.lock().unwrap() = Some(Began { at: Instant::now(), asleep_ms: 0 });
    }

    /// The machine sleeps: timers stand still, these clocks don't.
    pub fn sleep(&self, ms: u64) {
        self.0.lock().unwrap().as_mut().unwrap().asleep_ms += ms;
    }

    fn passed(&self) -> Option<u64> {
        let began = (*self.0.lock().unwrap())?;
        Some(u64::try_from(began.at.elapsed().as_millis()).unwrap() + began.asleep_ms)
    }
}

impl Clock for TestClock {
    fn boot(&self) -> BootMs {
        self.passed().map_or_else(eai_runtime::clock::boot, |ms| BOOT.after(ms))
    }

    fn wall(&self) -> Timestamp {
        let since = |ms: u64| at(0) + SignedDuration::from_millis(i64::try_from(ms).unwrap());
        self.passed().map_or_else(Timestamp::now, since)
    }
}
