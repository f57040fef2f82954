//! What can happen next.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use eai_core::fencing::{BootMs, Heartbeat, Instance, SteadyMs, billing::Book};
use stateright::{Model, Property};

use crate::{
    fair, hub,
    member::{self, heartbeats},
    scope::Scope,
    state::{HUBS, Hub, MEMBERS, Member, SLOTS, State, Store, Work},
    strikes,
};

/// One exploration.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// Its bounds.
    pub scope: Scope,
    /// What the protocol is held to.
    pub claims: Claims,
}

/// What the protocol is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claims {
    /// The billing fence alone.
    Billing,
    /// That nothing bad happens.
    Safety,
    /// That, and that jobs end.
    All,
}

/// Heartbeats arrive, or are lost.
const BEATS: u8 = 0;
/// Hubs act, as often and in whatever order they like; each does all that follows from what it reads, unless a fault
/// strikes.
const HUBS_TURN: u8 = 1;
/// Agents act and report. Then a tick passes.
const AGENTS: u8 = 2;

/// One thing that happens. Numbers are those of members, hubs and attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it; `next` says how")]
pub enum Move {
    Pass,
    Beat(usize),
    Sync(usize),
    Report(usize),
    Step(usize),
    Settle(usize),
    Hold(usize),
    Land(usize),
    Stale(usize),
    StaleSettle(usize, usize),
    CrashHub(usize),
    CrashAgent(usize),
    StartAgent(usize),
    StopControllers(usize),
    StartControllers(usize),
    Die(usize),
    Return(usize),
    Replay(usize),
    Backup,
    Restore,
    StepWall(usize),
}

/// Whether work runs, or may run again.
fn is_there(work: Work) -> bool {
    !matches!(work, Work::None | Work::Over(_))
}

fn member() -> Member {
    Member {
        up: true,
        agent: true,
        controllers: true,
        heartbeats: heartbeats(1, BootMs(0)),
        instance: 1,
        last: Heartbeat { instance: Instance(1), sequence: 1 },
        terms: [None; SLOTS],
        heard: 0,
        stepped_ms: 0,
    }
}

impl Model for Exploration {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        let blank = |(member_rate, hub_rate): &(u16, u16)| State {
            tick: 0,
            phase: 0,
            member_rate: *member_rate,
            hub_rate: *hub_rate,
            store: Store { settled_in: 1, ..Store::default() },
            backup: None,
            made: [None; SLOTS],
            chain: Book::default(),
            peak: [0; SLOTS],
            members: [member(), member()],
            hubs: [hub::begun(SteadyMs(0), 1, false), hub::begun(SteadyMs(0), 1, false)],
            work: [Work::None; SLOTS],
            ran: [0; SLOTS],
            faults: self.scope.most_faults,
            generation: 1,
        };
        let begin = |rates| {
            let mut state = blank(rates);
            member::idle_beats(&mut state);
            state
        };
        self.scope.rates.iter().map(begin).collect()
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        if state.tick >= self.scope.ticks {
            return;
        }
        moves.push(Move::Pass);
        if !self.scope.billing && state.store.ended && !state.work.iter().any(|work| is_there(*work)) {
            return;
        }
        if self.scope.billing && state.phase == AGENTS {
            moves.extend((0..SLOTS).map(Move::Settle));
        }
        for member in 0..MEMBERS {
            self.members_moves(state, member, moves);
        }
        for hub in 0..if self.scope.two_hubs { HUBS } else { 1 } {
            self.hubs_moves(state, hub, moves);
        }
        if self.scope.faults.restore {
            moves.extend([Move::Backup, Move::Restore]);
        }
    }

    fn next_state(&self, before: &State, action: Move) -> Option<State> {
        let mut state = before.clone();
        self.happens(&mut state, action)?;
        self.tidy(&mut state);
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        crate::property::of(self.claims)
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.tick <= self.scope.ticks
    }
}

