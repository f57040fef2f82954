//! Members, and the agents that run their work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use eai_api::{
    Assignment, ComputeNode,
    assignment::{AssignmentPhase, Desired},
    names::{HEARTBEAT_ANNOTATION, member_namespace},
};
use eai_chain::{Key, sign_offer};
use eai_core::{
    class::Class,
    fencing::{Heartbeat, Instance},
    offer::Offer,
    seal::KeyPair,
};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::ResourceExt as _;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{api::Api, chain::DOMAIN};
use crate::heartbeat::{Heartbeats, Moment};

const ASSIGNMENTS: &str = "apis/eai.network/v1alpha1/assignments";
/// EAI per GPU-hour that every member asks: 0.001 a second.
const RATE: &str = "3.6";

/// How agents go about their work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Work runs for so long and succeeds.
    Run(Duration),
    /// The owner allows nothing.
    Refuse,
    /// Work fails at once.
    Fail,
}

/// What agents did.
#[derive(Default)]
struct Seen {
    running: HashMap<String, (String, Instant)>,
    ran: HashMap<String, Duration>,
    phases: HashMap<String, AssignmentPhase>,
    most_at_once: usize,
    most_in_all: usize,
    started: usize,
}

/// The agents of all members.
pub struct Agents {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Agents {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Enrols a member with `gpus` GPUs, available, with a signed offer; returns its sealing key.
pub fn enrol(api: &Api, name: &str, gpus: u32) -> KeyPair {
    let (owner, pair) = (Key::parse(&"11".repeat(32)).unwrap(), KeyPair::generate());
    let now = Timestamp::now().to_string();
    api.create(
        "apis/eai.network/v1alpha1/computenodes",
        &json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "ComputeNode", "metadata": { "name": name },
            "spec": { "owner": owner.address(), "accepted": true, "sealingKey": pair.public() },
            "status": { "conditions": [{ "type": "Available", "status": "True", "reason": "Heard", "message": "",
                "lastTransitionTime": now }] },
        }),
    );
    let offer = Offer {
        provider: owner.address(),
        member: name.to_owned(),
        class: Class("nvidia.com/gpu".to_owned()),
        rate: RATE.parse().unwrap(),
        start_within: 30,
        valid_until: u64::try_from(Timestamp::now().as_second()).unwrap() + 3600,
        nonce: 0,
    };
    let signed = sign_offer(offer, DOMAIN, &owner).unwrap();
    api.create("apis/eai.network/v1alpha1/memberreports", &json!({
        "apiVersion": "eai.network/v1alpha1", "kind": "MemberReport",
        "metadata": { "name": name, "namespace": member_namespace(name) },
        "spec": {
            "probes": { "sandbox": true },
            "nodes": [{ "name": "n", "freeCpuMillis": 9_000_000, "freeMemoryBytes": 1_u64 << 45,
                "accelerators": [{ "resource": "nvidia.com/gpu", "total": gpus, "free": gpus }] }],
            "offers": [{ "provider": signed.offer.provider, "class": "nvidia.com/gpu", "rate": RATE, "startWithin": 30,
                "validUntil": signed.offer.valid_until, "nonce": 0, "signature": signed.signature }],
        },
    }));
    pair
}

