//! Holds, how long they last, and when more is asked for.

use eai_api::{
    aijob::Phase,
    assignment::{AssignmentPhase as Report, Desired},
};
use eai_core::{
    metering::{MilliUnits, UsageMs},
    money::Amount,
    placement::Shortage,
};
use proptest::prelude::*;

use super::fixtures::*;
use crate::aijob::build::{
    Asked, Plan, Wish,
    money::{Price, first_hold, gang_units, waves},
};

fn told(plan: &Plan) -> Option<Desired> {
    plan.wishes.iter().find_map(|wish| if let Wish::Tell(desired, ..) = wish { Some(*desired) } else { None })
}

#[test]
fn a_hold_is_for_every_wave_of_pods_and_at_most_for_the_window_each() {
    let mut job = job();
    (job.spec.completions, job.spec.parallelism) = (5, 2);
    assert_eq!(waves(&job.spec), 3);
    let units = gang_units(&job.spec).unwrap();
    assert_eq!(units, MilliUnits(2000));
    let price = Price { rate: eai("36"), units };
    assert_eq!(first_hold(&job.spec, price, 3600, None), eai("6"), "2 GPUs x 100 s x 3 waves");
    assert_eq!(first_hold(&job.spec, price, 10, None), eai("0.6"), "10 s a wave");
    assert_eq!(first_hold(&job.spec, price, 3600, Some(eai("1.5"))), eai("1.5"), "no more than the budget");
}

#[test]
fn cores_are_billed_in_thousandths() {
    let mut job = job();
    job.spec.accelerator = None;
    job.spec.resources.cpu = "250m".to_owned();
    assert_eq!(gang_units(&job.spec).unwrap(), MilliUnits(250));
    job.spec.resources.cpu = "nonsense".to_owned();
    assert!(gang_units(&job.spec).is_err());
}

#[test]
fn work_whose_lease_covers_its_longest_run_is_left_alone() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let late = reports(running, Report::Running, 99_000);
    let plan = Case::new(&job, Some(&late), 109).build();
    assert!(!plan.wishes.iter().any(|w| matches!(w, Wish::TopUp(_) | Wish::LookAtFunds)), "{:?}", plan.wishes);
    assert_ne!(told(&plan), Some(Desired::Pause));
}

/// A job for up to two hours that holds one hour's money.
fn long() -> eai_api::AIJob {
    let mut job = job();
    job.spec.max_duration_seconds = 7200;
    let mut job = leased(job, 1);
    assert_eq!(attempt(&job).lease.hold, eai("36"));
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job
}

#[test]
fn a_long_run_is_topped_up_a_minute_before_its_hold_ends() {
    let job = long();
    let run = |at: u64| reports(assignment(&job, 2), Report::Running, at * 1000);
    let early = run(3_500);
    let plan = Case::new(&job, Some(&early), 3_510).build();
    assert!(!plan.wishes.iter().any(|w| matches!(w, Wish::TopUp(_) | Wish::LookAtFunds)));
    assert!(plan.again.unwrap() <= at(3_510 + 60), "looked at again in time");
    let late = run(3_545);
    let plan = Case::new(&job, Some(&late), 3_555).build();
    assert!(plan.wishes.contains(&Wish::LookAtFunds), "{:?}", plan.wishes);
    let funded =
        |addable: &'static str| Case::new(&job, Some(&late), 3_555).chain(move |c| c.addable = Some(eai(addable)));
    let plan = funded("100").build();
    assert!(plan.wishes.contains(&Wish::TopUp(eai("72"))), "the whole second hour: {:?}", plan.wishes);
    assert!(funded("5").build().wishes.contains(&Wish::TopUp(eai("41"))), "what there is");
    let waits = funded("100").chain(|c| c.top_up = Asked::Waiting).build();
    assert!(!waits.wishes.iter().any(|w| matches!(w, Wish::TopUp(_))), "not twice");
}

