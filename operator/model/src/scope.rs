//! How far an exploration goes, and what may go wrong in it.

use eai_core::fencing::{OnLoss, Policy};

use crate::guards::Guards;

/// True time between two steps of it, in milliseconds.
pub const TICK_MS: u64 = 10_000;

/// What may go wrong. Lost and late messages always may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each can be chosen by itself")]
pub struct Faults {
    /// A hub's write is on its way for as long as it likes.
    pub held: bool,
    /// A hub decides on what it read before.
    pub stale: bool,
    /// A hub's process is lost with its memory, and another begins.
    pub hub_crash: bool,
    /// An agent's process is lost with its memory; another begins at any time later.
    pub agent_crash: bool,
    /// A member's controllers stop.
    pub controllers: bool,
    /// A member dies with all that runs there, and may return.
    pub death: bool,
    /// An agent is shown an older version of an Assignment again.
    pub replay: bool,
    /// The hub is restored from a backup that was taken at any time before.
    pub restore: bool,
    /// Agent and controllers may both be dead. This breaks an assumption.
    pub unattended: bool,
    /// A member's wall clock steps back. This breaks an assumption.
    pub wall_step: bool,
}

/// The bounds of an exploration.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Its name, for reports.
    pub name: &'static str,
    /// What is up.
    pub guards: Guards,
    /// What may go wrong.
    pub faults: Faults,
    /// How many faults strike at most.
    pub most_faults: u8,
    /// How many ticks pass at most.
    pub ticks: u8,
    /// How many attempts the job has at most.
    pub attempts: u8,
    /// How many ticks the work takes.
    pub work: u8,
    /// Whether usage is reported and settled on the way. Without it only how attempts end is.
    pub billing: bool,
    /// Whether there are two hubs at once.
    pub two_hubs: bool,
    /// What becomes of work that loses its hub.
    pub on_loss: OnLoss,
    /// How many thousandths of true time each member's clock, and each hub's, shows.
    pub rates: Vec<(u16, u16)>,
    /// How long grants hold.
    pub valid_for_ms: u64,
}

impl Scope {
    /// The protocol as it ships, nothing but lost and late messages.
    pub fn named(name: &'static str) -> Self {
        Self {
            name,
            guards: Guards::ALL,
            faults: Faults::default(),
            most_faults: 0,
            ticks: 9,
            attempts: 2,
            work: 7,
            billing: false,
            two_hubs: false,
            on_loss: OnLoss::SelfFence,
            // The two extremes that matter most, and the two others.
            rates: vec![(900, 1100), (900, 900), (1100, 1100), (1100, 900)],
            valid_for_ms: 20_500,
        }
    }

    /// What agents and the world go by.
    pub fn policy(&self) -> Policy {
        Policy { grace_ms: 8_000, sync_ms: 0, ..Policy::new(self.valid_for_ms) }
    }

    /// What the hub goes by: the same, but for guards that are down.
    pub fn hub_policy(&self) -> Policy {
        let mut policy = self.policy();
        if !self.guards.skew {
            policy.skew_percent = 0;
        }
        if !self.guards.grace {
            policy.grace_ms = 0;
        }
        policy
    }
}
