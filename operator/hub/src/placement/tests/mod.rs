//! Tests of the placement pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod funds;
mod offers;
mod order;
mod pass;
mod preempt;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use eai_api::{
    AIJob, ComputeNode, MemberReport,
    compute_node::ComputeNodeStatus,
    condition::{self, AVAILABLE, Status},
    member_report::{AcceleratorReport, NodeReport, OfferReport, Probes},
};
use eai_chain::{Authorization, Domain, HubId, Key, NamespaceId, sign_offer};
use eai_core::{
    address::Address,
    class::Class,
    money::Amount,
    offer::Offer,
    placement::{Demand, Market},
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::{
    funds::Till,
    members::{self, Known},
    offers::Offers,
    order::lines,
    pass::{Verdict, Waiting, World, pass},
    preempt::Field,
};
use crate::{aijob::build::Rules, settle::Funds};

/// Unix seconds of now.
const NOW: u64 = 1_767_225_600;
const DOMAIN: Domain = Domain { chain_id: 31337, escrow: Address([0xe5; 20]) };

fn eai(text: &str) -> Amount {
    text.parse().unwrap()
}

fn owner() -> Key {
    Key::parse(&"11".repeat(32)).unwrap()
}

fn payer() -> Address {
    Address([0xaa; 20])
}

fn namespace() -> NamespaceId {
    NamespaceId::of(HubId([1; 32]), "uid")
}

fn signed(member: &str, class: &str, rate: &str, key: &Key) -> OfferReport {
    let offer = Offer {
        provider: key.address(),
        member: member.to_owned(),
        class: Class(class.to_owned()),
        rate: eai(rate),
        start_within: 30,
        valid_until: NOW + 3600,
        nonce: 0,
    };
    let signed = sign_offer(offer, DOMAIN, key).unwrap();
    OfferReport {
        provider: signed.offer.provider,
        class: class.to_owned(),
        rate: signed.offer.rate,
        start_within: 30,
        valid_until: signed.offer.valid_until,
        nonce: 0,
        signature: signed.signature,
    }
}

/// A member with `gpus` GPUs that asks `rate` for each, and plenty of cores.
fn member(name: &str, gpus: u32, rate: &str) -> (ComputeNode, MemberReport) {
    let mut node: ComputeNode = serde_json::from_value(serde_json::json!({
        "apiVersion": "eai.network/v1alpha1", "kind": "ComputeNode", "metadata": { "name": name },
        "spec": { "owner": owner().address(), "accepted": true },
    }))
    .unwrap();
    let mut status = ComputeNodeStatus::default();
    condition::set(&mut status.conditions, AVAILABLE, Status::True, "Heard", "", None, Timestamp::UNIX_EPOCH);
    node.status = Some(status);
    let mut report = MemberReport::new(name, eai_api::MemberReportSpec::default());
    report.metadata.namespace = Some(format!("cn-{name}"));
    report.spec.probes = Probes { sandbox: true, internet_isolated: false };
    report.spec.nodes = vec![NodeReport {
        name: "n".to_owned(),
        free_cpu_millis: 64_000,
        free_memory_bytes: 1 << 40,
        accelerators: vec![AcceleratorReport {
            resource: "nvidia.com/gpu".to_owned(),
            model: "T4".to_owned(),
            memory_mib: 16_000,
            total: gpus,
            free: gpus,
        }],
        interconnect: String::new(),
    }];
    report.spec.offers = vec![signed(name, "nvidia.com/gpu", rate, &owner())];
    (node, report)
}

/// One GPU for at most 100 s, at most 36 EAI an hour: a hold of 1 EAI at that price.
fn job(name: &str, age: u64) -> AIJob {
    let mut job: AIJob = serde_json::from_value(serde_json::json!({
        "apiVersion": "eai.network/v1alpha1", "kind": "AIJob",
        "metadata": { "name": name, "namespace": "team", "uid": name },
        "spec": {
            "image": format!("registry.test/trainer@sha256:{}", "0".repeat(64)),
            "accelerator": { "resource": "nvidia.com/gpu" },
            "maxPrice": "36", "maxDurationSeconds": 100,
            "payment": { "account": payer() },
        },
    }))
    .unwrap();
    let created = Timestamp::from_second(i64::try_from(NOW - 1000 + age).unwrap()).unwrap();
    job.metadata.creation_timestamp = Some(Time(created));
    job
}

fn grant() -> Authorization {
    Authorization { cap: eai("1000"), used: Amount::ZERO, max_rate: eai("36"), expiry: NOW + 10_000 }
}

/// A pass, and what it looks at.
struct Pass {
    members: Vec<(ComputeNode, MemberReport)>,
    others: Vec<AIJob>,
    weights: BTreeMap<String, u32>,
    funds: Option<Funds>,
    trouble: Option<&'static str>,
}

impl Pass {
    fn over(members: Vec<(ComputeNode, MemberReport)>) -> Self {
        let funds = Funds { free: eai("1000"), grant: grant() };
        Self { members, others: Vec::new(), weights: BTreeMap::new(), funds: Some(funds), trouble: None }
    }

    /// What it comes to about each of `jobs`.
    fn run(&self, jobs: &[AIJob]) -> Vec<Verdict> {
        let mut verdicts: HashMap<String, Verdict> = self.turns(jobs).into_iter().collect();
        jobs.iter().map(|job| verdicts.remove(job.metadata.uid.as_deref().unwrap()).unwrap()).collect()
    }

    /// The UIDs of `jobs` as they have their turns, and what it comes to about each.
    fn turns(&self, jobs: &[AIJob]) -> Vec<(String, Verdict)> {
        let book = Offers::new(DOMAIN);
        let known: Vec<Known<'_>> = self
            .members
            .iter()
            .map(|(node, report)| Known { node, report: Some(report), offers: book.of(node, report, NOW) })
            .collect();
        let snapshot = members::snapshot(&known, &self.others);
        let offers: HashMap<_, _> =
            known.into_iter().map(|k| (k.node.metadata.name.clone().unwrap(), k.offers)).collect();
        let mut till = Till::new(NOW);
        if let Some(funds) = self.funds {
            till.fill(payer(), namespace(), funds);
        }
        let waiting: Vec<Waiting> =
            jobs.iter().map(|job| Waiting { job: Arc::new(job.clone()), namespace: namespace() }).collect();
        let all: Vec<_> = self.others.iter().chain(jobs).cloned().map(Arc::new).collect();
        let lines = lines(&snapshot, &all, waiting, &self.weights);
        let rules = Rules::default();
        let mut demand = Demand::default();
        let market = Market::new(snapshot, &mut demand, NOW);
        let field = Field::new(&all, NOW * 1000);
        let world = World { market, field, offers: &offers, till, trouble: self.trouble, rules: &rules };
        let verdicts = pass(world, &lines).into_iter();
        verdicts.map(|(waiting, verdict)| (waiting.job.metadata.uid.clone().unwrap(), verdict)).collect()
    }
}

/// The members claimed, in turn; `-` for a job that waits.
fn claims(verdicts: &[Verdict]) -> Vec<&str> {
    verdicts.iter().map(|v| if let Verdict::Claim(claim) = v { claim.member.as_str() } else { "-" }).collect()
}

/// The one word that a verdict says.
fn word(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Claim(_) => "Claim",
        Verdict::Wait(say, _) => say.reason(),
        Verdict::MakeRoom(..) => "MakeRoom",
        Verdict::GiveUp(_) => "GiveUp",
        Verdict::Unknown => "Unknown",
    }
}
