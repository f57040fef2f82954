//! The protocol as it ships holds what it claims, in every world within the stated bounds.
#![allow(clippy::panic, missing_docs)]

use eai_core::fencing::OnLoss;
use eai_model::{
    check::explore,
    moves::Claims,
    property::RUNS_ONCE,
    scope::{Faults, Scope},
};

/// What may happen to a member.
const MEMBERS: Faults = Faults {
    held: false,
    stale: false,
    hub_crash: false,
    agent_crash: true,
    controllers: true,
    death: true,
    replay: true,
    restore: false,
    unattended: false,
    wall_step: false,
};

/// What may happen to a hub.
const HUBS: Faults = Faults {
    held: true,
    stale: true,
    hub_crash: true,
    agent_crash: false,
    controllers: false,
    death: false,
    replay: false,
    ..MEMBERS
};

fn holds(scope: Scope, claims: Claims) {
    let name = scope.name;
    let found = explore(scope, claims);
    println!("{name}: {} states, {} moves deep, {:.1} s", found.states, found.depth, found.seconds);
    assert!(found.broken.is_empty(), "{name}: {:#?}", found.broken);
}

/// One hub, every clock: messages alone are lost and late.
#[test]
fn messages() {
    holds(Scope { ticks: 7, work: 6, ..Scope::named("late and lost messages") }, Claims::All);
}

/// One fault of any kind, at any moment.
#[test]
fn any_fault() {
    let faults = Faults { restore: true, held: true, stale: true, hub_crash: true, ..MEMBERS };
    let scope = Scope { faults, most_faults: 1, ..Scope::named("any one fault") };
    holds(short(scope), Claims::All);
}

/// Two faults of a member: its agent, its controllers, its machine, and old words shown again.
#[test]
fn members() {
    let scope = Scope { faults: MEMBERS, most_faults: 2, ..Scope::named("two faults of members") };
    holds(short(scope), Claims::All);
}

/// Two hubs that both think they lead, with two faults of theirs.
#[test]
fn hubs() {
    let scope =
        Scope { faults: HUBS, most_faults: 2, two_hubs: true, ..Scope::named("two hubs, two faults of theirs") };
    holds(Scope { ticks: 3, ..short(scope) }, Claims::All);
}

/// The same for longer.
#[test]
#[ignore = "takes a minute"]
fn hubs_for_longer() {
    let scope = Scope { faults: HUBS, most_faults: 2, two_hubs: true, ..Scope::named("two hubs for longer") };
    holds(short(scope), Claims::All);
}

/// One fault of any kind, longer grants, more work, fast clocks and slow ones.
#[test]
#[ignore = "takes minutes"]
fn any_fault_for_longer() {
    let faults = Faults { restore: true, held: true, stale: true, hub_crash: true, ..MEMBERS };
    let scope = Scope { faults, most_faults: 1, ticks: 5, work: 4, ..Scope::named("any one fault for longer") };
    holds(Scope { rates: vec![(900, 1100), (1100, 900)], ..scope }, Claims::All);
}

/// A restore, and one more fault of a hub.
#[test]
fn restore() {
    let faults = Faults { restore: true, held: true, hub_crash: true, ..Faults::default() };
    let scope = Scope { faults, most_faults: 2, ..Scope::named("a restore and another fault") };
    holds(short(scope), Claims::All);
}

/// Readings, twice, late, overtaken, of attempts that are over.
#[test]
fn billing() {
    let faults = Faults { stale: true, agent_crash: true, death: true, ..Faults::default() };
    let scope = Scope { faults, most_faults: 1, billing: true, ..Scope::named("billing") };
    holds(Scope { ticks: 4, ..short(scope) }, Claims::All);
}

/// Work that continues without the hub. That its job ends is claimed only where its member answers.
#[test]
fn continuing() {
    let faults = Faults { agent_crash: true, controllers: true, hub_crash: true, ..Faults::default() };
    let scope = Scope { on_loss: OnLoss::Continue, faults, most_faults: 1, ..Scope::named("work that continues") };
    holds(short(scope), Claims::Safety);
}

/// Where an assumption breaks, work does run twice: that is why it is one. It is still paid once.
fn breaks(name: &'static str, faults: Faults) {
    let scope = Scope { faults, most_faults: 2, billing: true, ticks: 4, ..short(Scope::named(name)) };
    let found = explore(scope.clone(), Claims::Safety);
    assert!(found.broken.contains_key(RUNS_ONCE), "{name}: {found:?}");
    println!("{name}: runs twice after {} moves", found.broken[RUNS_ONCE].len());
    holds(scope, Claims::Billing);
}

#[test]
fn nobody_looks_after_the_work() {
    let faults = Faults { agent_crash: true, controllers: true, unattended: true, ..Faults::default() };
    breaks("agent and controllers both dead", faults);
}

#[test]
fn the_wall_clock_steps_back() {
    let faults = Faults { agent_crash: true, wall_step: true, ..Faults::default() };
    breaks("a wall clock that steps back", faults);
}

/// Short grants and the worst clocks, so that few ticks see everything through.
#[allow(clippy::needless_pass_by_value, reason = "so that worlds are written in one expression")]
fn short(scope: Scope) -> Scope {
    Scope { valid_for_ms: 10_000, ticks: 4, work: 3, rates: vec![(900, 1100)], ..scope }
}
