#![allow(clippy::unwrap_used)]
//! Reconciles against API servers in memory: what is asked of whom, in which order, and what happens when one says no.

mod again;
mod fence;

use eai_api::assignment::AssignmentPhase as Phase;
use eai_core::seal::{Purpose, seal};
use serde_json::json;

use super::{build::job, *};
use crate::{
    ledger, refusal,
    testing::{
        NAME, UID, assignment, ended, pod, running, spec, spec_with,
        world::{HUB, IDENTITY, JOBS, PODS, SECRETS, World},
    },
};

async fn look(world: &World, assignment: &Arc<Assignment>) -> Result<Action, WorkError> {
    reconcile(Arc::clone(assignment), Arc::clone(&world.context)).await
}

/// An Assignment for another attempt of the same job.
fn another(attempt: u64, spec: eai_api::AssignmentSpec) -> Assignment {
    let mut spec = spec;
    spec.epoch.attempt = attempt;
    let mut other = assignment(spec);
    other.metadata.name = Some(format!("{UID}-g1-a{attempt}"));
    other.metadata.uid = Some(format!("assignment-{attempt}"));
    other
}

#[tokio::test]
async fn an_assignment_becomes_a_job_and_the_hub_is_told() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    look(&world, &assignment).await.unwrap();
    // One request to remember the hub's generation, the first time; one to make the Job; one to tell.
    assert_eq!(world.member.calls(), [format!("PATCH {IDENTITY}"), format!("POST {JOBS}")]);
    assert_eq!(world.hub.calls(), [format!("PATCH {HUB}/{NAME}/status")]);
    let told = world.told(NAME);
    assert_eq!((told.phase, told.job_uid.is_some()), (Phase::Starting, true));
    // Looking again changes nothing, whether or not the watch shows the Job yet.
    look(&world, &assignment).await.unwrap();
    world.see_job(NAME);
    look(&world, &assignment).await.unwrap();
    assert!(world.member.calls().is_empty() && world.hub.calls().is_empty());
}

#[tokio::test]
async fn the_next_assignment_costs_one_request_here_and_one_there() {
    let mut world = World::new().await;
    let first = world.assign(&assignment(spec()));
    look(&world, &first).await.unwrap();
    world.member.calls();
    world.hub.calls();
    let second = world.assign(&another(2, spec()));
    look(&world, &second).await.unwrap();
    assert_eq!((world.member.calls().len(), world.hub.calls().len()), (1, 1));
}

#[tokio::test]
async fn a_job_made_by_an_agent_that_was_killed_is_taken_over() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    let mut job = job::job(NAME, "a5519e1e-0000-4000-8000-000000000001", &assignment.spec, &world.context.config, &[]);
    job.metadata.uid = Some("made-before".to_owned());
    world.member.put(&format!("{JOBS}/{NAME}"), &job);
    look(&world, &assignment).await.unwrap();
    assert_eq!(world.told(NAME).job_uid.as_deref(), Some("made-before"));
    assert_eq!(world.context.metrics.jobs_created.get(), 1);
}

#[tokio::test]
async fn a_job_of_that_name_that_is_not_ours_is_left_alone() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    world.member.put(&format!("{JOBS}/{NAME}"), json!({ "metadata": { "name": NAME, "uid": "x" } }));
    look(&world, &assignment).await.unwrap();
    let told = world.told(NAME);
    assert_eq!((told.phase, told.reason.as_str()), (Phase::Refused, "NameTaken"));
    assert!(!world.member.calls().iter().any(|call| call.starts_with("DELETE")));
}

#[tokio::test]
async fn a_refusal_makes_nothing_and_says_why() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec_with(json!({ "cpuMillis": 99_000 }))));
    look(&world, &assignment).await.unwrap();
    let told = world.told(NAME);
    assert_eq!((told.phase, told.reason.as_str()), (Phase::Refused, "AboveLimit"));
    assert!(told.message.contains("99000"), "{}", told.message);
    assert!(world.member.calls().is_empty());
}

