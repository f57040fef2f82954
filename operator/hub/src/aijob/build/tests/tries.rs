//! Indexes that may be tried again: how long that may take, what it may cost, and what a member can't make of it.

use eai_api::{
    AIJob,
    assignment::{AssignmentPhase as Report, Desired},
};
use eai_core::metering::MilliUnits;
use serde_json::json;

use super::fixtures::*;
use crate::aijob::build::{
    Wish,
    money::{Price, first_hold, longest_run_ms, most_runs},
};

/// The usual job, of so many indexes at a time, each tried again so often.
fn retried(completions: u32, parallelism: u32, limit: u32) -> AIJob {
    let mut job = job();
    (job.spec.completions, job.spec.parallelism) = (completions, parallelism);
    job.spec.failure_policy = serde_json::from_value(json!({ "backoffLimitPerIndex": limit })).unwrap();
    job
}

fn stops(plan: &crate::aijob::build::Plan) -> bool {
    plan.wishes.iter().any(|w| matches!(w, Wish::Tell(Desired::Stop, ..)))
}

#[test]
fn all_tries_count_for_the_longest_run_and_none_but_the_first_for_the_first_hold() {
    assert_eq!(longest_run_ms(&job().spec), 100_000);
    assert_eq!(longest_run_ms(&retried(1, 1, 0).spec), 100_000);
    assert_eq!(longest_run_ms(&retried(1, 1, 2).spec), 300_000);
    assert_eq!((most_runs(&retried(4, 2, 1).spec), most_runs(&retried(4, 4, 1).spec)), (6, 2));
    let price = Price { rate: eai("36"), units: MilliUnits(1000) };
    assert_eq!(first_hold(&retried(1, 1, 2).spec, price, 3600, None), eai("1"), "100 s, not 300");
}

#[test]
fn tries_that_follow_are_topped_up_for_up_to_the_last() {
    let mut job = leased(retried(1, 1, 1), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    // The first try is nearly over, and so is the hold for it.
    let second = reports(running, Report::Running, 60_000);
    let plan = Case::new(&job, Some(&second), 70).chain(|c| c.addable = Some(eai("100"))).build();
    assert!(plan.wishes.contains(&Wish::TopUp(eai("2"))), "two tries of 100 s and no more: {:?}", plan.wishes);
}

#[test]
fn work_is_overdue_when_all_its_tries_are() {
    let mut job = leased(retried(1, 1, 1), 1);
    attempt_mut(&mut job).lease.hold = eai("2");
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    assert!(!stops(&Case::new(&job, Some(&running), 10 + 200 + 119).build()));
    assert!(stops(&Case::new(&job, Some(&running), 10 + 200 + 120).build()));
}

#[test]
fn between_two_tries_the_members_cluster_may_wait() {
    let between = |job: AIJob| {
        let mut job = leased(job, 1);
        let running = reports(assignment(&job, 2), Report::Running, 0);
        job.status = Some(Case::new(&job, Some(&running), 10).build().status);
        let mut between = reports(running, Report::Running, 5_000);
        between.status.as_mut().unwrap().running = 0;
        let status = Case::new(&job, Some(&between), 20).build().status;
        status.attempt.unwrap().start_by
    };
    assert_eq!(between(job()), Some(time(20 + 900)));
    assert_eq!(between(retried(1, 1, 1)), Some(time(20 + 900 + 600)));
}

#[test]
fn pods_that_were_taken_away_give_time_and_no_money() {
    let usage = |disruptions: u32, now: u64| {
        let mut job = leased(job(), 1);
        attempt_mut(&mut job).lease.hold = eai("100");
        let mut running = reports(assignment(&job, 2), Report::Running, 99_000_000);
        running.status.as_mut().unwrap().disruptions = disruptions;
        job.status = Some(Case::new(&job, Some(&running), 10).build().status);
        let plan = Case::new(&job, Some(&running), now).build();
        (stops(&plan), plan.status.attempt.unwrap().usage_ms)
    };
    let (once, grace) = (100, 120);
    assert_eq!(usage(0, 10 + once + grace), (true, (once + grace) * 1000));
    assert_eq!(usage(1, 10 + once + grace), (false, (once + grace) * 1000));
    assert_eq!(usage(1, 10 + 2 * once + grace), (true, (once + grace) * 1000), "it is paid for one run");
    // Nobody's pods are taken away more often than this and go on.
    assert_eq!(usage(1_000_000, 10 + 6 * once + grace - 1), (false, (once + grace) * 1000));
    assert_eq!(usage(1_000_000, 10 + 6 * once + grace), (true, (once + grace) * 1000));
}

#[test]
fn a_member_that_claims_more_tries_than_there_may_be_is_not_paid_for_them() {
    let mut job = leased(retried(1, 1, 1), 1);
    attempt_mut(&mut job).lease.hold = eai("100");
    for now in 10..1_000 {
        // It says that it stops and starts again every other second, each time with a second's allowance.
        let mut flaps = reports(assignment(&job, 2), Report::Running, 99_000_000);
        flaps.status.as_mut().unwrap().running = u32::from(now % 2 == 0);
        job.status = Some(Case::new(&job, Some(&flaps), now).build().status);
    }
    assert!(attempt(&job).usage_ms <= (2 * 100 + 120) * 1000, "{}", attempt(&job).usage_ms);
    let allowed = attempt(&job).observed.run_ms(0) + 2_000;
    assert!(attempt(&job).usage_ms <= allowed, "an allowance for two tries");
}

#[test]
fn what_failures_mean_is_told_to_the_member() {
    let mut job = leased(retried(4, 2, 3), 1);
    job.spec.success_policy = serde_json::from_value(json!({ "rules": [{ "succeededCount": 2 }] })).unwrap();
    let attempt = attempt(&job).clone();
    let made = crate::aijob::workload::assignment(&job, &attempt, (Desired::Run, None), None).unwrap().spec.workload;
    assert_eq!((made.failure_policy, made.success_policy), (job.spec.failure_policy, job.spec.success_policy));
}
