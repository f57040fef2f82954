//! The job side as a whole, against a hub cluster in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use eai_api::{
    AIJob,
    aijob::{LeaseState, Phase},
    condition,
    names::SETTLEMENT_FINALIZER,
};
use eai_chain::LeaseState as OnChain;
use eai_core::{money::Amount, seal::Purpose};
use serde_json::json;
use tokio::time::sleep;

use crate::testing::{Agents, JOBS, Manner, Operator, phase, reason, spec};

const NO_LAG: Duration = Duration::ZERO;
const BLOCK: Duration = Duration::from_millis(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn is_over(job: &AIJob) -> bool {
    phase(job).is_final() && job.metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
}

/// Every job was paid once, and the chain and the records agree to the wei.
fn assert_settled(hub: &Operator, deposited: &str) {
    let leases = hub.chain.leases();
    assert!(leases.iter().all(|l| l.state == OnChain::Closed), "a lease stayed open");
    let paid = leases.iter().fold(Amount::ZERO, |sum, l| sum.saturating_add(l.paid));
    let deposited: Amount = deposited.parse().unwrap();
    assert_eq!(hub.chain.free().saturating_add(paid), deposited);
    let recorded = hub.jobs().iter().fold(Amount::ZERO, |sum, job| {
        sum.saturating_add(job.status.as_ref().and_then(|s| s.cost).unwrap_or_default())
    });
    assert_eq!(recorded, paid, "the records say something else than the chain");
}

#[tokio::test]
async fn a_job_runs_is_paid_and_leaves_nothing_behind() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 1);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Run(ms(1500))));
    hub.submit("train", spec());
    hub.until("over", is_over).await;
    let job = hub.job("train").unwrap();
    assert_eq!(phase(&job), Phase::Succeeded);
    let attempt = job.status.as_ref().unwrap().attempt.clone().unwrap();
    assert_eq!(attempt.lease.state, LeaseState::Closed);
    assert_eq!(attempt.usage_ms, u64::try_from(agents.ran().as_millis()).unwrap(), "what the member measured");
    assert!(condition::is_true(&job.status.as_ref().unwrap().conditions, condition::SETTLED));
    assert_settled(&hub, "5");
    assert_eq!(agents.started(), 1);
    let calls = hub.api.calls();
    let writes: usize =
        calls.iter().filter(|(call, _)| !call.starts_with("GET") && !call.contains("events")).map(|c| c.1).sum();
    // Claim, starting, running, finishing, settling, over; two finalizer changes, an Assignment made and told twice, and
    // the hub's own ConfigMap: 12 if nobody writes between.
    assert!(writes <= 14, "{calls:#?}");
    hub.until_assigned("noted", |a| a.spec.acknowledged.finished).await;
}

#[tokio::test]
async fn work_that_was_suspended_for_want_of_a_grant_is_lent_one_once_its_member_is_heard_again() {
    const NODES: &str = "apis/eai.network/v1alpha1/computenodes";
    const ASSIGNMENTS: &str = "apis/eai.network/v1alpha1/assignments";
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 1);
    let (operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Run(ms(60_000))));
    hub.submit("train", spec());
    hub.until("running", |job| phase(job) == Phase::Running).await;
    operator.stop().await;
    drop(agents);
    let suspended = hub.assignments().remove(0);
    hub.api.edit(ASSIGNMENTS, Some("cn-home"), suspended.metadata.name.as_deref().unwrap(), |object| {
        (object["status"]["phase"], object["status"]["reason"]) = (json!("Paused"), json!("Fenced"));
        object["status"]["running"] = json!(0);
    });
    hub.api.edit(NODES, None, "home", |node| node["metadata"]["annotations"]["silent"] = json!("yes"));
    let _another = hub.start(NO_LAG);
    sleep(ms(500)).await;
    assert_eq!(hub.assignments()[0].spec.grant, suspended.spec.grant, "nothing is lent to whoever isn't heard");
    hub.api.edit(NODES, None, "home", |node| node["metadata"]["annotations"] = json!({}));
    let lent = hub.until_assigned("lent again", |a| a.spec.grant != suspended.spec.grant);
    tokio::time::timeout(Duration::from_secs(10), lent).await.expect("it isn't left to wait for something else");
}

fn asked(name: &str, change: impl FnOnce(&mut eai_api::AIJobSpec)) -> AIJob {
    let mut job = AIJob::new(name, spec());
    job.metadata.namespace = Some("team".to_owned());
    change(&mut job.spec);
    job
}

