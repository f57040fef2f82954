//! Hubs that are new, restarted, restored, cloned and replaced, with an API server and a chain in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::pedantic)]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser as _;
use eai_chain::{Holder, LeaseId, LeaseState, Ledger as _, Tenure, Tenures};
use eai_core::money::Amount;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::events::{Recorder, Reporter};
use prometheus::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    record::{Record, Records},
    report::RESTORES,
    take, watch,
};
use crate::{
    config::Cli,
    context::{Context, Shared},
    heartbeat::Heartbeats,
    placement::Quotes,
    testing::{Chain, JOBS, Operator, spec},
};

const MAPS: &str = "api/v1/configmaps";

const fn tenure(generation: u64, holder: u8) -> Tenure {
    Tenure { generation, holder: Holder([holder; 32]) }
}

fn eai(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A hub's cluster and the chain.
struct World(Operator);

impl World {
    fn new() -> Self {
        Self(Operator::new("100", Duration::from_millis(5)))
    }

    fn chain(&self) -> &Chain {
        &self.0.chain
    }

    fn context(&self, asked: u64) -> Context {
        let client = self.0.api.client(Duration::ZERO);
        // The chain's blocks here are seconds, and it didn't begin in 1970.
        let first = format!("--first-block={}", now() - 100);
        Context {
            recorder: Recorder::new(client.clone(), Reporter { controller: "eai-operator".into(), instance: None }),
            client,
            config: Cli::parse_from(["eai-operator", &format!("--generation={asked}"), &first]).config,
            ledger: Arc::new(self.chain().clone()),
            stakes: None,
            tenures: Some(Arc::new(self.chain().clone())),
            registry: Registry::new(),
            quotes: Quotes::default(),
            fencing: eai_core::fencing::Policy::new(60_000),
            heartbeats: Arc::new(Heartbeats::new(Instant::now())),
            tallies: Arc::default(),
            doubts: Arc::default(),
            shutdown: CancellationToken::new(),
        }
    }

    fn tenures(&self) -> Arc<dyn Tenures> {
        Arc::new(self.chain().clone())
    }

    /// A hub begins to lead.
    async fn take(&self, asked: u64) -> Result<Tenure, String> {
        let ctx = self.context(asked);
        let taken = take(&ctx, &self.tenures(), &CancellationToken::new()).await;
        taken.map(Option::unwrap).map_err(|fatal| fatal.to_string())
    }

    /// A hub leads for a moment, and ends.
    async fn lead(&self, tenure: Tenure) -> Result<(), String> {
        let ctx: Shared = Arc::new(self.context(1));
        ctx.shutdown.cancel();
        watch(ctx, self.tenures(), tenure).await.map_err(|fatal| fatal.to_string())
    }

    async fn record(&self) -> Record {
        Records::of(&self.context(1)).read().await.unwrap()
    }

    fn map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let maps: Vec<ConfigMap> = self.0.api.all(MAPS);
        maps.into_iter().find(|map| map.metadata.name.as_deref() == Some(name)).and_then(|map| map.data)
    }

    /// What a backup holds.
    fn back_up(&self) -> BTreeMap<String, String> {
        self.map("eai-hub-info").unwrap()
    }

    fn restore(&self, backup: &BTreeMap<String, String>) {
        assert!(self.0.api.edit(MAPS, Some("eai-system"), "eai-hub-info", |map| map["data"] = json!(backup)));
    }

    fn settle(&self, generation: u64) {
        let edit = |map: &mut Value| map["data"]["settledInGeneration"] = json!(generation.to_string());
        assert!(self.0.api.edit(MAPS, Some("eai-system"), "eai-hub-info", edit));
    }

    /// A job whose record names `lease`, as its attempt or as a past one.
    fn job_with(&self, name: &str, lease: LeaseId, past: bool) {
        self.0.submit(name, spec());
        let epoch = json!({ "generation": 1, "attempt": 1 });
        let outcome = json!({ "result": "Lost", "reason": "Lost", "message": "its Job vanished" });
        let lease = json!({ "id": lease.to_string(), "state": "Open", "hold": "1", "paid": "0", "refunded": "0" });
        let attempt = json!({ "epoch": epoch, "member": "m", "class": "c", "rate": "1", "milliUnits": 1000,
            "provider": format!("0x{}", "2".repeat(40)), "usageMs": 0, "outcome": outcome, "lease": lease });
        let _: eai_api::aijob::Attempt = serde_json::from_value(attempt.clone()).unwrap();
        let _: eai_api::aijob::PastAttempt = serde_json::from_value(attempt.clone()).unwrap();
        let set = |job: &mut Value| {
            let list = if past { json!([attempt]) } else { json!([]) };
            job["status"] = json!({ "phase": "Running", "pastAttempts": list });
            if !past {
                job["status"]["attempt"] = attempt.clone();
                job["status"]["attempt"].as_object_mut().unwrap().remove("outcome");
            }
        };
        assert!(self.0.api.edit(JOBS, Some("team"), name, set));
    }
}

