//! From nothing to the end.

use eai_api::assignment::{AssignmentPhase as Phase, Desired};
use eai_core::metering::UsageMs;

use super::*;
use crate::{
    artifacts::LogState,
    testing::{at, ended, made_again, ms, pod, pod_with, running, waiting},
};

fn kept(uid: &str, index: u32) -> LogState {
    let log =
        serde_json::from_value(json!({ "index": index, "digest": crate::testing::DIGEST, "sizeBytes": 3 })).unwrap();
    LogState::Kept { pod_uid: uid.to_owned(), log }
}

#[test]
fn a_new_assignment_is_judged() {
    let plan = decide(&snapshot(assignment(spec()), None, &[], 0));
    assert_eq!(plan.steps, [Step::Admit]);
}

#[test]
fn one_that_was_stopped_or_paused_before_it_began_never_begins() {
    for (desired, phase) in [(Desired::Stop, Phase::Stopped), (Desired::Pause, Phase::Paused)] {
        let mut spec = spec();
        spec.desired = desired;
        let plan = decide(&snapshot(assignment(spec), None, &[], 0));
        assert_eq!((plan.steps.len(), plan.status.phase), (0, phase));
    }
    let mut spec = spec();
    spec.acknowledged.finished = true;
    assert_eq!(decide(&snapshot(assignment(spec), None, &[], 0)).status.phase, Phase::Stopped);
}

#[test]
fn one_that_was_paused_before_it_began_begins_when_it_may() {
    let mut paused = spec();
    paused.desired = Desired::Pause;
    let plan = decide(&snapshot(assignment(paused), None, &[], 0));
    let mut resumed = assignment(spec());
    resumed.status = Some(plan.status);
    assert_eq!(decide(&snapshot(resumed, None, &[], 1)).steps, [Step::Admit]);
}

#[test]
fn a_job_without_pods_is_starting() {
    let plan = decided(open(), &[], 1);
    assert_eq!(plan.status.phase, Phase::Starting);
    assert_eq!(plan.status.job_uid.as_deref(), Some("job-uid"));
    assert_eq!(plan.status.observed_generation, Some(1));
}

#[test]
fn what_a_start_waits_for_is_told() {
    let plan = decided(open(), &[pod(0, waiting("ImagePullBackOff"))], 10);
    assert_eq!(plan.status.phase, Phase::Starting);
    assert_eq!((plan.status.reason.as_str(), plan.status.message.as_str()), ("ImagePullBackOff", "as told"));
    // The look at which it is given up is already planned.
    assert!(plan.again.unwrap() <= Duration::from_secs(50));
}

#[test]
fn a_start_that_fails_for_too_long_is_given_up() {
    for reason in
        ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "RunContainerError"]
    {
        let plan = decided(open(), &[pod(0, waiting(reason))], 61);
        assert!(has(&plan, |s| matches!(s, Step::GiveUp(words) if words.reason == "StartFailed")), "{reason}");
        assert_eq!(plan.status.phase, Phase::Finishing);
    }
    // Pulling a large image takes as long as it takes.
    let plan = decided(open(), &[pod(0, waiting("ContainerCreating"))], 3000);
    assert!(!has(&plan, |s| matches!(s, Step::GiveUp(_))));
}

#[test]
fn a_pod_that_no_node_takes_is_given_up_too() {
    let status = json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu." }] });
    let plan = decided(open(), &[pod(0, status.clone())], 61);
    assert!(has(&plan, |s| matches!(s, Step::GiveUp(words) if words.message.contains("Insufficient nvidia.com/gpu"))));
    assert!(!has(&decided(open(), &[pod(0, status)], 59), |s| matches!(s, Step::GiveUp(_))));
}

#[test]
fn what_was_given_up_ends_as_failed_with_its_reason() {
    let assignment = begun(assignment(spec()));
    let mut job = made_job(&assignment, json!({ "conditions": [{ "type": "Suspended", "status": "True" }] }));
    job.spec.as_mut().unwrap().suspend = Some(true);
    let annotations = job.metadata.annotations.as_mut().unwrap();
    annotations.insert("eai.network/given-up".to_owned(), "StartFailed: index 0 can't start: a: b".to_owned());
    let plan = decide(&snapshot(assignment, Some(&job), &[], 70));
    assert_eq!((plan.status.phase, plan.status.reason.as_str()), (Phase::Failed, "StartFailed"));
    assert_eq!(plan.status.message, "index 0 can't start: a: b");
    assert_eq!(plan.status.usage_ms, 0);
}

