//! The whole world at one moment.

use eai_core::{
    epoch::Epoch,
    fencing::{BootMs, Grant, Heartbeat, Heartbeats, Known, SteadyMs, Term, billing::Book},
};

use crate::scope::TICK_MS;

/// Members.
pub const MEMBERS: usize = 2;
/// Hubs.
pub const HUBS: usize = 2;
/// Attempts that can be made at most, lost ones included.
pub const SLOTS: usize = 4;

/// The whole world at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// True time, in ticks.
    pub tick: u8,
    /// Who is to move in this tick: heartbeats arrive first, then hubs act, then agents.
    pub phase: u8,
    /// How many thousandths of true time members' clocks show.
    pub member_rate: u16,
    /// The same for hubs' clocks.
    pub hub_rate: u16,
    /// The hub's API server.
    pub store: Store,
    /// A backup of it.
    pub backup: Option<Box<Store>>,
    /// Every attempt that was ever made, in order, whether or not the store still knows it.
    pub made: [Option<Made>; SLOTS],
    /// What was settled on the chain, which nothing restores.
    pub chain: Book,
    /// The most that was ever settled of each attempt.
    pub peak: [u64; SLOTS],
    /// The members.
    pub members: [Member; MEMBERS],
    /// The hubs' processes.
    pub hubs: [Hub; HUBS],
    /// The work of each attempt.
    pub work: [Work; SLOTS],
    /// In which ticks each attempt's work ran, a bit for each.
    pub ran: [u64; SLOTS],
    /// How many more faults may strike.
    pub faults: u8,
    /// The hub's generation.
    pub generation: u64,
}

/// An attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Made {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its member.
    pub member: usize,
}

/// What the hub's API server holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Store {
    /// The job's version.
    pub version: u8,
    /// The job's live attempt.
    pub current: Option<usize>,
    /// The number of its last attempt.
    pub attempts: u64,
    /// Whether the job is over.
    pub ended: bool,
    /// The last generation of the hub that has waited for what a restore may have lost.
    pub settled_in: u64,
    /// The Assignments.
    pub assignments: [Option<Assignment>; SLOTS],
    /// What each was before it was last written.
    pub older: [Option<Assignment>; SLOTS],
    /// The members' latest heartbeats.
    pub leases: [Option<Heartbeat>; MEMBERS],
}

/// An Assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// Its version: how often hubs wrote it.
    pub version: u8,
    /// Whether it says Stop.
    pub stop: bool,
    /// The last grant.
    pub grant: Option<Grant>,
    /// What the agent said of it.
    pub report: Report,
}

/// What an agent says of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Report {
    /// Used so far, in ticks.
    pub usage: u64,
    /// How it ended, if it did: well or not.
    pub ended: Option<bool>,
}

/// A member and its agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Whether the machine is up.
    pub up: bool,
    /// Whether the agent is.
    pub agent: bool,
    /// Whether its controllers are.
    pub controllers: bool,
    /// What this process of the agent sent.
    pub heartbeats: Heartbeats,
    /// Which process of the agent this is.
    pub instance: u64,
    /// The heartbeat of this tick.
    pub last: Heartbeat,
    /// What this process of the agent was granted.
    pub terms: [Option<Term>; SLOTS],
    /// The highest generation it heard of; kept in the member's cluster.
    pub heard: u64,
    /// By how much its wall clock was stepped back.
    pub stepped_ms: u64,
}

/// One process of a hub.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hub {
    /// When it began, by its clock.
    pub since: SteadyMs,
    /// Whether it began after a restore.
    pub restored: bool,
    /// Its generation.
    pub generation: u64,
    /// What it knows of grants.
    pub known: [Option<Known>; SLOTS],
    /// What it last read.
    pub view: Store,
    /// A write that is on its way.
    pub pending: Option<Write>,
}

/// A write of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Claim a member for the job, on top of this version of it.
    Claim(u8, usize, u64),
    /// Make an attempt's Assignment: stopped or not, with this grant.
    Create(usize, bool, Option<Grant>),
    /// Grant, on top of this version of the Assignment.
    Grant(usize, u8, Grant),
    /// Stop, on top of this version of the Assignment.
    Stop(usize, u8),
    /// Say that this generation has waited.
    SettleIn(u64),
    /// End an attempt, well or not, on top of this version of the job; used so much in all, if its member said so.
    End(usize, u8, bool, Option<u64>),
}

/// An attempt's Job in its member's cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// There is none yet.
    None,
    /// It runs since `start_ms` of the wall clock, for at most `deadline_ms`.
    Running {
        /// Its start, by the wall clock.
        start_ms: u64,
        /// Its start before it was last resumed.
        former_ms: u64,
        /// Its deadline, from its start.
        deadline_ms: Option<u64>,
    },
    /// It is ending, until this moment of the boot clock; its Job has failed or is suspended.
    Ending {
        /// When its grace is over.
        at: BootMs,
        /// Whether its Job has failed.
        failed: bool,
        /// Its former start.
        former_ms: u64,
    },
    /// It is suspended and nothing of it runs.
    Suspended {
        /// Its former start.
        former_ms: u64,
    },
    /// It is over, well or not.
    Over(bool),
}

impl State {
    /// A clock of this `rate` at the present tick.
    pub fn clock(tick: u8, rate: u16) -> u64 {
        u64::from(tick) * TICK_MS * u64::from(rate) / 1_000
    }

    /// Members' boot clock now.
    pub fn boot(&self) -> BootMs {
        BootMs(Self::clock(self.tick, self.member_rate))
    }

    /// Hubs' clock now.
    pub fn steady(&self) -> SteadyMs {
        SteadyMs(Self::clock(self.tick, self.hub_rate))
    }

    /// The attempt in a slot.
    pub fn made(&self, slot: usize) -> Option<Made> {
        self.made.get(slot).copied().flatten()
    }
}
