//! A hub's process. What it decides, `eai_core::fencing` decides.

use eai_core::{
    epoch::Epoch,
    fencing::{
        Expiry, Known, OnLoss, SteadyMs, Tenure,
        billing::{Book, Line, Reading},
        expiry::expiry,
        lending::grant_now,
    },
    metering::UsageMs,
};

use crate::{
    guards::Guards,
    scope::Scope,
    state::{Assignment, Hub, MEMBERS, Made, Report, SLOTS, State, Store, Write},
};

/// A process that begins now.
pub fn begun(since: SteadyMs, generation: u64, restored: bool) -> Hub {
    Hub { since, restored, generation, known: [None; SLOTS], view: Store::default(), pending: None }
}

/// The hub reads everything.
pub fn read(state: &mut State, scope: &Scope, hub: usize) {
    let now = state.steady();
    let view = state.store.clone();
    let known = &mut state.hubs[hub].known;
    for (slot, known) in known.iter_mut().enumerate() {
        let grant = match view.assignments[slot] {
            Some(assignment) => assignment.grant,
            None if view.current == Some(slot) => None,
            None => continue,
        };
        // Without the guard what it finds is taken to be as old as can be.
        let found = known.is_none() && grant.is_some();
        let at = if found && !scope.guards.first_sight { SteadyMs(0) } else { now };
        *known = Some(Known::saw(*known, grant, at));
    }
    state.hubs[hub].view = view;
}

/// What the hub would write, on what it last read.
pub fn decide(state: &State, scope: &Scope, hub: usize) -> Option<Write> {
    let now = state.steady();
    let this = &state.hubs[hub];
    let view = &this.view;
    let stray = |slot: usize| view.current != Some(slot) && view.assignments[slot].is_some_and(|a| !a.stop);
    if let Some(slot) = (0..SLOTS).find(|slot| stray(*slot)) {
        return view.assignments[slot].map(|a| Write::Stop(slot, a.version));
    }
    // That it was restored is read off the record: the process that began with it may be gone.
    let marked = view.settled_in < this.generation;
    let restored = if scope.guards.restore_is_marked { marked } else { this.restored };
    let tenure = Tenure { since: this.since, restored: restored && scope.guards.restored_waits };
    let settled_in = tenure.may_begin(&scope.hub_policy(), now);
    if settled_in && marked {
        return Some(Write::SettleIn(this.generation));
    }
    match view.current {
        _ if view.ended => None,
        None if settled_in => {
            let member = usize::try_from(view.attempts).unwrap_or(0) % MEMBERS;
            Some(Write::Claim(view.version, member, this.generation))
        }
        None => None,
        Some(slot) => live(state, scope, hub, slot, settled_in),
    }
}

fn live(state: &State, scope: &Scope, hub: usize, slot: usize, settled_in: bool) -> Option<Write> {
    let (now, policy, guards) = (state.steady(), scope.hub_policy(), scope.guards);
    let this = &state.hubs[hub];
    let view = &this.view;
    let made = state.made(slot)?;
    let known = this.known[slot];
    let on_loss = if guards.continue_waits { scope.on_loss } else { OnLoss::SelfFence };
    let passed = known.is_some_and(|known| expiry(&policy, on_loss, &known, None, now) == Expiry::Passed);
    // What was made before a restore may have been followed by what the record lost.
    let inherited = made.epoch.generation < this.generation && !settled_in;
    let heard = view.leases[made.member].filter(|_| !inherited);
    let lost = Write::End(slot, view.version, false, None);
    let Some(assignment) = view.assignments[slot] else {
        return match passed {
            true if guards.tombstone => Some(Write::Create(slot, true, None)),
            true => Some(lost),
            false if inherited => None,
            false => Some(Write::Create(slot, false, grant_now(&policy, None, heard, now))),
        };
    };
    if let Some(well) = assignment.report.ended {
        return Some(Write::End(slot, view.version, well, Some(assignment.report.usage)));
    }
    if assignment.stop {
        return passed.then_some(lost);
    }
    if let Some(grant) = grant_now(&policy, known.as_ref(), heard, now) {
        return Some(Write::Grant(slot, assignment.version, grant));
    }
    let stop = if guards.stop_first { Write::Stop(slot, assignment.version) } else { lost };
    passed.then_some(stop)
}

