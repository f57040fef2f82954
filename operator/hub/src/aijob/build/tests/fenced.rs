//! Attempts whose members aren't heard any more: when they are given up, and when not.

use eai_api::{
    AIJob, Assignment,
    aijob::{AttemptResult, Phase},
    assignment::{Acknowledged, AssignmentPhase as Report, Desired, Grant},
};
use eai_core::money::Amount;

use super::fixtures::*;
use crate::{
    aijob::build::{Asked, Stage, Wish, stage},
    fencing::{Ends, Tether},
    heartbeat::Voice,
};

fn grant(sequence: u64) -> Grant {
    Grant { heartbeat: format!("0000000000000007-{sequence}"), valid_for_seconds: 600 }
}

/// Of a member that isn't heard.
fn silent(ends: Ends) -> Tether {
    Tether { voice: Voice::Silent, due: None, again_ms: None, ends, unheard_of: false }
}

/// A job that may be tried five times, whose work runs under a grant since second 10.
fn fenced() -> (AIJob, Assignment) {
    let mut job = job();
    job.spec.retry.max_attempts = 5;
    job.spec.max_duration_seconds = 100_000;
    let mut job = leased(job, 1);
    attempt_mut(&mut job).fenced_for_seconds = Some(600);
    attempt_mut(&mut job).lease.hold = eai("1000");
    let mut running = reports(assignment(&job, 2), Report::Running, 5_000);
    running.spec.grant = Some(grant(1));
    running.spec.acknowledged.started = true;
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    (job, running)
}

fn look(job: &AIJob, assignment: Option<&Assignment>, now: u64, tether: Tether) -> crate::aijob::build::Plan {
    let mut case = Case::new(job, assignment, now);
    case.tether = tether;
    case.build()
}

fn stopping(job: &AIJob, running: &Assignment, now: u64) -> Assignment {
    let plan = look(job, Some(running), now, silent(Ends::Passed));
    let noted = Acknowledged { started: true, ..Acknowledged::default() };
    assert!(plan.wishes.contains(&Wish::Tell(Desired::Stop, noted, None)), "{:?}", plan.wishes);
    assert_eq!(stage(&plan.status), Stage::Live, "stopped, and only then ended");
    let mut stopped = running.clone();
    stopped.spec.desired = Desired::Stop;
    stopped
}

#[test]
fn work_begins_under_a_grant_and_is_on_record_as_fenced_before_it_can() {
    let job = leased(job(), 1);
    let heard = Tether {
        voice: Voice::Heard("0000000000000007-1".parse().unwrap()),
        due: Some(grant(1)),
        ..silent(Ends::In(1))
    };
    let plan = look(&job, None, 2, heard);
    assert_eq!(plan.wishes, [Wish::Assign(Desired::Run, Some(grant(1)))]);
    assert_eq!(plan.status.attempt.unwrap().fenced_for_seconds, Some(600));
    let plan = look(&job, None, 2, silent(Ends::In(1)));
    assert_eq!(plan.wishes, [], "nothing begins at a member that isn't heard");
    assert_eq!(
        Case::new(&job, None, 2).build().wishes,
        [Wish::Assign(Desired::Run, None)],
        "an agent that takes no grants"
    );
}

#[test]
fn a_grant_that_is_due_is_written_whatever_else_there_is_to_tell() {
    let (mut job, running) = fenced();
    let heard = Tether {
        voice: Voice::Heard("0000000000000007-2".parse().unwrap()),
        due: Some(grant(2)),
        ..silent(Ends::In(1))
    };
    let plan = look(&job, Some(&running), 20, heard.clone());
    assert_eq!(plan.wishes, [Wish::Tell(Desired::Run, running.spec.acknowledged.clone(), Some(grant(2)))]);
    job.spec.cancel = true;
    let plan = look(&job, Some(&running), 20, heard);
    assert_eq!(
        plan.wishes,
        [Wish::Tell(Desired::Stop, running.spec.acknowledged.clone(), None)],
        "a Stop lends nothing"
    );
}