#[test]
fn running_work_is_followed_and_counted_to_a_little_before_now() {
    let plan = decided(open(), &[pod(0, running(5))], 65);
    assert_eq!(plan.status.phase, Phase::Running);
    assert_eq!((plan.status.running, plan.status.usage_ms), (1, 58_000));
    assert_eq!(plan.status.started_at.as_ref().unwrap().0, at(5));
    assert!(plan.status.finished_at.is_none() && plan.status.usage_root.is_none());
    assert!(has(&plan, |s| matches!(s, Step::Follow { index: 0, .. })));
    assert!(plan.again.unwrap() <= Duration::from_secs(5));
}

#[test]
fn what_is_told_while_it_runs_never_exceeds_the_end() {
    let pods = |status| [pod(0, status)];
    // The news of an end comes a second late: what was told before must not be more than the end shows.
    let told = decided(open(), &pods(running(5)), 66).status.usage_ms;
    let end = decided(open(), &pods(ended(5, 65, 0)), 66).status.usage_ms;
    assert!(told <= end, "{told} > {end}");
    assert_eq!(end, 60_000);
}

#[test]
fn usage_is_never_below_what_the_hub_has_recorded() {
    let mut spec = spec();
    spec.acknowledged.usage_ms = 61_000;
    let assignment = begun(assignment(spec));
    let job = made_job(&assignment, open());
    let plan = decide(&snapshot(assignment, Some(&job), &[pod(0, ended(5, 65, 0))], 66));
    assert_eq!(plan.status.usage_ms, 61_000);
}

#[test]
fn several_accelerators_and_cores_are_billed_each() {
    let used = |workload: Value| {
        let assignment = begun(assignment(spec_with(workload)));
        let job = made_job(&assignment, open());
        decide(&snapshot(assignment, Some(&job), &[pod(0, ended(0, 10, 0))], 11)).status.usage_ms
    };
    assert_eq!(used(json!({ "accelerator": { "resource": "nvidia.com/gpu", "count": 2 } })), 20_000);
    assert_eq!(used(json!({ "accelerator": null, "cpuMillis": 2_500 })), 25_000);
    assert_eq!(used(json!({ "cpuMillis": 2_500 })), 10_000);
}

#[test]
fn work_that_ended_well_succeeds_once_its_log_is_kept() {
    let assignment = begun(assignment(spec()));
    let mut job = made_job(&assignment, condition("Complete"));
    let pods = [pod(0, ended(5, 65, 0))];
    let mut first = snapshot(assignment, Some(&job), &pods, 66);
    let plan = decide(&first);
    assert_eq!(plan.status.phase, Phase::Finishing);
    assert!(has(&plan, |s| matches!(s, Step::Follow { .. })));
    recorded(&mut job, &plan);
    first.job = Some(super::super::super::snapshot::JobFact::read(&job));
    first.artifacts.logs.insert(0, LogState::Following { pod_uid: "pod-0".to_owned() });
    assert_eq!(decide(&first).status.phase, Phase::Finishing);
    first.artifacts.logs.insert(0, kept("pod-0", 0));
    let status = decide(&first).status;
    assert_eq!((status.phase, status.exit_code, status.reason.as_str()), (Phase::Succeeded, Some(0), "Completed"));
    assert_eq!((status.usage_ms, status.logs.len()), (60_000, 1));
    assert_eq!(status.finished_at.unwrap().0, at(65));
    assert!(status.usage_root.unwrap().starts_with("0x"));
}

#[test]
fn a_log_that_is_lost_does_not_keep_the_end_away() {
    let assignment = begun(assignment(spec()));
    let job = made_job(&assignment, condition("Complete"));
    let mut snapshot = snapshot(assignment, Some(&job), &[pod(0, ended(5, 65, 0))], 66);
    snapshot.artifacts.logs.insert(0, LogState::Lost { pod_uid: "pod-0".to_owned() });
    let status = decide(&snapshot).status;
    assert_eq!((status.phase, status.logs.len()), (Phase::Succeeded, 0));
}

