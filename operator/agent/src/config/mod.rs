//! The agent's configuration: one YAML file, read strictly. A field that isn't known is an error, so that a misspelt
//! limit is never silently no limit.

mod check;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use eai_api::compute_node::{Form, Site};
use eai_core::{address::Address, money::Amount};
use k8s_openapi::{api::core::v1::Toleration, apimachinery::pkg::apis::meta::v1::Time};
use serde::Deserialize;

/// What the file says, with defaults filled in.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The member's name: that of its ComputeNode.
    pub member: String,
    /// Who opens the connection.
    #[serde(default)]
    pub mode: Mode,
    /// The hub, in Pull mode. In Push mode the agent runs in the hub's cluster and needs none.
    pub hub: Option<Hub>,
    /// The member's kubeconfig, in Push mode. In Pull mode the agent runs in the member's cluster.
    pub member_kubeconfig: Option<PathBuf>,
    /// The namespace in the member's cluster that holds the agent's identity.
    #[serde(default = "defaults::agent_namespace")]
    pub agent_namespace: String,
    /// The namespace in the member's cluster that work runs in; nothing else should.
    #[serde(default = "defaults::work_namespace")]
    pub work_namespace: String,
    /// A file with the owner's key (secp256k1, hexadecimal): offers are signed with it, its account is paid.
    pub owner_key_file: PathBuf,
    /// The chain and escrow that offers are good for.
    pub chain: Chain,
    /// What kind of owner and uptime to expect.
    #[serde(default)]
    pub form: Form,
    /// Where it stands.
    #[serde(default)]
    pub site: Site,
    /// Its region, in the owner's words.
    #[serde(default)]
    pub region: String,
    /// What is offered, and for how much.
    pub prices: Vec<Price>,
    /// Seconds within which work that is won is promised to run.
    #[serde(default = "defaults::start_within")]
    pub start_within_seconds: u32,
    /// How long a signed offer holds. It is signed anew at half that.
    #[serde(default = "defaults::offer_valid")]
    pub offer_valid_seconds: u64,
    /// The owner's offer nonce in the Escrow.
    #[serde(default)]
    pub offer_nonce: u64,
    /// What the owner allows.
    #[serde(default)]
    pub limits: Limits,
    /// Until when work that runs is waited for, where the owner wants the member emptied.
    #[serde(default)]
    pub drain_by: Option<Time>,
    /// The RuntimeClass that has no network, for work that may reach nothing. Without one such work is refused.
    #[serde(default)]
    pub runtime_class: String,
    /// The RuntimeClass for work that may reach the internet; empty is the cluster's own.
    #[serde(default)]
    pub internet_runtime_class: String,
    /// This agent's own image by digest: it runs next to work that has outputs, and in probes.
    pub outputs_image: String,
    /// Where that image has this program.
    #[serde(default = "defaults::agent_binary")]
    pub agent_binary: String,
    /// Nodes that may run work; all if empty.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// The node label whose value names the interconnect, such as `nvidia.com/gpu.clique`, for gangs that need to share
    /// one; if empty, each node is one of its own.
    #[serde(default)]
    pub interconnect_label: String,
    /// Taints that work tolerates.
    #[serde(default)]
    pub tolerations: Vec<Toleration>,
    /// The priority class of work; empty is the cluster's default.
    #[serde(default)]
    pub priority_class: String,
    /// Name servers of work that may reach the internet. The cluster's own would tell it about the cluster.
    #[serde(default = "defaults::dns_servers")]
    pub dns_servers: Vec<String>,
    /// A directory for log tails on their way to the hub; at most 2 MiB for each pod.
    #[serde(default = "defaults::scratch")]
    pub scratch_dir: PathBuf,
    /// Where health and metrics are served.
    #[serde(default = "defaults::listen")]
    pub listen: std::net::SocketAddr,
    /// Whether and how this agent may be updated by its hub's admin; not at all if it isn't there.
    #[serde(default)]
    pub update: Option<Update>,
}