#[tokio::test]
async fn a_quote_says_where_and_for_how_much_and_leaves_nothing_behind() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 2);
    hub.enrol("attic", 1);
    let operator = hub.start(NO_LAG);
    let quote = async |change: fn(&mut eai_api::AIJobSpec)| operator.quotes.ask(asked("ask", change)).await.unwrap();
    // The hub may have just begun.
    while quote(|_| {}).await.place.is_none() {
        sleep(ms(50)).await;
    }
    let place = quote(|_| {}).await.place.unwrap();
    assert_eq!((place.member.as_str(), place.class.as_str(), place.milli_units), ("attic", "nvidia.com/gpu", 1000));
    let ended = |hub: &Operator| hub.jobs().is_empty() && hub.assignments().is_empty() && hub.chain.leases().is_empty();
    assert_eq!((place.hourly, place.hold, place.at_most), (place.rate, place.at_most, place.hold));
    assert!(ended(&hub));

    let two = quote(|spec| spec.accelerator.as_mut().unwrap().count = 2).await;
    assert_eq!(two.place.unwrap().member, "home");
    let [home, attic] = two.members.as_slice() else { panic!("{:?}", two.members) };
    assert_eq!((home.member.as_str(), home.rate.is_some()), ("home", true), "those that take it come first");
    assert_eq!(attic.refusal.as_deref(), Some("1 of 1 nvidia.com/gpu free, 2 needed"));

    let none = quote(|spec| spec.accelerator.as_mut().unwrap().count = 3).await;
    assert_eq!((none.place, none.reason.as_str(), none.members.len()), (None, "NoMemberFits", 2));
    let poor = quote(|spec| spec.max_duration_seconds = 31_000_000).await;
    let rich = quote(|spec| spec.budget = Some("0.000000000000000001".parse().unwrap())).await;
    assert!(
        poor.place.is_none_or(|place| place.at_most > place.hold),
        "more than it may ever cost isn't held at first"
    );
    assert_eq!(rich.place, None, "a budget that buys nothing");
    let elsewhere = AIJob { metadata: eai_api::AIJob::new("x", spec()).metadata, ..asked("ask", |_| {}) };
    assert_eq!(operator.quotes.ask(elsewhere).await.unwrap().reason, "UnknownNamespace");
    assert!(ended(&hub));
}

#[tokio::test]
async fn a_job_gives_way_to_a_more_important_one_and_goes_on_after_it() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 1);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Run(ms(4000))));
    hub.submit("low", eai_api::AIJobSpec { preemptible: true, ..spec() });
    hub.until("running", |job| phase(job) == Phase::Running).await;
    hub.submit("high", eai_api::AIJobSpec { priority: 10, ..spec() });
    hub.until("passed", |job| job.metadata.name.as_deref() != Some("low") || phase(job) == Phase::Paused).await;
    assert_eq!(reason(&hub.job("low").unwrap()), "GaveWay");
    hub.until("over", is_over).await;
    let attempt = |name: &str| hub.job(name).unwrap().status.unwrap().attempt.unwrap();
    assert_eq!(hub.jobs().iter().map(phase).collect::<Vec<_>>(), [Phase::Succeeded; 2]);
    assert_eq!((attempt("low").gave_way.unwrap().to.as_str(), attempt("high").gave_way), ("high", None));
    assert_eq!((agents.most_in_all(), attempt("low").epoch.attempt), (1, 1), "one at a time, and no attempt was lost");
    assert_settled(&hub, "5");
}

#[tokio::test]
async fn a_thousand_jobs_on_a_deposit_for_ten_start_ten_and_the_rest_wait_in_peace() {
    let hub = Operator::new("1.05", BLOCK);
    hub.enrol("home", 1000);
    let _agents = Agents::start(&hub.api, Manner::Run(Duration::from_mins(10)));
    for i in 0..1000 {
        hub.submit(&format!("job-{i:04}"), spec());
    }
    let _operator = hub.start(NO_LAG);
    hub.until("running or refused", |job| phase(job) == Phase::Running || reason(job) == "InsufficientFunds").await;
    let running = hub.jobs().iter().filter(|job| phase(job) == Phase::Running).count();
    assert_eq!((running, hub.chain.leases().len()), (10, 10));
    // On a busy machine the last events are told late; once they are, there is peace.
    let mut looks = None;
    for _ in 0..20 {
        let (before, chain) = (hub.api.calls(), hub.chain.calls());
        sleep(ms(3000)).await;
        if hub.api.calls() == before {
            looks = Some(hub.chain.calls() - chain);
            break;
        }
    }
    assert!(looks.is_some(), "waiting costs the API server nothing");
    assert!(looks.unwrap() <= 12, "and the chain a look a second: {looks:?}");
    hub.chain.deposit("0.1".parse().unwrap());
    hub.until_leases(11).await;
}

