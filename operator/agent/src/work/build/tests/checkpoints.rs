//! Checkpoints: the pod that leaves and takes them up, and when they are kept and put back.

use eai_api::{artifact::CheckpointArtifact, assignment::AssignmentPhase as Phase};
use eai_core::digest::Digest;
use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::Time};

use super::*;
use crate::testing::{at, pod, pod_with, running};

fn keeps() -> Value {
    json!({ "checkpoint": { "maxBytes": 1000, "everySeconds": 30 } })
}

fn pod_spec(workload: Value) -> PodSpec {
    made_job(&assignment(spec_with(workload)), open()).spec.unwrap().template.spec.unwrap()
}

/// A pod whose work is in this state, beside a container that holds what it left.
fn beside(pod: Pod, work: Value) -> Pod {
    with_outputs(pod, "Running", work, json!({ "running": { "startedAt": at(5).to_string() } }))
}

fn works() -> Value {
    json!({ "running": { "startedAt": at(5).to_string() } })
}

/// The plan for such pods, of which some were looked at for the last time.
fn plan(workload: Value, pods: &[Pod], looked: &[&str]) -> Plan {
    let assignment = begun(assignment(spec_with(workload)));
    let job = made_job(&assignment, open());
    let mut snapshot = snapshot(assignment, Some(&job), pods, 100);
    snapshot.artifacts.last_looked.extend(looked.iter().map(|uid| (*uid).to_owned()));
    decide(&snapshot)
}

fn saves(plan: &Plan) -> bool {
    has(plan, |s| matches!(s, Step::Save { index: 0, .. }))
}

fn lets_go(plan: &Plan) -> bool {
    has(plan, |s| matches!(s, Step::Done { .. } | Step::Collect { .. }))
}

#[test]
fn a_pod_that_keeps_checkpoints_has_a_place_for_them_and_two_containers_of_ours() {
    let plain = pod_spec(json!({}));
    assert!(plain.init_containers.is_none() && plain.containers.len() == 1);
    let spec = pod_spec(keeps());
    let volume = spec.volumes.iter().flatten().find(|v| v.name == "checkpoint").unwrap();
    let limit = volume.empty_dir.as_ref().unwrap().size_limit.as_ref().unwrap();
    assert_eq!(limit.0, (2 * 1000 + (1 << 20)).to_string(), "one that is there and one that is written");
    let mounted = |container: &k8s_openapi::api::core::v1::Container| {
        let mounts = container.volume_mounts.iter().flatten().find(|m| m.name == "checkpoint").cloned();
        mounts.map(|m| (m.mount_path, m.read_only))
    };
    let path = "/eai/checkpoint".to_owned();
    let [outputs, work] = &spec.containers[..] else { panic!("{:?}", spec.containers) };
    assert_eq!((mounted(work), mounted(outputs)), (Some((path.clone(), None)), Some((path.clone(), Some(true)))));
    let [restore] = &spec.init_containers.as_ref().unwrap()[..] else { panic!() };
    assert_eq!(mounted(restore), Some((path, None)));
    let words = restore.command.as_ref().unwrap();
    assert_eq!(words[1..], ["outputs", "checkpoint", "await"]);
    assert_eq!((&restore.image, &restore.security_context), (&outputs.image, &outputs.security_context));
    assert!(restore.resources.as_ref().unwrap().limits.as_ref().unwrap().contains_key("memory"));
    let env = work.env.as_ref().unwrap();
    let told = env.iter().find(|v| v.name == "EAI_CHECKPOINT").unwrap();
    assert_eq!(told.value.as_deref(), Some("/eai/checkpoint/latest"));
}

#[test]
fn work_begins_when_what_it_goes_on_from_is_there() {
    let init = |state: Value| {
        let status = json!({ "phase": "Pending", "initContainerStatuses": [container("restore", state)],
            "containerStatuses": [container("work", json!({ "waiting": { "reason": "PodInitializing" } }))] });
        plan(keeps(), &[pod(0, status)], &[])
    };
    let waits = init(works());
    assert!(has(&waits, |s| matches!(s, Step::Restore { index: 0, .. })));
    assert_eq!((waits.status.phase, waits.status.usage_ms), (Phase::Starting, 0));
    assert!(!has(&init(terminated(5, 9, 0)), |s| matches!(s, Step::Restore { .. })));
    assert!(!has(&init(json!({ "waiting": { "reason": "PodInitializing" } })), |s| matches!(s, Step::Restore { .. })));
}

#[test]
fn checkpoints_are_kept_while_the_work_runs_and_once_more_when_it_fails() {
    assert!(saves(&plan(keeps(), &[beside(pod(0, json!({})), works())], &[])));
    assert!(!saves(&plan(json!({}), &[pod(0, running(5))], &[])));
    let failed = || beside(pod(0, json!({})), terminated(5, 65, 1));
    let last = plan(keeps(), &[failed()], &[]);
    assert!(saves(&last) && !lets_go(&last), "its last one first");
    assert_eq!(last.status.phase, Phase::Finishing);
    let looked = plan(keeps(), &[failed()], &["pod-0"]);
    assert!(!saves(&looked) && lets_go(&looked));
    // What is done needs none.
    let done = plan(keeps(), &[beside(pod(0, json!({})), terminated(5, 65, 0))], &[]);
    assert!(!saves(&done) && lets_go(&done));
}

#[test]
fn work_that_is_paused_leaves_its_last_checkpoint_before_its_pod_goes() {
    let meta = json!({ "deletionTimestamp": at(110).to_string(), "deletionGracePeriodSeconds": 30,
        "finalizers": ["eai.network/metering"] });
    let paused = || beside(pod_with(0, "pod-0", json!({}), meta.clone()), works());
    let before = plan(keeps(), &[paused()], &[]);
    assert!(saves(&before) && !lets_go(&before));
    assert!(lets_go(&plan(keeps(), &[paused()], &["pod-0"])));
}

#[test]
fn what_the_hub_has_is_told() {
    let assignment = begun(assignment(spec_with(keeps())));
    let job = made_job(&assignment, open());
    let mut snapshot = snapshot(assignment, Some(&job), &[beside(pod(0, json!({})), works())], 100);
    let artifact =
        |content: &[u8]| CheckpointArtifact { index: 0, digest: Digest::of(content), size_bytes: 1, at: Time(at(7)) };
    snapshot.previous.checkpoints = vec![artifact(b"1")];
    assert_eq!(decide(&snapshot).status.checkpoints, [artifact(b"1")], "an agent that forgot keeps what it told");
    snapshot.artifacts.checkpoints.insert(0, artifact(b"2"));
    assert_eq!(decide(&snapshot).status.checkpoints, [artifact(b"2")]);
}
