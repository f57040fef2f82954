//! AgentRelease: an image of the agent that is offered to members whose owners take updates, wave by wave.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// An image of the agent that is offered to members, wave by wave.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "eai.network",
    version = "v1alpha1",
    kind = "AgentRelease",
    status = "AgentReleaseStatus",
    shortname = "agr",
    category = "eai",
    derive = "PartialEq",
    doc = "An image of the agent that is offered, wave by wave, to members whose owners take updates.",
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Wave", type_ = "string", json_path = ".status.progress"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.updated"),
    printcolumn(name = "Members", type_ = "integer", json_path = ".status.members"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.version == oldSelf.version && self.image == oldSelf.image \
        && self.signature == oldSelf.signature && self.waves == oldSelf.waves \
        && self.soakSeconds == oldSelf.soakSeconds \
        && self.progressDeadlineSeconds == oldSelf.progressDeadlineSeconds")
        .message("a release is what it was made as, but for paused; for another, create another")
)]
pub struct AgentReleaseSpec {
    /// Its version. A member is never given one that isn't newer than its own.
    #[schemars(schema_with = "schema::semantic_version")]
    pub version: String,
    /// The agent's image.
    #[schemars(schema_with = "schema::image")]
    pub image: String,
    /// What the release's engineer signed. Only members check it, each against the key that its owner gave.
    pub signature: ReleaseSignature,
    /// How many members have it after each wave: a number, or a share of all who take updates.
    #[serde(default = "default_waves")]
    #[schemars(
        length(min = 1, max = 10),
        inner(length(max = 5), regex(pattern = "^([1-9][0-9]{0,4}|(100|[1-9][0-9]?)%)$"))
    )]
    pub waves: Vec<String>,
    /// For how long all members of a wave have to be well before the next begins.
    #[serde(default = "default_soak")]
    #[schemars(range(max = 604_800))]
    pub soak_seconds: u32,
    /// How long a member may take to run it. Then the release stops.
    #[serde(default = "default_progress_deadline")]
    #[schemars(range(min = 60, max = 86_400))]
    pub progress_deadline_seconds: u32,
    /// Nothing more is offered while this is set.
    #[serde(default)]
    pub paused: bool,
}

fn default_waves() -> Vec<String> {
    ["1", "10%", "50%", "100%"].map(str::to_owned).to_vec()
}

fn default_soak() -> u32 {
    600
}

fn default_progress_deadline() -> u32 {
    900
}

/// What `cosign generate` and a signature over it make of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseSignature {
    /// The payload, base64: simple signing JSON with the annotation `eai.network/version`.
    #[schemars(length(max = 8192), regex(pattern = "^[A-Za-z0-9+/]+={0,2}$"))]
    pub payload: String,
    /// The signature over its bytes (ECDSA P-256, SHA-256, DER), base64.
    #[schemars(length(max = 128), regex(pattern = "^[A-Za-z0-9+/]+={0,2}$"))]
    pub signature: String,
}

/// Where a release stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReleasePhase {
    /// It is offered to nobody yet.
    #[default]
    Pending,
    /// It is on its way.
    Rolling,
    /// It is offered to nobody any more; for good.
    Stopped,
    /// Every member has it that takes it.
    Complete,
}

/// How a release goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentReleaseStatus {
    /// The spec's generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::generation")]
    pub observed_generation: Option<i64>,
    /// Where it stands.
    #[serde(default)]
    pub phase: ReleasePhase,
    /// The wave that is on its way, from 1; 0 before the first.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub wave: u32,
    /// The same, of how many, such as `2/4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub progress: Option<String>,
    /// Members that take updates and could have this one, or have it.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub members: u32,
    /// Those that have it.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub updated: u32,
    /// Since when all members of the wave have it and are well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub soaking_since: Option<Time>,
    /// Members over which it stopped; the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub failed: Vec<FailedMember>,
    /// Ready, Reconciling, Stalled.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// A member over which a release stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedMember {
    /// The member.
    #[schemars(length(max = 63))]
    pub member: String,
    /// Why, in one word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence.
    #[schemars(length(max = 512))]
    pub message: String,
}
