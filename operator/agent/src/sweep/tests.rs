#![allow(clippy::unwrap_used)]
//! Work whose Assignment is missing: kept for a while, held to its time, ended at last. Time stands still but where it is
//! moved on.

use std::sync::Arc;

use eai_api::Assignment;
use serde_json::json;

use super::{
    orphans::{GRACE, SILENCE},
    *,
};
use crate::testing::{
    NAME, assignment, at, granted, made_again, ms, pod, pod_with, running, spec, waiting,
    world::{HUB, JOBS, PODS, SECRETS, World},
};

/// A world in which work runs since [`at`]`(5)`, and its Assignment.
async fn at_work() -> (World, Arc<Assignment>) {
    let mut world = World::new().await;
    let assignment = world.assign(&assignment(spec()));
    world.look(&assignment).await;
    world.see_job(NAME);
    world.see_pod(&pod(0, running(5)));
    world.member.put(SECRETS, json!({ "metadata": {}, "items": [] }));
    world.member.calls();
    (world, assignment)
}

fn kept(world: &World) -> bool {
    world.member.get(&format!("{JOBS}/{NAME}")).is_some()
}

/// Sweeps every so often for `time`.
async fn sweep_for(sweeper: &mut Sweeper, time: Duration) {
    for _ in 0..time.as_secs() / EVERY.as_secs() {
        sweeper.sweep().await.unwrap();
        tokio::time::advance(EVERY).await;
    }
}

#[tokio::test(start_paused = true)]
async fn work_without_an_assignment_goes_on_for_a_while_and_then_ends() {
    let (mut world, assignment) = at_work().await;
    let mut sweeper = Sweeper::new(Arc::clone(&world.context));
    world.unassign(&assignment);
    sweep_for(&mut sweeper, GRACE).await;
    assert!(kept(&world));
    assert_eq!(world.context.metrics.orphans.get(), 1);
    assert!(!world.member.calls().iter().any(|call| call.starts_with("DELETE")));
    sweeper.sweep().await.unwrap();
    assert!(!kept(&world));
    let pod = world.member.get(&format!("{PODS}/{NAME}-0-pod-0")).unwrap();
    assert_eq!(pod["metadata"]["finalizers"], json!(["batch.kubernetes.io/job-tracking"]));
}

#[tokio::test(start_paused = true)]
async fn an_assignment_that_is_made_again_in_time_keeps_its_work() {
    let (mut world, assignment) = at_work().await;
    let mut sweeper = Sweeper::new(Arc::clone(&world.context));
    world.unassign(&assignment);
    sweep_for(&mut sweeper, GRACE).await;
    // The hub has it again, and this agent's watch doesn't show it yet.
    let again = made_again(&assignment);
    world.hub.put(&format!("{HUB}/{NAME}"), &again);
    sweep_for(&mut sweeper, GRACE * 2).await;
    let again = world.assign(&again);
    sweep_for(&mut sweeper, GRACE * 2).await;
    assert!(kept(&world));
    assert_eq!(world.context.metrics.orphans.get(), 0);
    // The next absence is another.
    world.unassign(&again);
    sweep_for(&mut sweeper, GRACE).await;
    assert!(kept(&world));
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_hub_does_not_answer_does_not_count() {
    let (mut world, assignment) = at_work().await;
    let mut sweeper = Sweeper::new(Arc::clone(&world.context));
    world.unassign(&assignment);
    sweep_for(&mut sweeper, GRACE).await;
    for code in [403, 500] {
        world.hub.fail(move |_, _| Some(code));
        sweeper.sweep().await.unwrap_err();
        tokio::time::advance(GRACE).await;
        sweeper.sweep().await.unwrap_err();
        world.hub.heal();
        sweep_for(&mut sweeper, GRACE).await;
        assert!(kept(&world), "{code}");
    }
    // One answer that got lost doesn't begin it anew.
    world.hub.fail(|_, _| Some(503));
    sweeper.sweep().await.unwrap_err();
    tokio::time::advance(SILENCE / 2).await;
    world.hub.heal();
    sweeper.sweep().await.unwrap();
    assert!(!kept(&world));
}

#[tokio::test(start_paused = true)]
async fn work_that_is_adopted_at_the_last_moment_is_not_ended() {
    let (mut world, assignment) = at_work().await;
    let mut sweeper = Sweeper::new(Arc::clone(&world.context));
    world.unassign(&assignment);
    sweep_for(&mut sweeper, GRACE).await;
    let path = format!("{JOBS}/{NAME}");
    let mut job = world.member.get(&path).unwrap();
    job["metadata"]["resourceVersion"] = json!("1");
    world.member.put(&path, &job);
    world.see_job(NAME);
    // Whoever wrote it since, wrote that it has an Assignment again.
    job["metadata"]["resourceVersion"] = json!("2");
    world.member.put(&path, &job);
    sweeper.sweep().await.unwrap();
    assert!(kept(&world));
    let pod = world.member.get(&format!("{PODS}/{NAME}-0-pod-0")).unwrap();
    assert_eq!(pod["metadata"]["finalizers"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn work_without_an_assignment_is_held_to_its_time() {
    let (mut world, assignment) = at_work().await;
    let sweeper = Sweeper::new(Arc::clone(&world.context));
    let path = format!("DELETE {PODS}/{NAME}-0-pod-0");
    // While there is an Assignment, looking at it is enough.
    let next = sweeper.orphans.end_overdue(&sweeper.known(), at(305)).await.unwrap();
    assert_eq!((next, world.member.calls().len()), (None, 0));
    world.unassign(&assignment);
    let next = sweeper.orphans.end_overdue(&sweeper.known(), at(295)).await.unwrap();
    assert_eq!((next, world.member.calls().len()), (Some(Duration::from_secs(10)), 0));
    sweeper.orphans.end_overdue(&sweeper.known(), at(305)).await.unwrap();
    assert_eq!(world.member.calls(), [path]);
    // Grace is grace, and the Job stays: its record is still to be told.
    assert_eq!(world.member.bodies().last().unwrap()["gracePeriodSeconds"], 30);
    world.see_pod(&pod_with(0, "pod-0", running(5), json!({ "deletionTimestamp": at(335).to_string() })));
    sweeper.orphans.end_overdue(&sweeper.known(), at(306)).await.unwrap();
    assert!(world.member.calls().is_empty() && kept(&world));
}

#[tokio::test]
async fn work_without_an_assignment_ends_with_its_last_grant() {
    let mut world = World::new().await;
    world.clock.begin();
    world.context.pulse.send();
    let assignment = world.assign(&granted(assignment(spec()), 1));
    world.look(&assignment).await;
    let mut job = world.see_job(NAME);
    let until = ms(200).to_string();
    job.metadata.annotations.as_mut().unwrap().insert("eai.network/lent".to_owned(), until);
    world.member.put(&format!("{JOBS}/{NAME}"), &job);
    world.see_job(NAME);
    world.unassign(&assignment);
    let sweeper = Sweeper::new(Arc::clone(&world.context));
    for status in [running(5), waiting("ContainerCreating")] {
        world.see_pod(&pod(0, status));
        world.member.calls();
        let next = sweeper.orphans.end_overdue(&sweeper.known(), at(190)).await.unwrap();
        assert_eq!((next, world.member.calls().len()), (Some(Duration::from_secs(10)), 0));
        sweeper.orphans.end_overdue(&sweeper.known(), at(200)).await.unwrap();
        assert_eq!(world.member.calls(), [format!("DELETE {PODS}/{NAME}-0-pod-0")]);
    }
}
