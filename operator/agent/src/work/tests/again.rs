//! Assignments that were deleted and that the hub makes again: their work goes on, and is billed from its real start.

use super::*;
use crate::testing::made_again;

const OWNER: &str = "eai.network/assignment-uid";

fn annotation(world: &World, key: &str) -> serde_json::Value {
    world.member.get(&format!("{JOBS}/{NAME}")).unwrap()["metadata"]["annotations"][key].clone()
}

#[tokio::test]
async fn an_assignment_made_again_adopts_its_job() {
    let mut first_pod = pod(0, running(5));
    let (mut world, first) = with_pod(&first_pod).await;
    look(&world, &first).await.unwrap();
    let uid = world.told(NAME).job_uid;
    world.unassign(&first);
    let again = world.assign(&made_again(&first));
    // It ended while nobody asked for it.
    first_pod.status = serde_json::from_value(ended(5, 65, 0)).unwrap();
    world.see_pod(&first_pod);
    world.member.calls();
    look(&world, &again).await.unwrap();
    assert_eq!(annotation(&world, OWNER), "made-again");
    let told = world.told(NAME);
    assert!(matches!(told.phase, Phase::Finishing | Phase::Succeeded), "{told:?}");
    assert_eq!((told.usage_ms, told.job_uid), (60_000, uid));
    assert!(!world.member.calls().iter().any(|call| call.starts_with("POST") || call.starts_with("DELETE")));
    assert_eq!(world.context.metrics.jobs_created.get(), 1);
    // Once is enough.
    world.see_job(NAME);
    let path = format!("{PODS}/{}", first_pod.metadata.name.clone().unwrap());
    world.see_pod(&serde_json::from_value(world.member.get(&path).unwrap()).unwrap());
    look(&world, &again).await.unwrap();
    assert!(!world.member.calls().contains(&format!("PATCH {JOBS}/{NAME}")));
}

#[tokio::test]
async fn a_job_that_the_watch_has_not_shown_is_adopted_too() {
    let mut world = World::new().await;
    let first = world.assign(&assignment(spec()));
    look(&world, &first).await.unwrap();
    // The hub never saw it run.
    let mut unseen = made_again(&first);
    unseen.spec.acknowledged.started = false;
    world.unassign(&first);
    let again = world.assign(&unseen);
    look(&world, &again).await.unwrap();
    assert_eq!((annotation(&world, OWNER), world.told(NAME).phase), (json!("made-again"), Phase::Starting));
}

#[tokio::test]
async fn a_job_that_is_adopted_by_another_meanwhile_is_looked_at_again() {
    let (mut world, first) = with_pod(&pod(0, running(5))).await;
    world.unassign(&first);
    let again = world.assign(&made_again(&first));
    let path = format!("{JOBS}/{NAME}");
    let mut job = world.member.get(&path).unwrap();
    job["metadata"]["annotations"][OWNER] = json!("another");
    world.member.put(&path, &job);
    let error = look(&world, &again).await.unwrap_err();
    assert!(matches!(error, WorkError::Apply(ApplyError::Stale { .. })), "{error}");
    assert_eq!(world.member.get(&path).unwrap(), job);
}

#[tokio::test(start_paused = true)]
async fn what_a_restored_hub_does_not_know_any_more_is_told_again() {
    let mut world = World::new().await;
    let refused = world.assign(&assignment(spec_with(json!({ "cpuMillis": 99_000 }))));
    look(&world, &refused).await.unwrap();
    assert_eq!(world.told(NAME).phase, Phase::Refused);
    // The watch may lag a little.
    world.hub.calls();
    look(&world, &refused).await.unwrap();
    assert!(world.hub.calls().is_empty());
    // The same Assignment as it was in the backup.
    tokio::time::advance(Duration::from_mins(1)).await;
    let restored = world.assign(&refused);
    look(&world, &restored).await.unwrap();
    assert_eq!(world.told(NAME).phase, Phase::Refused);
    // And no more once the hub has it.
    let mut known = (*restored).clone();
    known.status = Some(world.told(NAME));
    let known = world.assign(&known);
    tokio::time::advance(Duration::from_mins(1)).await;
    world.hub.calls();
    look(&world, &known).await.unwrap();
    assert!(world.hub.calls().is_empty());
}

#[tokio::test]
async fn another_aijobs_job_of_that_name_is_not_adopted() {
    for (part, key, value) in [
        ("labels", "eai.network/job-uid", "another"),
        ("labels", "eai.network/assignment", "another"),
        ("labels", "app.kubernetes.io/managed-by", "somebody"),
        ("annotations", OWNER, ""),
    ] {
        let (mut world, first) = with_pod(&pod(0, running(5))).await;
        let path = format!("{JOBS}/{NAME}");
        let mut job = world.member.get(&path).unwrap();
        let marks = job["metadata"][part].as_object_mut().unwrap();
        if value.is_empty() {
            drop(marks.remove(key));
        } else {
            drop(marks.insert(key.to_owned(), json!(value)));
        }
        world.member.put(&path, &job);
        world.see_job(NAME);
        world.unassign(&first);
        let again = world.assign(&made_again(&first));
        look(&world, &again).await.unwrap();
        let told = world.told(NAME);
        assert_eq!((told.phase, told.reason.as_str()), (Phase::Refused, "NameTaken"), "{key}");
        assert_eq!(world.member.get(&path).unwrap(), job);
    }
}