#[test]
fn a_member_that_falls_silent_is_waited_for_and_its_job_says_until_when() {
    let (job, running) = fenced();
    let plan = look(&job, Some(&running), 60, silent(Ends::In(700_000)));
    assert_eq!((plan.status.phase, reason(&plan)), (Phase::Running, "MemberUnreachable"));
    assert!(message(&plan).contains("begins elsewhere by 2026-01-01T00:13:00Z"), "{}", message(&plan));
    assert!(plan.again.unwrap() <= at(760));
    assert!(!plan.wishes.iter().any(|wish| matches!(wish, Wish::Tell(..))));
}

#[test]
fn work_of_a_lost_member_is_stopped_then_ended_then_begun_elsewhere() {
    let (mut job, running) = fenced();
    let stopped = stopping(&job, &running, 900);
    job.status = Some(look(&job, Some(&running), 900, silent(Ends::Passed)).status);
    assert_eq!(attempt(&job).lapsed_at, Some(time(900)));
    job.status = Some(look(&job, Some(&stopped), 901, silent(Ends::Passed)).status);
    let outcome = attempt(&job).outcome.clone().unwrap();
    assert_eq!((outcome.result, outcome.reason.as_str()), (AttemptResult::Lost, "MemberLost"));
    assert_eq!(attempt(&job).usage_ms, 0, "nobody is charged for what was lost");
    let paid = closed(&job, Amount::ZERO);
    let plan = Case::new(&job, Some(&stopped), 903).chain(|c| c.settle = Asked::Answered(paid)).build();
    assert_eq!((plan.status.phase, plan.status.attempt.is_none()), (Phase::Pending, true));
    assert_eq!(plan.status.past_attempts[0].outcome.reason, "MemberLost");
}

#[test]
fn a_hub_that_takes_over_after_the_stop_waits_and_still_says_that_it_was_lost() {
    let (mut job, running) = fenced();
    let stopped = stopping(&job, &running, 900);
    job.status = Some(look(&job, Some(&running), 900, silent(Ends::Passed)).status);
    let plan = look(&job, Some(&stopped), 2_000, silent(Ends::In(100_000)));
    assert_eq!(stage(&plan.status), Stage::Live, "it counts from its own first sight, however late it is");
    let came_back = reports(stopped.clone(), Report::Stopped, 6_000);
    let heard = Tether { voice: Voice::Heard("0000000000000008-1".parse().unwrap()), ..silent(Ends::In(1)) };
    job.status = Some(look(&job, Some(&came_back), 2_001, heard).status);
    assert_eq!(attempt(&job).outcome.as_ref().unwrap().reason, "MemberLost");
}

#[test]
fn work_that_succeeded_before_its_member_fell_silent_has_succeeded() {
    let (job, running) = fenced();
    let stopped = stopping(&job, &running, 900);
    let done = reports(stopped, Report::Succeeded, 6_000);
    let plan = look(&job, Some(&done), 905, silent(Ends::Passed));
    assert_eq!(plan.status.attempt.unwrap().outcome.unwrap().result, AttemptResult::Succeeded);
}

#[test]
fn a_member_that_is_heard_keeps_its_work() {
    let (job, running) = fenced();
    let heard = Tether { voice: Voice::Heard("0000000000000007-9".parse().unwrap()), ..silent(Ends::Passed) };
    let plan = look(&job, Some(&running), 900, heard);
    assert!(!plan.wishes.iter().any(|wish| matches!(wish, Wish::Tell(Desired::Stop, ..))), "{:?}", plan.wishes);
}

#[test]
fn work_that_runs_on_or_is_paused_or_is_not_fenced_waits_for_its_member() {
    let (mut job, running) = fenced();
    let stops = |job: &AIJob, ends| {
        let plan = look(job, Some(&running), 5_000, silent(ends));
        plan.wishes.iter().any(|wish| matches!(wish, Wish::Tell(Desired::Stop, ..)))
    };
    assert!(stops(&job, Ends::Passed));
    assert!(!stops(&job, Ends::Unknown), "Continue");
    job.spec.suspend = true;
    assert!(!stops(&job, Ends::Passed), "paused");
    job.spec.suspend = false;
    attempt_mut(&mut job).fenced_for_seconds = None;
    assert!(!stops(&job, Ends::Passed), "not fenced");
}

