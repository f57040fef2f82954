//! What becomes of Assignments whose attempts are over.
#![allow(clippy::unwrap_used, clippy::panic)]

use eai_api::{
    AIJob, Assignment,
    aijob::{AttemptResult, LeaseState, Outcome, PastAttempt, Phase},
    assignment::{Acknowledged, AssignmentPhase as Report, Desired},
};
use eai_core::{epoch::Epoch, money::Amount};

use super::build::{Record, Step, build, record};

fn epoch(attempt: u64) -> Epoch {
    Epoch { generation: 1, attempt }
}

/// A job at its `attempt`th attempt, with the ones before it past.
fn job(attempt: u64) -> AIJob {
    let lease = |state: LeaseState| serde_json::json!({ "id": "0x1", "state": state, "hold": "1", "paid": "0.25" });
    let past: Vec<_> = (1..attempt)
        .map(|n| PastAttempt {
            epoch: epoch(n),
            member: "home".to_owned(),
            outcome: Outcome { result: AttemptResult::Failed, reason: "X".to_owned(), message: String::new() },
            usage_ms: 7,
            lease: serde_json::from_value(lease(LeaseState::Closed)).unwrap(),
        })
        .collect();
    serde_json::from_value(serde_json::json!({
        "apiVersion": "eai.network/v1alpha1", "kind": "AIJob",
        "metadata": { "name": "train", "namespace": "team", "uid": "u" },
        "spec": { "image": "i", "maxPrice": "1", "payment": { "account": format!("0x{}", "0".repeat(40)) } },
        "status": { "phase": "Running", "pastAttempts": past, "attempt": {
            "epoch": epoch(attempt), "member": "home", "class": "cpu", "rate": "1", "milliUnits": 1,
            "provider": format!("0x{}", "0".repeat(40)), "usageMs": 9, "lease": lease(LeaseState::Open),
        } },
    }))
    .unwrap()
}

fn assignment(attempt: u64, phase: Report) -> Assignment {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "eai.network/v1alpha1", "kind": "Assignment", "metadata": { "name": epoch(attempt).name("u") },
        "spec": { "job": { "namespace": "team", "name": "train", "uid": "u" }, "epoch": epoch(attempt),
            "workload": { "image": "i", "cpuMillis": 1, "memoryBytes": 1, "completions": 1, "parallelism": 1,
                "maxDurationSeconds": 1 },
            "class": "cpu", "rate": "1", "leaseId": "0x1" },
        "status": { "phase": phase, "jobUid": "j" },
    }))
    .unwrap()
}

fn step(assignment: &Assignment, job: Option<&AIJob>) -> Step {
    build(assignment, &record(assignment, job))
}

#[test]
fn the_live_attempt_is_left_alone() {
    assert_eq!(step(&assignment(2, Report::Running), Some(&job(2))), Step::Leave);
}

#[test]
fn one_that_the_record_doesnt_know_yet_is_left_alone() {
    // An old copy of the job must not stop new work.
    assert_eq!(step(&assignment(3, Report::Running), Some(&job(2))), Step::Leave);
    let mut between = job(2);
    between.status.as_mut().unwrap().attempt = None;
    assert_eq!(step(&assignment(2, Report::Running), Some(&between)), Step::Leave);
    let mut new = job(1);
    new.status = None;
    assert_eq!(step(&assignment(1, Report::Running), Some(&new)), Step::Leave);
}

#[test]
fn an_ended_attempt_is_noted_with_what_was_paid_and_then_kept_a_while() {
    let mut over = job(2);
    over.status.as_mut().unwrap().phase = Phase::Succeeded;
    let mut done = assignment(2, Report::Succeeded);
    let noted = Acknowledged { started: false, usage_ms: 9, finished: true, paid: "0.25".parse().unwrap() };
    assert_eq!(step(&done, Some(&over)), Step::Tell(Desired::Run, noted.clone()));
    done.spec.acknowledged = noted;
    assert_eq!(step(&done, Some(&over)), Step::KeepAWhile);
}

#[test]
fn a_past_attempt_that_still_runs_is_stopped_before_it_is_noted() {
    let running = assignment(1, Report::Running);
    let Step::Tell(desired, noted) = step(&running, Some(&job(2))) else { panic!() };
    assert_eq!((desired, noted.finished, noted.usage_ms), (Desired::Stop, false, 7));
    let mut told = running;
    (told.spec.desired, told.spec.acknowledged) = (desired, noted);
    assert_eq!(step(&told, Some(&job(2))), Step::Leave, "it is waited for");
    told.status.as_mut().unwrap().phase = Report::Stopped;
    assert!(matches!(step(&told, Some(&job(2))), Step::Tell(Desired::Stop, Acknowledged { finished: true, .. })));
}

#[test]
fn an_attempt_that_was_never_recorded_is_stopped() {
    let mut odd = job(3);
    odd.status.as_mut().unwrap().past_attempts.clear();
    let running = assignment(2, Report::Running);
    assert_eq!(record(&running, Some(&odd)), Record::Over { ended: None });
    assert!(matches!(step(&running, Some(&odd)), Step::Tell(Desired::Stop, Acknowledged { paid: Amount::ZERO, .. })));
}

#[test]
fn work_without_a_job_is_stopped() {
    let running = assignment(1, Report::Running);
    assert!(matches!(step(&running, None), Step::Tell(Desired::Stop, Acknowledged { finished: false, .. })));
    let mut other = job(1);
    other.metadata.uid = Some("another of the same name".to_owned());
    assert_eq!(record(&running, Some(&other)), Record::Orphan);
}

#[test]
fn one_that_no_member_has_looked_at_is_stopped_and_then_done_with() {
    let mut fresh = assignment(1, Report::Pending);
    fresh.status = None;
    let Step::Tell(Desired::Stop, noted) = step(&fresh, None) else { panic!() };
    assert!(!noted.finished);
    fresh.spec.desired = Desired::Stop;
    let Step::Tell(Desired::Stop, noted) = step(&fresh, None) else { panic!() };
    assert!(noted.finished);
}
