//! Members that are emptied while jobs run on them, against a hub cluster in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use eai_api::{AIJob, AIJobSpec, aijob::Phase};
use eai_chain::LeaseState as OnChain;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    tally::Tally,
    testing::{Agents, Manner, Operator, Running, phase, reason, spec},
};

const NODES: &str = "apis/eai.network/v1alpha1/computenodes";
const BLOCK: Duration = Duration::from_millis(60);

fn drain(hub: &Operator, member: &str, within: SignedDuration) {
    let by = Timestamp::from_second((Timestamp::now() + within).as_second()).unwrap().to_string();
    assert!(hub.api.edit(NODES, None, member, |node| node["spec"]["drain"] = json!({ "by": by })));
}

fn named(name: &'static str, wanted: impl Fn(&AIJob) -> bool) -> impl Fn(&AIJob) -> bool {
    move |job| job.metadata.name.as_deref() != Some(name) || wanted(job)
}

fn member(job: &AIJob) -> Option<String> {
    Some(job.status.as_ref()?.attempt.as_ref()?.member.clone())
}

fn past(hub: &Operator, name: &str) -> Vec<(String, String)> {
    let past = hub.job(name).unwrap().status.unwrap().past_attempts;
    past.into_iter().map(|past| (past.member, past.outcome.reason)).collect()
}

async fn until_empty(operator: &Running, member: &str) {
    let end = Instant::now() + Duration::from_mins(2);
    loop {
        let tally = operator.tallies.of(member, Instant::now());
        if tally.is_some_and(|tally| tally.empty) {
            return;
        }
        assert!(Instant::now() < end, "not empty in time: {tally:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn over(job: &AIJob) -> bool {
    phase(job).is_final() && job.metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
}

#[tokio::test]
async fn a_drained_member_keeps_what_runs_and_passes_on_what_may_move() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 2);
    let (operator, agents) = (hub.start(Duration::ZERO), Agents::start(&hub.api, Manner::Run(Duration::from_secs(4))));
    hub.submit("firm", spec());
    let once = AIJobSpec { preemptible: true, ..spec() };
    assert_eq!(once.retry.max_attempts, 1);
    hub.submit("soft", once);
    hub.until("running", |job| phase(job) == Phase::Running).await;
    assert_eq!(operator.tallies.of("home", Instant::now()), None, "nobody asks");

    hub.enrol("attic", 2);
    drain(&hub, "home", SignedDuration::from_hours(1));
    hub.until("told", named("firm", |job| reason(job) == "MemberDraining")).await;
    hub.until("moved", named("soft", |job| member(job).as_deref() == Some("attic"))).await;
    hub.submit("late", spec());
    hub.until("over", over).await;
    assert!(hub.jobs().iter().all(|job| phase(job) == Phase::Succeeded));
    assert_eq!(past(&hub, "soft"), [("home".to_owned(), "Drained".to_owned())]);
    assert_eq!((past(&hub, "firm"), past(&hub, "late")), (vec![], vec![]));
    assert_eq!(member(&hub.job("late").unwrap()).as_deref(), Some("attic"), "no new work");
    until_empty(&operator, "home").await;
    assert_eq!(agents.most_at_once(), 1, "never twice at once");
    assert!(hub.chain.leases().iter().all(|lease| lease.state == OnChain::Closed));
    let lost = hub.job("soft").unwrap().status.unwrap().past_attempts.remove(0);
    assert!(lost.lease.paid.is_zero(), "what was thrown away isn't paid");
}

#[tokio::test]
async fn what_still_runs_at_the_bound_goes_on_elsewhere() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 1);
    let (operator, agents) = (hub.start(Duration::ZERO), Agents::start(&hub.api, Manner::Run(Duration::from_secs(6))));
    hub.submit("train", spec());
    hub.until("running", |job| phase(job) == Phase::Running).await;
    hub.enrol("attic", 1);
    drain(&hub, "home", SignedDuration::from_secs(2));
    until_empty(&operator, "home").await;
    hub.until("over", over).await;
    assert_eq!(phase(&hub.job("train").unwrap()), Phase::Succeeded);
    assert_eq!(past(&hub, "train"), [("home".to_owned(), "Drained".to_owned())]);
    assert_eq!((agents.started(), agents.most_at_once()), (2, 1));
}

#[tokio::test]
async fn work_of_a_member_that_is_deleted_is_counted_until_its_last_word_is_settled() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 1);
    let (operator, _agents) = (hub.start(Duration::ZERO), Agents::start(&hub.api, Manner::Run(Duration::from_secs(1))));
    hub.submit("train", spec());
    hub.until("running", |job| phase(job) == Phase::Running).await;
    // Its agent is let go on for as long as its token is remembered, and ends the work.
    assert!(hub.api.edit(NODES, None, "home", |node| {
        node["metadata"]["deletionTimestamp"] = json!(Timestamp::now().to_string());
    }));
    hub.until("over", over).await;
    let job = hub.job("train").unwrap();
    assert_eq!(phase(&job), Phase::Succeeded, "what it said last counts");
    assert!(!job.status.unwrap().cost.unwrap().is_zero(), "and is paid");
    until_empty(&operator, "home").await;
    let tally = operator.tallies.of("home", Instant::now()).unwrap();
    assert_eq!(tally, Tally { empty: true, ..Tally::default() });
}