fn now() -> u64 {
    u64::try_from(k8s_openapi::jiff::Timestamp::now().as_second()).unwrap()
}

/// The chain's blocks here are seconds.
async fn a_block() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

#[tokio::test]
async fn a_new_hub_registers_and_a_restarted_one_goes_on() {
    let world = World::new();
    let first = world.take(1).await.unwrap();
    assert_eq!(first.generation, 1);
    assert_ne!(first.holder, Holder::default());
    let record = world.record().await;
    assert_eq!(record.held, Some(first));
    // The API server in memory drops no key of an applied object.
    assert!(record.raising.is_none_or(|raising| raising == first));
    assert!(record.block.is_some(), "a new hub knows all there is");
    for _ in 0..3 {
        assert_eq!(world.take(1).await.unwrap(), first);
    }
    assert_eq!(world.chain().raises(), 1);
}

#[tokio::test]
async fn what_was_about_to_be_raised_is_written_first_and_raised_after_a_crash() {
    let world = World::new();
    world.chain().refuse_raises(true);
    let taking = world.take(1);
    assert!(tokio::time::timeout(Duration::from_millis(300), taking).await.is_err(), "it waits");
    let intent = world.record().await.raising.unwrap();
    world.chain().refuse_raises(false);
    assert_eq!(world.take(1).await.unwrap(), intent, "the same holder");
    // And where the answer was lost, but not the transaction.
    let world = World::new();
    world.chain().refuse_raises(true);
    assert!(tokio::time::timeout(Duration::from_millis(300), world.take(1)).await.is_err());
    let intent = world.record().await.raising.unwrap();
    world.chain().set_tenure(Some(intent));
    assert_eq!(world.take(1).await.unwrap(), intent);
    assert_eq!(world.record().await.held, Some(intent));
    assert_eq!(world.chain().raises(), 0);
}

#[tokio::test]
async fn a_restored_hub_raises_its_generation_when_it_is_told_to() {
    let world = World::new();
    let first = world.take(1).await.unwrap();
    let second = world.take(2).await.unwrap();
    assert_eq!(second.generation, 2);
    assert_ne!(second.holder, first.holder);
    assert_eq!(world.take(2).await.unwrap(), second, "told once is enough");
    assert_eq!(world.take(1).await.unwrap(), second, "and the word may be taken back");
}

#[tokio::test]
async fn a_restored_hub_that_nobody_told_raises_by_an_open_lease_that_it_lost() {
    let world = World::new();
    let first = world.take(1).await.unwrap();
    let backup = world.back_up();
    a_block().await;
    let lost = world.chain().lose("b", 1, eai("1"), eai("0.25"));
    world.restore(&backup);
    let second = world.take(1).await.unwrap();
    assert_eq!(second.generation, first.generation + 1);
    assert_eq!(world.take(1).await.unwrap(), second, "once, though the lease is still open");
    let state = world.chain().lease(lost).await.unwrap().unwrap().state;
    assert_eq!(state, LeaseState::Open, "nothing is closed before the generation is raised and the hub leads");
}

