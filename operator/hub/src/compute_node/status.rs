//! The ComputeNode's status. What it says is decided in `build`; here it is put into conditions and written.

use eai_api::{
    compute_node::{AgentShown, ComputeNode, ComputeNodeStatus, SealedToken},
    condition::{self, ACCEPTED, AVAILABLE, READY, RECONCILING, STALLED, Status},
    names::member_namespace,
};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};
use kube::{Api, Client, ResourceExt as _, api::PostParams};

use super::{
    health::{self, Aspect},
    offers::Offers,
    standing::Standing,
};
use crate::heartbeat::Pulse;

/// How stale the shown time of the last heartbeat may get. Showing each would write every member's status every 10 s.
const SHOWN_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What a reconcile found, to be shown.
pub struct Findings<'a> {
    /// Where the member stands.
    pub standing: &'a Standing,
    /// Its heartbeat.
    pub pulse: Pulse,
    /// Its checked offers, once it has reported.
    pub offers: Option<&'a Offers>,
    /// What is wrong with it, and what is under way.
    pub aspects: Vec<Aspect>,
    /// Its accelerators in words, once it has reported.
    pub summary: Option<String>,
    /// Its agent, once it has reported.
    pub agent: Option<AgentShown>,
    /// The first token as it should stand now.
    pub token: Option<SealedToken>,
    /// Whether it has a namespace of its own now.
    pub has_namespace: bool,
}

/// The status that says so. Pure.
pub fn build(node: &ComputeNode, findings: Findings<'_>, now: Timestamp) -> ComputeNodeStatus {
    let before = node.status.clone().unwrap_or_default();
    let name = node.name_any();
    let generation = node.metadata.generation;
    let mut status = ComputeNodeStatus {
        observed_generation: generation,
        namespace: findings.has_namespace.then(|| member_namespace(&name)),
        last_seen: shown(before.last_seen.as_ref(), findings.pulse.last_seen),
        token: findings.token,
        summary: findings.summary.or(before.summary),
        prices: findings.offers.map_or(before.prices, |offers| offers.prices.clone()),
        agent: findings.agent.or(before.agent),
        conditions: before.conditions,
    };
    let mut set = |kind: &str, holds: Status, reason: &str, message: String| {
        condition::set(&mut status.conditions, kind, holds, reason, message, generation, now);
    };
    let flag = |holds: bool| if holds { Status::True } else { Status::False };
    let (standing, message) = (findings.standing, findings.standing.message(&name));
    let ready_message = with_refusals(&message, standing, findings.offers);
    set(READY, flag(standing.is_ready()), standing.reason(), ready_message);
    let accepted = if node.spec.accepted {
        (Status::True, "Accepted", "an admin accepted this member".to_owned())
    } else {
        (Status::False, "AwaitingApproval", Standing::AwaitingApproval.message(&name))
    };
    set(ACCEPTED, accepted.0, accepted.1, accepted.2);
    let (holds, reason, words) = available(node, standing, findings.pulse, &name);
    set(AVAILABLE, flag(holds), reason, words);
    let (stalled, reconciling) = (standing.is_stalled(), standing.is_reconciling());
    let mut there = findings.aspects;
    for (kind, _) in [(STALLED, stalled), (RECONCILING, reconciling)].into_iter().filter(|(_, holds)| *holds) {
        there.push(Aspect { kind, reason: standing.reason(), message: message.clone() });
    }
    for Aspect { kind, reason, message } in &there {
        set(kind, Status::True, reason, message.clone());
    }
    // These are there only while they say something.
    let passing = |kind: &str| kind == STALLED || kind == RECONCILING || health::KINDS.contains(&kind);
    status.conditions.retain(|c| !passing(&c.type_) || there.iter().any(|aspect| aspect.kind == c.type_));
    status
}

/// Whether the status says already that the member stands there.
pub fn says(node: &ComputeNode, standing: &Standing) -> bool {
    let conditions = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions.iter().any(|c| c.type_ == READY && c.reason == standing.reason())
}

/// Ready, and yet some of its offers don't count: said, because nobody would notice otherwise.
fn with_refusals(message: &str, standing: &Standing, offers: Option<&Offers>) -> String {
    let refused = offers.map_or(&[][..], |offers| &offers.refused);
    if *standing != Standing::Ready || refused.is_empty() {
        return message.to_owned();
    }
    let words: Vec<_> = refused.iter().map(ToString::to_string).collect();
    format!("{message}, but {}", words.join("; "))
}

/// Whether the heartbeat is fresh and nothing forbids work on it.
fn available(node: &ComputeNode, standing: &Standing, pulse: Pulse, name: &str) -> (bool, &'static str, String) {
    let barred = !node.spec.accepted || standing.is_stalled() || matches!(standing, Standing::Leaving(_));
    if barred {
        return (false, standing.reason(), standing.message(name));
    }
    match (pulse.alive, pulse.last_seen) {
        (true, _) => (true, "HeartbeatFresh", "its heartbeat is fresh".to_owned()),
        (false, None) => (false, Standing::Joining.reason(), Standing::Joining.message(name)),
        (false, Some(since)) => {
            let silent = Standing::Silent(since.to_string());
            (false, silent.reason(), silent.message(name))
        }
    }
}

/// The time of the last heartbeat to show: the one shown before, until it is stale.
fn shown(before: Option<&Time>, seen: Option<Timestamp>) -> Option<Time> {
    match (before, seen) {
        (Some(before), Some(seen)) if seen.duration_since(before.0) < SHOWN_EVERY => Some(before.clone()),
        (before, None) => before.cloned(),
        (_, Some(seen)) => Some(Time(seen)),
    }
}

/// Writes `status` if it differs from what `node` has; a conflict is an error, and the next reconcile sees the newer
/// object.
pub async fn write(client: &Client, node: &ComputeNode, status: ComputeNodeStatus) -> Result<(), kube::Error> {
    if node.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let nodes: Api<ComputeNode> = Api::all(client.clone());
    let name = node.name_any();
    let changed = ComputeNode { status: Some(status), ..node.clone() };
    nodes.replace_status(&name, &PostParams::default(), &changed).await.map(drop)
}