/// How this agent may be updated.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    /// The public key that releases are signed with (ECDSA P-256, PEM).
    pub release_key: String,
    /// Registries, or paths in them, that its images may come from beside the repository that this one came from.
    #[serde(default)]
    pub registries: Vec<String>,
    /// This agent's Deployment.
    #[serde(default = "defaults::deployment")]
    pub deployment: String,
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Mode {
    /// The agent dials the hub.
    #[default]
    Pull,
    /// The agent runs beside the hub and dials the member.
    Push,
}

/// Where the hub is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hub {
    /// Its API server, `https://…`.
    pub url: String,
    /// The CA of its certificate (PEM); without it the system's.
    pub ca_file: Option<PathBuf>,
    /// The invite's token. It is only needed to join.
    pub invite_token_file: Option<PathBuf>,
}

/// The EIP-712 domain of offers.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The chain's id (EIP-155).
    pub id: u64,
    /// The Escrow.
    pub escrow: Address,
}

/// A price.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// `cpu`, or an extended resource's name.
    pub class: String,
    /// EAI per unit-hour.
    pub rate: Amount,
}

/// What the owner allows. Amounts are for all work on this member together.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Registries, or paths in them, that images may come from. An empty list allows none.
    #[serde(default)]
    pub registries: Vec<String>,
    /// Cores; no limit if empty.
    #[serde(default, deserialize_with = "check::milli")]
    pub max_cpu: Option<u64>,
    /// Memory; no limit if empty.
    #[serde(default, deserialize_with = "check::bytes")]
    pub max_memory: Option<u64>,
    /// The longest a pod may run.
    #[serde(default)]
    pub max_duration_seconds: Option<u64>,
    /// Pods at once.
    #[serde(default = "defaults::max_pods")]
    pub max_pods: u32,
    /// Bytes of outputs that one pod may leave; also what its scratch space may hold.
    #[serde(default, deserialize_with = "check::bytes")]
    pub max_output: Option<u64>,
    /// Accelerators by resource name. One that isn't listed isn't offered.
    #[serde(default)]
    pub accelerators: BTreeMap<String, u32>,
    /// Whether work may reach the internet, once a probe has shown that it reaches nothing else.
    #[serde(default)]
    pub allow_internet: bool,
    /// Whether work may run on that has lost sight of the hub, where its vendor wants that. Nobody but its vendor, or this
    /// owner, ends it then before its time.
    #[serde(default)]
    pub allow_continue: bool,
    /// Whether vendors may run commands in their own work while it runs, where its job allows it.
    #[serde(default)]
    pub allow_exec: bool,
}

impl Limits {
    /// Bytes of outputs that one pod may leave.
    pub fn output_bytes(&self) -> u64 {
        self.max_output.unwrap_or(10 << 30)
    }
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Not YAML of this shape.
    #[error("the configuration is malformed: {0}")]
    Malformed(String),
    /// Values that can't be used, each with its path.
    #[error("the configuration can't be used: {}", .0.join("; "))]
    Invalid(Vec<String>),
}

impl Config {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_norway::from_str(text).map_err(|e| ConfigError::Malformed(e.to_string()))?;
        let problems = check::problems(&config);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(problems)) }
    }

    /// The price of `class`, if it is offered.
    pub fn price(&self, class: &str) -> Option<Amount> {
        self.prices.iter().find(|p| p.class == class).map(|p| p.rate)
    }
}

mod defaults {
    use std::{net::SocketAddr, path::PathBuf};

    pub(super) fn agent_namespace() -> String {
        "eai-agent".to_owned()
    }
    pub(super) fn deployment() -> String {
        "eai-agent".to_owned()
    }
    pub(super) fn work_namespace() -> String {
        "eai-work".to_owned()
    }
    pub(super) fn agent_binary() -> String {
        "/usr/bin/eai-agent".to_owned()
    }
    pub(super) fn scratch() -> PathBuf {
        PathBuf::from("/tmp")
    }
    pub(super) fn listen() -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 8080))
    }
    pub(super) fn start_within() -> u32 {
        60
    }
    pub(super) fn offer_valid() -> u64 {
        3600
    }
    pub(super) fn max_pods() -> u32 {
        100
    }
    pub(super) fn dns_servers() -> Vec<String> {
        vec!["1.1.1.1".to_owned(), "9.9.9.9".to_owned()]
    }
}
