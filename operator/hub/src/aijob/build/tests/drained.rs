//! Attempts on a member that is being emptied: what is moved at once, what is waited for, who pays.

use eai_api::{
    AIJob, Assignment,
    aijob::{AttemptResult, Phase},
    assignment::{AssignmentPhase as Report, Desired},
};

use super::fixtures::*;
use crate::{
    aijob::build::{Asked, Plan, Stage, Wish, stage},
    fencing::{Ends, Tether},
    heartbeat::Voice,
};

/// A job that may be tried once, reported as `phase`; it ran from second 10 on unless that is `Starting`.
fn on_home(phase: Report, change: impl FnOnce(&mut AIJob)) -> (AIJob, Assignment) {
    let mut job = job();
    job.spec.retry.max_attempts = 1;
    job.spec.max_duration_seconds = 100_000;
    change(&mut job);
    let mut job = leased(job, 1);
    attempt_mut(&mut job).lease.hold = eai("1000");
    let made = assignment(&job, 2);
    if phase != Report::Starting {
        let running = reports(made.clone(), Report::Running, 0);
        job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    }
    (job, reports(made, phase, if phase == Report::Starting { 0 } else { 5_000 }))
}

fn drained(job: &AIJob, assignment: &Assignment, now: u64, by: Option<u64>) -> Plan {
    let mut case = Case::new(job, Some(assignment), now);
    case.drain = by;
    case.build()
}

fn stops(plan: &Plan) -> bool {
    plan.wishes.iter().any(|wish| matches!(wish, Wish::Tell(Desired::Stop, _, None)))
}

/// Says Stop, has the member stop, and settles: the plan with which the job waits for another member.
fn moved(mut job: AIJob, assignment: &Assignment, now: u64, paid: &str) -> Plan {
    job.status = Some(drained(&job, assignment, now, Some(now)).status);
    let stopped = reports(assignment.clone(), Report::Stopped, 6_000);
    job.status = Some(drained(&job, &stopped, now + 5, Some(now)).status);
    let outcome = attempt(&job).outcome.clone().unwrap();
    assert_eq!((outcome.result, outcome.reason.as_str()), (AttemptResult::Lost, "Drained"));
    let settled = closed(&job, eai(paid));
    Case::new(&job, Some(&stopped), now + 8).chain(|chain| chain.settle = Asked::Answered(settled)).build()
}

#[test]
fn what_may_move_is_stopped_at_once_and_what_runs_is_waited_for() {
    let runs = Report::Running;
    for (what, phase, preemptible, stop) in [
        ("starting", Report::Starting, false, true),
        ("paused", Report::Paused, false, true),
        ("running and preemptible", runs, true, true),
        ("running", runs, false, false),
        ("on its way home", Report::Finishing, false, false),
        ("on its way home and preemptible", Report::Finishing, true, false),
    ] {
        let (job, assignment) = on_home(phase, |job| job.spec.preemptible = preemptible);
        assert!(!stops(&drained(&job, &assignment, 20, None)), "{what}: not without a drain");
        assert_eq!(stops(&drained(&job, &assignment, 20, Some(500))), stop, "{what}");
        assert!(stops(&drained(&job, &assignment, 500, Some(500))), "{what}: the bound ends all");
    }
}

#[test]
fn work_that_is_waited_for_says_until_when_and_is_looked_at_then() {
    let (job, running) = on_home(Report::Running, |_| {});
    let plan = drained(&job, &running, 20, Some(500));
    assert_eq!((plan.status.phase, reason(&plan)), (Phase::Running, "MemberDraining"));
    assert!(message(&plan).contains("Unless it ends by 2026-01-01T00:08:20Z"), "{}", message(&plan));
    assert!(plan.again.unwrap() <= at(500));
    let done = reports(running, Report::Succeeded, 6_000);
    let plan = drained(&job, &done, 25, Some(500));
    assert_eq!(plan.status.attempt.unwrap().outcome.unwrap().result, AttemptResult::Succeeded);
}

