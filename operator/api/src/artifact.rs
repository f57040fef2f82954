//! What a job leaves behind: its log and its named outputs, by digest.

use eai_core::digest::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

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
