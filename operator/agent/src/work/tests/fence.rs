//! Work under grants: begun, fenced, resumed, whatever fails meanwhile.

use eai_api::aijob::OnHubLoss;
use eai_core::fencing::{BootMs, Heartbeat, Instance};
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{BOOT, at, begun, granted, world::INSTANCE};

const JOB: &str = "/apis/batch/v1/namespaces/eai-work/jobs/0f6e2a51-9f0d-4c7c-9f5e-2f4f0d1f2a3b-g1-a1";
const MINUTE: u64 = 60;

/// A world whose time is the test's, and whose agent has sent this many heartbeats.
async fn world(heartbeats: u64) -> World {
    let world = World::new().await;
    world.clock.begin();
    for _ in 0..heartbeats {
        world.context.pulse.send();
    }
    world
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// Work that may run for two hours, so that only its grant ends it.
fn long() -> eai_api::AssignmentSpec {
    spec_with(json!({ "maxDurationSeconds": 7_200 }))
}

fn job(world: &World) -> serde_json::Value {
    world.member.get(JOB).unwrap()
}

fn spec_of(world: &World) -> (serde_json::Value, serde_json::Value) {
    let spec = &job(world)["spec"];
    (spec["suspend"].clone(), spec["activeDeadlineSeconds"].clone())
}

/// The Job's status is `status`, and the watch shows it.
fn job_is(world: &mut World, status: serde_json::Value) {
    let mut job = job(world);
    job["status"] = status;
    world.member.put(JOB, &job);
    world.see_job(NAME);
}

/// A pod of work that runs since the beginning.
fn at_work() -> k8s_openapi::api::core::v1::Pod {
    pod(0, running(0))
}

fn pod_path() -> String {
    format!("{PODS}/{}", at_work().metadata.name.unwrap())
}

/// Work that was begun under a first grant, with its Job's start known and its pod at work.
async fn working() -> (World, Arc<Assignment>) {
    let mut world = world(1).await;
    let assignment = world.assign(&granted(assignment(long()), 1));
    look(&world, &assignment).await.unwrap();
    job_is(&mut world, json!({ "active": 1, "startTime": at(0).to_string() }));
    world.see_pod(&at_work());
    look(&world, &assignment).await.unwrap();
    world.see_job(NAME);
    world.member.calls();
    world.hub.calls();
    (world, assignment)
}

#[tokio::test(start_paused = true)]
async fn a_grant_begins_work_and_bounds_it() {
    let mut world = world(1).await;
    let first = world.assign(&granted(assignment(long()), 1));
    look(&world, &first).await.unwrap();
    // Ten seconds are kept back for what words take within the member, as long as its start isn't known.
    assert_eq!(spec_of(&world), (json!(null), json!(590)));
    assert_eq!(job(&world)["metadata"]["annotations"]["eai.network/lent"], crate::testing::ms(600).to_string());
    assert_eq!(world.told(NAME).phase, Phase::Starting);
    // Its controller saw it two seconds later.
    job_is(&mut world, json!({ "active": 1, "startTime": at(2).to_string() }));
    pass(3).await;
    look(&world, &first).await.unwrap();
    assert_eq!(spec_of(&world).1, json!(598));
    // Once is enough; and again for the next grant.
    world.see_job(NAME);
    world.member.calls();
    pass(197).await;
    look(&world, &first).await.unwrap();
    assert!(world.member.calls().is_empty());
    world.context.pulse.send();
    let renewed = world.assign(&granted((*first).clone(), 2));
    look(&world, &renewed).await.unwrap();
    assert_eq!((world.member.calls(), spec_of(&world).1), (vec![format!("PATCH {JOB}")], json!(798)));
    assert_eq!(job(&world)["metadata"]["annotations"]["eai.network/lent"], crate::testing::ms(800).to_string());
}

#[tokio::test(start_paused = true)]
async fn a_grant_counts_from_the_heartbeat_that_it_echoes() {
    let mut world = world(1).await;
    pass(400).await;
    let late = world.assign(&granted(assignment(long()), 1));
    look(&world, &late).await.unwrap();
    assert_eq!(spec_of(&world).1, json!(190));
}

#[tokio::test(start_paused = true)]
async fn without_a_grant_that_counts_nothing_begins() {
    let another = Heartbeat { instance: Instance(INSTANCE.0 + 1), sequence: 1 }.to_string();
    let unknown = Heartbeat { instance: INSTANCE, sequence: 7 }.to_string();
    let own = Heartbeat { instance: INSTANCE, sequence: 1 }.to_string();
    // The last runs out on its way.
    for (heartbeat, late) in [(another, 0), (unknown, 0), ("1-1".to_owned(), 0), (own, 597)] {
        let mut world = world(1).await;
        let mut given = granted(assignment(long()), 1);
        given.spec.grant.as_mut().unwrap().heartbeat = heartbeat;
        let given = world.assign(&given);
        pass(late).await;
        look(&world, &given).await.unwrap();
        let told = world.told(NAME);
        assert_eq!((told.phase, told.reason.as_str()), (Phase::Pending, "AwaitingGrant"));
        assert!(world.member.calls().is_empty());
        // The next begins it.
        world.context.pulse.send();
        let next = world.assign(&granted((*given).clone(), 2));
        look(&world, &next).await.unwrap();
        assert_eq!(world.told(NAME).phase, Phase::Starting);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_owner_does_not_allow_is_refused_without_waiting_for_a_grant() {
    let mut world = world(0).await;
    world.context.identity.raise_generation(2).await.unwrap();
    let refused = |world: &World| (world.told(NAME).phase, world.told(NAME).reason);
    // Its hub's generation is over, so that its grants aren't taken either.
    world.context.pulse.send();
    let stale = world.assign(&granted(assignment(long()), 1));
    look(&world, &stale).await.unwrap();
    assert_eq!(refused(&world), (Phase::Refused, "StaleGeneration".to_owned()));

    let mut world = self::world(0).await;
    let mut goes_on = granted(assignment(long()), 1);
    goes_on.spec.on_hub_loss = OnHubLoss::Continue;
    let goes_on = world.assign(&goes_on);
    look(&world, &goes_on).await.unwrap();
    assert_eq!(refused(&world), (Phase::Refused, "ContinueNotAllowed".to_owned()));

    let mut world = self::world(0).await;
    let mut sealed = granted(assignment(long()), 1);
    let other = eai_core::seal::KeyPair::generate().public();
    sealed.spec.workload.sealed_env = Some(seal(&other, Purpose::JobSecrets, UID, b"{}").unwrap());
    let sealed = world.assign(&sealed);
    look(&world, &sealed).await.unwrap();
    assert_eq!(refused(&world), (Phase::Refused, "SecretsNotForUs".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn work_that_its_owner_lets_run_on_has_no_end_with_its_grant() {
    let mut config = crate::testing::config();
    config.limits.allow_continue = true;
    let mut world = World::with(config).await;
    world.clock.begin();
    let mut assignment = granted(assignment(long()), 1);
    assignment.spec.on_hub_loss = OnHubLoss::Continue;
    let assignment = world.assign(&assignment);
    look(&world, &assignment).await.unwrap();
    assert_eq!(world.told(NAME).reason, "AwaitingGrant");
    world.context.pulse.send();
    look(&world, &assignment).await.unwrap();
    assert_eq!((spec_of(&world), world.told(NAME).phase), ((json!(null), json!(10_830)), Phase::Starting));
}

#[tokio::test(start_paused = true)]
async fn a_right_that_ran_out_while_work_was_judged_begins_nothing() {
    let mut world = world(1).await;
    let assignment = world.assign(&granted(assignment(long()), 1));
    pass(590).await;
    // Another is being judged, for ten seconds.
    let context = Arc::clone(&world.context);
    let busy = context.admission.lock().await;
    let (result, ()) = tokio::join!(look(&world, &assignment), async {
        pass(10).await;
        drop(busy);
    });
    result.unwrap();
    assert!(world.member.get(JOB).is_none());
    assert_eq!(world.told(NAME).reason, "AwaitingGrant");
    assert!(world.context.in_use(None).pods == 0, "its place is free again");
}

#[tokio::test(start_paused = true)]
async fn work_ends_with_its_grant_though_the_hub_is_away() {
    let (world, assignment) = working().await;
    world.hub.fail(|_, _| Some(503));
    pass(597).await;
    // Telling the hub fails, and that comes after.
    look(&world, &assignment).await.unwrap_err();
    assert_eq!(spec_of(&world).0, json!(true));
    assert!(world.member.get(&pod_path()).is_some(), "its controllers come first");
    pass(1).await;
    // The watch of Jobs may lag.
    look(&world, &assignment).await.unwrap_err();
    assert!(world.member.get(&pod_path()).is_none());
    let calls = world.member.calls();
    assert!(calls.ends_with(&[format!("PATCH {}", pod_path()), format!("DELETE {}", pod_path())]), "{calls:?}");
    assert!(world.member.bodies().iter().any(|body| body["gracePeriodSeconds"] == 30));
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_let_go_by_its_controller_before_it_is_ended() {
    let (mut world, assignment) = working().await;
    pass(600).await;
    // Its controller was here first.
    let mut other = world.member.get(&pod_path()).unwrap();
    other["metadata"]["finalizers"] = json!(["eai.network/metering"]);
    world.member.put(&pod_path(), &other);
    let error = look(&world, &assignment).await.unwrap_err();
    assert!(matches!(error, WorkError::Apply(ApplyError::Stale { .. })), "{error}");
    assert!(world.member.get(&pod_path()).is_some(), "ended as it was it would count as failed");
    world.see_pod(&serde_json::from_value(other).unwrap());
    look(&world, &assignment).await.unwrap();
    assert!(world.member.get(&pod_path()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_cannot_be_ended_keeps_no_other_from_its_end() {
    let (mut world, assignment) = working().await;
    let other = pod(1, running(0));
    world.see_pod(&other);
    let other = format!("{PODS}/{}", other.metadata.name.unwrap());
    pass(600).await;
    let (first, second) = (pod_path(), other.clone());
    for broken in [first, second] {
        for path in [pod_path(), other.clone()] {
            world.member.put(&path, pod(u32::from(path == other), running(0)));
        }
        let left = broken.clone();
        world.member.fail(move |_, path| (path == broken).then_some(500));
        look(&world, &assignment).await.unwrap_err();
        let there: Vec<_> =
            [pod_path(), other.clone()].into_iter().filter(|path| world.member.get(path).is_some()).collect();
        assert_eq!(there, [left]);
    }
}

/// Work that was fenced ten minutes after its beginning, with all of it ended and told.
async fn fenced() -> (World, Arc<Assignment>) {
    let (mut world, assignment) = working().await;
    pass(600).await;
    look(&world, &assignment).await.unwrap();
    job_is(&mut world, json!({ "conditions": [{ "type": "Suspended", "status": "True" }] }));
    let mut over = at_work();
    over.status = serde_json::from_value(ended(0, 601, 143)).unwrap();
    over.metadata.deletion_timestamp = serde_json::from_value(json!(at(630).to_string())).unwrap();
    over.metadata.finalizers = Some(vec!["eai.network/metering".to_owned()]);
    world.see_pod(&over);
    look(&world, &assignment).await.unwrap();
    world.see_job(NAME);
    world.see_pod(&serde_json::from_value(world.member.get(&pod_path()).unwrap()).unwrap());
    (world, assignment)
}

#[tokio::test(start_paused = true)]
async fn fenced_work_goes_on_with_the_next_grant_in_one_patch() {
    let (mut world, assignment) = fenced().await;
    let told = world.told(NAME);
    assert_eq!((told.phase, told.reason.as_str(), told.usage_ms), (Phase::Paused, "Fenced", 601_000));
    assert_eq!(world.context.tracks.with(NAME, crate::testing::ASSIGNMENT_UID, |track| track.fence_at), None);
    pass(5 * MINUTE).await;
    world.member.calls();
    look(&world, &assignment).await.unwrap();
    assert!(world.member.calls().is_empty());
    let from = world.member.bodies().len();
    world.context.pulse.send();
    let renewed = world.assign(&granted((*assignment).clone(), 2));
    look(&world, &renewed).await.unwrap();
    assert_eq!(world.member.calls(), [format!("PATCH {JOB}")]);
    let patch = &world.member.bodies()[from];
    assert_eq!(patch["spec"], json!({ "suspend": false, "activeDeadlineSeconds": 590 }));
    assert_eq!(world.told(NAME).phase, Phase::Starting);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_begins_anew_leaves_the_end_until_a_grant_of_its_own() {
    let (mut world, assignment) = working().await;
    assert_eq!(spec_of(&world).1, json!(600));
    // What another run of it was granted says nothing to this one.
    world.context.tracks.retain(|_| false);
    let heartbeat = Heartbeat { instance: Instance(7), sequence: 1 }.to_string();
    let mut former = begun((*assignment).clone());
    former.spec.grant.as_mut().unwrap().heartbeat = heartbeat;
    let former = world.assign(&former);
    pass(100).await;
    look(&world, &former).await.unwrap();
    assert!(world.member.calls().is_empty());
    world.context.pulse.send();
    let own = world.assign(&granted((*former).clone(), 2));
    look(&world, &own).await.unwrap();
    assert_eq!(spec_of(&world), (json!(null), json!(700)));
    // And if none comes it ends with the Job's own end.
    world.see_job(NAME);
    world.context.tracks.retain(|_| false);
    let former = world.assign(&former);
    pass(598).await;
    look(&world, &former).await.unwrap();
    assert_eq!(spec_of(&world).0, json!(true));
    assert!(world.member.get(&pod_path()).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_restored_hub_inherited_goes_on_under_its_grants() {
    let (mut world, assignment) = working().await;
    world.context.identity.raise_generation(2).await.unwrap();
    world.member.calls();
    pass(200).await;
    world.context.pulse.send();
    let renewed = world.assign(&granted((*assignment).clone(), 2));
    look(&world, &renewed).await.unwrap();
    assert_eq!(spec_of(&world).1, json!(800), "although this member has begun work of a later generation");
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_takes_no_grant() {
    let (mut world, assignment) = working().await;
    pass(200).await;
    world.context.pulse.send();
    let mut stopped = granted((*assignment).clone(), 2);
    stopped.spec.desired = eai_api::assignment::Desired::Stop;
    let stopped = world.assign(&stopped);
    look(&world, &stopped).await.unwrap();
    let term = world.context.tracks.with(NAME, crate::testing::ASSIGNMENT_UID, |track| track.term).unwrap();
    assert_eq!(term.remaining_ms(world.context.pulse.boot()), Some(400_000));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_answers_nothing_does_not_put_the_fence_off() {
    let (world, assignment) = working().await;
    look(&world, &assignment).await.unwrap();
    pass(594).await;
    world.hub.stall();
    let before = tokio::time::Instant::now();
    // It has something to tell, and would wait for eight seconds.
    let action = look(&world, &assignment).await.unwrap();
    assert_eq!(action, Action::requeue(Duration::ZERO));
    assert!((3_000..4_001).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
    look(&world, &assignment).await.unwrap_err();
    assert_eq!(spec_of(&world).0, json!(true));
}

#[tokio::test(start_paused = true)]
async fn no_backoff_puts_the_fence_off() {
    let (world, assignment) = working().await;
    pass(595).await;
    world.hub.fail(|_, _| Some(503));
    let error = look(&world, &assignment).await.unwrap_err();
    let wait = |world: &World| {
        for _ in 0..12 {
            let _ = failed(&assignment, &error, &world.context);
        }
        failed(&assignment, &error, &world.context)
    };
    assert_eq!(wait(&world), Action::requeue(Duration::from_secs(2)));
    // What couldn't be fenced is tried again at once.
    pass(2).await;
    world.member.fail(|_, _| Some(500));
    look(&world, &assignment).await.unwrap_err();
    assert_eq!(wait(&world), Action::requeue(FENCE_RETRY));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_answers_nothing_is_asked_again() {
    let (world, assignment) = working().await;
    pass(600).await;
    world.member.stall();
    let before = tokio::time::Instant::now();
    look(&world, &assignment).await.unwrap_err();
    assert!(before.elapsed() <= Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn a_laptop_that_slept_past_the_end_looks_when_it_wakes() {
    let (world, assignment) = working().await;
    look(&world, &assignment).await.unwrap();
    let (wake, mut woken) = unbounded_channel();
    let shutdown = CancellationToken::new();
    tokio::spawn(crate::fence::watch(Arc::clone(&world.context), wake, shutdown.clone()));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(woken.try_recv().is_err(), "nothing is due");
    world.clock.sleep(537_000);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(woken.try_recv().unwrap(), ObjectRef::from_obj(&*assignment));
    look(&world, &assignment).await.unwrap();
    assert_eq!(spec_of(&world).0, json!(true));
    shutdown.cancel();
}

#[tokio::test]
async fn only_what_is_due_is_woken() {
    let tracks = crate::context::Tracks::default();
    for (name, at) in [("now", Some(BootMs(0))), ("then", Some(BOOT)), ("later", Some(BOOT.after(1))), ("never", None)]
    {
        tracks.with(name, "uid", |track| track.fence_at = at);
    }
    let mut due = tracks.due(BOOT);
    due.sort();
    assert_eq!(due, ["now", "then"]);
}
