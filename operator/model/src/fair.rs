//! What happens when nothing goes wrong any more and one member stays.

use eai_core::fencing::{BootMs, Heartbeat, Instance};

use crate::{
    hub,
    member::{self, heartbeats},
    scope::Scope,
    state::{HUBS, MEMBERS, Member, SLOTS, State},
};

/// Ticks within which a job must end once all is well.
pub const PATIENCE: u8 = 44;

/// Whether the job ends within [`PATIENCE`] ticks if from now on every process that is there takes its turn in every
/// tick, no message is late, and nothing strikes. The member `gone` is never heard of again, and everything else is up.
pub fn ends(state: &State, scope: &Scope, gone: Option<usize>) -> bool {
    let mut state = state.clone();
    state.faults = 0;
    let stays = |member: usize| gone != Some(member);
    for member in (0..MEMBERS).filter(|member| stays(*member)) {
        start(&mut state, member);
    }
    for _ in 0..PATIENCE {
        for member in (0..MEMBERS).filter(|member| stays(*member)) {
            member::beat(&mut state, member);
        }
        hubs(&mut state, scope);
        for member in (0..MEMBERS).filter(|member| stays(*member)) {
            member::sync(&mut state, scope, member, false);
            member::report(&mut state, scope, member);
        }
        hubs(&mut state, scope);
        if state.store.ended {
            return true;
        }
        member::pass(&mut state, scope);
    }
    false
}

/// Everything of a member is up again.
pub fn start(state: &mut State, member: usize) {
    let now = state.boot();
    let this = &mut state.members[member];
    if !this.up || !this.agent {
        this.terms = [None; SLOTS];
        begin(this, now);
    }
    (this.up, this.agent, this.controllers) = (true, true, true);
}

/// Another process of a member's agent.
pub fn begin(member: &mut Member, now: BootMs) {
    member.instance += 1;
    member.heartbeats = heartbeats(member.instance, now);
    member.last = Heartbeat { instance: Instance(member.instance), sequence: 1 };
}

fn hubs(state: &mut State, scope: &Scope) {
    for hub in 0..if scope.two_hubs { HUBS } else { 1 } {
        for _ in 0..3 {
            if let Some(write) = state.hubs[hub].pending.take() {
                hub::land(state, scope, write);
            }
            hub::read(state, scope, hub);
            state.hubs[hub].pending = hub::decide(state, scope, hub);
        }
    }
}
