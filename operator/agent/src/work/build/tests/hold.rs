//! Pausing, resuming, stopping.

use eai_api::assignment::{AssignmentPhase as Phase, Desired};
use k8s_openapi::api::batch::v1::Job;

use super::*;
use crate::{
    testing::{at, ended, pod, pod_with, running, waiting},
    work::snapshot::Snapshot,
};

fn desired(desired: Desired) -> eai_api::Assignment {
    let mut spec = spec();
    spec.desired = desired;
    begun(assignment(spec))
}

/// A suspended Job; `acted` once its controller has ended the pods.
fn suspended(assignment: &eai_api::Assignment, acted: bool) -> Job {
    let status = if acted { json!({ "conditions": [{ "type": "Suspended", "status": "True" }] }) } else { open() };
    let mut job = made_job(assignment, status);
    job.spec.as_mut().unwrap().suspend = Some(true);
    job
}

fn look(assignment: eai_api::Assignment, job: &Job, pods: &[Pod], seconds: i64) -> Snapshot {
    snapshot(assignment, Some(job), pods, seconds)
}

fn suspends(plan: &Plan) -> Option<bool> {
    plan.steps.iter().find_map(|step| match step {
        Step::Suspend(suspend) => Some(*suspend),
        _ => None,
    })
}

#[test]
fn a_pause_suspends_and_is_told_once_everything_has_ended() {
    let paused = desired(Desired::Pause);
    let job = made_job(&paused, open());
    let plan = decide(&look(paused.clone(), &job, &[pod(0, running(5))], 20));
    assert_eq!((suspends(&plan), plan.status.phase), (Some(true), Phase::Running));
    // Asked for, and not done: it still runs and is still billed.
    let job = suspended(&paused, false);
    let ending = pod_with(0, "pod-0", running(5), asked_to_go(20));
    let plan = decide(&look(paused.clone(), &job, &[ending], 25));
    assert_eq!((suspends(&plan), plan.status.phase, plan.status.usage_ms), (None, Phase::Running, 13_000));
    let job = suspended(&paused, true);
    let over = pod_with(0, "pod-0", ended(5, 27, 143), json!({ "deletionTimestamp": at(50).to_string() }));
    let plan = decide(&look(paused, &job, &[over], 28));
    assert_eq!((plan.status.phase, plan.status.usage_ms, plan.status.running), (Phase::Paused, 22_000, 0));
    assert!(has(&plan, |s| matches!(s, Step::Record { .. })) && has(&plan, |s| matches!(s, Step::Release { .. })));
    assert_eq!(plan.status.exit_code, None);
}

/// Metadata of a pod that the Job controller asked to go at `seconds`, because its Job is suspended.
fn asked_to_go(seconds: i64) -> Value {
    json!({ "deletionTimestamp": at(seconds + 30).to_string(), "deletionGracePeriodSeconds": 30,
        "finalizers": ["eai.network/metering"] })
}

#[test]
fn what_is_ending_counts_up_to_when_it_was_asked_and_then_exactly() {
    let stop = desired(Desired::Stop);
    let (stopping, job) = (suspended(&stop, false), suspended(&stop, true));
    let usage = |job: &Job, status: Value, seconds: i64| {
        let plan = decide(&look(stop.clone(), job, &[pod_with(0, "pod-0", status, asked_to_go(65))], seconds));
        plan.status.usage_ms
    };
    // Its node says nothing of its containers until the last of them has ended, and no work is known to go on.
    for seconds in [66, 70, 94, 95, 200] {
        assert_eq!(usage(&stopping, running(5), seconds), 58_000, "{seconds}");
    }
    // Nor is more counted than has passed, if clocks differ.
    assert_eq!(usage(&stopping, running(5), 60), 53_000);
    // Its end is told in the end, sooner or later than that.
    assert_eq!(usage(&job, ended(5, 66, 143), 96), 61_000);
    assert_eq!(usage(&job, ended(5, 95, 137), 96), 90_000);
    assert_eq!(usage(&job, ended(5, 64, 0), 96), 59_000);
    // The same without its Job.
    let gone = snapshot(stop.clone(), None, &[pod_with(0, "pod-0", running(5), asked_to_go(65))], 90);
    assert_eq!(decide(&gone).status.usage_ms, 58_000);
}

#[test]
fn a_pause_is_not_done_while_the_controller_has_not_acted() {
    let paused = desired(Desired::Pause);
    let plan = decide(&look(paused.clone(), &suspended(&paused, false), &[], 25));
    assert_ne!(plan.status.phase, Phase::Paused);
}

