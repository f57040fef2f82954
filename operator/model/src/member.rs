//! A member: its agent, its controllers and its work. What the agent decides, `eai_core::fencing` decides.

use eai_core::{
    epoch::Epoch,
    fencing::{BootMs, Grant, Heartbeats, Instance, OnLoss, Term, Verdict, term::deadline_seconds},
};

use crate::{
    scope::Scope,
    state::{MEMBERS, Made, Report, SLOTS, State, Work},
};

/// What wall clocks show at the beginning.
const WALL_MS: u64 = 1_000_000;
/// How many heartbeats an agent here remembers.
const KEPT: usize = 5;

/// A process of an agent that begins now: it sends a heartbeat in every tick.
pub fn heartbeats(instance: u64, now: BootMs) -> Heartbeats {
    let mut heartbeats = Heartbeats::keeping(Instance(instance), KEPT);
    heartbeats.send(now);
    heartbeats
}

fn wall(state: &State, member: usize, boot: BootMs) -> u64 {
    (WALL_MS + boot.0).saturating_sub(state.members[member].stepped_ms)
}

/// The heartbeat of this tick reaches the hub's API server. If this doesn't happen it is lost.
pub fn beat(state: &mut State, member: usize) {
    state.store.leases[member] = Some(state.members[member].last);
}

/// The agent reads its Assignments, or what they were before, and acts on them.
pub fn sync(state: &mut State, scope: &Scope, member: usize, older: bool) {
    for slot in 0..SLOTS {
        let Some(made) = state.made(slot).filter(|made| made.member == member) else { continue };
        let shown = if older { state.store.older[slot] } else { state.store.assignments[slot] };
        let Some(assignment) = shown else { continue };
        let mut term = term(state, slot, made.epoch);
        if let Some(grant) = assignment.grant.filter(|_| !assignment.stop) {
            term = accept(state, scope, member, term, made.epoch, grant);
        }
        state.members[member].terms[slot] = Some(term);
        act(state, scope, slot, made, assignment.stop);
    }
}

fn term(state: &State, slot: usize, epoch: Epoch) -> Term {
    state.made(slot).and_then(|made| state.members[made.member].terms[slot]).unwrap_or(Term::new(epoch))
}

fn accept(state: &State, scope: &Scope, member: usize, term: Term, epoch: Epoch, mut grant: Grant) -> Term {
    let agent = &state.members[member];
    if !scope.guards.same_instance {
        grant.heartbeat.instance = Instance(agent.instance);
    }
    let Ok(taken) = term.accept(epoch, grant, &agent.heartbeats) else { return term };
    if scope.guards.from_sending || taken == term {
        return taken;
    }
    let mut arrived = heartbeats(agent.instance, state.boot());
    for _ in 1..grant.heartbeat.sequence {
        arrived.send(state.boot());
    }
    term.accept(epoch, grant, &arrived).unwrap_or(term)
}

fn act(state: &mut State, scope: &Scope, slot: usize, made: Made, stop: bool) {
    let (now, guards) = (state.boot(), scope.guards);
    let verdict = verdict(state, scope, slot, now);
    let granted = match verdict {
        Verdict::Granted { remaining_ms } => Some(remaining_ms),
        Verdict::Leave | Verdict::Fence => None,
    };
    let ending = |failed, former_ms| Work::Ending { at: now.after(scope.policy().grace_ms), failed, former_ms };
    let next = match state.work[slot] {
        Work::None if stop || made.epoch.generation < state.members[made.member].heard => Work::None,
        Work::None if granted.is_some() || !guards.granted_start => {
            state.members[made.member].heard = made.epoch.generation;
            begin(state, scope, made.member, None, granted)
        }
        Work::Running { former_ms, .. } if stop => ending(true, former_ms),
        Work::Running { former_ms, .. } if verdict == Verdict::Fence && guards.self_fence => ending(false, former_ms),
        Work::Running { start_ms, former_ms, .. } if granted.is_some() => {
            running(scope, wall(state, made.member, now), start_ms, former_ms, granted)
        }
        Work::Running { start_ms, former_ms, .. } if verdict == Verdict::Leave && !guards.leave => {
            running(scope, wall(state, made.member, now), start_ms, former_ms, Some(scope.valid_for_ms))
        }
        Work::Suspended { .. } if stop => Work::Over(false),
        Work::Suspended { former_ms } if granted.is_some() || !guards.granted_resume => {
            begin(state, scope, made.member, Some(former_ms), granted)
        }
        other => other,
    };
    state.work[slot] = next;
}

/// The Job begins, or is resumed: its start is now, in whole seconds, as its controllers write it.
fn begin(state: &State, scope: &Scope, member: usize, former_ms: Option<u64>, granted: Option<u64>) -> Work {
    let now = wall(state, member, state.boot());
    let start_ms = now / 1_000 * 1_000;
    let former_ms = former_ms.unwrap_or(start_ms);
    running(scope, now, start_ms, former_ms, Some(granted.unwrap_or(scope.valid_for_ms)))
}

