//! Checkpoints: acknowledged once the hub has them, worth their usage, and what the next attempt goes on from.

use eai_api::{
    AIJob,
    aijob::AttemptResult,
    artifact::CheckpointArtifact,
    assignment::{AssignmentPhase as Report, Desired},
};
use eai_core::digest::Digest;
use serde_json::json;

use super::fixtures::*;
use crate::aijob::build::{Asked, checkpoints::unknown};

fn checkpoint(index: u32, content: &str) -> CheckpointArtifact {
    let size_bytes = content.len() as u64;
    CheckpointArtifact { index, digest: Digest::of(content.as_bytes()), size_bytes, at: time(7) }
}

/// A job of so many completions at once that keeps checkpoints and runs since second 10.
fn training(completions: u32) -> AIJob {
    let mut job = job();
    (job.spec.completions, job.spec.parallelism) = (completions, completions);
    job.spec.checkpoint = serde_json::from_value(json!({})).unwrap();
    let mut job = leased(job, 1);
    attempt_mut(&mut job).lease.hold = eai("10");
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job
}

/// The hub has `stored` at second `now`, when the member reports `usage_ms`.
fn saved(mut job: AIJob, now: u64, usage_ms: u64, stored: Vec<CheckpointArtifact>) -> AIJob {
    let running = reports(assignment(&job, 2), Report::Running, usage_ms);
    let mut case = Case::new(&job, Some(&running), now);
    case.stored = stored;
    job.status = Some(case.build().status);
    job
}

/// What is charged when the member loses the work at second `now`.
fn charged_when_lost(job: &AIJob, now: u64) -> u64 {
    let lost = reports(assignment(job, 2), Report::Lost, (now - 10) * 1000);
    let attempt = Case::new(job, Some(&lost), now).build().status.attempt.unwrap();
    assert_eq!(attempt.outcome.unwrap().result, AttemptResult::Lost);
    attempt.usage_ms
}

#[test]
fn what_a_member_loses_is_charged_up_to_its_last_checkpoint() {
    let job = training(1);
    assert_eq!(charged_when_lost(&job, 60), 0, "no checkpoint, and nothing was paid");
    let job = saved(job, 40, 30_000, vec![checkpoint(0, "step 1")]);
    assert_eq!(charged_when_lost(&job, 60), 30_000);
    let mut job = saved(job, 50, 40_000, vec![checkpoint(0, "step 2")]);
    assert_eq!(charged_when_lost(&job, 60), 40_000);
    attempt_mut(&mut job).lease.paid = eai("0.45");
    assert_eq!(charged_when_lost(&job, 60), 45_000, "what a voucher paid stays paid");
    // What isn't lost is charged in full.
    let failed = reports(assignment(&job, 2), Report::Failed, 50_000);
    assert_eq!(Case::new(&job, Some(&failed), 60).build().status.attempt.unwrap().usage_ms, 50_000);
}

#[test]
fn a_member_gains_nothing_by_a_checkpoint_of_more_than_ran() {
    let job = saved(training(1), 20, 99_000_000, vec![checkpoint(0, "step 1")]);
    assert_eq!(charged_when_lost(&job, 60), 11_000, "what the hub saw, and the allowance");
}

#[test]
fn several_indexes_are_worth_what_the_oldest_of_their_checkpoints_is() {
    let job = saved(training(2), 40, 30_000, vec![checkpoint(1, "a")]);
    assert_eq!(charged_when_lost(&job, 60), 0, "index 0 has left none");
    let job = saved(job, 45, 35_000, vec![checkpoint(0, "a")]);
    assert_eq!(charged_when_lost(&job, 60), 30_000);
    let job = saved(job, 50, 40_000, vec![checkpoint(1, "b")]);
    assert_eq!(charged_when_lost(&job, 60), 35_000);
    let indexes: Vec<u32> = job.status.unwrap().checkpoints.iter().map(|saved| saved.index).collect();
    assert_eq!(indexes, [0, 1], "one of each, in order");
}

#[test]
fn the_next_attempt_goes_on_from_the_last_and_owes_nothing_for_it() {
    let mut job = saved(training(1), 40, 30_000, vec![checkpoint(0, "step 1")]);
    let first = attempt(&job).epoch;
    let made = |job: &AIJob| {
        let attempt = attempt(job).clone();
        crate::aijob::workload::assignment(job, &attempt, (Desired::Run, None), None).unwrap().spec.workload.restore
    };
    let lost = reports(assignment(&job, 2), Report::Lost, 50_000);
    job.status = Some(Case::new(&job, Some(&lost), 60).build().status);
    let paid = closed(&job, eai("0.3"));
    job.status = Some(Case::new(&job, Some(&lost), 62).chain(|c| c.settle = Asked::Answered(paid)).build().status);
    let job = leased(job, 70);
    assert!(attempt(&job).epoch > first);
    let restore = made(&job);
    assert_eq!((restore.len(), restore[0].index, restore[0].epoch), (1, 0, first));
    // The next attempt's first minute isn't covered by what the one before left.
    let mut job = job;
    attempt_mut(&mut job).lease.hold = eai("10");
    let running = reports(assignment(&job, 71), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 80).build().status);
    let lost = reports(assignment(&job, 71), Report::Lost, 9_000);
    assert_eq!(Case::new(&job, Some(&lost), 90).build().status.attempt.unwrap().usage_ms, 0);
    // A job that keeps none restores none.
    job.spec.checkpoint = None;
    assert_eq!(made(&job), []);
}

#[test]
fn a_checkpoint_is_new_until_it_is_on_record() {
    let job = saved(training(1), 40, 30_000, vec![checkpoint(0, "step 1")]);
    let status = job.status.as_ref().unwrap();
    let new = |reported: &[CheckpointArtifact]| unknown(status, attempt(&job), reported).len();
    assert_eq!(new(&[checkpoint(0, "step 1")]), 0);
    assert_eq!((new(&[checkpoint(0, "step 2")]), new(&[checkpoint(1, "step 1")])), (1, 1));
    // The same content of another attempt is another checkpoint.
    let mut other = attempt(&job).clone();
    other.epoch = other.epoch.next();
    assert_eq!(unknown(status, &other, &[checkpoint(0, "step 1")]).len(), 1);
}

#[test]
fn the_more_there_is_to_fetch_the_longer_a_start_may_take() {
    let mut job =
        saved(training(1), 40, 30_000, vec![CheckpointArtifact { size_bytes: 100 << 20, ..checkpoint(0, "a") }]);
    let mut between = reports(assignment(&job, 2), Report::Running, 35_000);
    between.status.as_mut().unwrap().running = 0;
    let plan = Case::new(&job, Some(&between), 50).build();
    assert_eq!(plan.status.attempt.unwrap().start_by, Some(time(50 + 900 + 200)), "100 MiB at 512 KiB a second");
    let lost = reports(assignment(&job, 2), Report::Lost, 50_000);
    job.status = Some(Case::new(&job, Some(&lost), 60).build().status);
    let paid = closed(&job, eai("0.3"));
    job.status = Some(Case::new(&job, Some(&lost), 62).chain(|c| c.settle = Asked::Answered(paid)).build().status);
    let job = claimed(job, 70);
    assert_eq!(attempt(&job).start_by, Some(time(70 + 30 + 120 + 200)));
}
