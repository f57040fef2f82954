//! Each guard, taken away alone: the checker finds what goes wrong. So each is needed, and the checker can see.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use eai_core::fencing::OnLoss;
use eai_model::{
    check::explore,
    guards::Guards,
    moves::Claims,
    property::{ENDS, NEVER_FALLS, PAID_ONCE, RUNS_ONCE},
    scope::{Faults, Scope},
};

const NONE: Faults = Faults {
    held: false,
    stale: false,
    hub_crash: false,
    agent_crash: false,
    controllers: false,
    death: false,
    replay: false,
    restore: false,
    unattended: false,
    wall_step: false,
};

/// A small world: its worst clocks, one hub, `faults` of which so many strike.
fn world(name: &'static str, guards: Guards, most_faults: u8, faults: Faults) -> Scope {
    let rates = vec![(900, 1100)];
    Scope { guards, faults, most_faults, rates, ticks: 5, work: 6, ..Scope::named(name) }
}

/// The same with short grants, so that fewer ticks see it through.
#[allow(clippy::needless_pass_by_value, reason = "so that worlds are written in one expression")]
fn short(world: Scope) -> Scope {
    Scope { valid_for_ms: 10_000, ticks: 3, ..world }
}

/// The checker finds a way to break one of `properties`, and says which way.
fn falls(scope: Scope, properties: &[&str]) {
    let (name, whole) = (scope.name, Scope { guards: Guards::ALL, ..scope.clone() });
    let found = explore(scope, Claims::Safety);
    for (property, way) in &found.broken {
        println!("without {name}: \"{property}\" breaks in {} moves ({:.1} s): {way:?}", way.len(), found.seconds);
    }
    assert!(properties.iter().any(|p| found.broken.contains_key(p)), "without {name}: {found:?}");
    // With the guard the same way leads nowhere: the same world is safe.
    let way = found.broken.values().next().unwrap();
    assert!(!eai_model::check::breaks(whole, Claims::Safety, way), "{name} isn't what keeps this from happening");
}

#[test]
fn grants_count_from_sending() {
    falls(world("from_sending", Guards { from_sending: false, ..Guards::ALL }, 0, NONE), &[RUNS_ONCE]);
}

#[test]
fn sequences_belong_to_an_instance() {
    let faults = Faults { agent_crash: true, replay: true, ..NONE };
    falls(world("same_instance", Guards { same_instance: false, ..Guards::ALL }, 2, faults), &[RUNS_ONCE]);
}