#[tokio::test]
async fn so_does_one_whose_job_has_forgotten_what_it_paid() {
    let world = World::new();
    world.take(1).await.unwrap();
    for name in ["unpaid", "paid"] {
        world.0.submit(name, spec());
    }
    let jobs: Vec<eai_api::AIJob> = world.0.api.all(JOBS);
    let [one, other] = [0, 1].map(|number: usize| jobs[number].metadata.uid.clone().unwrap());
    a_block().await;
    let unpaid = world.chain().lose(&one, 1, eai("1"), Amount::ZERO);
    world.chain().set_state(unpaid, LeaseState::Closed);
    assert_eq!(world.take(1).await.unwrap().generation, 1, "a job may forget attempts that were never paid");
    let paid = world.chain().lose(&other, 1, eai("1"), eai("0.5"));
    world.chain().set_state(paid, LeaseState::Closed);
    assert_eq!(world.take(1).await.unwrap().generation, 2);
}

#[tokio::test]
async fn leases_that_are_known_closed_older_or_of_a_former_generation_are_no_sign_of_a_restore() {
    let world = World::new();
    world.chain().lose("opened before", 1, eai("1"), Amount::ZERO);
    a_block().await;
    let first = world.take(1).await.unwrap();
    a_block().await;
    let live = world.chain().lose("live", 1, eai("1"), Amount::ZERO);
    world.job_with("live", live, false);
    let past = world.chain().lose("past", 1, eai("1"), Amount::ZERO);
    world.job_with("past", past, true);
    let closed = world.chain().lose("its job is gone", 1, eai("1"), eai("0.5"));
    world.chain().set_state(closed, LeaseState::Closed);
    world.chain().lose("former", 0, eai("1"), Amount::ZERO);
    assert_eq!(world.take(1).await.unwrap(), first);
}

#[tokio::test]
async fn of_two_that_were_restored_from_one_backup_the_first_goes_on() {
    let world = World::new();
    world.take(1).await.unwrap();
    let backup = world.back_up();
    world.take(2).await.unwrap();
    world.restore(&backup);
    let said = world.take(2).await.unwrap_err();
    assert!(said.contains("as generation 2") && said.contains("set hub.generation to 3"), "{said}");
    assert_eq!(world.chain().raises(), 2, "nothing was sent");
    assert_eq!(world.take(3).await.unwrap().generation, 3, "the admin's word counts");
}