#[tokio::test]
async fn work_waits_for_the_probes_and_begins_when_they_are_done() {
    let mut world = World::new().await;
    world.found.send_replace(refusal::Probes::default());
    let assignment = world.assign(&assignment(spec()));
    look(&world, &assignment).await.unwrap();
    assert_eq!((world.told(NAME).phase, world.told(NAME).reason.as_str()), (Phase::Pending, "Probing"));
    world.found.send_replace(refusal::Probes { sandbox: Some(true), internet_isolated: None });
    look(&world, &assignment).await.unwrap();
    assert_eq!(world.told(NAME).phase, Phase::Starting);
}

#[tokio::test]
async fn secrets_come_first_and_belong_to_the_job() {
    let mut world = World::new().await;
    let mut spec = spec();
    let sealed = seal(&world.context.keys.public(), Purpose::JobSecrets, UID, br#"{"TOKEN":"s3cret"}"#).unwrap();
    spec.workload.sealed_env = Some(sealed);
    let assignment = world.assign(&assignment(spec));
    look(&world, &assignment).await.unwrap();
    let calls = world.member.calls();
    let expected = [format!("POST {SECRETS}"), format!("POST {JOBS}"), format!("PATCH {SECRETS}/{NAME}")];
    assert_eq!(calls[1..], expected);
    let secret = world.member.get(&format!("{SECRETS}/{NAME}")).unwrap();
    assert_eq!(secret["metadata"]["ownerReferences"][0]["kind"], "Job");
    let job = world.member.get(&format!("{JOBS}/{NAME}")).unwrap();
    assert!(!job.to_string().contains("s3cret"), "secrets don't belong in a Job");
    assert!(!world.hub.bodies().iter().any(|body| body.to_string().contains("s3cret")));
}

#[tokio::test]
async fn nothing_begins_before_the_hubs_generation_is_written_down() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    world.member.fail(|_, path| (path == IDENTITY).then_some(500));
    look(&world, &assignment).await.unwrap_err();
    assert!(world.member.get(&format!("{JOBS}/{NAME}")).is_none());
    assert_eq!(world.context.identity.generation(), 0);
    world.member.heal();
    look(&world, &assignment).await.unwrap();
    assert!(world.member.get(&format!("{JOBS}/{NAME}")).is_some());
    // It is kept where the next start finds it.
    let (next, _) = crate::identity::Identity::load(world.member.client(), "eai-agent").await.unwrap();
    assert_eq!(next.generation(), 1);
    assert_eq!(next.keys.public(), world.context.keys.public());
}

#[tokio::test]
async fn two_at_once_cannot_both_take_the_last_of_what_the_owner_allows() {
    let mut world = World::new().await;
    let both = [1, 2].map(|attempt| {
        let accelerator = json!({ "accelerator": { "resource": "nvidia.com/gpu", "count": 2 } });
        world.assign(&another(attempt, spec_with(accelerator)))
    });
    let (one, other) = tokio::join!(look(&world, &both[0]), look(&world, &both[1]));
    one.unwrap();
    other.unwrap();
    let phases = [1, 2].map(|attempt| world.told(&format!("{UID}-g1-a{attempt}")).phase);
    assert!(phases.contains(&Phase::Starting) && phases.contains(&Phase::Refused), "{phases:?}");
    let jobs = [1, 2].map(|attempt| world.member.get(&format!("{JOBS}/{UID}-g1-a{attempt}")).is_some());
    assert_eq!(jobs.iter().filter(|made| **made).count(), 1);
}

#[tokio::test]
async fn room_that_was_taken_for_a_job_that_could_not_be_made_is_free_again() {
    let mut world = World::new().await;
    let first = world.assign(&another(1, spec_with(json!({ "cpuMillis": 4_000 }))));
    world.member.fail(|method, path| (method == "POST" && path == JOBS).then_some(503));
    look(&world, &first).await.unwrap_err();
    world.member.heal();
    let second = world.assign(&another(2, spec_with(json!({ "cpuMillis": 4_000 }))));
    look(&world, &second).await.unwrap();
    assert_eq!(world.told(&format!("{UID}-g1-a2")).phase, Phase::Starting);
}

#[tokio::test]
async fn work_begins_though_the_hub_cannot_be_told() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    world.hub.fail(|_, _| Some(503));
    assert!(matches!(look(&world, &assignment).await, Err(WorkError::Status(_))));
    assert!(world.member.get(&format!("{JOBS}/{NAME}")).is_some());
    world.hub.heal();
    look(&world, &assignment).await.unwrap();
    assert_eq!(world.told(NAME).phase, Phase::Starting);
    assert_eq!(world.context.metrics.jobs_created.get(), 1);
}

