//! Whose fault an attempt's end is: what is charged, whether another attempt follows, and what it uses up. The rows are
//! those of docs/billing.md.

use eai_api::{
    AIJob,
    aijob::{AttemptResult, PastAttempt, Phase},
    assignment::{AssignmentPhase as Report, Desired},
};
use serde_json::json;

use super::fixtures::*;
use crate::aijob::build::{Asked, Stage, stage};

/// What follows an attempt's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another attempt, of those that the vendor gives the work.
    Counted,
    /// Another attempt, for which the vendor gives up none.
    Free,
    /// The job has failed.
    Over,
}

/// What is charged of 30 s that ran, of which a voucher had paid 10.
const ALL: u64 = 30_000;
const PAID: u64 = 10_000;

/// A job that ran for 30 s, 10 of them paid, and the member's last report: `phase`, for `word`.
fn ran(mut job: AIJob, phase: Report, word: &str) -> (AIJob, eai_api::Assignment) {
    job = leased(job, 1);
    attempt_mut(&mut job).lease.hold = eai("1");
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job.status = Some(Case::new(&job, Some(&running), 40).build().status);
    attempt_mut(&mut job).lease.paid = eai("0.1");
    attempt_mut(&mut job).usage_ms = PAID;
    let mut last = reports(running, phase, ALL);
    let status = last.status.as_mut().unwrap();
    (status.reason, status.message) = (word.to_owned(), "as told".to_owned());
    (job, last)
}

/// How it ended, what is charged, and what follows when `attempts` are given and this was the first.
fn judged(attempts: u32, phase: Report, word: &str) -> (AttemptResult, u64, Next) {
    let mut job = job();
    job.spec.retry.max_attempts = attempts;
    let (mut job, last) = ran(job, phase, word);
    job.status = Some(Case::new(&job, Some(&last), 41).build().status);
    follow(job, Some(&last), attempts)
}

fn follow(mut job: AIJob, last: Option<&eai_api::Assignment>, attempts: u32) -> (AttemptResult, u64, Next) {
    let ended = attempt(&job).clone();
    let outcome = ended.outcome.clone().expect("it has ended");
    let paid = closed(&job, eai("0.1"));
    let plan = Case::new(&job, last, 45).chain(|c| c.settle = Asked::Answered(paid)).build();
    job.status = Some(plan.status);
    let next = match stage(job.status.as_ref().unwrap()) {
        Stage::Idle if tries_left(&job) < attempts => Next::Counted,
        Stage::Idle => Next::Free,
        _ => Next::Over,
    };
    (outcome.result, ended.usage_ms, next)
}

/// How many attempts the work may still fail by itself, tried out.
fn tries_left(job: &AIJob) -> u32 {
    let mut job = job.clone();
    for failed in 1..=20 {
        let (failing, last) = ran(job, Report::Failed, "ExitCode");
        job = failing;
        job.status = Some(Case::new(&job, Some(&last), 41).build().status);
        let paid = closed(&job, eai("0.1"));
        job.status = Some(Case::new(&job, Some(&last), 45).chain(|c| c.settle = Asked::Answered(paid)).build().status);
        if stage(job.status.as_ref().unwrap()) != Stage::Idle {
            return failed;
        }
    }
    panic!("it never ends");
}

#[test]
fn what_members_report() {
    use AttemptResult::{Failed, Lost};
    for (phase, word, result, charged, next) in [
        // The work's own.
        (Report::Failed, "ExitCode", Failed, ALL, Next::Counted),
        (Report::Failed, "Evicted", Failed, ALL, Next::Counted),
        (Report::Failed, "StartFailed", Failed, ALL, Next::Counted),
        (Report::Failed, "FailedIndexes", Failed, ALL, Next::Counted),
        (Report::Failed, "DeadlineExceeded", Failed, ALL, Next::Over),
        (Report::Failed, "PodFailurePolicy", Failed, ALL, Next::Over),
        // The member's.
        (Report::Lost, "JobMissing", Lost, PAID, Next::Free),
        (Report::Failed, "AgentAway", Lost, PAID, Next::Free),
        (Report::Failed, "Disrupted", Lost, PAID, Next::Free),
        (Report::Failed, "NotGoingOn", Lost, PAID, Next::Free),
        (Report::Failed, "NoPod", Lost, PAID, Next::Free),
        (Report::Failed, "Unschedulable", Lost, PAID, Next::Free),
        (Report::Failed, "Preempting", Lost, PAID, Next::Free),
        (Report::Failed, "Terminated", Lost, PAID, Next::Free),
        (Report::Failed, "OutOfmemory", Lost, PAID, Next::Free),
        (Report::Failed, "FenceExpired", Lost, PAID, Next::Free),
        (Report::Failed, "NodeLost", Lost, PAID, Next::Free),
        // The member's, and the old work may still run.
        (Report::Refused, "NameTaken", Lost, PAID, Next::Over),
    ] {
        assert_eq!(judged(3, phase, word), (result, charged, next), "{word}");
    }
}