impl Exploration {
    fn members_moves(&self, state: &State, member: usize, moves: &mut Vec<Move>) {
        let (this, faults) = (&state.members[member], self.scope.faults);
        let live = this.up && this.agent;
        if live {
            let here = |slot: usize| state.made(slot).is_some_and(|made| made.member == member);
            // A heartbeat matters once there is something to grant.
            if state.phase == BEATS && !state.store.ended && (0..SLOTS).any(here) {
                moves.push(Move::Beat(member));
            }
            if state.phase == AGENTS {
                moves.extend([Move::Sync(member), Move::Report(member)]);
            }
        }
        if faults.agent_crash && this.up && !this.agent {
            moves.push(Move::StartAgent(member));
        }
        if !this.up {
            moves.push(Move::Return(member));
        }
        if this.up && !this.controllers {
            moves.push(Move::StartControllers(member));
        }
        if state.faults == 0 {
            return;
        }
        let strikes = [
            (faults.agent_crash && live && (this.controllers || faults.unattended), Move::CrashAgent(member)),
            (
                faults.controllers && this.up && this.controllers && (this.agent || faults.unattended),
                Move::StopControllers(member),
            ),
            (faults.death && this.up, Move::Die(member)),
            (faults.replay && live, Move::Replay(member)),
            (faults.wall_step && this.up, Move::StepWall(member)),
        ];
        moves.extend(strikes.into_iter().filter_map(|(may, strike)| may.then_some(strike)));
    }

    fn hubs_moves(&self, state: &State, hub: usize, moves: &mut Vec<Move>) {
        let faults = self.scope.faults;
        if state.phase == HUBS_TURN {
            moves.push(Move::Step(hub));
        }
        if state.hubs[hub].pending.is_some() {
            moves.push(Move::Land(hub));
        }
        if state.faults == 0 {
            return;
        }
        if faults.held {
            moves.push(Move::Hold(hub));
        }
        if faults.stale {
            moves.push(Move::Stale(hub));
            moves.extend((0..SLOTS).map(|slot| Move::StaleSettle(hub, slot)));
        }
        if faults.hub_crash {
            moves.push(Move::CrashHub(hub));
        }
    }

    /// `None` if it can't happen.
    fn happens(&self, state: &mut State, action: Move) -> Option<()> {
        let scope = &self.scope;
        match action {
            Move::Pass if state.phase < AGENTS => state.phase += 1,
            Move::Pass => {
                state.phase = BEATS;
                member::pass(state, scope);
            }
            Move::Beat(member) => member::beat(state, member),
            Move::Sync(member) => member::sync(state, scope, member, false),
            Move::Report(member) => member::report(state, scope, member),
            Move::Step(hub) => {
                hub::read(state, scope, hub);
                // All that follows from what it reads, one write after the other.
                while let Some(write) = hub::decide(state, scope, hub) {
                    let before = state.store.clone();
                    hub::land(state, scope, write);
                    hub::read(state, scope, hub);
                    if state.store == before {
                        break;
                    }
                }
            }
            Move::Settle(slot) => {
                let reported = state.store.assignments[slot]?.report.usage;
                hub::settle(state, scope, slot, reported);
            }
            Move::Land(hub) => {
                let write = state.hubs[hub].pending.take()?;
                hub::land(state, scope, write);
            }
            Move::StartAgent(member) => strikes::start_agent(state, member),
            Move::StartControllers(member) => state.members[member].controllers = true,
            Move::Return(member) => fair::start(state, member),
            Move::Backup if state.backup.is_none() && state.generation == 1 => {
                state.backup = Some(Box::new(state.store.clone()));
            }
            Move::Backup => return None,
            fault => return strikes::strike(state, scope, fault),
        }
        Some(())
    }

    /// Drops what can't matter any more, and doesn't tell the hubs apart, so that equal worlds are one state.
    fn tidy(&self, state: &mut State) {
        if !(self.scope.faults.stale && state.faults > 0) {
            for hub in &mut state.hubs {
                hub.view = Store::default();
            }
        }
        if !(self.scope.faults.replay && state.faults > 0) {
            state.store.older = [None; SLOTS];
        }
        if state.faults == 0 && state.generation > 1 {
            state.backup = None;
        }
        let mark = |hub: &Hub| {
            let mut hasher = DefaultHasher::new();
            hub.hash(&mut hasher);
            hasher.finish()
        };
        if self.scope.two_hubs && mark(&state.hubs[0]) > mark(&state.hubs[1]) {
            state.hubs.swap(0, 1);
        }
    }
}
