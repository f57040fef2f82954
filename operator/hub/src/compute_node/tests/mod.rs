#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod build;
mod controller;
mod health;
mod heartbeat;
mod objects;
mod offers;
mod status;
mod token;

use std::{str::FromStr as _, sync::Arc};

use eai_api::{
    ComputeNode, ComputeNodeSpec, MemberReportSpec,
    compute_node::{Connection, Form, Site},
    member_report::{AcceleratorReport, NodeReport, OfferReport},
};
use eai_chain::{Domain, Key, sign_offer};
use eai_core::{address::Address, class::Class, money::Amount, offer::Offer, seal::KeyPair};
use k8s_openapi::jiff::Timestamp;

use super::{
    build::Settings,
    snapshot::{Kubeconfig, Place, Snapshot},
};

use crate::heartbeat::Pulse;

/// A development key of anvil's that everybody knows.
const OWNER_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

fn owner() -> Key {
    Key::parse(OWNER_KEY).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn domain() -> Domain {
    Domain { chain_id: 31337, escrow: Address([7; 20]) }
}

fn settings() -> Settings {
    Settings { domain: domain(), agent_image: "registry.example.com/eai/agent@sha256:00".to_owned() }
}

fn amount(text: &str) -> Amount {
    Amount::from_str(text).unwrap()
}

/// An accepted member in pull mode, and the key pair of its agent.
fn node(name: &str) -> (ComputeNode, KeyPair) {
    let keys = KeyPair::generate();
    let mut node = ComputeNode::new(
        name,
        ComputeNodeSpec {
            owner: owner().address(),
            form: Form::Personal,
            site: Site::Home,
            region: "eu".to_owned(),
            connection: Connection::Pull,
            sealing_key: keys.public(),
            cluster_uid: String::new(),
            accepted: true,
            cordon: false,
            drain: None,
        },
    );
    node.metadata.uid = Some(format!("uid-{name}"));
    node.metadata.generation = Some(1);
    (node, keys)
}

fn offer(class: &str, rate: &str) -> OfferReport {
    let offer = Offer {
        provider: owner().address(),
        member: "home-1".to_owned(),
        class: Class(class.to_owned()),
        rate: amount(rate),
        start_within: 60,
        valid_until: u64::try_from(NOW).unwrap() + 3600,
        nonce: 0,
    };
    let signed = sign_offer(offer, domain(), &owner()).unwrap();
    OfferReport {
        provider: signed.offer.provider,
        class: signed.offer.class.0,
        rate: signed.offer.rate,
        start_within: signed.offer.start_within,
        valid_until: signed.offer.valid_until,
        nonce: signed.offer.nonce,
        signature: signed.signature,
    }
}

fn report() -> MemberReportSpec {
    let accelerator = |resource: &str, free, total| AcceleratorReport {
        resource: resource.to_owned(),
        free,
        total,
        ..AcceleratorReport::default()
    };
    MemberReportSpec {
        nodes: vec![
            NodeReport {
                name: "a".to_owned(),
                free_cpu_millis: 3500,
                free_memory_bytes: 1 << 30,
                accelerators: vec![accelerator("nvidia.com/gpu", 1, 2), accelerator("xilinx.com/fpga", 9, 1)],
                interconnect: String::new(),
            },
            NodeReport {
                name: "b".to_owned(),
                accelerators: vec![accelerator("nvidia.com/gpu", 2, 2)],
                ..NodeReport::default()
            },
        ],
        offers: vec![offer("nvidia.com/gpu", "1.5")],
        ..MemberReportSpec::default()
    }
}

fn snapshot(node: ComputeNode) -> Snapshot {
    Snapshot {
        node: Arc::new(node),
        place: Place::Ours { uid: "ns".to_owned() },
        report: Some(Arc::new(report())),
        kubeconfig: Kubeconfig::Absent,
        invite: None,
        pulse: Pulse { alive: true, last_seen: Some(now()), fresh_for: Some(std::time::Duration::from_secs(30)) },
        tally: None,
        doubts: Vec::new(),
        now: now(),
    }
}
