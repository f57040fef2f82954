//! The right to run, which the hub lends for a while (`docs/fencing.md`): what this process knows of the grants it was
//! given, and that their ends are looked at on time. What follows from them is decided with everything else
//! (`work/build`).

mod clock;
mod watch;

use std::sync::{Mutex, PoisonError};

use eai_api::assignment;
use eai_core::{
    epoch::Epoch,
    fencing::{BootMs, Heartbeat, HeartbeatError, Heartbeats, Instance, Refused, Term},
};
use eai_runtime::clock::ServerTime;
use k8s_openapi::jiff::Timestamp;

pub use self::{
    clock::{Clock, System},
    watch::{interrupt, watch},
};

/// What grants are judged by: the heartbeats that this process has sent, and the clock that they are counted by.
pub struct Pulse {
    clock: Box<dyn Clock>,
    heartbeats: Mutex<Heartbeats>,
}

/// Why a grant isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untaken {
    /// What it echoes isn't a heartbeat.
    #[error(transparent)]
    Malformed(#[from] HeartbeatError),
    /// It isn't for this attempt, this process or this time.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Pulse {
    /// That of a process which begins now: its heartbeats are told from those of any other by a number that it draws.
    pub fn draw(time: ServerTime) -> Result<Self, getrandom::Error> {
        Ok(Self::new(Instance(getrandom::u64()?), System(time)))
    }

    /// That of the process `instance`.
    pub fn new(instance: Instance, clock: impl Clock + 'static) -> Self {
        Self { clock: Box::new(clock), heartbeats: Mutex::new(Heartbeats::new(instance)) }
    }

    /// Now, on the boot-time clock.
    pub fn boot(&self) -> BootMs {
        self.clock.boot()
    }

    /// Now, as the time of day in the member's cluster.
    pub fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    /// A heartbeat that is about to be sent.
    pub fn send(&self) -> Heartbeat {
        let now = self.boot();
        self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).send(now)
    }

    /// `term` once `grant` is taken.
    pub fn take(&self, term: Term, epoch: Epoch, grant: &assignment::Grant) -> Result<Term, Untaken> {
        let heartbeats = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(term.accept(epoch, grant.read()?, &heartbeats)?)
    }
}