#[test]
fn an_empty_account_pauses_before_the_money_ends_and_a_deposit_resumes() {
    let mut job = long();
    let running = reports(assignment(&job, 2), Report::Running, 3_570_000);
    let broke = Case::new(&job, Some(&running), 3_580).chain(|c| c.addable = Some(Amount::ZERO)).build();
    assert_eq!(told(&broke), Some(Desired::Pause), "30 s before the end: {:?}", broke.wishes);
    assert_eq!((broke.status.phase, reason(&broke)), (Phase::Running, "HoldEmpty"));
    assert_eq!(broke.status.attempt.as_ref().unwrap().pauses, 1);
    job.status = Some(broke.status);
    let mut paused = reports(assignment(&job, 2), Report::Paused, 3_580_000);
    paused.spec.desired = Desired::Pause;
    paused.spec.acknowledged.started = true;
    let still = Case::new(&job, Some(&paused), 3_600).chain(|c| c.addable = Some(Amount::ZERO)).build();
    assert_eq!((still.status.phase, told(&still)), (Phase::Paused, None));
    job.status = Some(still.status);
    let more = Case::new(&job, Some(&paused), 3_900).chain(|c| c.addable = Some(eai("50"))).build();
    assert!(more.wishes.contains(&Wish::TopUp(eai("72"))), "{:?}", more.wishes);
    attempt_mut(&mut job).lease.hold = eai("72");
    let plan = Case::new(&job, Some(&paused), 3_910).build();
    assert_eq!((told(&plan), reason(&plan)), (Some(Desired::Run), "Resuming"));
}

#[test]
fn work_that_outran_its_hold_while_no_hub_watched_is_resumed_by_what_it_owes_and_more() {
    let mut job = long();
    attempt_mut(&mut job).pauses = 1;
    let mut paused = reports(assignment(&job, 2), Report::Paused, 9_000_000);
    paused.spec.desired = Desired::Pause;
    let plan = Case::new(&job, Some(&paused), 9_100).chain(|c| c.addable = Some(eai("1000"))).build();
    assert!(plan.wishes.contains(&Wish::TopUp(eai("126"))), "90 owed and an hour more: {:?}", plan.wishes);
}

#[test]
fn a_budget_that_is_spent_pauses_and_raising_it_resumes() {
    let mut job = long();
    job.spec.budget = Some(eai("36"));
    let running = reports(assignment(&job, 2), Report::Running, 3_570_000);
    let rich = |c: &mut crate::aijob::build::ChainNews| c.addable = Some(eai("1000"));
    let plan = Case::new(&job, Some(&running), 3_580).chain(rich).build();
    assert_eq!((told(&plan), reason(&plan)), (Some(Desired::Pause), "BudgetReached"));
    job.status = Some(plan.status);
    let mut paused = reports(assignment(&job, 2), Report::Paused, 3_580_000);
    paused.spec.desired = Desired::Pause;
    assert!(
        !Case::new(&job, Some(&paused), 3_600).chain(rich).build().wishes.iter().any(|w| matches!(w, Wish::TopUp(_)))
    );
    job.spec.budget = Some(eai("40"));
    let plan = Case::new(&job, Some(&paused), 3_700).chain(rich).build();
    assert!(plan.wishes.contains(&Wish::TopUp(eai("40"))), "{:?}", plan.wishes);
}

#[test]
fn a_budget_that_is_lowered_below_what_is_held_binds_at_once() {
    let mut job = long();
    let running = reports(assignment(&job, 2), Report::Running, 600_000);
    let rich = |c: &mut crate::aijob::build::ChainNews| c.addable = Some(eai("1000"));
    job.spec.budget = Some(eai("7"));
    let plan = Case::new(&job, Some(&running), 610).chain(rich).build();
    assert_ne!(told(&plan), Some(Desired::Pause), "6 of 7 are spent: 100 s are left");
    job.spec.budget = Some(eai("6"));
    let plan = Case::new(&job, Some(&running), 610).chain(rich).build();
    assert_eq!((told(&plan), reason(&plan)), (Some(Desired::Pause), "BudgetReached"));
}

