//! Fencing, part by part, and the two sides against each other.

mod billing;
mod expiry;
mod grant;
mod lending;
mod silence;
mod term;
mod together;

use eai_core::{
    epoch::Epoch,
    fencing::{Grant, Heartbeat, Instance},
};

/// An epoch.
pub const fn epoch(generation: u64, attempt: u64) -> Epoch {
    Epoch { generation, attempt }
}

/// A heartbeat of the usual instance.
pub const fn beat(sequence: u64) -> Heartbeat {
    Heartbeat { instance: Instance(1), sequence }
}

/// A grant that echoes it.
pub const fn grant(sequence: u64, valid_for_ms: u64) -> Grant {
    Grant { heartbeat: beat(sequence), valid_for_ms }
}
