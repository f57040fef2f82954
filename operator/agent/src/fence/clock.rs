//! The clocks that are gone by.

use eai_core::fencing::BootMs;
use eai_runtime::clock::{ServerTime, boot};
use k8s_openapi::jiff::Timestamp;

/// The clocks of a member.
pub trait Clock: Send + Sync {
    /// Since the agent's machine was started, sleep included. It never steps.
    fn boot(&self) -> BootMs;
    /// The time of day in the member's cluster.
    fn wall(&self) -> Timestamp;
}

/// Those of a real one.
pub struct System(pub ServerTime);

impl Clock for System {
    fn boot(&self) -> BootMs {
        boot()
    }

    fn wall(&self) -> Timestamp {
        self.0.now()
    }
}
