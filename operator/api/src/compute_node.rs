//! ComputeNode: one enrolled cluster. Its spec is the owner's and the admin's, its status the hub's.

use eai_core::{address::Address, money::Amount, seal::Sealed};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{assignment::SealedSchema, schema};

/// One enrolled cluster.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "eai.network",
    version = "v1alpha1",
    kind = "ComputeNode",
    status = "ComputeNodeStatus",
    shortname = "cn",
    category = "eai",
    derive = "PartialEq",
    doc = "One enrolled cluster.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Site", type_ = "string", json_path = ".spec.site"),
    printcolumn(name = "Connection", type_ = "string", json_path = ".spec.connection"),
    printcolumn(name = "Accelerators", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Last-Seen", type_ = "date", json_path = ".status.lastSeen"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$')")
        .message("metadata.name: use at most 50 lower-case letters, digits and -")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.owner == oldSelf.owner && self.connection == oldSelf.connection")
        .message("owner and connection can't change; remove the member and join again"),
    validation = Rule::new("self.connection == 'Push' || self.sealingKey != ''")
        .message("a pull member brings its agent's public key, to which its token is sealed").field_path(".sealingKey")
)]
pub struct ComputeNodeSpec {
    /// The account that is paid for this member's work.
    #[schemars(schema_with = "schema::address")]
    pub owner: Address,
    /// What kind of owner and uptime to expect.
    #[serde(default)]
    pub form: Form,
    /// Where it stands.
    #[serde(default)]
    pub site: Site,
    /// Its region, in the owner's words.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub region: String,
    /// Who opens the connection.
    #[serde(default)]
    pub connection: Connection,
    /// The agent's public key (X25519, base64): tokens and secrets are sealed to it. Push members have none until their
    /// agent runs.
    #[serde(default)]
    #[schemars(schema_with = "schema::sealing_key")]
    pub sealing_key: String,
    /// The UID of the member's kube-system namespace, as it says. It stops mistakes, not liars.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub cluster_uid: String,
    /// The admin's half of the double opt-in.
    #[serde(default)]
    pub accepted: bool,
    /// No new work.
    #[serde(default)]
    pub cordon: bool,
    /// It is being emptied: no new work, and what it has is ended and begun elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
}

/// How a member is emptied. What isn't running, and what asked to be preemptible, is moved at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drain {
    /// Until when work that runs is waited for.
    #[schemars(schema_with = "schema::time")]
    pub by: Time,
}

/// What kind of owner and uptime to expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Form {
    /// Always on.
    Permanent,
    /// A company's, on in its hours.
    Business,
    /// A person's, on when it pleases.
    #[default]
    Personal,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Site {
    /// A cloud account.
    Cloud,
    /// A company's own rack.
    Enterprise,
    /// A home.
    #[default]
    Home,
    /// A mining pool.
    MiningPool,
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Connection {
    /// The member's agent dials the hub.
    #[default]
    Pull,
    /// The hub runs the agent and dials the member.
    Push,
}

/// What the hub knows of a member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeNodeStatus {
    /// The spec's generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::generation")]
    pub observed_generation: Option<i64>,
    /// Ready, Accepted, Available, Reconciling, Stalled, Unreachable, Degraded, Draining. All after Available are there
    /// only while they hold.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Its namespace on this hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// When the hub last saw its heartbeat change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub last_seen: Option<Time>,
    /// The agent's first token, sealed to its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SealedToken>,
    /// Accelerators free and in all, such as `nvidia.com/gpu 1/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What it charges.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub prices: Vec<Price>,
    /// Its agent, as it says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentShown>,
}

/// A member's agent, as it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentShown {
    /// Its version.
    #[schemars(length(max = 64))]
    pub version: String,
    /// Its image's digest; empty if it can't tell.
    #[serde(default)]
    #[schemars(length(max = 71))]
    pub digest: String,
    /// Whether it takes updates, and what became of the last one.
    #[schemars(length(max = 640))]
    pub updates: String,
}

/// A token for the hub's API server, sealed to the agent's key with the ComputeNode's UID as context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SealedToken {
    /// The sealed token.
    #[schemars(with = "SealedSchema")]
    pub sealed: Sealed,
    /// When it expires.
    #[schemars(schema_with = "schema::written_time")]
    pub expires_at: Time,
}

/// A price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    /// What is priced.
    #[schemars(schema_with = "schema::class")]
    pub class: String,
    /// EAI per unit-hour.
    #[schemars(schema_with = "schema::written_amount")]
    pub rate: Amount,
}