#[test]
fn the_wait_allows_for_skew() {
    let faults = Faults { agent_crash: true, ..NONE };
    falls(world("skew", Guards { skew: false, ..Guards::ALL }, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn the_wait_allows_for_grace() {
    let faults = Faults { agent_crash: true, ..NONE };
    falls(world("grace", Guards { grace: false, ..Guards::ALL }, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn a_new_hub_counts_from_its_own_sight() {
    let faults = Faults { hub_crash: true, ..NONE };
    falls(world("first_sight", Guards { first_sight: false, ..Guards::ALL }, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn claims_are_conditional() {
    let faults = Faults { held: true, ..NONE };
    let guards = Guards { conditional_claim: false, ..Guards::ALL };
    let scope = Scope { two_hubs: true, ..short(world("conditional_claim", guards, 1, faults)) };
    falls(scope, &[RUNS_ONCE]);
}

#[test]
fn grants_are_conditional() {
    let faults = Faults { held: true, stale: true, ..NONE };
    let guards = Guards { conditional_grant: false, ..Guards::ALL };
    let scope = Scope { two_hubs: true, ..short(world("conditional_grant", guards, 2, faults)) };
    falls(scope, &[RUNS_ONCE]);
}

#[test]
fn an_attempt_is_stopped_before_it_is_ended() {
    let faults = Faults { held: true, stale: true, ..NONE };
    let guards = Guards { stop_first: false, ..Guards::ALL };
    let scope = Scope { two_hubs: true, ..short(world("stop_first", guards, 2, faults)) };
    falls(scope, &[RUNS_ONCE]);
}

#[test]
fn an_attempt_without_an_assignment_gets_one_that_is_stopped() {
    let faults = Faults { held: true, ..NONE };
    let guards = Guards { tombstone: false, ..Guards::ALL };
    let scope = Scope { two_hubs: true, ..short(world("tombstone", guards, 3, faults)) };
    falls(scope, &[RUNS_ONCE]);
}

#[test]
fn the_agent_fences() {
    let faults = Faults { controllers: true, ..NONE };
    falls(world("self_fence", Guards { self_fence: false, ..Guards::ALL }, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn the_jobs_deadline_fences() {
    let faults = Faults { agent_crash: true, ..NONE };
    falls(world("deadline", Guards { deadline: false, ..Guards::ALL }, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn the_deadline_counts_from_the_present_start() {
    let faults = Faults { agent_crash: true, ..NONE };
    let guards = Guards { fresh_start: false, ..Guards::ALL };
    let scope = Scope { ticks: 9, work: 8, rates: vec![(900, 1100)], ..world("fresh_start", guards, 1, faults) };
    falls(scope, &[RUNS_ONCE]);
}

#[test]
fn the_deadline_is_rounded_down() {
    let faults = Faults { agent_crash: true, ..NONE };
    let scope = world("round_down", Guards { round_down: false, ..Guards::ALL }, 1, faults);
    // Here the hub waits for exactly as long as the Job may take to end.
    let scope = Scope { valid_for_ms: 19_000, ..scope };
    falls(scope, &[RUNS_ONCE]);
}

#[test]
fn work_begins_under_a_grant() {
    let faults = Faults { agent_crash: true, ..NONE };
    falls(world("granted_start", Guards { granted_start: false, ..Guards::ALL }, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn work_is_resumed_under_a_grant() {
    let guards = Guards { granted_resume: false, ..Guards::ALL };
    let faults = Faults { agent_crash: true, ..NONE };
    falls(world("granted_resume", guards, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn an_agent_that_forgot_leaves_the_deadline() {
    let faults = Faults { agent_crash: true, ..NONE };
    falls(world("leave", Guards { leave: false, ..Guards::ALL }, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn a_restored_hub_waits() {
    let faults = Faults { restore: true, ..NONE };
    let guards = Guards { restored_waits: false, ..Guards::ALL };
    falls(world("restored_waits", guards, 1, faults), &[RUNS_ONCE]);
}

#[test]
fn that_a_hub_was_restored_outlives_its_process() {
    let faults = Faults { restore: true, hub_crash: true, ..NONE };
    let guards = Guards { restore_is_marked: false, ..Guards::ALL };
    falls(short(world("restore_is_marked", guards, 2, faults)), &[RUNS_ONCE]);
}

#[test]
fn work_that_continues_is_given_to_nobody() {
    let guards = Guards { continue_waits: false, ..Guards::ALL };
    let scope = Scope { on_loss: OnLoss::Continue, ..world("continue_waits", guards, 0, NONE) };
    falls(scope, &[RUNS_ONCE]);
}

#[test]
fn only_the_current_epoch_settles() {
    // It is what still holds when an assumption breaks, so it is seen where one does.
    let faults = Faults { agent_crash: true, controllers: true, unattended: true, ..NONE };
    let guards = Guards { current_epoch: false, ..Guards::ALL };
    let scope = Scope { billing: true, ticks: 4, ..short(world("current_epoch", guards, 2, faults)) };
    let found = explore(scope.clone(), Claims::Billing);
    println!("without current_epoch: {:?}", found.broken);
    assert!(found.broken.contains_key(PAID_ONCE), "{found:?}");
    assert!(!eai_model::check::breaks(
        Scope { guards: Guards::ALL, ..scope },
        Claims::Billing,
        &found.broken[PAID_ONCE]
    ));
}

#[test]
fn readings_are_cumulative() {
    let scope = Scope { billing: true, ..world("cumulative", Guards { cumulative: false, ..Guards::ALL }, 0, NONE) };
    falls(scope, &[PAID_ONCE]);
}

#[test]
fn what_settled_never_falls() {
    let faults = Faults { stale: true, ..NONE };
    let guards = Guards { never_falls: false, ..Guards::ALL };
    falls(Scope { billing: true, ..world("never_falls", guards, 1, faults) }, &[NEVER_FALLS]);
}

#[test]
fn a_job_that_nobody_takes_over_is_seen() {
    // Not a guard: shows that the checker sees a job that never ends. Grants outlast its patience.
    let scope = Scope { on_loss: OnLoss::Continue, ..world("the way out", Guards::ALL, 0, NONE) };
    assert!(explore(scope, Claims::All).broken.contains_key(ENDS));
}