/// Work whose deadline is moved to what is granted.
fn running(scope: &Scope, now_ms: u64, start_ms: u64, former_ms: u64, granted: Option<u64>) -> Work {
    let since = if scope.guards.fresh_start { start_ms } else { former_ms };
    let late = u64::from(!scope.guards.round_down);
    let seconds = |left| deadline_seconds(now_ms.saturating_sub(since), left) + late;
    let kept = scope.guards.deadline && scope.on_loss == OnLoss::SelfFence;
    let deadline_ms = granted.filter(|_| kept).map(|left| seconds(left) * 1_000);
    Work::Running { start_ms, former_ms, deadline_ms }
}

fn verdict(state: &State, scope: &Scope, slot: usize, at: BootMs) -> Verdict {
    let Some(made) = state.made(slot) else { return Verdict::Leave };
    let left = match state.work[slot] {
        Work::Running { start_ms, deadline_ms: Some(deadline), .. } => {
            Some((start_ms + deadline).saturating_sub(wall(state, made.member, at)))
        }
        _ => None,
    };
    term(state, slot, made.epoch).verdict(scope.on_loss, left, at)
}

/// The agent tells the hub's API server how its attempts are.
pub fn report(state: &mut State, scope: &Scope, member: usize) {
    for slot in 0..SLOTS {
        let Some(made) = state.made(slot).filter(|made| made.member == member) else { continue };
        let usage = if scope.billing { u64::from(state.ran[slot].count_ones()) } else { 0 };
        let work = state.work[slot];
        let Some(assignment) = &mut state.store.assignments[slot] else { continue };
        let ended = match work {
            Work::Over(well) => Some(well),
            Work::None if assignment.stop => Some(false),
            _ => None,
        };
        // Work that is too old for what this member has heard is refused, so never reported as begun.
        let refused = work == Work::None && made.epoch.generation < state.members[member].heard;
        let report = Report { usage, ended: if refused { Some(false) } else { ended } };
        assignment.report = report;
    }
}

/// A tick of true time passes: work runs, agents and controllers end in time what is to end.
pub fn pass(state: &mut State, scope: &Scope) {
    let (from, tick) = (state.boot(), state.tick);
    state.tick += 1;
    let to = state.boot();
    for slot in 0..SLOTS {
        let Some(made) = state.made(slot).filter(|made| state.members[made.member].up) else { continue };
        let end = match state.work[slot] {
            Work::Running { former_ms, .. } => {
                state.ran[slot] |= 1 << tick;
                if state.ran[slot].count_ones() >= u32::from(scope.work) {
                    state.work[slot] = Work::Over(true);
                    continue;
                }
                due(state, scope, slot, made.member, (from, to)).map(|(at, failed)| (at, failed, former_ms))
            }
            Work::Ending { at, failed, former_ms } => {
                state.ran[slot] |= u64::from(at > from) << tick;
                Some((at, failed, former_ms))
            }
            Work::None | Work::Suspended { .. } | Work::Over(_) => None,
        };
        if let Some((at, failed, former_ms)) = end {
            state.work[slot] = match failed {
                _ if at > to => Work::Ending { at, failed, former_ms },
                true => Work::Over(false),
                false => Work::Suspended { former_ms },
            };
        }
    }
    for member in state.members.iter_mut().filter(|member| member.up && member.agent) {
        member.last = member.heartbeats.send(to);
    }
    idle_beats(state);
}

/// Members that were never given anything are heard all the time: what they lose on the way matters to nobody.
pub fn idle_beats(state: &mut State) {
    for member in 0..MEMBERS {
        let idle = !state.made.iter().flatten().any(|made| made.member == member);
        if idle && state.members[member].up && state.members[member].agent && !state.store.ended {
            beat(state, member);
        }
    }
}

/// When work that is ended in this tick has had its grace, and whether its Job failed.
fn due(
    state: &State,
    scope: &Scope,
    slot: usize,
    member: usize,
    (from, to): (BootMs, BootMs),
) -> Option<(BootMs, bool)> {
    let agent = (state.members[member].agent && scope.guards.self_fence)
        .then(|| fenced_at(state, scope, slot, from, to))
        .flatten();
    let controllers = match state.work[slot] {
        Work::Running { start_ms, deadline_ms: Some(deadline), .. } if state.members[member].controllers => {
            let at = BootMs((start_ms + deadline + state.members[member].stepped_ms).saturating_sub(WALL_MS));
            (at <= to).then(|| at.max(from))
        }
        _ => None,
    };
    let grace = scope.policy().grace_ms;
    match (agent, controllers) {
        (Some(agent), Some(other)) if other < agent => Some((other.after(grace), true)),
        (Some(agent), _) => Some((agent.after(grace), false)),
        (None, other) => other.map(|at| (at.after(grace), true)),
    }
}

/// The first moment after `from` and until `to` at which the agent's verdict is to fence.
fn fenced_at(state: &State, scope: &Scope, slot: usize, from: BootMs, to: BootMs) -> Option<BootMs> {
    let fences = |at: u64| verdict(state, scope, slot, BootMs(at)) == Verdict::Fence;
    if !fences(to.0) {
        return None;
    }
    // Once it is to fence it stays so within a tick: nothing is granted in between.
    let (mut low, mut high) = (from.0, to.0);
    while low < high {
        let middle = low.midpoint(high);
        if fences(middle) { high = middle } else { low = middle + 1 }
    }
    Some(BootMs(low))
}