/// The API server carries out a write, if what it rests on still holds.
pub fn land(state: &mut State, scope: &Scope, write: Write) {
    let guards = scope.guards;
    match write {
        Write::Claim(version, member, generation) => {
            let store = &state.store;
            let unchanged = store.version == version && store.current.is_none();
            if !store.ended && (unchanged || !guards.conditional_claim) {
                claim(state, member, generation);
            }
        }
        Write::SettleIn(generation) => state.store.settled_in = generation.max(state.store.settled_in),
        Write::Create(slot, stop, grant) => {
            if state.store.assignments[slot].is_none() {
                let report = Report::default();
                state.store.assignments[slot] = Some(Assignment { version: 1, stop, grant, report });
            }
        }
        Write::Grant(slot, version, grant) => change(state, slot, |assignment| {
            let fits = assignment.version == version && !assignment.stop;
            if fits || !guards.conditional_grant {
                // Without the condition a grant is written as it was decided: for work that is to run.
                (assignment.grant, assignment.stop) = (Some(grant), false);
                assignment.version += 1;
            }
        }),
        Write::Stop(slot, version) => change(state, slot, |assignment| {
            if assignment.version == version {
                assignment.stop = true;
                assignment.version += 1;
            }
        }),
        Write::End(slot, version, well, usage) => {
            if state.store.version == version && state.store.current == Some(slot) {
                end(state, scope, slot, well, usage);
            }
        }
    }
}

fn change(state: &mut State, slot: usize, write: impl FnOnce(&mut Assignment)) {
    let Some(before) = state.store.assignments[slot] else { return };
    let mut after = before;
    write(&mut after);
    if after != before {
        state.store.older[slot] = Some(before);
        state.store.assignments[slot] = Some(after);
    }
}

/// The claim and the lease that goes with it: the chain opens none for an epoch below the last.
fn claim(state: &mut State, member: usize, generation: u64) {
    let Some(slot) = state.made.iter().position(Option::is_none) else { return };
    let epoch = Epoch { generation, attempt: state.store.attempts + 1 };
    if state.chain.begin(epoch) {
        state.made[slot] = Some(Made { epoch, member });
        state.store.current = Some(slot);
        state.store.attempts += 1;
        state.store.version += 1;
    }
}

fn end(state: &mut State, scope: &Scope, slot: usize, well: bool, usage: Option<u64>) {
    if let Some(usage) = usage {
        settle(state, scope, slot, usage);
    }
    if let Some(made) = state.made(slot) {
        state.chain.close(made.epoch);
    }
    let store = &mut state.store;
    store.current = None;
    store.version += 1;
    store.ended = well || store.attempts >= u64::from(scope.attempts);
}

/// A voucher for `usage` of an attempt reaches the chain.
pub fn settle(state: &mut State, scope: &Scope, slot: usize, usage: u64) {
    let Some(made) = state.made(slot) else { return };
    let reading = Reading { epoch: made.epoch, usage: UsageMs(usage) };
    if scope.guards == (Guards { current_epoch: true, cumulative: true, never_falls: true, ..scope.guards }) {
        // The answer to a reading that doesn't count is for the member; nothing changes by it.
        let _ = state.chain.settle(reading);
    } else {
        state.chain = unguarded(&state.chain, reading, scope.guards);
    }
    for slot in 0..SLOTS {
        state.peak[slot] = state.peak[slot].max(settled(state, slot));
    }
}

/// What was settled of an attempt.
pub fn settled(state: &State, slot: usize) -> u64 {
    let Some(made) = state.made(slot) else { return 0 };
    state.chain.lines().iter().find(|line| line.epoch == made.epoch).map_or(0, |line| line.settled.0)
}

/// The book after `reading`, without the guards that are down.
fn unguarded(book: &Book, reading: Reading, guards: Guards) -> Book {
    let takes = book.judge(reading).is_ok() || !guards.current_epoch;
    let mut next = Book::default();
    for line in book.lines() {
        let mut line: Line = *line;
        if takes && line.epoch == reading.epoch {
            line.settled = match guards {
                Guards { cumulative: false, .. } => UsageMs(line.settled.0 + reading.usage.0),
                Guards { never_falls: false, .. } => reading.usage,
                _ => line.settled.max(reading.usage),
            };
        }
        next.resume(line);
    }
    next
}
