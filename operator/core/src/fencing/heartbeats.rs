//! The heartbeats that an agent's process sent, and when.

use std::collections::VecDeque;

use super::{
    clock::BootMs,
    grant::{Heartbeat, Instance},
    term::Refused,
};

/// How many are remembered: at one every 10 s more than an hour. A grant that echoes an older one is refused, as one
/// that has run out would be.
pub const KEPT: usize = 400;

/// The heartbeats that this process of an agent sent, and when. Lost with the process, and that is right: another
/// process has another instance, and takes no grant that it can't date.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeats {
    instance: Instance,
    last: u64,
    sent: VecDeque<BootMs>,
    kept: usize,
}

impl Heartbeats {
    /// None sent yet. `instance` is drawn anew by each process.
    pub fn new(instance: Instance) -> Self {
        Self::keeping(instance, KEPT)
    }

    /// The same with room for `kept`, at least one.
    pub fn keeping(instance: Instance, kept: usize) -> Self {
        Self { instance, last: 0, sent: VecDeque::new(), kept: kept.max(1) }
    }

    /// Another is about to be sent. It counts from now, also if it never arrives or arrives late.
    pub fn send(&mut self, now: BootMs) -> Heartbeat {
        self.last = self.last.saturating_add(1);
        self.sent.push_back(now);
        if self.sent.len() > self.kept {
            self.sent.pop_front();
        }
        Heartbeat { instance: self.instance, sequence: self.last }
    }

    /// When `heartbeat` was sent.
    pub fn sent_at(&self, heartbeat: Heartbeat) -> Result<BootMs, Refused> {
        if heartbeat.instance != self.instance {
            return Err(Refused::OtherInstance);
        }
        let back = self.last.checked_sub(heartbeat.sequence).ok_or(Refused::UnknownHeartbeat)?;
        let back = usize::try_from(back).map_err(|_| Refused::UnknownHeartbeat)?;
        let place = self.sent.len().checked_sub(back.saturating_add(1)).ok_or(Refused::UnknownHeartbeat)?;
        self.sent.get(place).copied().ok_or(Refused::UnknownHeartbeat)
    }
}
