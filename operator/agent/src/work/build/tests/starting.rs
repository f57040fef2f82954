//! Pods that don't start at once.

use eai_api::assignment::{AssignmentPhase as Phase, Desired};

use super::*;
use crate::testing::{at, ended, pod, pod_with, running, waiting};

/// What is decided at `seconds` for the second of two waves, whose pod was made at 100 and has this status.
fn second_wave(status: Value, seconds: i64) -> Plan {
    let mut assignment = begun(assignment(spec_with(json!({ "completions": 2, "parallelism": 1 }))));
    assignment.status.as_mut().unwrap().phase = Phase::Running;
    let job = made_job(&assignment, open());
    let second = pod_with(1, "second", status, json!({ "creationTimestamp": at(100).to_string() }));
    decide(&snapshot(assignment, Some(&job), &[pod(0, ended(5, 65, 0)), second], seconds))
}

fn gives_up(plan: &Plan) -> Option<&str> {
    plan.steps.iter().find_map(|step| match step {
        Step::GiveUp(words)
            if ["StartFailed", "NotGoingOn", "NoPod", "Unschedulable"].contains(&words.reason.as_str()) =>
        {
            Some(words.message.as_str())
        }
        _ => None,
    })
}

fn given_up_as(plan: &Plan) -> Option<&str> {
    plan.steps.iter().find_map(|step| match step {
        Step::GiveUp(words) => Some(words.reason.as_str()),
        _ => None,
    })
}

fn unscheduled() -> Value {
    json!({ "phase": "Pending" })
}

#[test]
fn a_later_pod_that_is_being_made_for_too_long_is_given_up() {
    for status in [waiting("ContainerCreating"), waiting("PodInitializing"), unscheduled()] {
        let early = second_wave(status.clone(), 100 + 599);
        assert_eq!(gives_up(&early), None);
        assert!(early.again.unwrap() <= Duration::from_secs(1));
        let late = second_wave(status, 100 + 600);
        let why = gives_up(&late).unwrap();
        assert!(why.starts_with("index 1 can't start: it waits since 2027-01-15T08:01:40Z for"), "{why}");
        assert_eq!(late.status.phase, Phase::Finishing);
    }
}

#[test]
fn a_later_pod_in_trouble_is_given_up_with_its_reason() {
    assert_eq!(gives_up(&second_wave(waiting("ErrImagePull"), 100 + 599)), None);
    let late = second_wave(waiting("ErrImagePull"), 100 + 600);
    assert_eq!(gives_up(&late), Some("index 1 can't start: ErrImagePull: as told"));
    // Its image could be had here before, so that is its member's matter.
    assert_eq!(given_up_as(&late), Some("NotGoingOn"));
}

#[test]
fn what_a_later_pod_waits_for_is_told_while_it_does() {
    // Most pods start at once, and need no words.
    let soon = second_wave(waiting("ContainerCreating"), 110);
    assert_eq!((soon.status.phase, soon.status.reason.as_str()), (Phase::Running, ""));
    assert!(soon.again.unwrap() <= Duration::from_secs(20));
    let slow = second_wave(waiting("ContainerCreating"), 130).status;
    assert_eq!((slow.phase, slow.running, slow.reason.as_str()), (Phase::Running, 0, "ContainerCreating"));
    let text = "index 1 waits since 2027-01-15T08:01:40Z for its node to pull its image and make its container \
                (ContainerCreating): as told";
    assert_eq!(slow.message, text);
    // The same words each time: nothing new is nothing to tell.
    assert_eq!(second_wave(waiting("ContainerCreating"), 300).status.message, text);
    // Trouble is told at once, and all of it is over once the work runs.
    let trouble = second_wave(waiting("ImagePullBackOff"), 101).status;
    assert_eq!((trouble.reason.as_str(), trouble.message.as_str()), ("ImagePullBackOff", "as told"));
    let runs = second_wave(running(140), 150).status;
    assert_eq!((runs.reason.as_str(), runs.message.as_str()), ("", ""));
}

#[test]
fn what_the_first_pod_waits_for_is_told_too() {
    let plan = decided(open(), &[pod(0, waiting("ContainerCreating"))], 40);
    assert_eq!((plan.status.phase, plan.status.reason.as_str()), (Phase::Starting, "ContainerCreating"));
    // How long it may take is the hub's to say.
    assert_eq!(gives_up(&decided(open(), &[pod(0, waiting("ContainerCreating"))], 9_000)), None);
}

