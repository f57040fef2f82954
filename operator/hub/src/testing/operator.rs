//! The operator's job side, running against all that.

use std::{sync::Arc, time::Duration};

use clap::Parser as _;
use eai_api::{AIJob, AIJobSpec, Assignment, aijob::Phase};
use eai_core::fencing::Policy;
use kube::runtime::events::{Recorder, Reporter};
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{api::Api, chain::Chain, member};
use crate::{
    config::Cli, context::Context, heartbeat::Heartbeats, jobs, metrics::Metrics, placement::Quotes, tally::Tallies,
};

pub const JOBS: &str = "apis/eai.network/v1alpha1/aijobs";
/// How long anything is waited for: long enough for a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(3);
const ASSIGNMENTS: &str = "apis/eai.network/v1alpha1/assignments";

/// A hub cluster with a namespace `team`, and operators on it.
pub struct Operator {
    pub api: Api,
    pub chain: Chain,
    /// For how long members are lent the right to run.
    pub valid_for_ms: u64,
}

/// A running operator; ends when it is dropped, as a process that is killed.
pub struct Running {
    /// Where quotes are asked for.
    pub quotes: Quotes,
    /// What members have of work, where somebody wants to know.
    pub tallies: Arc<Tallies>,
    task: JoinHandle<()>,
    beats: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        self.beats.abort();
    }
}

impl Running {
    /// Ends it in order.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(12), &mut self.task).await.unwrap().unwrap();
    }
}

/// A job of one GPU for at most 100 s: a hold of 0.1 EAI.
pub fn spec() -> AIJobSpec {
    serde_json::from_value(json!({
        "image": format!("registry.test/trainer@sha256:{}", "0".repeat(64)),
        "accelerator": { "resource": "nvidia.com/gpu" },
        "maxPrice": "4", "maxDurationSeconds": 100,
        "payment": { "account": format!("0x{}", "aa".repeat(20)) },
    }))
    .unwrap()
}

impl Operator {
    pub fn new(free: &str, block: Duration) -> Self {
        let api = Api::default();
        for name in ["kube-system", "team", "eai-system"] {
            api.create(
                "api/v1/namespaces",
                &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
            );
        }
        Self { api, chain: Chain::new(free.parse().unwrap(), block), valid_for_ms: 600_000 }
    }

    pub fn enrol(&self, name: &str, gpus: u32) -> eai_core::seal::KeyPair {
        member::enrol(&self.api, name, gpus)
    }

    /// Starts an operator whose watches lag by `lag`.
    pub fn start(&self, lag: Duration) -> Running {
        let client = self.api.client(lag);
        let shutdown = CancellationToken::new();
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let windows = ["eai-operator", "--open-window-ms=5", "--settle-window-ms=5"];
        let quotes = Quotes::default();
        let heartbeats = Arc::new(Heartbeats::new(std::time::Instant::now()));
        let beats = tokio::spawn(member::beat(self.api.clone(), heartbeats.clone()));
        let tallies = Arc::<Tallies>::default();
        let ctx = Context {
            recorder: Recorder::new(client.clone(), Reporter { controller: "eai-operator".into(), instance: None }),
            client,
            config: Cli::parse_from(windows).config,
            ledger: Arc::new(self.chain.clone()),
            tenures: None,
            stakes: None,
            registry,
            quotes: quotes.clone(),
            fencing: Policy { valid_for_ms: self.valid_for_ms, grace_ms: 0, sync_ms: 0, skew_percent: 0 },
            heartbeats: heartbeats.clone(),
            tallies: tallies.clone(),
            doubts: Arc::default(),
            shutdown: shutdown.clone(),
        };
        let task = tokio::spawn(async move { Box::pin(jobs::run(Arc::new(ctx), metrics)).await.unwrap() });
        Running { quotes, tallies, task, beats, shutdown }
    }

    /// Submits a job to namespace `team`.
    pub fn submit(&self, name: &str, spec: AIJobSpec) {
        let mut job = AIJob::new(name, spec);
        job.metadata.namespace = Some("team".to_owned());
        self.api.create(JOBS, &job);
    }

    pub fn job(&self, name: &str) -> Option<AIJob> {
        self.jobs().into_iter().find(|job| job.metadata.name.as_deref() == Some(name))
    }

    pub fn jobs(&self) -> Vec<AIJob> {
        self.api.all(JOBS)
    }

    pub fn assignments(&self) -> Vec<Assignment> {
        self.api.all(ASSIGNMENTS)
    }

    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        assert!(self.api.edit(JOBS, Some("team"), name, |object| edit(&mut object["spec"])));
    }

    /// Waits until so many leases were ever opened.
    pub async fn until_leases(&self, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.chain.leases().len() < count {
            assert!(Instant::now() < end, "{} leases in time, not {count}", self.chain.leases().len());
            sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until every Assignment is as `matches` says, and there is one.
    pub async fn until_assigned(&self, what: &str, matches: impl Fn(&Assignment) -> bool) {
        let end = Instant::now() + PATIENCE;
        while self.assignments().is_empty() || !self.assignments().iter().all(&matches) {
            assert!(Instant::now() < end, "not {what} in time: {:#?}", self.assignments());
            sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until every job is as `matches` says.
    pub async fn until(&self, what: &str, matches: impl Fn(&AIJob) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !self.jobs().iter().all(&matches) {
            assert!(Instant::now() < end, "not {what} in time: {:#?}", self.jobs().iter().find(|j| !matches(j)));
            sleep(Duration::from_millis(40)).await;
        }
    }
}

/// A job's phase.
pub fn phase(job: &AIJob) -> Phase {
    job.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

/// The word of a job's Ready condition.
pub fn reason(job: &AIJob) -> String {
    let conditions = job.status.as_ref().map_or(&[][..], |s| &s.conditions);
    conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.reason.clone()).unwrap_or_default()
}