#[test]
fn what_was_moved_goes_on_elsewhere_though_it_may_be_tried_but_once_and_costs_nothing() {
    let (job, running) = on_home(Report::Running, |_| {});
    let plan = moved(job, &running, 500, "0");
    assert_eq!((plan.status.phase, plan.status.attempt.is_none()), (Phase::Pending, true));
    let past = &plan.status.past_attempts[0];
    assert_eq!((past.outcome.reason.as_str(), past.usage_ms), ("Drained", 0));
    assert_eq!(plan.status.cost, Some(eai("0")));
    assert!(plan.wishes.contains(&Wish::Place));
}

#[test]
fn what_vouchers_paid_before_stays_paid() {
    let (mut job, running) = on_home(Report::Running, |_| {});
    attempt_mut(&mut job).lease.paid = eai("0.03");
    let plan = moved(job, &running, 500, "0.03");
    assert_eq!(plan.status.past_attempts[0].usage_ms, 3_000);
    assert_eq!(plan.status.cost, Some(eai("0.03")));
}

#[test]
fn being_moved_does_not_use_up_the_tries_that_failures_need() {
    let (job, running) = on_home(Report::Running, |job| job.spec.retry.max_attempts = 2);
    let again = AIJob { status: Some(moved(job.clone(), &running, 500, "0").status), ..job };
    let mut again = AIJob { status: claimed(again.clone(), 510).status, ..again };
    attempt_mut(&mut again).lease.state = eai_api::aijob::LeaseState::Open;
    let failed = reports(assignment(&again, 511), Report::Failed, 0);
    again.status = Some(Case::new(&again, Some(&failed), 520).build().status);
    let settled = closed(&again, eai("0"));
    let plan = Case::new(&again, Some(&failed), 522).chain(|chain| chain.settle = Asked::Answered(settled)).build();
    assert_eq!((plan.status.phase, plan.status.past_attempts.len()), (Phase::Pending, 2), "one failure of two");
}

#[test]
fn taking_the_drain_back_does_not_bring_back_what_was_asked_to_stop() {
    let (mut job, mut running) = on_home(Report::Running, |_| {});
    job.status = Some(drained(&job, &running, 500, Some(500)).status);
    assert_eq!(attempt(&job).drained_at, Some(time(500)));
    running.spec.desired = Desired::Stop;
    let stopped = reports(running, Report::Stopped, 6_000);
    let plan = drained(&job, &stopped, 505, None);
    assert_eq!(plan.status.attempt.unwrap().outcome.unwrap().reason, "Drained");
}

#[test]
fn a_vendor_who_cancels_meanwhile_has_cancelled() {
    let (mut job, running) = on_home(Report::Running, |_| {});
    job.status = Some(drained(&job, &running, 500, Some(500)).status);
    job.spec.cancel = true;
    let stopped = reports(running, Report::Stopped, 6_000);
    let plan = drained(&job, &stopped, 505, Some(500));
    assert_eq!(plan.status.attempt.unwrap().outcome.unwrap().result, AttemptResult::Cancelled);
}

#[test]
fn a_member_that_falls_silent_while_it_is_emptied_keeps_its_work_until_that_has_ended() {
    let (mut job, mut running) = on_home(Report::Running, |_| {});
    attempt_mut(&mut job).fenced_for_seconds = Some(600);
    job.status = Some(drained(&job, &running, 500, Some(500)).status);
    running.spec.desired = Desired::Stop;
    let look = |ends, now| {
        let mut case = Case::new(&job, Some(&running), now);
        (case.drain, case.tether) =
            (Some(500), Tether { voice: Voice::Silent, due: None, again_ms: None, ends, unheard_of: false });
        case.build()
    };
    let waits = look(Ends::In(100_000), 1_200);
    assert_eq!(stage(&waits.status), Stage::Live);
    assert!(waits.again.unwrap() > at(1_200), "what is over is no reason to look again at once");
    assert_eq!(stage(&look(Ends::Unknown, 9_000).status), Stage::Live, "it may still run there");
    let outcome = look(Ends::Passed, 1_300).status.attempt.unwrap().outcome.unwrap();
    assert_eq!((outcome.result, outcome.reason.as_str()), (AttemptResult::Lost, "Drained"));
}