#[tokio::test]
async fn two_hubs_racing_make_one_attempt_of_each_job() {
    let hub = Operator::new("50", BLOCK);
    hub.enrol("home", 100);
    hub.enrol("cloud", 100);
    let agents = Agents::start(&hub.api, Manner::Run(ms(400)));
    let _both = (hub.start(ms(3)), hub.start(ms(40)));
    for i in 0..40_u64 {
        hub.submit(&format!("job-{i}"), spec());
        sleep(ms(i % 7)).await;
    }
    hub.until("over", is_over).await;
    for job in hub.jobs() {
        let status = job.status.as_ref().unwrap();
        assert_eq!((status.phase, status.past_attempts.len()), (Phase::Succeeded, 0));
        assert_eq!(status.attempt.as_ref().unwrap().epoch.attempt, 1);
    }
    assert_eq!(hub.chain.leases().len(), 40, "one lease each");
    assert_eq!((agents.started(), agents.most_at_once()), (40, 1), "one run each");
    assert_settled(&hub, "50");
}

#[tokio::test]
async fn a_hub_that_is_killed_again_and_again_still_ends_each_job_once() {
    let hub = Operator::new("50", BLOCK);
    hub.enrol("home", 100);
    let agents = Agents::start(&hub.api, Manner::Run(ms(700)));
    for i in 0..12 {
        hub.submit(&format!("job-{i}"), spec());
    }
    // Killed at moments that fall on every step of a life.
    for lived in (0..40).map(|i| 23 + (i * 37) % 190) {
        let operator = hub.start(NO_LAG);
        sleep(ms(lived)).await;
        drop(operator);
    }
    let operator = hub.start(NO_LAG);
    hub.until("over", is_over).await;
    operator.stop().await;
    assert!(hub.jobs().iter().all(|job| phase(job) == Phase::Succeeded));
    assert_eq!(hub.chain.leases().len(), 12);
    assert_eq!((agents.started(), agents.most_at_once()), (12, 1));
    assert_settled(&hub, "50");
}

#[tokio::test]
async fn while_the_chain_is_down_work_goes_on_and_is_paid_later() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 2);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Run(ms(600))));
    hub.submit("first", spec());
    hub.until("running", |job| phase(job) == Phase::Running).await;
    hub.chain.set_down(true);
    hub.submit("second", spec());
    hub.until("held up", |job| phase(job) == Phase::Settling || reason(job) == "ChainUnavailable").await;
    assert_eq!(phase(&hub.job("first").unwrap()), Phase::Settling);
    assert_eq!(phase(&hub.job("second").unwrap()), Phase::Pending);
    assert_eq!(agents.started(), 1, "nothing runs without a lease");
    hub.chain.set_down(false);
    hub.until("over", is_over).await;
    assert!(hub.jobs().iter().all(|job| phase(job) == Phase::Succeeded));
    assert_settled(&hub, "5");
}

#[tokio::test]
async fn a_job_that_is_deleted_while_it_runs_is_stopped_paid_and_gone() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 1);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Run(Duration::from_mins(5))));
    hub.submit("train", spec());
    hub.until("running", |job| phase(job) == Phase::Running).await;
    assert_eq!(hub.job("train").unwrap().metadata.finalizers.unwrap(), [SETTLEMENT_FINALIZER]);
    sleep(ms(1200)).await;
    hub.api.delete(JOBS, Some("team"), "train");
    hub.until("gone", |_| false).await;
    let lease = &hub.chain.leases()[0];
    assert_eq!(lease.state, OnChain::Closed);
    assert!(!lease.paid.is_zero(), "what ran is paid");
    assert_eq!(hub.chain.free().saturating_add(lease.paid), "5".parse().unwrap());
    assert_eq!(agents.started(), 1);
    hub.until_assigned("noted", |a| a.spec.acknowledged.finished).await;
}

#[tokio::test]
async fn cancelling_while_the_lease_opens_refunds_all_of_it() {
    let hub = Operator::new("5", ms(500));
    hub.enrol("home", 1);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Run(ms(100))));
    hub.submit("train", spec());
    hub.until("opening", |job| phase(job) == Phase::Opening).await;
    hub.edit("train", |spec| spec["cancel"] = json!(true));
    hub.until("over", is_over).await;
    assert_eq!(phase(&hub.job("train").unwrap()), Phase::Cancelled);
    assert_eq!((hub.chain.free(), agents.started()), ("5".parse().unwrap(), 0));
}

