//! Whatever happens, in whatever order: one attempt at a time, nobody paid too much, and everything ends.

use eai_api::aijob::Phase;
use eai_chain::LeaseState as OnChain;
use proptest::prelude::*;

use super::{
    fixtures::{eai, job},
    world::{Move, World},
};

#[derive(Clone, Debug)]
enum Event {
    Tick(u64),
    Sync(usize),
    Restart(usize),
    Reconcile(usize, usize),
    Clear(usize),
    Place(usize, bool),
    Agent(Move),
    Mine,
    Suspend(bool),
    Cancel,
    Deposit,
    RaiseBudget,
    StartClosing,
    Silence(bool),
    Drain(Option<u64>),
}

fn event() -> impl Strategy<Value = Event> {
    let hub = 0..2usize;
    prop_oneof![
        6 => prop_oneof![Just(300), Just(2_000), Just(9_000), Just(40_000)].prop_map(Event::Tick),
        2 => Just(Event::Tick(700_000)),
        8 => hub.clone().prop_map(Event::Sync),
        1 => hub.clone().prop_map(Event::Restart),
        12 => (hub.clone(), 0..4usize).prop_map(|(hub, crash)| Event::Reconcile(hub, if crash == 0 { 0 } else { 9 })),
        2 => hub.clone().prop_map(Event::Clear),
        5 => (hub, any::<bool>()).prop_map(|(hub, home)| Event::Place(hub, home)),
        10 => Just(Event::Agent(Move::Go)),
        1 => prop_oneof![Just(Move::Fail), Just(Move::Lose), Just(Move::Refuse)].prop_map(Event::Agent),
        8 => Just(Event::Mine),
        1 => any::<bool>().prop_map(Event::Suspend),
        2 => any::<bool>().prop_map(Event::Silence),
        2 => prop_oneof![Just(None), Just(Some(0)), Just(Some(30_000))].prop_map(Event::Drain),
        1 => Just(Event::Deposit),
        1 => Just(Event::RaiseBudget),
        1 => prop_oneof![9 => Just(Event::Mine), 2 => Just(Event::Cancel), 1 => Just(Event::StartClosing)],
    ]
}

fn happen(world: &mut World, event: &Event) {
    match *event {
        Event::Tick(ms) => world.tick(ms),
        Event::Sync(hub) => world.sync(hub),
        Event::Restart(hub) => world.restart(hub),
        Event::Reconcile(hub, crash) => world.reconcile(hub, crash),
        Event::Clear(hub) => world.clear(hub),
        Event::Place(hub, home) => world.place(hub, if home { "home" } else { "cloud" }),
        Event::Agent(how) => world.agent(how),
        Event::Mine => world.mine(),
        Event::Suspend(suspend) => world.edit(|job| job.spec.suspend = suspend),
        Event::Cancel => world.edit(|job| job.spec.cancel = true),
        Event::Deposit => world.free = world.free.saturating_add(eai("0.2")),
        Event::RaiseBudget => world.edit(|job| {
            job.spec.budget = job.spec.budget.map(|budget| budget.saturating_add(eai("0.3")));
        }),
        Event::StartClosing => world.start_closing(),
        Event::Silence(silent) => world.silent = silent,
        Event::Drain(within) => world.drain = within.map(|ms| world.now_ms + ms),
    }
    world.check();
}

/// Everybody does what they should from now on.
fn play_fair(world: &mut World, rounds: usize) {
    (world.silent, world.drain) = (false, None);
    for _ in 0..rounds {
        world.tick(2_000);
        world.agent(Move::Go);
        for hub in 0..2 {
            world.sync(hub);
            world.place(hub, "home");
            world.reconcile(hub, 9);
            world.clear(hub);
            world.check();
        }
        world.mine();
        world.check();
        if is_over(world) {
            return;
        }
    }
}

fn is_over(world: &World) -> bool {
    let noted = world.assignments.values().all(|a| a.spec.acknowledged.finished);
    world.phase().is_final() && world.job.metadata.finalizers.is_none() && noted && world.running() == 0
}

fn assert_over(world: &World) {
    assert!(world.phase().is_final(), "still {} after all: {:#?}", world.phase(), world.job.status);
    assert_eq!(world.running(), 0);
    assert!(world.job.metadata.finalizers.is_none(), "the finalizer stayed");
    assert!(world.leases.values().all(|l| l.state == OnChain::Closed), "a lease stayed open: {:?}", world.leases);
    for assignment in world.assignments.values() {
        assert!(assignment.spec.acknowledged.finished, "an Assignment was never noted as finished: {assignment:?}");
    }
}

fn new_world(budget: bool, attempts: u32, free: u8, lies: bool) -> World {
    let mut job = job();
    job.spec.budget = budget.then(|| eai("0.4"));
    job.spec.retry.max_attempts = attempts;
    let mut world = World::new(job, eai(&format!("{free}.5")));
    world.lies = lies;
    world
}

#[test]
fn in_a_fair_world_the_work_is_done_and_paid_to_the_wei() {
    let mut world = new_world(false, 1, 2, false);
    play_fair(&mut world, 60);
    assert_over(&world);
    assert_eq!(world.phase(), Phase::Succeeded);
    let lease = world.leases.values().next().unwrap();
    let ran = world.work.values().next().unwrap().ran_ms;
    let owed = eai_core::metering::cost(eai("36"), eai_core::metering::UsageMs(ran));
    assert_eq!(lease.paid, owed);
    assert_eq!(world.free, eai("2.5").saturating_sub(owed));
}

#[test]
fn a_budget_that_runs_out_pauses_and_more_resumes() {
    let mut world = new_world(true, 1, 9, false);
    play_fair(&mut world, 40);
    assert_eq!(world.phase(), Phase::Paused);
    let spent = world.work.values().next().unwrap().ran_ms;
    assert!(spent <= 40_000, "a budget for 40 s ran {spent} ms");
    world.edit(|job| job.spec.budget = Some(eai("2")));
    play_fair(&mut world, 60);
    assert_over(&world);
    assert_eq!(world.phase(), Phase::Succeeded);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cancelled_job_always_ends(
        events in proptest::collection::vec(event(), 0..160),
        budget in any::<bool>(),
        attempts in 1..4u32,
        free in 0..3u8,
        lies in any::<bool>(),
    ) {
        let mut world = new_world(budget, attempts, free, lies);
        for event in &events {
            happen(&mut world, event);
        }
        world.edit(|job| job.spec.cancel = true);
        play_fair(&mut world, 100);
        assert_over(&world);
    }

    #[test]
    fn a_job_with_money_and_time_always_ends(
        events in proptest::collection::vec(event(), 0..160),
        budget in any::<bool>(),
        attempts in 1..4u32,
        free in 0..3u8,
        lies in any::<bool>(),
    ) {
        let mut world = new_world(budget, attempts, free, lies);
        for event in &events {
            happen(&mut world, event);
        }
        world.edit(|job| {
            job.spec.suspend = false;
            job.spec.budget = job.spec.budget.map(|_| eai("1000"));
        });
        world.free = eai("1000");
        play_fair(&mut world, 400);
        assert_over(&world);
    }
}
