//! Moments of the two clocks that fencing counts by. Neither ever steps, and neither means anything on another machine,
//! so each has a type of its own.

use serde::{Deserialize, Serialize};

/// A moment of a member's boot-time clock, in milliseconds. It goes on while the machine sleeps: a laptop that was shut
/// for an hour has used up an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootMs(pub u64);

/// A moment of the hub process's steady clock, in milliseconds. A clock that stands still while the hub sleeps only makes
/// the hub wait longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SteadyMs(pub u64);

impl BootMs {
    /// The moment `ms` later.
    #[must_use]
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; 0 if that is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl SteadyMs {
    /// The moment `ms` later.
    #[must_use]
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; 0 if that is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
