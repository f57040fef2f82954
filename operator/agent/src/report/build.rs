//! What each node has left for work. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use eai_api::{
    member_report::{AcceleratorReport, NodeReport},
    names::{OUTPUTS_CPU_MILLIS, OUTPUTS_MEMORY_BYTES},
};
use eai_core::image::ImageRef;
use k8s_openapi::{
    api::core::v1::{Node, NodeCondition, Taint, Toleration},
    jiff::Timestamp,
};

use super::pod::{LightPod, Requests, amounts};
use crate::{config::Config, demand::Demand};

/// Images that a report names.
const MOST_IMAGES: usize = 256;
/// Nodes that a report names as away.
const MOST_AWAY: usize = 64;
/// The length of a label's value.
const MOST_LABEL: usize = 63;

/// What nodes have left, within what the owner allows beside `in_use`. Nodes that can't take work aren't listed.
pub fn nodes(nodes: &[Arc<Node>], pods: &[Arc<LightPod>], config: &Config, in_use: &Demand) -> Vec<NodeReport> {
    let mut used: BTreeMap<&str, (u64, Requests)> = BTreeMap::new();
    for pod in pods {
        let Some(node) = pod.spec.node_name.as_deref() else { continue };
        let (count, sum) = used.entry(node).or_default();
        *count += 1;
        for (name, amount) in &pod.spec.requests {
            let slot = sum.entry(name.clone()).or_default();
            *slot = slot.saturating_add(*amount);
        }
    }
    let mut left = Left::new(config, in_use);
    let mut sorted: Vec<&Arc<Node>> = nodes.iter().filter(|node| takes_work(node, config)).collect();
    sorted.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    sorted.into_iter().filter_map(|node| report(node, &used, config, &mut left)).collect()
}

/// What the owner allows beyond what runs. Nodes draw on it one after the other, so that their sum stays within it.
struct Left {
    pods: u64,
    cpu: u64,
    memory: u64,
    accelerators: BTreeMap<String, u64>,
}

impl Left {
    fn new(config: &Config, in_use: &Demand) -> Self {
        let limits = &config.limits;
        let rest = |limit: Option<u64>, used: u64| limit.map_or(u64::MAX, |limit| limit.saturating_sub(used));
        Self {
            pods: u64::from(limits.max_pods).saturating_sub(in_use.pods),
            cpu: rest(limits.max_cpu, in_use.cpu_millis),
            memory: rest(limits.max_memory, in_use.memory_bytes),
            accelerators: limits
                .accelerators
                .iter()
                .map(|(name, &limit)| (name.clone(), u64::from(limit).saturating_sub(in_use.accelerators_of(name))))
                .collect(),
        }
    }
}

/// As much of `amount` as is left.
fn draw(left: &mut u64, amount: u64) -> u64 {
    let drawn = amount.min(*left);
    *left -= drawn;
    drawn
}

fn report(node: &Node, used: &BTreeMap<&str, (u64, Requests)>, config: &Config, left: &mut Left) -> Option<NodeReport> {
    let name = node.metadata.name.as_deref()?;
    let allocatable = amounts(node.status.as_ref()?.allocatable.as_ref()?);
    let nothing = (0, Requests::new());
    let (count, used) = used.get(name).unwrap_or(&nothing);
    let has = |resource: &str| allocatable.get(resource).copied().unwrap_or(0);
    let free = |resource: &str| has(resource).saturating_sub(used.get(resource).copied().unwrap_or(0));
    // A node may be full by its number of pods, and the owner's limit by theirs.
    let full = (has("pods") > 0 && *count >= has("pods")) || left.pods == 0;
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let accelerators = config.limits.accelerators.keys().filter(|resource| has(resource) > 0).map(|resource| {
        let slot = left.accelerators.entry(resource.clone()).or_default();
        let label = |key: &str| labels.get(&format!("{resource}.{key}"));
        AcceleratorReport {
            resource: resource.clone(),
            model: label("product").cloned().unwrap_or_default(),
            memory_mib: label("memory").and_then(|text| text.parse().ok()).unwrap_or(0),
            total: u32::try_from(has(resource)).unwrap_or(u32::MAX),
            free: if full { 0 } else { u32::try_from(draw(slot, free(resource))).unwrap_or(u32::MAX) },
        }
    });
    let accelerators = accelerators.collect();
    // What the outputs container will take beside the work isn't the work's to have.
    let cpu = free("cpu").saturating_sub(OUTPUTS_CPU_MILLIS);
    let memory = free("memory").saturating_sub(OUTPUTS_MEMORY_BYTES);
    Some(NodeReport {
        name: name.to_owned(),
        free_cpu_millis: if full { 0 } else { draw(&mut left.cpu, cpu) },
        free_memory_bytes: if full { 0 } else { draw(&mut left.memory, memory) },
        accelerators,
        interconnect: interconnect(name, &labels, config),
    })
}