#[tokio::test]
async fn a_hub_that_leads_ends_when_another_goes_on_and_not_when_the_chain_is_away() {
    let world = World::new();
    let ours = world.take(1).await.unwrap();
    world.lead(ours).await.unwrap();
    world.chain().set_down(true);
    world.lead(ours).await.unwrap();
    world.chain().set_down(false);
    world.chain().set_tenure(None);
    world.lead(ours).await.unwrap();
    world.chain().set_tenure(Some(tenure(2, 9)));
    let said = world.lead(ours).await.unwrap_err();
    assert!(said.contains("as generation 2") && said.contains("set hub.generation to 3"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_begins_while_the_chain_is_away_goes_on_as_what_it_was_unless_it_was_told_otherwise() {
    let world = World::new();
    let unknown = async { tokio::time::timeout(Duration::from_mins(10), world.take(1)).await };
    world.chain().set_down(true);
    assert!(unknown.await.is_err(), "it doesn't know yet who it is");
    world.chain().set_down(false);
    let ours = world.take(1).await.unwrap();
    world.chain().set_down(true);
    assert_eq!(world.take(1).await.unwrap(), ours);
    let told = async { tokio::time::timeout(Duration::from_mins(10), world.take(2)).await };
    assert!(told.await.is_err(), "restored, it begins nothing before the chain knows");
}

#[tokio::test]
async fn a_restore_that_nobody_noticed_while_the_chain_was_away_is_noticed_after() {
    let world = World::new();
    let ours = world.take(1).await.unwrap();
    a_block().await;
    world.chain().lose("b", 1, eai("1"), eai("0.25"));
    world.chain().set_down(true);
    world.lead(ours).await.unwrap();
    world.chain().set_down(false);
    let said = world.lead(ours).await.unwrap_err();
    assert!(said.contains("begins anew"), "{said}");
    assert_eq!(world.take(1).await.unwrap().generation, 2);
}

#[tokio::test]
async fn what_is_newer_than_the_backup_is_closed_at_what_had_settled_and_reported() {
    let world = World::new();
    world.take(1).await.unwrap();
    let backup = world.back_up();
    a_block().await;
    let free = world.chain().free();
    let lost = world.chain().lose("gone", 1, eai("1"), eai("0.0001"));
    let unpaid = world.chain().lose("unpaid", 1, eai("2"), Amount::ZERO);
    let closing = world.chain().lose("closing", 1, eai("3"), Amount::ZERO);
    world.chain().set_state(closing, LeaseState::Closing);
    let known = world.chain().lose("known", 1, eai("4"), Amount::ZERO);
    world.job_with("known", known, false);
    world.restore(&backup);
    a_block().await;
    let second = world.take(2).await.unwrap();
    let own = world.chain().lose("own", 2, eai("5"), Amount::ZERO);
    world.job_with("own", own, false);
    world.lead(second).await.unwrap();

    let at = |lease| world.chain().lease(lease);
    let view = at(lost).await.unwrap().unwrap();
    assert_eq!((view.state, view.paid, view.refunded), (LeaseState::Closed, eai("0.0001"), eai("0.9999")));
    assert_eq!(at(unpaid).await.unwrap().unwrap().refunded, eai("2"));
    assert_eq!(at(closing).await.unwrap().unwrap().state, LeaseState::Closing, "its parties are closing it");
    assert_eq!(at(known).await.unwrap().unwrap().state, LeaseState::Open, "its job sees to it");
    assert_eq!(at(own).await.unwrap().unwrap().state, LeaseState::Open, "it was opened after the restore");
    let spent = ["0.0001", "3", "4", "5"].map(eai).into_iter().fold(Amount::ZERO, Amount::saturating_add);
    assert_eq!(world.chain().free(), free.saturating_sub(spent), "the rest is free again at once");

    let tables = world.map(RESTORES).unwrap();
    let table = &tables["g00000000000000000002.csv"];
    let line = |lease: LeaseId| table.lines().find(|line| line.starts_with(&lease.to_string())).map(str::to_owned);
    assert!(line(lost).unwrap().ends_with(",1,0.0001,0.9999,Closed"), "{table}");
    assert!(line(unpaid).unwrap().ends_with(",2,0,2,Closed"), "{table}");
    assert!(line(closing).unwrap().ends_with(",Closing"), "{table}");
    assert_eq!(line(known), None);

    // Again, and again after the next start: nothing changes, and nothing is told twice.
    world.lead(second).await.unwrap();
    assert_eq!(world.map(RESTORES).unwrap(), tables);
    let before = world.record().await.block;
    world.settle(2);
    world.lead(second).await.unwrap();
    assert!(world.record().await.block > before, "nothing can come any more, so all is known");
}

#[tokio::test]
async fn a_crash_between_closing_and_reporting_loses_no_line() {
    let world = World::new();
    world.take(1).await.unwrap();
    a_block().await;
    let lost = world.chain().lose("gone", 1, eai("1"), Amount::ZERO);
    let second = world.take(2).await.unwrap();
    // The line is written, and the first process ends as the chain goes away: the lease closes all the same.
    world.lead(second).await.unwrap();
    let edit = |map: &mut Value| {
        let table = &mut map["data"]["g00000000000000000002.csv"];
        *table = json!(table.as_str().unwrap().replace(",1,0,1,Closed", ",1,0,0,Open"));
    };
    assert!(world.0.api.edit(MAPS, Some("eai-system"), RESTORES, edit));
    assert!(!world.map(RESTORES).unwrap()["g00000000000000000002.csv"].contains("Closed\n"));
    world.lead(second).await.unwrap();
    let table = world.map(RESTORES).unwrap().remove("g00000000000000000002.csv").unwrap();
    assert!(table.contains(&format!("{lost},")) && table.ends_with(",1,0,1,Closed\n"), "{table}");
}

#[tokio::test]
async fn leases_that_a_replaced_hub_opens_late_are_closed_too() {
    let world = World::new();
    world.take(1).await.unwrap();
    let second = world.take(2).await.unwrap();
    world.lead(second).await.unwrap();
    let before = world.record().await.block;
    a_block().await;
    let late = world.chain().lose("late", 1, eai("1"), Amount::ZERO);
    world.lead(second).await.unwrap();
    assert_eq!(world.chain().lease(late).await.unwrap().unwrap().state, LeaseState::Closed);
    assert_eq!(world.record().await.block, before, "more may come until this generation has settled in");
}