/// A world in which the work of `NAME` has a Job and one pod.
async fn with_pod(pod: &k8s_openapi::api::core::v1::Pod) -> (World, Arc<Assignment>) {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    look(&world, &assignment).await.unwrap();
    world.see_job(NAME);
    world.see_pod(pod);
    world.member.calls();
    world.hub.calls();
    (world, assignment)
}

#[tokio::test]
async fn a_run_is_recorded_before_its_pod_may_go() {
    let over = pod(0, ended(5, 65, 0));
    let name = over.metadata.name.clone().unwrap();
    let (world, assignment) = with_pod(&over).await;
    look(&world, &assignment).await.unwrap();
    let calls = world.member.calls();
    assert_eq!(calls[..2], [format!("PATCH {JOBS}/{NAME}"), format!("PATCH {PODS}/{name}")]);
    let job = world.member.get(&format!("{JOBS}/{NAME}")).unwrap();
    let record = job["metadata"]["annotations"][ledger::ANNOTATION].as_str().unwrap().to_owned();
    assert_eq!(ledger::Ledger::read(Some(&record)).unwrap().run_ms(), 60_000);
    let pod = world.member.get(&format!("{PODS}/{name}")).unwrap();
    assert_eq!(pod["metadata"]["finalizers"], json!(["batch.kubernetes.io/job-tracking"]));
    assert_eq!(world.told(NAME).usage_ms, 60_000);
    assert_eq!(world.context.metrics.recorded_ms.get(), 60_000);
}

#[tokio::test]
async fn a_pod_stays_if_its_run_could_not_be_recorded() {
    let over = pod(0, ended(5, 65, 0));
    let name = over.metadata.name.clone().unwrap();
    let (world, assignment) = with_pod(&over).await;
    // Another agent wrote in between: what was read isn't what is there.
    let path = format!("{JOBS}/{NAME}");
    let mut job = world.member.get(&path).unwrap();
    job["metadata"]["annotations"][ledger::ANNOTATION] =
        json!("{\"runs\":{\"other\":{\"i\":0,\"s\":1,\"f\":2,\"e\":0}}}");
    world.member.put(&path, &job);
    let error = look(&world, &assignment).await.unwrap_err();
    assert!(matches!(error, WorkError::Apply(ApplyError::Stale { .. })), "{error}");
    let pod = world.member.get(&format!("{PODS}/{name}")).unwrap();
    assert_eq!(pod["metadata"]["finalizers"].as_array().unwrap().len(), 2);
    assert_eq!(world.member.get(&path).unwrap(), job);
    // And the hub isn't told of what isn't on record.
    assert_eq!(world.told(NAME).usage_ms, 0);
}

#[tokio::test]
async fn a_finalizer_that_moved_is_not_taken_for_another() {
    let over = pod(0, ended(5, 65, 0));
    let name = over.metadata.name.clone().unwrap();
    let (world, assignment) = with_pod(&over).await;
    let path = format!("{PODS}/{name}");
    let mut moved = world.member.get(&path).unwrap();
    moved["metadata"]["finalizers"] = json!(["eai.network/metering", "batch.kubernetes.io/job-tracking"]);
    world.member.put(&path, &moved);
    assert!(matches!(look(&world, &assignment).await, Err(WorkError::Apply(ApplyError::Stale { .. }))));
    assert_eq!(world.member.get(&path).unwrap(), moved);
}

#[tokio::test]
async fn a_pod_that_is_gone_needs_no_release() {
    let over = pod(0, ended(5, 65, 0));
    let (world, assignment) = with_pod(&over).await;
    world.member.remove(&format!("{PODS}/{}", over.metadata.name.unwrap()));
    look(&world, &assignment).await.unwrap();
    assert_eq!(world.told(NAME).usage_ms, 60_000);
}