#[tokio::test]
async fn secrets_reach_the_member_sealed_and_the_hub_says_what_it_needs() {
    let hub = Operator::new("5", BLOCK);
    let pair = hub.enrol("home", 1);
    hub.api.create(
        "api/v1/secrets",
        &json!({ "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "token", "namespace": "team" }, "data": { "key": "aHVudGVyMg==" } }),
    );
    hub.api.forbid("GET", "token");
    let _operator = hub.start(NO_LAG);
    let mut spec = spec();
    spec.secrets = serde_json::from_value(json!([{ "name": "TOKEN", "secretName": "token", "key": "key" }])).unwrap();
    hub.submit("train", spec);
    hub.until("refused", |job| reason(job) == "SecretNotReadable").await;
    let job = hub.job("train").unwrap();
    let message = &job.status.as_ref().unwrap().conditions[0].message;
    assert!(message.contains("kubectl -n team create role eai-read-token --verb=get"), "{message}");
    assert!(message.contains("--serviceaccount=eai-system:eai-operator"), "{message}");
    assert!(hub.chain.leases().is_empty(), "nothing is paid for it");
    hub.api.allow_all();
    hub.until("starting", |job| phase(job) == Phase::Starting).await;
    hub.until_assigned("made", |_| true).await;
    let sealed = hub.assignments()[0].spec.workload.sealed_env.clone().unwrap();
    let uid = job.metadata.uid.unwrap();
    assert_eq!(&pair.open(Purpose::JobSecrets, &uid, &sealed).unwrap()[..], br#"{"TOKEN":"hunter2"}"#);
}

#[tokio::test]
async fn a_member_that_refuses_costs_nothing_and_another_takes_the_job() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 1);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Refuse));
    hub.submit("train", spec());
    hub.until("over", is_over).await;
    let job = hub.job("train").unwrap();
    assert_eq!((phase(&job), reason(&job).as_str()), (Phase::Failed, "Refused"));
    assert_eq!((hub.chain.free(), agents.started()), ("5".parse().unwrap(), 0));
}

#[tokio::test]
async fn a_budget_that_runs_out_pauses_the_job_and_raising_it_resumes() {
    let hub = Operator::new("50", BLOCK);
    hub.enrol("home", 1);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Run(ms(9000))));
    let mut spec = spec();
    // 0.001 EAI a second: money for 10 s, of which the last quarter is kept for ending in time.
    spec.budget = Some("0.01".parse().unwrap());
    hub.submit("train", spec);
    hub.until("paused", |job| phase(job) == Phase::Paused).await;
    assert_eq!(reason(&hub.job("train").unwrap()), "BudgetReached");
    hub.edit("train", |spec| spec["budget"] = json!("1"));
    hub.until("over", is_over).await;
    assert_eq!(phase(&hub.job("train").unwrap()), Phase::Succeeded);
    assert_eq!((hub.chain.leases().len(), agents.most_at_once()), (1, 1), "the same attempt");
    assert_settled(&hub, "50");
}

#[tokio::test]
async fn failed_work_is_tried_again_as_often_as_the_job_says() {
    let hub = Operator::new("5", BLOCK);
    hub.enrol("home", 1);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Fail));
    let mut spec = spec();
    spec.retry.max_attempts = 2;
    hub.submit("train", spec);
    hub.until("over", is_over).await;
    let job = hub.job("train").unwrap();
    assert_eq!((phase(&job), job.status.unwrap().past_attempts.len()), (Phase::Failed, 1));
    assert_eq!((agents.started(), agents.most_at_once()), (2, 1));
    assert_settled(&hub, "5");
}

#[tokio::test]
async fn paused_jobs_give_their_accelerator_to_others_and_take_it_again_one_by_one() {
    let hub = Operator::new("50", BLOCK);
    hub.enrol("home", 1);
    let (_operator, agents) = (hub.start(NO_LAG), Agents::start(&hub.api, Manner::Run(ms(1500))));
    let on = |name: &'static str, wanted: Phase| {
        move |job: &AIJob| job.metadata.name.as_deref() != Some(name) || phase(job) == wanted
    };
    for name in ["a", "b"] {
        hub.submit(name, spec());
        hub.until("running", on(name, Phase::Running)).await;
        hub.edit(name, |spec| spec["suspend"] = json!(true));
        hub.until("paused", on(name, Phase::Paused)).await;
    }
    for name in ["a", "b"] {
        hub.edit(name, |spec| spec["suspend"] = json!(false));
    }
    hub.until("over", is_over).await;
    assert!(hub.jobs().iter().all(|job| phase(job) == Phase::Succeeded));
    assert_eq!((agents.most_in_all(), hub.chain.leases().len()), (1, 2), "one accelerator, and each its own attempt");
    assert_settled(&hub, "50");
}