#[test]
fn work_that_failed_says_how() {
    let fail = |status: Value| {
        let assignment = begun(assignment(spec()));
        let job = made_job(&assignment, condition("Failed"));
        let mut snapshot = snapshot(assignment, Some(&job), &[pod(0, status)], 66);
        snapshot.artifacts.logs.insert(0, kept("pod-0", 0));
        decide(&snapshot).status
    };
    let status = fail(ended(5, 65, 3));
    assert_eq!((status.phase, status.exit_code, status.usage_ms), (Phase::Failed, Some(3), 60_000));
    assert_eq!((status.reason.as_str(), status.message.as_str()), ("ExitCode", "index 0 ended with exit code 3"));
    let mut oom = ended(5, 65, 137);
    oom["containerStatuses"][0]["state"]["terminated"]["reason"] = json!("OOMKilled");
    assert_eq!(fail(oom).message, "index 0 ended with exit code 137 (OOMKilled)");
    let mut evicted = ended(5, 65, 137);
    (evicted["reason"], evicted["message"]) = (json!("Evicted"), json!("The node was low on resource: memory."));
    assert_eq!(fail(evicted).reason, "Evicted");
    let rejected = json!({ "phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no device" });
    let status = fail(rejected);
    assert_eq!((status.reason.as_str(), status.exit_code, status.usage_ms), ("UnexpectedAdmissionError", None, 0));
}

#[test]
fn work_that_runs_too_long_is_ended_and_says_so() {
    let assignment = begun(assignment(spec()));
    let job = made_job(&assignment, open());
    let at_limit = |seconds| decide(&snapshot(assignment.clone(), Some(&job), &[pod(0, running(5))], seconds));
    assert!(!has(&at_limit(304), |s| matches!(s, Step::End { .. })));
    assert!(at_limit(304).again.unwrap() <= Duration::from_secs(1));
    assert!(has(&at_limit(305), |s| matches!(s, Step::End { .. })));
    let job = made_job(&assignment, condition("Failed"));
    let gone = pod_with(0, "pod-0", ended(5, 306, 143), json!({ "deletionTimestamp": at(305).to_string() }));
    let mut over = snapshot(assignment.clone(), Some(&job), &[gone], 310);
    over.artifacts.logs.insert(0, kept("pod-0", 0));
    assert_eq!(decide(&over).status.reason, "DeadlineExceeded");
}

#[test]
fn a_pod_that_is_ending_is_not_ended_again() {
    let pods = [pod_with(0, "pod-0", running(5), json!({ "deletionTimestamp": at(310).to_string() }))];
    assert!(!has(&decided(open(), &pods, 311), |s| matches!(s, Step::End { .. })));
}

#[test]
fn the_next_wave_is_still_running_though_nothing_runs() {
    let mut assignment = begun(assignment(spec_with(json!({ "completions": 3, "parallelism": 1 }))));
    assignment.status.as_mut().unwrap().phase = Phase::Running;
    let job = made_job(&assignment, open());
    let plan = decide(&snapshot(assignment.clone(), Some(&job), &[pod(0, ended(5, 65, 0))], 66));
    assert_eq!((plan.status.phase, plan.status.running), (Phase::Running, 0));
    let pods = [pod(0, ended(5, 65, 0)), pod(1, ended(70, 75, 0)), pod(2, ended(80, 81, 0))];
    let plan = decide(&snapshot(assignment, Some(&job), &pods, 82));
    assert_eq!((plan.status.phase, plan.status.usage_ms), (Phase::Finishing, 66_000));
}

#[test]
fn a_job_that_vanished_is_lost_and_never_made_again() {
    let mut vanished = begun(assignment(spec()));
    vanished.status.as_mut().unwrap().usage_ms = 7_000;
    let plan = decide(&snapshot(vanished.clone(), None, &[], 9));
    assert_eq!((plan.steps.len(), plan.status.phase, plan.status.usage_ms), (0, Phase::Lost, 7_000));
    // Nor if only the hub remembers that it had begun.
    let mut spec = spec();
    spec.acknowledged.started = true;
    assert_eq!(decide(&snapshot(assignment(spec), None, &[], 9)).status.phase, Phase::Lost);
    // Nor if only its pods do; they end first.
    let left = snapshot(assignment(super::spec()), None, &[pod(0, running(1))], 9);
    let plan = decide(&left);
    assert_eq!(plan.status.phase, Phase::Finishing);
    assert!(has(&plan, |s| matches!(s, Step::End { .. })));
    let plan = decide(&snapshot(assignment(super::spec()), None, &[pod(0, ended(1, 8, 143))], 9));
    assert_eq!((plan.status.phase, plan.status.usage_ms), (Phase::Lost, 7_000));
    assert!(!has(&plan, |s| matches!(s, Step::Release { .. })), "the hub must know first");
}