#[test]
fn a_resumed_attempt_adds_to_what_it_used() {
    let run = desired(Desired::Run);
    let mut job = suspended(&run, true);
    let over = pod_with(0, "old", ended(5, 27, 143), json!({ "deletionTimestamp": at(50).to_string() }));
    let first = decide(&look(run.clone(), &job, std::slice::from_ref(&over), 28));
    recorded(&mut job, &first);
    let plan = decide(&look(run.clone(), &job, &[over], 60));
    assert_eq!((suspends(&plan), plan.status.phase), (Some(false), Phase::Starting));
    job.spec.as_mut().unwrap().suspend = Some(false);
    job.status = serde_json::from_value(open()).unwrap();
    let new = pod_with(0, "new", running(70), json!({ "creationTimestamp": at(69).to_string() }));
    let plan = decide(&look(run, &job, &[new], 80));
    assert_eq!((plan.status.phase, plan.status.usage_ms), (Phase::Running, 22_000 + 8_000));
    assert_eq!(plan.status.started_at.unwrap().0, at(5));
    assert_eq!(plan.status.finished_at, None);
}

#[test]
fn a_pod_of_before_the_pause_is_no_failure_after_it() {
    let run = desired(Desired::Run);
    let job = made_job(&run, open());
    let old = pod_with(0, "old", ended(5, 27, 143), json!({ "deletionTimestamp": at(26).to_string() }));
    let new = pod_with(0, "new", waiting("ContainerCreating"), json!({ "creationTimestamp": at(69).to_string() }));
    let status = decide(&look(run, &job, &[old, new], 70)).status;
    assert_eq!((status.phase, status.exit_code), (Phase::Starting, None));
}

#[test]
fn work_that_ends_well_because_it_was_asked_to_runs_again() {
    // As programs do that save where they are.
    let saved = pod_with(0, "pod-0", ended(5, 22, 0), asked_to_go(20));
    for (wish, phase) in [(Desired::Pause, Phase::Paused), (Desired::Stop, Phase::Stopped)] {
        let held = desired(wish);
        // Its record says how it ended, and goes on saying so once its pod is gone.
        let mut job = suspended(&held, true);
        let first = decide(&kept(look(held.clone(), &job, std::slice::from_ref(&saved), 28)));
        assert_eq!((first.status.phase, first.status.usage_ms, first.status.exit_code), (phase, 17_000, None));
        recorded(&mut job, &first);
        let plan = decide(&kept(look(held, &job, &[], 28)));
        assert_eq!((suspends(&plan), plan.status.phase, plan.status.usage_ms), (None, phase, 17_000));
    }
    let run = desired(Desired::Run);
    let mut job = suspended(&run, true);
    let first = decide(&look(run.clone(), &job, std::slice::from_ref(&saved), 28));
    recorded(&mut job, &first);
    let plan = decide(&look(run.clone(), &job, std::slice::from_ref(&saved), 60));
    assert_eq!((suspends(&plan), plan.status.phase), (Some(false), Phase::Starting));
    job.spec.as_mut().unwrap().suspend = Some(false);
    job.status = serde_json::from_value(open()).unwrap();
    let again = |status: Value| {
        let new = pod_with(0, "pod-1", status, json!({ "creationTimestamp": at(69).to_string() }));
        decide(&kept(look(run.clone(), &job, &[saved.clone(), new], 100))).status
    };
    assert_eq!(again(running(70)).phase, Phase::Running);
    let status = again(ended(70, 90, 0));
    assert_eq!((status.phase, status.usage_ms), (Phase::Succeeded, 37_000));
}

/// The same with the logs of all its pods kept.
fn kept(mut snapshot: Snapshot) -> Snapshot {
    for pod in &snapshot.pods {
        let log = json!({ "index": pod.index, "digest": crate::testing::DIGEST, "sizeBytes": 3 });
        let log = serde_json::from_value(log).unwrap();
        let state = crate::artifacts::LogState::Kept { pod_uid: pod.uid.clone(), log };
        snapshot.artifacts.logs.insert(pod.index, state);
    }
    snapshot
}

