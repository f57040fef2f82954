//! What a member says though it can't be: what comes of it, and when it is noticed.

use eai_api::{
    AIJob, Assignment,
    aijob::Phase,
    artifact::{LogArtifact, OutputArtifact},
    assignment::AssignmentPhase as Report,
};
use proptest::prelude::*;
use serde_json::json;

use super::fixtures::*;
use crate::aijob::build::{Wish, doubt};

/// What no API server lets a field be more than.
const MOST: u64 = 9_007_199_254_740_991;
const FOREVER: u64 = 200_000_000_000;

/// A job that was seen running from second 10, and its Assignment.
fn seen_running() -> (AIJob, Assignment) {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    (job, running)
}

/// The same with `usage_ms` and the longest times that can be told, at second `now`.
fn tells(running: Assignment, phase: Report, usage_ms: u64) -> Assignment {
    let mut told = reports(running, phase, usage_ms);
    let status = told.status.as_mut().unwrap();
    (status.started_at, status.finished_at) = (Some(time(0)), Some(time(FOREVER)));
    (status.exit_code, status.running) = (Some(255), 1000);
    told
}

#[test]
fn a_final_word_with_usage_beyond_all_bounds_is_paid_for_what_the_hub_saw() {
    for (phase, result) in [(Report::Succeeded, Phase::Settling), (Report::Failed, Phase::Settling)] {
        let (job, running) = seen_running();
        let plan = Case::new(&job, Some(&tells(running, phase, MOST)), 40).build();
        let bill = plan.wishes.iter().find_map(|wish| if let Wish::Settle(bill) = wish { Some(bill) } else { None });
        assert_eq!(bill.map(|bill| bill.usage.0), Some(31_000), "30 s seen, and 1 s for whole seconds: {phase:?}");
        assert_eq!(plan.status.phase, result);
    }
}

#[test]
fn a_final_word_on_work_that_never_ran_is_paid_for_what_can_be_missed() {
    let job = leased(job(), 1);
    let told = tells(assignment(&job, 2), Report::Succeeded, MOST);
    let usage = Case::new(&job, Some(&told), 300).build().status.attempt.unwrap().usage_ms;
    assert_eq!(usage, 11_000);
}

#[test]
fn lost_work_is_paid_for_nothing_however_much_is_told() {
    let (job, running) = seen_running();
    let plan = Case::new(&job, Some(&tells(running, Report::Lost, MOST)), 40).build();
    assert_eq!(plan.status.attempt.unwrap().usage_ms, 0);
}

#[test]
fn times_are_shown_within_what_can_be() {
    let (job, running) = seen_running();
    let status = Case::new(&job, Some(&tells(running, Report::Succeeded, 0)), 40).build().status;
    assert_eq!((status.started_at, status.finished_at), (Some(time(1)), Some(time(40))));
}

#[test]
fn what_is_left_behind_never_piles_up() {
    let mut job = leased(job(), 1);
    job.spec.outputs = serde_json::from_value(json!([{ "name": "model", "path": "m" }])).unwrap();
    let mut running = reports(assignment(&job, 2), Report::Running, 0);
    let digest = format!("sha256:{}", "a".repeat(64));
    for round in 0..5_u32 {
        let said = running.status.as_mut().unwrap();
        let one = |n: u32| json!({ "name": format!("o{n}"), "index": n, "digest": digest, "sizeBytes": 1 });
        let indexes = (round * 1_000..(round + 1) * 1_000).map(one);
        let all: Vec<_> =
            indexes.chain([json!({ "name": "model", "index": 0, "digest": digest, "sizeBytes": 1 })]).collect();
        said.outputs = all.iter().map(|one| serde_json::from_value::<OutputArtifact>(one.clone()).unwrap()).collect();
        said.logs = all.iter().map(|one| serde_json::from_value::<LogArtifact>(one.clone()).unwrap()).collect();
        job.status = Some(Case::new(&job, Some(&running), 10 + u64::from(round)).build().status);
    }
    let status = job.status.unwrap();
    assert_eq!((status.outputs.len(), status.logs.len()), (1, 1));
    assert_eq!(status.outputs[0].name, "model");
}

#[test]
fn what_cannot_be_is_told_and_what_can_is_not() {
    let (mut job, running) = seen_running();
    let said = |job: &AIJob, told: &Assignment, now: u64| doubt(attempt(job), told, (START + now) * 1000);
    let honest = reports(running.clone(), Report::Running, 38_000);
    assert_eq!(said(&job, &honest, 40), None);
    assert_eq!(said(&job, &reports(running.clone(), Report::Running, 98_000), 40), None, "clocks and whole seconds");
    let more = said(&job, &reports(running.clone(), Report::Running, 98_001), 40);
    let text = "for attempt 1 of team/train more usage than can have run since it was given it";
    assert_eq!(more.as_deref(), Some(text));
    let late = tells(running.clone(), Report::Running, 0);
    assert!(said(&job, &late, 40).unwrap().ends_with("times at which it can't have run"));
    let mut early = honest;
    early.metadata.creation_timestamp = Some(time(3_602));
    early.status.as_mut().unwrap().started_at = Some(time(0));
    assert!(said(&job, &early, 3_700).unwrap().ends_with("times at which it can't have run"));
    let paid = attempt_mut(&mut job);
    (paid.usage_ms, paid.lease.paid) = (100_000, eai("1"));
    assert_eq!(said(&job, &reports(running.clone(), Report::Running, 40_000), 140), None);
    let less = said(&job, &reports(running, Report::Running, 39_999), 140);
    assert!(less.unwrap().ends_with("less usage than it reported before, and was paid for"));
}

proptest! {
    /// Whatever is told, and however it rises and falls: what counts is never more than the hub saw, and a little.
    #[test]
    fn nothing_told_is_paid_beyond_what_was_seen(
        told in prop::collection::vec((any::<prop::sample::Index>(), 0..=MOST, 1u64..20), 1..20),
    ) {
        use Report::{Failed, Finishing, Lost, Paused, Pending, Refused, Running, Starting, Stopped, Succeeded};
        let phases = [Pending, Refused, Starting, Running, Paused, Finishing, Succeeded, Failed, Stopped, Lost];
        let (mut job, mut report) = seen_running();
        let mut now = 10;
        for (phase, usage, seconds) in told {
            now += seconds;
            report = tells(report, *phase.get(&phases), usage);
            job.status = Some(Case::new(&job, Some(&report), now).build().status);
            let Some(attempt) = &job.status.as_ref().unwrap().attempt else { break };
            prop_assert!(attempt.usage_ms <= (now - 10) * 1_000 + 11_000, "{} at {now}", attempt.usage_ms);
            if attempt.outcome.is_some() {
                break;
            }
        }
    }
}
