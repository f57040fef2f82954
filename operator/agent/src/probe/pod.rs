//! The pod of a probe: held to exactly what work is held to.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use eai_api::aijob::Network;
use k8s_openapi::{
    api::core::v1::{Container, ContainerStateTerminated, Node, Pod, PodSpec, ResourceRequirements},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use super::inside::{ISOLATED, REACHED};
use crate::{
    config::Config,
    work::build::pod::{NETWORK_LABEL, confined, network_word, skeleton},
};

/// Label of a probe's pod; its value is the network it tries.
const PROBE_LABEL: &str = "eai.network/probe";
/// What anything in a cluster can usually reach, and work must not: the cloud's metadata.
const METADATA: &str = "169.254.169.254:80";
/// Ports that a node listens on: its kubelet's and an API server's.
const NODE_PORTS: [u16; 2] = [10250, 6443];
/// Ports that a router listens on.
const ROUTER_PORTS: [u16; 3] = [53, 80, 443];
/// A place on the internet, for the probe that may reach nothing at all.
const INTERNET: &str = "1.1.1.1:443";

/// Selects the pods of this probe.
pub(super) fn selector(network: Network) -> String {
    format!("{PROBE_LABEL}={}", network_word(network))
}

/// What must be out of reach.
pub(super) fn targets(nodes: &[Node], config: &Config, network: Network) -> BTreeSet<String> {
    let mut targets = BTreeSet::from([METADATA.to_owned()]);
    // In a cluster these name the API server's Service.
    if let (Ok(host), Ok(port)) = (std::env::var("KUBERNETES_SERVICE_HOST"), std::env::var("KUBERNETES_SERVICE_PORT")) {
        targets.insert(format!("{}:{port}", bracketed(&host)));
    }
    for node in nodes {
        let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
        for address in addresses.filter(|address| matches!(address.type_.as_str(), "InternalIP" | "ExternalIP")) {
            targets.extend(NODE_PORTS.map(|port| format!("{}:{port}", bracketed(&address.address))));
            targets.extend(neighbours(&address.address));
        }
    }
    if network == Network::None {
        targets.insert(INTERNET.to_owned());
        targets.extend(config.dns_servers.iter().map(|server| format!("{}:53", bracketed(server))));
    }
    targets
}

/// Where a router usually is in the network of a node with this address, if that is a private one: names and its page.
fn neighbours(address: &str) -> Vec<String> {
    let Ok(address) = address.parse::<Ipv4Addr>() else { return Vec::new() };
    let [a, b, c, _] = address.octets();
    if !address.is_private() {
        return Vec::new();
    }
    let hosts = [1, 254].map(|last| Ipv4Addr::new(a, b, c, last));
    hosts.iter().flat_map(|host| ROUTER_PORTS.map(|port| format!("{host}:{port}"))).collect()
}

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// The pod.
pub(super) fn pod(config: &Config, network: Network, targets: &BTreeSet<String>) -> Pod {
    let amounts = BTreeMap::from([
        ("cpu".to_owned(), Quantity("100m".to_owned())),
        ("memory".to_owned(), Quantity("64Mi".to_owned())),
    ]);
    let mut command = vec![config.agent_binary.clone(), "probe".to_owned()];
    if network == Network::None {
        command.push("--no-interfaces".to_owned());
    }
    command.extend(targets.iter().map(|target| format!("--target={target}")));
    let labels = [(PROBE_LABEL, network_word(network)), (NETWORK_LABEL, network_word(network))];
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("eai-probe-{}-", network_word(network))),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            active_deadline_seconds: Some(150),
            containers: vec![Container {
                name: "probe".to_owned(),
                image: Some(config.outputs_image.clone()),
                image_pull_policy: Some("IfNotPresent".to_owned()),
                command: Some(command),
                resources: Some(ResourceRequirements {
                    requests: Some(amounts.clone()),
                    limits: Some(amounts),
                    ..ResourceRequirements::default()
                }),
                security_context: Some(confined()),
                termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
                ..Container::default()
            }],
            tolerations: Some(config.tolerations.clone()).filter(|t| !t.is_empty()),
            ..skeleton(config, network)
        }),
        status: None,
    }
}

/// Whether the probe found itself isolated; `None` if it gave no answer.
pub(super) fn answer(pod: &Pod) -> Option<bool> {
    match ended(pod)?.exit_code {
        ISOLATED => Some(true),
        REACHED => Some(false),
        _ => None,
    }
}

/// Where the pod is, in words.
pub(super) fn describe(pod: &Pod) -> String {
    if let Some(ended) = ended(pod) {
        let message = ended.message.clone().unwrap_or_default();
        return format!("exit code {}: {}", ended.exit_code, message.trim());
    }
    let status = pod.status.clone().unwrap_or_default();
    let waiting = status.container_statuses.iter().flatten().find_map(|c| c.state.clone()?.waiting);
    let scheduling = status.conditions.iter().flatten().find(|c| c.status == "False").cloned();
    match (waiting, scheduling) {
        (Some(waiting), _) if waiting.reason.as_deref() != Some("ContainerCreating") => {
            format!("{}: {}", waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default())
        }
        (_, Some(condition)) => condition.message.or(condition.reason).unwrap_or_default(),
        (_, None) => format!("{} {}", status.phase.unwrap_or_default(), status.message.unwrap_or_default()),
    }
}

fn ended(pod: &Pod) -> Option<ContainerStateTerminated> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()?.state.clone()?.terminated
}