#[test]
fn a_job_that_is_somebody_elses_is_not_touched() {
    let assignment = assignment(spec());
    let mut job = made_job(&assignment, open());
    job.metadata.annotations = None;
    let plan = decide(&snapshot(assignment.clone(), Some(&job), &[pod(0, running(1))], 9));
    assert_eq!((plan.steps.len(), plan.status.phase, plan.status.reason.as_str()), (0, Phase::Refused, "NameTaken"));
    let mut refused = assignment;
    refused.status = Some(plan.status);
    refused.spec.acknowledged.finished = true;
    assert!(!has(&decide(&snapshot(refused, Some(&job), &[], 9)), |s| matches!(s, Step::Delete)));
}

#[test]
fn work_whose_assignment_was_made_again_is_metered_from_its_real_start() {
    let first = begun(assignment(spec()));
    let job = made_job(&first, open());
    let again = made_again(&first);
    let plan = decide(&snapshot(again.clone(), Some(&job), &[pod(0, running(5))], 65));
    assert_eq!(plan.steps[0], Step::Adopt { from: crate::testing::ASSIGNMENT_UID.to_owned() });
    assert_eq!((plan.status.phase, plan.status.usage_ms, plan.status.running), (Phase::Running, 58_000, 1));
    assert_eq!(plan.status.started_at.unwrap().0, at(5));
    // One that was stopped meanwhile is adopted and stopped.
    let mut stopped = again.clone();
    stopped.spec.desired = Desired::Stop;
    let plan = decide(&snapshot(stopped, Some(&job), &[pod(0, running(5))], 65));
    assert!(has(&plan, |s| matches!(s, Step::Adopt { .. })) && has(&plan, |s| *s == Step::Suspend(true)));
    // Nor does it get more time than its owner agreed to.
    let mut longer = again;
    longer.spec.workload.max_duration_seconds = 30_000;
    let plan = decide(&snapshot(longer, Some(&job), &[pod(0, running(5))], 305));
    assert!(has(&plan, |s| matches!(s, Step::End { .. })));
}

#[test]
fn an_end_stays_and_is_cleaned_up_once_the_hub_has_noted_it() {
    let mut done = begun(assignment(spec()));
    let status = done.status.as_mut().unwrap();
    (status.phase, status.usage_ms) = (Phase::Succeeded, 60_000);
    let job = made_job(&done, condition("Complete"));
    let pods = [pod(0, ended(5, 65, 0))];
    let plan = decide(&snapshot(done.clone(), Some(&job), &pods, 70));
    assert_eq!(Some(&plan.status), done.status.as_ref());
    assert!(has(&plan, |s| matches!(s, Step::Release { .. })) && !has(&plan, |s| matches!(s, Step::Delete)));
    done.spec.acknowledged.finished = true;
    let plan = decide(&snapshot(done, Some(&job), &pods, 70));
    assert!(has(&plan, |s| matches!(s, Step::Delete)) && has(&plan, |s| matches!(s, Step::Forget)));
}

#[test]
fn a_record_that_cannot_be_read_is_never_written_over() {
    let assignment = begun(assignment(spec()));
    let mut job = made_job(&assignment, open());
    job.metadata.annotations.as_mut().unwrap().insert(crate::ledger::ANNOTATION.to_owned(), "{broken".to_owned());
    let plan = decide(&snapshot(assignment, Some(&job), &[pod(0, ended(5, 65, 0))], 70));
    assert_eq!((plan.steps.len(), plan.status.reason.as_str()), (0, "RecordUnreadable"));
}

#[test]
fn an_unattended_jobs_end_is_moved_on_while_somebody_looks() {
    let assignment = begun(assignment(spec()));
    // 300 s of work, 30 of grace, an hour beyond.
    let job = made_job(&assignment, open());
    assert_eq!(job.spec.as_ref().unwrap().active_deadline_seconds, Some(3_930));
    let after =
        |seconds| decide(&snapshot(assignment.clone(), Some(&job), &[pod(0, waiting("ContainerCreating"))], seconds));
    assert!(!has(&after(2_100), |s| matches!(s, Step::Extend(_))));
    assert!(after(2_100).again.unwrap() <= Duration::from_mins(15));
    assert!(has(&after(2_200), |s| *s == Step::Extend(2_200 + 3_600)));
}

#[test]
fn the_end_of_an_unattended_job_is_named_as_such() {
    let assignment = begun(assignment(spec()));
    let mut status = condition("Failed");
    status["conditions"][0]["reason"] = json!("DeadlineExceeded");
    let job = made_job(&assignment, status);
    let mut over = snapshot(assignment, Some(&job), &[pod(0, ended(5, 200, 143))], 4_000);
    over.artifacts.logs.insert(0, kept("pod-0", 0));
    let status = decide(&over).status;
    assert_eq!((status.phase, status.reason.as_str(), status.usage_ms), (Phase::Failed, "AgentAway", 195_000));
}