#[tokio::test]
async fn the_end_is_cleaned_up_when_the_hub_has_noted_it_and_not_before() {
    let (mut world, first) = with_pod(&pod(0, running(5))).await;
    let mut done = (*first).clone();
    done.status = Some(AssignmentStatus { phase: Phase::Succeeded, ..world.told(NAME) });
    // Another run of the agent: it remembers nothing.
    world.context.tracks.retain(|_| false);
    let assignment = world.assign(&done);
    look(&world, &assignment).await.unwrap();
    assert!(!world.member.calls().iter().any(|call| call.starts_with("DELETE")));
    done.spec.acknowledged.finished = true;
    let assignment = world.assign(&done);
    look(&world, &assignment).await.unwrap();
    assert_eq!(world.member.calls(), [format!("DELETE {JOBS}/{NAME}")]);
    // It is gone already: that is fine too.
    look(&world, &assignment).await.unwrap();
    assert!(world.hub.calls().is_empty());
}

#[tokio::test]
async fn a_cache_that_lags_does_not_make_a_job_look_lost() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    look(&world, &assignment).await.unwrap();
    // The agent was started anew; its watch hasn't shown the Job yet.
    world.context.tracks.retain(|_| false);
    let mut begun = (*assignment).clone();
    begun.status = Some(world.told(NAME));
    let assignment = world.assign(&begun);
    world.member.calls();
    look(&world, &assignment).await.unwrap();
    assert_eq!(world.member.calls(), [format!("GET {JOBS}/{NAME}")]);
    assert_eq!(world.told(NAME).phase, Phase::Starting);
    // If the server has none either, it is lost, and not made again.
    world.member.remove(&format!("{JOBS}/{NAME}"));
    look(&world, &assignment).await.unwrap();
    assert_eq!(world.told(NAME).phase, Phase::Lost);
    assert!(world.member.get(&format!("{JOBS}/{NAME}")).is_none());
}

#[tokio::test]
async fn an_unreadable_member_is_no_lost_job() {
    let mut world = World::new().await;
    let mut begun = assignment(spec());
    begun.status = Some(AssignmentStatus { job_uid: Some("u".to_owned()), ..AssignmentStatus::default() });
    let assignment = world.assign(&begun);
    world.member.fail(|_, _| Some(500));
    assert!(matches!(look(&world, &assignment).await, Err(WorkError::Gather(_))));
    assert!(world.hub.calls().is_empty());
}

#[tokio::test]
async fn a_status_is_never_written_to_a_successor_of_the_same_name() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    let mut successor = (*assignment).clone();
    successor.metadata.uid = Some("another".to_owned());
    world.hub.put(&format!("{HUB}/{NAME}"), &successor);
    assert!(matches!(look(&world, &assignment).await, Err(WorkError::Status(_))));
    assert_eq!(world.told(NAME), AssignmentStatus::default());
}

#[tokio::test]
async fn failures_are_tried_again_ever_more_slowly() {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    let error = WorkError::Status(kube::Error::Service("away".into()));
    let waits: Vec<Action> = (0..12).map(|_| failed(&assignment, &error, &world.context)).collect();
    assert_eq!(waits[0], Action::requeue(Duration::from_millis(400)));
    assert_eq!(waits[11], Action::requeue(Duration::from_secs(30)));
    look(&world, &assignment).await.unwrap();
    assert_eq!(failed(&assignment, &error, &world.context), waits[0]);
}

#[tokio::test]
async fn jobs_and_pods_name_their_assignment() {
    let named = assignment_of(&pod(0, running(5)), "cn-home-1").unwrap();
    assert_eq!((named.name.as_str(), named.namespace.as_deref()), (NAME, Some("cn-home-1")));
    assert!(assignment_of(&k8s_openapi::api::core::v1::Pod::default(), "cn-home-1").is_none());
}

#[tokio::test]
async fn use_counts_jobs_that_are_watched_and_jobs_that_are_not_yet() {
    let mut world = World::new().await;
    let first = world.assign(&another(1, spec()));
    let second = world.assign(&another(2, spec()));
    look(&world, &first).await.unwrap();
    look(&world, &second).await.unwrap();
    assert_eq!(world.context.in_use(None).cpu_millis, 1_000);
    let job = world.see_job(&format!("{UID}-g1-a1"));
    assert_eq!(world.context.in_use(None).accelerators_of("nvidia.com/gpu"), 2);
    assert_eq!(world.context.in_use(Some(&format!("{UID}-g1-a2"))).pods, 1);
    // One that the watch has shown and that is gone frees its room.
    look(&world, &first).await.unwrap();
    world.lose_job(&job);
    assert_eq!(world.context.in_use(None).pods, 1);
}
