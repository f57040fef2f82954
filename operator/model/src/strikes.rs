//! What goes wrong.

use crate::{
    fair, hub, member,
    moves::Move,
    scope::{Scope, TICK_MS},
    state::{HUBS, Hub, SLOTS, State, Work},
};

/// A fault strikes. `None` if it can't.
pub fn strike(state: &mut State, scope: &Scope, fault: Move) -> Option<()> {
    state.faults = state.faults.checked_sub(1)?;
    match fault {
        Move::Hold(hub) => {
            hub::read(state, scope, hub);
            state.hubs[hub].pending = Some(hub::decide(state, scope, hub)?);
        }
        Move::Stale(hub) => {
            let write = hub::decide(state, scope, hub)?;
            hub::land(state, scope, write);
        }
        Move::StaleSettle(hub, slot) => {
            let reported = state.hubs[hub].view.assignments[slot]?.report.usage;
            hub::settle(state, scope, slot, reported);
        }
        Move::CrashHub(hub) => {
            // What it sent is on its way all the same.
            let pending = state.hubs[hub].pending;
            state.hubs[hub] = Hub { pending, ..hub::begun(state.steady(), state.generation, false) };
        }
        Move::CrashAgent(member) => lose_agent(state, member),
        Move::StopControllers(member) => state.members[member].controllers = false,
        Move::Die(member) => {
            lose_agent(state, member);
            state.members[member].up = false;
            for slot in 0..SLOTS {
                let here = state.made(slot).is_some_and(|made| made.member == member);
                if here && matches!(state.work[slot], Work::Running { .. } | Work::Ending { .. }) {
                    // Its containers are gone; when the machine is back its Job has failed.
                    state.work[slot] = Work::Over(false);
                }
            }
        }
        Move::Replay(member) => member::sync(state, scope, member, true),
        Move::Restore => restore(state)?,
        Move::StepWall(member) => state.members[member].stepped_ms += 4 * TICK_MS,
        _ => return None,
    }
    Some(())
}

/// A member's agent dies with what it remembers.
pub fn lose_agent(state: &mut State, member: usize) {
    let this = &mut state.members[member];
    this.agent = false;
    this.terms = [None; SLOTS];
}

/// Another process of it begins.
pub fn start_agent(state: &mut State, member: usize) {
    let now = state.boot();
    let this = &mut state.members[member];
    this.agent = true;
    fair::begin(this, now);
}

/// The hub's cluster is restored, its old processes are gone, and new ones begin under a higher generation. Versions
/// only rise: the backup is restored with its revision bumped.
fn restore(state: &mut State) -> Option<()> {
    let mut store = *state.backup.take()?;
    let later = |version: u8| version.saturating_add(64);
    store.version = later(store.version);
    for assignment in store.assignments.iter_mut().flatten() {
        assignment.version = later(assignment.version);
    }
    store.older = [None; SLOTS];
    state.store = store;
    state.generation += 1;
    for hub in 0..HUBS {
        let pending = state.hubs[hub].pending;
        state.hubs[hub] = Hub { pending, ..hub::begun(state.steady(), state.generation, true) };
    }
    Some(())
}