/// Has every member heard that is enrolled, but those annotated `silent`.
pub async fn beat(api: Api, heartbeats: Arc<Heartbeats>) {
    let mut lease = Lease::default();
    lease.metadata.uid = Some("lease".to_owned());
    for sequence in 1_u64.. {
        let beat = Heartbeat { instance: Instance(7), sequence };
        lease.metadata.annotations = Some([(HEARTBEAT_ANNOTATION.to_owned(), beat.to_string())].into());
        lease.spec = Some(LeaseSpec { renew_time: Some(MicroTime(Timestamp::now())), ..LeaseSpec::default() });
        for node in api.all::<ComputeNode>("apis/eai.network/v1alpha1/computenodes") {
            if !node.annotations().contains_key("silent") {
                heartbeats.observe(&node.name_any(), &lease, Moment::now());
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Agents {
    /// Agents that do their work in `manner`.
    pub fn start(api: &Api, manner: Manner) -> Self {
        let (api, seen) = (api.clone(), Arc::new(Mutex::new(Seen::default())));
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                for assignment in api.all::<Assignment>(ASSIGNMENTS) {
                    shared.lock().unwrap().step(&api, &assignment, manner);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Self { seen, task }
    }

    /// How much work was ever started.
    pub fn started(&self) -> usize {
        self.seen.lock().unwrap().started
    }

    /// For how long work ran in all.
    pub fn ran(&self) -> Duration {
        self.seen.lock().unwrap().ran.values().sum()
    }

    /// The most attempts of one job that ever ran at once.
    pub fn most_at_once(&self) -> usize {
        self.seen.lock().unwrap().most_at_once
    }

    /// The most attempts of all jobs that ever ran at once.
    pub fn most_in_all(&self) -> usize {
        self.seen.lock().unwrap().most_in_all
    }
}

impl Seen {
    /// One step of the agent with one Assignment.
    fn step(&mut self, api: &Api, assignment: &Assignment, manner: Manner) {
        use AssignmentPhase as P;
        let name = assignment.metadata.name.clone().unwrap();
        let before = self.phases.get(&name).copied().unwrap_or_default();
        if before.is_final() {
            return;
        }
        let ran = self.ran(&name);
        let next = match (assignment.spec.desired, before, manner) {
            (Desired::Stop, ..) => P::Stopped,
            (Desired::Pause, ..) => P::Paused,
            (_, P::Pending, _) if assignment.spec.grant.is_none() => P::Pending,
            (_, P::Pending, Manner::Refuse) => P::Refused,
            (_, P::Pending | P::Paused, _) => P::Starting,
            (_, P::Starting, _) => P::Running,
            (_, P::Running, Manner::Fail) => P::Failed,
            (_, P::Running, Manner::Run(long)) if ran < long => P::Running,
            (_, P::Running, _) => P::Finishing,
            (_, P::Finishing, _) => P::Succeeded,
            (_, other, _) => other,
        };
        if next == before {
            return;
        }
        self.run(&name, &assignment.spec.job.uid, next == P::Running);
        self.phases.insert(name.clone(), next);
        let usage = u64::try_from(self.ran(&name).as_millis()).unwrap();
        api.edit(ASSIGNMENTS, assignment.metadata.namespace.as_deref(), &name, |object| {
            let status = &mut object["status"];
            status["phase"] = json!(next);
            status["jobUid"] = json!("job");
            status["running"] = json!(u32::from(next == P::Running));
            status["usageMs"] = json!(usage);
            if next == P::Running && status["startedAt"].is_null() {
                status["startedAt"] = json!(whole_second());
            }
            if next == P::Refused {
                (status["reason"], status["message"]) = (json!("RegistryNotAllowed"), json!("not from there"));
            }
            if before == P::Running {
                status["finishedAt"] = json!(whole_second());
            }
        });
    }

    fn ran(&self, name: &str) -> Duration {
        let now = self.running.get(name).map_or(Duration::ZERO, |(_, since)| since.elapsed());
        self.ran.get(name).copied().unwrap_or_default() + now
    }

    fn run(&mut self, name: &str, job: &str, run: bool) {
        let ran = self.ran(name);
        self.ran.insert(name.to_owned(), ran);
        self.running.remove(name);
        if run {
            self.started += 1;
            self.running.insert(name.to_owned(), (job.to_owned(), Instant::now()));
            let of_job = self.running.values().filter(|(of, _)| of == job).count();
            self.most_at_once = self.most_at_once.max(of_job);
            self.most_in_all = self.most_in_all.max(self.running.len());
        }
    }
}

fn whole_second() -> String {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap().to_string()
}
