//! A grant, and the heartbeat that it echoes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One run of an agent's process. Sequences begin anew with each, so a sequence without its instance says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instance(pub u64);

/// One heartbeat: the `sequence`-th that this run of the agent sent. Written `INSTANCE-SEQUENCE`, the instance as 16
/// hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// The agent's process.
    pub instance: Instance,
    /// Which heartbeat of it, from 1.
    pub sequence: u64,
}

/// The right to run an attempt until `valid_for_ms` after the echoed heartbeat was sent, by the sender's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The heartbeat that it echoes.
    pub heartbeat: Heartbeat,
    /// How long it is good for, from the sending of that heartbeat.
    pub valid_for_ms: u64,
}

/// Why a text is not a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a heartbeat is written INSTANCE-SEQUENCE: 16 hexadecimal digits, and a whole number from 1")]
pub struct HeartbeatError;

impl fmt::Display for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.instance.0, self.sequence)
    }
}

impl FromStr for Heartbeat {
    type Err = HeartbeatError;

    fn from_str(text: &str) -> Result<Self, HeartbeatError> {
        let (instance, sequence) = text.split_once('-').ok_or(HeartbeatError)?;
        let read = Self {
            instance: Instance(u64::from_str_radix(instance, 16).map_err(|_| HeartbeatError)?),
            sequence: sequence.parse().map_err(|_| HeartbeatError)?,
        };
        // One heartbeat has one name: no sign, no capital, no leading zero.
        if read.sequence > 0 && read.to_string() == text { Ok(read) } else { Err(HeartbeatError) }
    }
}