#[test]
fn a_pod_that_is_held_has_all_the_time() {
    let mut spec = spec();
    spec.desired = Desired::Pause;
    let mut paused = begun(assignment(spec));
    paused.status.as_mut().unwrap().started_at = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(1)));
    let job = made_job(&paused, open());
    let plan = decide(&snapshot(paused, Some(&job), &[pod(0, waiting("ContainerCreating"))], 9_000));
    assert_eq!(gives_up(&plan), None);
}

/// A Job whose controller can't make a pod: it began at 0 and counts none.
fn podless() -> Value {
    json!({ "active": 0, "ready": 0, "terminating": 0, "startTime": at(0).to_string() })
}

#[test]
fn a_job_that_gets_no_pod_says_so_and_is_given_up() {
    let soon = decided(podless(), &[], 29);
    assert_eq!((soon.status.phase, soon.status.reason.as_str()), (Phase::Starting, ""));
    assert!(soon.again.unwrap() <= Duration::from_secs(1));
    let told = decided(podless(), &[], 30);
    assert_eq!((told.status.phase, told.status.reason.as_str()), (Phase::Starting, "NoPod"));
    assert!(told.status.message.contains("since 2027-01-15T08:00:00Z"), "{}", told.status.message);
    // The same words each time.
    assert_eq!(decided(podless(), &[], 59).status.message, told.status.message);
    assert_eq!(gives_up(&decided(podless(), &[], 59)), None);
    // The owner promises that work starts within a minute.
    let late = decided(podless(), &[], 60);
    assert_eq!(gives_up(&late), Some(told.status.message.as_str()));
    assert_eq!(late.status.phase, Phase::Finishing);
}

#[test]
fn a_later_wave_that_gets_no_pod_has_longer() {
    let mut assignment = begun(assignment(spec_with(json!({ "completions": 2, "parallelism": 1 }))));
    assignment.status.as_mut().unwrap().phase = Phase::Running;
    let mut status = podless();
    status["completedIndexes"] = json!("0");
    let job = made_job(&assignment, status);
    let mut first = pod(0, ended(5, 65, 0));
    first.metadata.finalizers = Some(vec!["eai.network/metering".to_owned()]);
    let after = |pods: &[Pod], seconds| decide(&snapshot(assignment.clone(), Some(&job), pods, seconds));
    let reason = |plan: Plan| (plan.status.phase, plan.status.reason);
    assert_eq!(reason(after(std::slice::from_ref(&first), 94)), (Phase::Running, String::new()));
    assert_eq!(reason(after(std::slice::from_ref(&first), 95)), (Phase::Running, "NoPod".to_owned()));
    assert_eq!(gives_up(&after(std::slice::from_ref(&first), 65 + 599)), None);
    assert!(gives_up(&after(std::slice::from_ref(&first), 65 + 600)).is_some());
    // What the controller has still to count isn't missing.
    assert_eq!(reason(after(&[pod(0, ended(5, 65, 0))], 9_000)).1, "");
}

#[test]
fn a_job_that_needs_no_pod_now_misses_none() {
    let fine = |status: Value, pods: &[Pod]| {
        let plan = decided(status, pods, 3_000);
        gives_up(&plan).is_none() && plan.status.reason != "NoPod"
    };
    assert!(!fine(podless(), &[]));
    // The controller hasn't begun, or has pods that the watch doesn't show, or waits for one to be gone.
    assert!(fine(json!({}), &[]));
    assert!(fine(open(), &[]));
    let with = |key: &str, value: Value| {
        let mut status = podless();
        status[key] = value;
        status
    };
    assert!(fine(with("terminating", json!(1)), &[]));
    // It hasn't yet seen that the Job goes on after a pause.
    assert!(fine(with("conditions", json!([{ "type": "Suspended", "status": "True" }])), &[]));
    assert!(!fine(with("conditions", json!([{ "type": "Suspended", "status": "False" }])), &[]));
    // It is done with it.
    assert!(fine(with("completedIndexes", json!("0")), &[]));
    assert!(fine(with("conditions", json!([{ "type": "FailureTarget", "status": "True" }])), &[]));
    // Its pod is there.
    assert!(fine(podless(), &[pod(0, running(5))]));
    // It is held.
    for desired in [Desired::Pause, Desired::Stop] {
        let mut spec = spec();
        spec.desired = desired;
        let held = begun(assignment(spec));
        let job = made_job(&held, podless());
        let plan = decide(&snapshot(held, Some(&job), &[], 3_000));
        assert!(gives_up(&plan).is_none() && plan.status.reason != "NoPod", "{desired:?}");
    }
}