#[test]
fn one_attempt_of_its_own_is_the_works_and_not_its_members() {
    assert_eq!(judged(1, Report::Failed, "ExitCode").2, Next::Over);
    assert_eq!(judged(1, Report::Lost, "JobMissing").2, Next::Free);
}

#[test]
fn a_member_that_leaves_or_falls_silent() {
    let (mut job, _) = ran(job(), Report::Running, "");
    let running = reports(assignment(&job, 2), Report::Running, ALL);
    let mut case = Case::new(&job, Some(&running), 41);
    case.enrolled = false;
    job.status = Some(case.build().status);
    assert_eq!(follow(job, None, 3), (AttemptResult::Lost, PAID, Next::Over));
}

#[test]
fn what_the_vendor_ends_is_charged_in_full() {
    let (mut job, mut last) = ran(job(), Report::Stopped, "Stopped");
    job.spec.cancel = true;
    last.spec.desired = Desired::Stop;
    job.status = Some(Case::new(&job, Some(&last), 41).build().status);
    assert_eq!(follow(job, Some(&last), 1), (AttemptResult::Cancelled, ALL, Next::Over));
    let (mut job, last) = ran(job_with_deadline(), Report::Stopped, "Stopped");
    job.status = Some(Case::new(&job, Some(&last), 101).build().status);
    let (result, charged, next) = follow(job, Some(&last), 1);
    assert_eq!((result, charged, next), (AttemptResult::Failed, ALL, Next::Over));
}

fn job_with_deadline() -> AIJob {
    let mut job = job();
    job.spec.deadline = Some(time(100));
    job
}

#[test]
fn an_exit_code_that_fails_the_job_is_not_tried_elsewhere_whatever_the_agent_calls_it() {
    let mut job = job();
    job.spec.retry.max_attempts = 5;
    job.spec.failure_policy = serde_json::from_value(json!({ "podFailurePolicy": { "rules": [
        { "action": "FailJob", "onExitCodes": { "operator": "In", "values": [42] } }] } }))
    .unwrap();
    for (exit, next) in [(42, Next::Over), (41, Next::Counted)] {
        // An agent that doesn't know of such rules.
        let (mut job, mut last) = ran(job.clone(), Report::Failed, "ExitCode");
        last.status.as_mut().unwrap().exit_code = Some(exit);
        job.status = Some(Case::new(&job, Some(&last), 41).build().status);
        assert_eq!(follow(job, Some(&last), 5).2, next, "{exit}");
    }
    // A member that lost the work says nothing about the work.
    let (mut job, mut last) = ran(job, Report::Failed, "Terminated");
    last.status.as_mut().unwrap().exit_code = Some(42);
    job.status = Some(Case::new(&job, Some(&last), 41).build().status);
    assert_eq!(follow(job, Some(&last), 5).2, Next::Free);
}

/// The job after an attempt on `home` that ended so.
fn after(job: AIJob, phase: Report, word: &str) -> AIJob {
    let (mut job, last) = ran(job, phase, word);
    job.status = Some(Case::new(&job, Some(&last), 41).build().status);
    let paid = closed(&job, eai("0.1"));
    job.status = Some(Case::new(&job, Some(&last), 45).chain(|c| c.settle = Asked::Answered(paid)).build().status);
    job
}

#[test]
fn members_can_lose_a_job_only_so_often() {
    let mut job = job();
    for lost in 1..10 {
        job = after(job, Report::Lost, "JobMissing");
        assert_eq!(stage(job.status.as_ref().unwrap()), Stage::Idle, "lost {lost} times");
    }
    job = after(job, Report::Lost, "JobMissing");
    assert_eq!(job.status.unwrap().phase, Phase::Failed, "it seems to be what members don't survive");
}

#[test]
fn each_kind_of_end_has_a_limit_of_its_own_and_all_together_one_more() {
    let mut job = job();
    job.spec.retry.max_attempts = 3;
    for (phase, word) in [
        (Report::Failed, "ExitCode"),
        (Report::Lost, "JobMissing"),
        (Report::Lost, "JobMissing"),
        (Report::Failed, "ExitCode"),
        (Report::Lost, "JobMissing"),
    ] {
        job = after(job, phase, word);
        assert_eq!(stage(job.status.as_ref().unwrap()), Stage::Idle, "{word}");
    }
    let past = &job.status.as_ref().unwrap().past_attempts;
    let reasons: Vec<&str> = past.iter().map(|p: &PastAttempt| p.outcome.reason.as_str()).collect();
    assert_eq!(reasons, ["ExitCode", "JobMissing", "JobMissing", "ExitCode", "JobMissing"], "all are kept");
    assert!(past.iter().all(|p| p.outcome.message == "as told"));
    job = after(job, Report::Failed, "ExitCode");
    assert_eq!(job.status.unwrap().phase, Phase::Failed, "the third of its own");
    let mut job = self::job();
    job.spec.retry.max_attempts = 10;
    let mut attempts = 0;
    while job.status.as_ref().is_none_or(|status| !status.phase.is_final()) {
        let word = if attempts % 2 == 0 { "ExitCode" } else { "Disrupted" };
        job = after(job, Report::Failed, word);
        attempts += 1;
    }
    assert!(attempts <= 20, "{attempts}");
}