#[test]
fn a_success_whose_pod_was_asked_to_go_is_the_job_controllers_to_tell() {
    let run = begun(assignment(spec_with(json!({ "completions": 2, "parallelism": 2 }))));
    // Its node is drained; the controller has still to count it.
    let drained = pod_with(0, "drained", ended(5, 65, 0), json!({ "deletionTimestamp": at(90).to_string() }));
    let other = pod(1, ended(5, 65, 0));
    let phase = |status: Value, pods: &[Pod]| {
        let mut job = made_job(&run, status);
        // What was recorded while the pod was there is known.
        let first = decide(&look(run.clone(), &job, &[drained.clone(), other.clone()], 66));
        recorded(&mut job, &first);
        decide(&kept(look(run.clone(), &job, pods, 67))).status.phase
    };
    assert_eq!(phase(open(), &[drained.clone(), other.clone()]), Phase::Starting);
    let mut counted = open();
    counted["completedIndexes"] = json!("0");
    assert_eq!(phase(counted.clone(), &[drained.clone(), other.clone()]), Phase::Succeeded);
    assert_eq!(phase(counted, std::slice::from_ref(&other)), Phase::Succeeded);
    assert_eq!(phase(open(), std::slice::from_ref(&other)), Phase::Starting);
}

#[test]
fn completed_indexes_are_read_as_they_are_written() {
    let read = |text: &str| {
        let run = begun(assignment(spec_with(json!({ "completions": 10, "parallelism": 1 }))));
        let job = made_job(&run, json!({ "completedIndexes": text }));
        crate::work::snapshot::JobFact::read(&job).completed.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(read(""), [0_u32; 0]);
    assert_eq!(read("3"), [3]);
    assert_eq!(read("0-2,5,8-9"), [0, 1, 2, 5, 8, 9]);
    // Nobody can make much of little.
    assert_eq!(read("8-4294967295"), [8, 9]);
    assert_eq!(read("x,-,1-,7"), [7]);
}

#[test]
fn a_stop_ends_everything_and_is_told_last() {
    let stop = desired(Desired::Stop);
    let job = made_job(&stop, open());
    let plan = decide(&look(stop.clone(), &job, &[pod(0, running(5))], 20));
    assert_eq!((suspends(&plan), plan.status.phase), (Some(true), Phase::Running));
    let job = suspended(&stop, true);
    let plan = decide(&look(stop.clone(), &job, &[], 30));
    assert_eq!((plan.status.phase, plan.status.reason.as_str()), (Phase::Stopped, "Stopped"));
    // Not while a pod is still to be recorded.
    let ending = pod_with(0, "pod-0", running(5), json!({ "deletionTimestamp": at(50).to_string() }));
    assert_eq!(decide(&look(stop, &job, &[ending], 30)).status.phase, Phase::Running);
}

#[test]
fn what_the_hub_has_given_up_is_stopped() {
    let mut finished = desired(Desired::Run);
    finished.spec.acknowledged.finished = true;
    let job = made_job(&finished, open());
    assert_eq!(suspends(&decide(&look(finished, &job, &[pod(0, running(5))], 20))), Some(true));
}

#[test]
fn work_that_is_over_is_neither_paused_nor_stopped() {
    for wish in [Desired::Pause, Desired::Stop] {
        let held = desired(wish);
        let job = made_job(&held, open());
        let plan = decide(&look(held.clone(), &job, &[pod(0, ended(5, 65, 0))], 66));
        assert_eq!((suspends(&plan), plan.status.phase), (None, Phase::Finishing));
        let job = made_job(&held, condition("Complete"));
        let plan = decide(&look(held, &job, &[], 66));
        assert_eq!((suspends(&plan), plan.status.phase), (None, Phase::Succeeded));
    }
}

#[test]
fn a_pause_waits_a_little_for_outputs_that_are_being_fetched() {
    let mut spec = spec_with(json!({ "completions": 2, "parallelism": 2, "outputs": [{ "name": "a", "path": "a" }] }));
    spec.desired = Desired::Pause;
    let paused = begun(assignment(spec));
    let job = made_job(&paused, open());
    let holding = with_outputs(pod(0, json!({})), "Running", terminated(5, 60, 0), json!({ "running": {} }));
    let pods = [holding, pod(1, running(5))];
    let early = decide(&look(paused.clone(), &job, &pods, 70));
    assert_eq!(suspends(&early), None);
    assert!(early.again.unwrap() <= Duration::from_secs(2));
    assert_eq!(suspends(&decide(&look(paused, &job, &pods, 80))), Some(true));
}

#[test]
fn a_suspended_job_is_not_moved_on() {
    let paused = desired(Desired::Pause);
    let plan = decide(&look(paused.clone(), &suspended(&paused, true), &[], 3_900));
    assert!(!has(&plan, |s| matches!(s, Step::Extend(_))));
}
