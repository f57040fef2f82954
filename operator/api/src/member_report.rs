//! MemberReport: what a member has and asks for. Its spec is written by its agent alone, and the hub believes it only so
//! far; its status is the hub's, and tells the agent which release of itself it may take.

use eai_core::{address::Address, money::Amount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{agent_release::ReleaseSignature, schema};

/// What a member has and asks for.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "eai.network",
    version = "v1alpha1",
    kind = "MemberReport",
    namespaced,
    status = "MemberReportStatus",
    shortname = "mr",
    category = "eai",
    derive = "PartialEq",
    doc = "What a member has and asks for. Its spec is its agent's alone.",
    printcolumn(name = "Kubernetes", type_ = "string", json_path = ".spec.versions.kubernetes"),
    printcolumn(name = "Agent", type_ = "string", json_path = ".spec.versions.agent"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MemberReportSpec {
    /// Versions of what runs there.
    #[serde(default)]
    pub versions: Versions,
    /// What each node has for work.
    #[serde(default)]
    #[schemars(length(max = 5000))]
    pub nodes: Vec<NodeReport>,
    /// Digests of images that nodes hold already; work that needs them starts sooner.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(max = 71)))]
    pub images: Vec<String>,
    /// What the agent's probes found.
    #[serde(default)]
    pub probes: Probes,
    /// Whether the owner lets work run on that has lost sight of the hub, where its vendor wants that (`onHubLoss:
    /// Continue`).
    #[serde(default)]
    pub allows_continue: bool,
    /// Until when the owner waits for work that runs here to end: the member is being emptied. What the admin says in the
    /// ComputeNode counts, too; the earlier of both holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub drain_by: Option<Time>,
    /// Nodes meant for work that aren't ready for it, or don't answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub nodes_away: Vec<String>,
    /// Standing offers, signed by the owner; one per class.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub offers: Vec<OfferReport>,
    /// Names of the Assignments whose pods are counted in the nodes' use. What the hub has assigned and isn't listed
    /// here yet, it subtracts itself.
    #[serde(default)]
    #[schemars(length(max = 20_000), inner(length(max = 128)))]
    pub counted: Vec<String>,
    /// The agent's public key (X25519, base64). A push member's ComputeNode has none, so secrets are sealed to this one.
    #[serde(default)]
    #[schemars(schema_with = "schema::sealing_key")]
    pub sealing_key: String,
    /// The agent's own image, and whether its owner lets it be updated. Older agents don't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<Updates>,
}

/// The agent's own image, and what it did with the updates that it was offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Updates {
    /// Whether its owner lets it take updates (`update.enabled`).
    pub accepts: bool,
    /// The digest of the image that it runs; empty if it can't tell.
    #[serde(default)]
    #[schemars(length(max = 71))]
    pub digest: String,
    /// Its version: that under which its image was signed, or its own where nobody signed it.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub version: String,
    /// What became of the last offer that it didn't simply take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<UpdateAttempt>,
}

/// What became of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateAttempt {
    /// The AgentRelease that it was offered in; empty if that was taken back since.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub release: String,
    /// The digest that was offered.
    #[schemars(length(max = 71))]
    pub digest: String,
    /// What became of it.
    pub result: UpdateResult,
    /// Why, in one word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence that a person can act on.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpdateResult {
    /// The new agent is being started.
    Updating,
    /// It isn't taken.
    Refused,
    /// The new agent didn't get ready, and the old one is in charge.
    RolledBack,
}

/// What the hub tells a member's agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberReportStatus {
    /// The release that it is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateOffer>,
}

/// A release, as it is offered to one member. Its agent believes nothing of it that isn't signed by its owner's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateOffer {
    /// The AgentRelease.
    #[schemars(length(max = 253))]
    pub release: String,
    /// Its version.
    #[schemars(length(max = 64))]
    pub version: String,
    /// Its image.
    #[schemars(length(max = 512))]
    pub image: String,
    /// The signed payload and the signature, base64.
    pub signature: ReleaseSignature,
    /// In which wave this member is.
    #[schemars(range(max = 1_000_000))]
    pub wave: u32,
    /// Since when it is offered.
    #[schemars(schema_with = "schema::written_time")]
    pub since: Time,
    /// How many attempts on record this member had lost by then.
    #[schemars(range(max = 1_000_000))]
    pub lost_before: u32,
    /// Why it wasn't working with all it has by then, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub degraded_before: Option<String>,
}

/// Versions of what runs on a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// The agent's.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub agent: String,
    /// The API server's.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub kubernetes: String,
}

/// What one node has for work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Free millicores, within the owner's limits.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub free_cpu_millis: u64,
    /// Free bytes of memory, within the owner's limits.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub free_memory_bytes: u64,
    /// Its accelerators.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub accelerators: Vec<AcceleratorReport>,
    /// The interconnect that its accelerators share with those of other nodes; empty if it is alone on its own.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub interconnect: String,
}

/// Accelerators of one resource on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceleratorReport {
    /// The extended resource's name.
    #[schemars(schema_with = "schema::written_resource")]
    pub resource: String,
    /// The product, as the node's labels say; empty if they don't.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub model: String,
    /// Memory of each, in MiB; 0 if unknown.
    #[serde(default)]
    #[schemars(range(max = 100_000_000))]
    pub memory_mib: u64,
    /// How many there are.
    #[schemars(range(max = 100_000))]
    pub total: u32,
    /// How many are free.
    #[schemars(range(max = 100_000))]
    pub free: u32,
}

/// What the agent's probes found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// A pod under the gVisor RuntimeClass ran and had no network.
    #[serde(default)]
    pub sandbox: bool,
    /// A pod allowed onto the internet couldn't reach the LAN, the nodes, metadata addresses or the API server.
    #[serde(default)]
    pub internet_isolated: bool,
}

/// A signed standing offer (EIP-712 type `Offer` of the Escrow).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferReport {
    /// Who signs, and is paid: the ComputeNode's owner.
    #[schemars(schema_with = "schema::written_address")]
    pub provider: Address,
    /// What is offered.
    #[schemars(schema_with = "schema::class")]
    pub class: String,
    /// EAI per unit-hour.
    #[schemars(schema_with = "schema::written_amount")]
    pub rate: Amount,
    /// Seconds within which work that is won runs.
    #[schemars(range(max = 4_294_967_295_u64))]
    pub start_within: u32,
    /// Unix seconds after which it is void.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub valid_until: u64,
    /// The provider's offer nonce.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub nonce: u64,
    /// `0x` and 65 bytes in hexadecimal; longer for contract accounts (ERC-1271).
    #[schemars(length(max = 4096), regex(pattern = "^0x([0-9a-f]{2})+$"))]
    pub signature: String,
}