/// Digests of the images that nodes which take work hold, at most [`MOST_IMAGES`], and none but from registries that work
/// may come from: what else the owner runs is nobody's business.
pub fn images(nodes: &[Arc<Node>], config: &Config) -> Vec<String> {
    let nodes = nodes.iter().filter(|node| takes_work(node, config));
    let images = nodes.flat_map(|node| node.status.iter().flat_map(|status| status.images.iter().flatten()));
    let names = images.flat_map(|image| image.names.iter().flatten());
    let known = names.filter_map(|name| name.parse::<ImageRef>().ok());
    let allowed = known.filter(|image| config.limits.registries.iter().any(|prefix| image.is_under(prefix)));
    let digests: BTreeSet<String> = allowed.map(|image| image.digest().to_string()).collect();
    digests.into_iter().take(MOST_IMAGES).collect()
}

/// The interconnect of a node: by the label that the owner named, or the node itself where none is named.
fn interconnect(name: &str, labels: &BTreeMap<String, String>, config: &Config) -> String {
    if config.interconnect_label.is_empty() {
        return name.chars().take(MOST_LABEL).collect();
    }
    labels.get(&config.interconnect_label).cloned().unwrap_or_default()
}

/// Nodes that are meant for work and aren't ready for it, or don't answer, at most [`MOST_AWAY`].
pub fn away(nodes: &[Arc<Node>], config: &Config) -> Vec<String> {
    let is_away = |node: &Node| ready(node).is_none_or(|condition| condition.status != "True");
    // Its owner keeps work off a node by cordoning it, and knows why.
    let meant =
        |node: &Node| selected(node, config) && node.spec.as_ref().is_none_or(|s| s.unschedulable != Some(true));
    let away = nodes.iter().filter(|node| meant(node) && is_away(node));
    let names: BTreeSet<String> = away.filter_map(|node| node.metadata.name.clone()).collect();
    names.into_iter().take(MOST_AWAY).collect()
}

fn selected(node: &Node, config: &Config) -> bool {
    let labels = node.metadata.labels.as_ref();
    config.node_selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// Whether work could be scheduled on `node`.
fn takes_work(node: &Node, config: &Config) -> bool {
    let spec = node.spec.clone().unwrap_or_default();
    let tolerated = spec.taints.iter().flatten().all(|taint| tolerates(taint, config));
    selected(node, config)
        && tolerated
        && spec.unschedulable != Some(true)
        && ready(node).is_some_and(|condition| condition.status == "True")
}

fn tolerates(taint: &Taint, config: &Config) -> bool {
    // Work is given a toleration for the taint that keeps accelerators for those who use them.
    let own = taint.effect == "NoSchedule" && config.limits.accelerators.contains_key(&taint.key);
    let matches = |toleration: &Toleration| {
        let effect = toleration.effect.as_deref().is_none_or(|e| e.is_empty() || e == taint.effect);
        let key = toleration.key.as_deref().unwrap_or_default();
        let exists = toleration.operator.as_deref() == Some("Exists");
        let value = toleration.value.clone().unwrap_or_default() == taint.value.clone().unwrap_or_default();
        effect && if key.is_empty() { exists } else { key == taint.key && (exists || value) }
    };
    taint.effect == "PreferNoSchedule" || own || config.tolerations.iter().any(matches)
}

/// Since when nothing was heard of `node`; `None` while it answers, be it that it isn't ready.
pub fn silent_since(node: &Node) -> Option<Timestamp> {
    let unknown = ready(node).filter(|condition| condition.status == "Unknown");
    unknown.map(|condition| condition.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0))
}

fn ready(node: &Node) -> Option<&NodeCondition> {
    node.status.iter().flat_map(|s| s.conditions.iter().flatten()).find(|condition| condition.type_ == "Ready")
}