#[test]
fn a_node_that_is_silent_is_not_billed_and_then_ends_the_attempt() {
    let assignment = begun(assignment(spec_with(json!({ "maxDurationSeconds": 7_200 }))));
    let job = made_job(&assignment, open());
    let mut silent = snapshot(assignment.clone(), Some(&job), &[pod(0, running(5))], 500);
    silent.lost_nodes.insert("node-1".to_owned(), at(105));
    let plan = decide(&silent);
    assert_eq!((plan.status.running, plan.status.usage_ms), (0, 98_000));
    let deleting = pod_with(0, "pod-0", running(5), json!({ "deletionTimestamp": at(400).to_string() }));
    let mut gone = snapshot(assignment, Some(&job), &[deleting], 400 + 601);
    gone.lost_nodes.insert("node-1".to_owned(), at(105));
    let plan = decide(&gone);
    assert!(has(&plan, |s| matches!(s, Step::GiveUp(words) if words.reason == "NodeLost")));
    assert!(has(&plan, |s| matches!(s, Step::Record { .. })));
}

#[test]
fn pods_that_never_got_a_node_or_a_start_cost_nothing_and_go() {
    let mut unscheduled =
        pod_with(0, "pod-0", json!({ "phase": "Pending" }), json!({ "deletionTimestamp": at(9).to_string() }));
    unscheduled.spec.as_mut().unwrap().node_name = None;
    let start_error = json!({ "phase": "Failed", "containerStatuses": [container("work", json!({ "terminated": {
        "exitCode": 128, "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z", "finishedAt": at(8).to_string() } }))] });
    for pod in [unscheduled, pod(0, start_error)] {
        let plan = decided(open(), &[pod], 10);
        assert!(has(&plan, |s| matches!(s, Step::Record { .. })) && has(&plan, |s| matches!(s, Step::Release { .. })));
        assert_eq!((plan.status.usage_ms, plan.status.started_at), (0, None));
    }
}

#[test]
fn only_the_newest_pod_of_an_index_is_followed() {
    let old = pod_with(0, "old", ended(5, 10, 143), json!({ "deletionTimestamp": at(9).to_string() }));
    let new = pod_with(0, "new", running(20), json!({ "creationTimestamp": at(19).to_string() }));
    let plan = decided(open(), &[old, new], 30);
    let followed = plan.steps.iter().filter_map(|s| match s {
        Step::Follow { uid, .. } => Some(uid.as_str()),
        _ => None,
    });
    assert_eq!(followed.collect::<Vec<_>>(), ["new"]);
}

#[test]
fn the_clock_of_tests_is_the_clock_of_objects() {
    assert_eq!(UsageMs(ms(10) - ms(5)), UsageMs(5_000));
}

#[test]
fn the_end_is_told_from_the_containers_without_waiting_for_the_job_controller() {
    let end = |workload: Value, pods: &[Pod]| {
        let assignment = begun(assignment(spec_with(workload)));
        let job = made_job(&assignment, open());
        let mut over = snapshot(assignment, Some(&job), pods, 100);
        for pod in over.pods.clone() {
            over.artifacts.logs.insert(pod.index, kept(&pod.uid, pod.index));
        }
        decide(&over).status.phase
    };
    let (good, bad) = (|i| pod(i, ended(5, 65, 0)), |i| pod(i, ended(5, 65, 2)));
    assert_eq!(end(json!({}), &[good(0)]), Phase::Succeeded);
    assert_eq!(end(json!({}), &[bad(0)]), Phase::Failed);
    let two = json!({ "completions": 2, "parallelism": 2 });
    assert_eq!(end(two.clone(), &[good(0), good(1)]), Phase::Succeeded);
    assert_eq!(end(two.clone(), &[good(0), bad(1)]), Phase::Failed);
    // Not while an index still runs, or may still be tried.
    assert_eq!(end(two.clone(), &[bad(0), pod(1, running(5))]), Phase::Running);
    assert_eq!(end(two.clone(), &[bad(0)]), Phase::Finishing);
    assert_eq!(end(two.clone(), &[good(0)]), Phase::Starting);
    // Nor by a pod that was asked to go: the controller knows whether that was a failure.
    let paused = pod_with(1, "p", ended(5, 65, 143), json!({ "deletionTimestamp": at(60).to_string() }));
    assert_eq!(end(two, &[good(0), paused]), Phase::Starting);
}
