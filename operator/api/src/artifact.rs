//! What a job leaves behind: its log and its named outputs, by digest.

use eai_core::{digest::Digest, epoch::Epoch};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{aijob::EpochSchema, schema};

/// The most of a log that is kept: its last MiB.
pub const LOG_LIMIT_BYTES: u64 = 1 << 20;

/// A named output of one completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputArtifact {
    /// The output's name in the AIJob's spec.
    #[schemars(schema_with = "schema::written_label")]
    pub name: String,
    /// The completion index that wrote it, from 0.
    #[schemars(range(max = 100_000))]
    pub index: u32,
    /// What its bytes hash to.
    #[schemars(schema_with = "schema::digest")]
    pub digest: Digest,
    /// Its length.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub size_bytes: u64,
}

/// The log of one completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogArtifact {
    /// The completion index that wrote it, from 0.
    #[schemars(range(max = 100_000))]
    pub index: u32,
    /// What the kept part hashes to.
    #[schemars(schema_with = "schema::digest")]
    pub digest: Digest,
    /// Length of the kept part.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub size_bytes: u64,
    /// Whether earlier lines were dropped.
    #[serde(default)]
    pub truncated: bool,
}

/// The last checkpoint of one completion that the hub has, as its agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointArtifact {
    /// The completion index that wrote it, from 0.
    #[schemars(range(max = 100_000))]
    pub index: u32,
    /// What its bytes hash to.
    #[schemars(schema_with = "schema::digest")]
    pub digest: Digest,
    /// Its length.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub size_bytes: u64,
    /// When the hub had all of it, by the member's clock.
    #[schemars(schema_with = "schema::written_time")]
    pub at: Time,
}

/// A checkpoint that the hub has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedCheckpoint {
    /// The completion index that wrote it, from 0.
    #[schemars(range(max = 100_000))]
    pub index: u32,
    /// The attempt that wrote it.
    #[schemars(with = "EpochSchema")]
    pub epoch: Epoch,
    /// What its bytes hash to.
    #[schemars(schema_with = "schema::digest")]
    pub digest: Digest,
    /// Its length.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub size_bytes: u64,
    /// When it was acknowledged.
    #[schemars(schema_with = "schema::written_time")]
    pub at: Time,
    /// The attempt's usage that counted then, in unit-milliseconds: what is charged if its member loses it after.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub usage_ms: u64,
}

/// A checkpoint to go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreFrom {
    /// The completion index that goes on from it.
    #[schemars(range(max = 100_000))]
    pub index: u32,
    /// The attempt that wrote it.
    #[schemars(with = "EpochSchema")]
    pub epoch: Epoch,
}