#[test]
fn a_member_without_room_keeps_paused_work_waiting() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 5_000);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job.spec.suspend = true;
    job.status = Some(Case::new(&job, Some(&running), 20).build().status);
    let mut paused = reports(assignment(&job, 2), Report::Paused, 12_000);
    paused.spec.desired = Desired::Pause;
    paused.spec.acknowledged.started = true;
    job.spec.suspend = false;
    let lacks = Shortage { resource: "nvidia.com/gpu".to_owned(), free: 0, total: Some(1), needed: 1 };
    let mut full = Case::new(&job, Some(&paused), 30);
    full.no_room = Some(lacks);
    let full = full.build();
    assert_eq!((told(&full), reason(&full), full.status.phase), (None, "MemberFull", Phase::Paused));
    assert!(message(&full).contains("home has room for it again (0 of 1 nvidia.com/gpu free, 1 needed)"));
    assert_eq!(full.again, Some(at(35)), "looked at again soon");
    job.status = Some(full.status);
    let plan = Case::new(&job, Some(&paused), 40).build();
    assert_eq!(told(&plan), Some(Desired::Run));
    assert_eq!(plan.status.attempt.as_ref().unwrap().held_since, None);
    assert_eq!(plan.status.attempt.unwrap().start_by, Some(time(940)), "and it must get going");
}

#[test]
fn work_gives_way_while_whom_it_gives_way_to_waits() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 5_000);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let mut giving = Case::new(&job, Some(&running), 20);
    giving.gives_way_to = Some("urgent".to_owned());
    let plan = giving.build();
    assert_eq!((told(&plan), reason(&plan)), (Some(Desired::Pause), "GaveWay"));
    assert!(message(&plan).contains("gives way to urgent"), "{}", message(&plan));
    assert_eq!(plan.again, Some(at(25)), "looked at again soon");
    job.status = Some(plan.status);
    let mut paused = reports(assignment(&job, 2), Report::Paused, 12_000);
    paused.spec.desired = Desired::Pause;
    paused.spec.acknowledged.started = true;
    let mut still = Case::new(&job, Some(&paused), 30);
    still.gives_way_to = Some("urgent".to_owned());
    let still = still.build();
    assert_eq!((told(&still), still.status.phase), (None, Phase::Paused));
    job.status = Some(still.status);
    assert_eq!(told(&Case::new(&job, Some(&paused), 40).build()), Some(Desired::Run), "and then it goes on");
}

#[test]
fn suspending_pauses_and_unsuspending_resumes() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 20_000);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job.spec.suspend = true;
    let plan = Case::new(&job, Some(&running), 30).build();
    assert_eq!((told(&plan), reason(&plan)), (Some(Desired::Pause), "Suspended"));
    job.status = Some(plan.status);
    let mut paused = reports(assignment(&job, 2), Report::Paused, 22_000);
    paused.spec.desired = Desired::Pause;
    let plan = Case::new(&job, Some(&paused), 40).build();
    assert_eq!(plan.status.phase, Phase::Paused);
    job.status = Some(plan.status);
    assert_eq!(attempt(&job).observed.running_since_ms, None, "a pause isn't metered");
    job.spec.suspend = false;
    assert_eq!(told(&Case::new(&job, Some(&paused), 50).build()), Some(Desired::Run));
}

#[test]
fn a_voucher_is_presented_for_every_ten_minutes_of_run() {
    let job = long();
    let vouchers = |usage_s: u64, paid: &str| {
        let mut job = job.clone();
        attempt_mut(&mut job).lease.paid = eai(paid);
        let running = reports(assignment(&job, 2), Report::Running, usage_s * 1000);
        let plan = Case::new(&job, Some(&running), usage_s + 10).build();
        plan.wishes.iter().filter(|w| matches!(w, Wish::Settle(bill) if !bill.is_final)).count()
    };
    assert_eq!((vouchers(599, "0"), vouchers(600, "0")), (0, 1));
    assert_eq!((vouchers(1_100, "6"), vouchers(1_200, "6")), (0, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_lasts_for_as_long_as_it_says(
        rate in 0..10u128.pow(26),
        units in 1..10_000_000u64,
        amount in 0..10u128.pow(27),
        used in 0..1_000_000_000u64,
    ) {
        let price = Price { rate: Amount::from_wei(rate), units: MilliUnits(units) };
        let amount = Amount::from_wei(amount);
        let lasts = price.lasts_ms(amount, UsageMs(used));
        prop_assume!(lasts < 1 << 50);
        let usage = used + eai_core::metering::usage(price.units, lasts).0;
        let costs = eai_core::metering::cost(price.rate, UsageMs(usage));
        prop_assert!(lasts == 0 || costs <= amount, "{costs} for {lasts} ms out of {amount}");
    }
}