#[test]
fn what_was_to_stop_for_another_reason_is_waited_for_until_nothing_of_it_can_run() {
    let (mut job, running) = fenced();
    // It says that nothing runs, and then nothing more.
    let between = reports(running, Report::Starting, 5_000);
    job.status = Some(look(&job, Some(&between), 20, silent(Ends::In(1))).status);
    job.status = Some(look(&job, Some(&between), 930, silent(Ends::In(1))).status);
    let mut stopped = between;
    stopped.spec.desired = Desired::Stop;
    let late = look(&job, Some(&stopped), 2_000, silent(Ends::In(5)));
    assert_eq!(stage(&late.status), Stage::Live, "whatever the time that it was given to stop");
    let plan = look(&job, Some(&stopped), 2_000, silent(Ends::Passed));
    assert_eq!(plan.status.attempt.unwrap().outcome.unwrap().reason, "NotGoingOn");
}

#[test]
fn a_cancelled_job_is_refunded_without_waiting_for_the_fence() {
    let (mut job, running) = fenced();
    job.spec.cancel = true;
    job.status = Some(look(&job, Some(&running), 20, silent(Ends::In(1))).status);
    assert_eq!(stage(&look(&job, Some(&running), 619, silent(Ends::In(1))).status), Stage::Live);
    assert_eq!(stage(&look(&job, Some(&running), 620, silent(Ends::In(1))).status), Stage::Settling);
}

#[test]
fn a_removed_members_job_goes_on_elsewhere_once_nothing_of_it_can_run() {
    let (mut job, running) = fenced();
    let removed = |ends, assignment| {
        let mut case = Case::new(&job, assignment, 100);
        (case.enrolled, case.tether) = (false, silent(ends));
        case.build()
    };
    let waits = removed(Ends::In(500_000), None);
    assert_eq!((reason(&waits), waits.wishes.len()), ("MemberLeft", 0), "nothing is written to a member that leaves");
    assert_eq!(waits.again, Some(at(600)));
    let plan = removed(Ends::Passed, None);
    assert_eq!(plan.status.attempt.clone().unwrap().outcome.unwrap().reason, "MemberLeft");
    let told = reports(running.clone(), Report::Succeeded, 6_000);
    let plan_told = removed(Ends::In(1), Some(&told));
    assert_eq!(
        plan_told.status.attempt.unwrap().outcome.unwrap().result,
        AttemptResult::Succeeded,
        "its last word counts"
    );
    job.status = Some(plan.status);
    job.spec.retry.max_attempts = 1;
    let paid = closed(&job, Amount::ZERO);
    let plan = Case::new(&job, None, 103).chain(|c| c.settle = Asked::Answered(paid)).build();
    assert_eq!(plan.status.phase, Phase::Pending, "though it may be tried but once: it was moved");
}

#[test]
fn a_job_whose_member_is_removed_before_it_was_given_any_work_goes_on_at_once() {
    let job = leased(job(), 1);
    let outcome = |unheard_of| {
        let mut case = Case::new(&job, None, 5);
        (case.enrolled, case.tether) = (false, Tether { unheard_of, ..silent(Ends::Unknown) });
        case.build().status.attempt.unwrap().outcome.unwrap().reason
    };
    assert_eq!(outcome(true), "MemberLeft", "whether or not the member is heard");
    assert_eq!(outcome(false), "MemberRemoved", "an agent without grants may have begun");
}

#[test]
fn a_missing_assignment_is_made_again_under_a_grant_or_not_at_all() {
    let (job, _) = fenced();
    let heard = Tether {
        voice: Voice::Heard("0000000000000007-3".parse().unwrap()),
        due: Some(grant(3)),
        ..silent(Ends::In(1))
    };
    assert!(look(&job, None, 20, heard).wishes.contains(&Wish::Assign(Desired::Run, Some(grant(3)))));
    assert!(!look(&job, None, 20, silent(Ends::In(1))).wishes.iter().any(|w| matches!(w, Wish::Assign(..))));
    let lapsed = look(&job, None, 900, silent(Ends::Passed));
    assert!(lapsed.wishes.contains(&Wish::Assign(Desired::Stop, None)), "made, stopped: {:?}", lapsed.wishes);
    assert_eq!(stage(&lapsed.status), Stage::Live);
}
