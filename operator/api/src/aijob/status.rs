//! What became of a job. Written by the hub alone.

use std::fmt;

use eai_core::{address::Address, epoch::Epoch, metering::Observed, money::Amount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact::{LogArtifact, OutputArtifact, SavedCheckpoint},
    schema,
};

/// What became of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AIJobStatus {
    /// The spec's generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::generation")]
    pub observed_generation: Option<i64>,
    /// Where the job is in its life.
    #[serde(default)]
    pub phase: Phase,
    /// Ready, Reconciling, Stalled, Placed, Funded, Settled.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The member of the current or last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// What the job uses in all its pods, such as `2 nvidia.com/gpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// What it has cost so far, over all attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_amount")]
    pub cost: Option<Amount>,
    /// The current or last attempt: the claim that makes it the job's only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Attempts that ended before the current one.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub past_attempts: Vec<PastAttempt>,
    /// Why no member takes the job now, a line each.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub refusals: Vec<String>,
    /// When the work first ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub started_at: Option<Time>,
    /// When the work ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub finished_at: Option<Time>,
    /// The exit code of the container that decided the job's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::exit_code")]
    pub exit_code: Option<i32>,
    /// Logs that can be fetched.
    #[serde(default)]
    pub logs: Vec<LogArtifact>,
    /// Outputs that can be fetched.
    #[serde(default)]
    pub outputs: Vec<OutputArtifact>,
    /// The last checkpoint of each completion, of whichever attempt wrote it.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub checkpoints: Vec<SavedCheckpoint>,
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Waiting for a member or for money; the Ready condition says which.
    #[default]
    Pending,
    /// A member is claimed and the lease is being opened.
    Opening,
    /// The member prepares: image pull, container creation. Not billed.
    Starting,
    /// The container runs. Billed.
    Running,
    /// Stopped for lack of money or by request; resumable.
    Paused,
    /// The work has ended; the bill is being settled.
    Settling,
    /// Ended well and settled.
    Succeeded,
    /// Ended badly and settled.
    Failed,
    /// Cancelled and settled.
    Cancelled,
}

impl Phase {
    /// Whether nothing more happens.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One attempt: which member, under which epoch, at which price, with which lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its epoch.
    #[schemars(with = "EpochSchema")]
    pub epoch: Epoch,
    /// The member.
    pub member: String,
    /// The class it is billed in.
    #[schemars(schema_with = "schema::class")]
    pub class: String,
    /// EAI per unit-hour, as the provider's offer says.
    #[schemars(schema_with = "schema::written_amount")]
    pub rate: Amount,
    /// Thousandths of a unit held while it runs, over all pods that run at once.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub milli_units: u64,
    /// The provider, who is paid.
    #[schemars(schema_with = "schema::written_address")]
    pub provider: Address,
    /// The lease on the chain.
    pub lease: Lease,
    /// The member's nodes where the pods are best placed; empty where it makes no difference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 253)))]
    pub nodes: Vec<String>,
    /// When the member was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub claimed_at: Option<Time>,
    /// By when the work must run, or run again, or the member has failed the attempt. Not set while it runs or isn't
    /// to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub start_by: Option<Time>,
    /// When the hub gives up waiting for the member to stop the work. Set when the hub asks it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub stop_by: Option<Time>,
    /// Since when the work isn't to run: the hub asked the member to pause or stop it. What the member says it used
    /// later than the grace that pods have to end doesn't count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub held_since: Option<Time>,
    /// The longest that a grant of it may hold. Set where its work began under one: only such work ends by itself, and can be
    /// begun elsewhere without its member's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400))]
    pub fenced_for_seconds: Option<u32>,
    /// When the last grant had run out without a word from the member. Its work is lost, whatever the member says later
    /// than this, unless it had succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub lapsed_at: Option<Time>,
    /// When the hub had it ended because its member is being emptied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub drained_at: Option<Time>,
    /// The last job that it gave way to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_way: Option<GaveWay>,
    /// How often its pods were ended to be started again later.
    #[serde(default)]
    #[schemars(range(max = 4_294_967_295_u64))]
    pub pauses: u32,
    /// The hub's own measure of when it ran.
    #[serde(default)]
    #[schemars(with = "ObservedSchema")]
    pub observed: Observed,
    /// Usage that counts: reported by the member, clamped by the hub; unit-milliseconds.
    #[serde(default)]
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub usage_ms: u64,
    /// How the attempt ended, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// Whom an attempt gave way to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GaveWay {
    /// The job, of the same namespace.
    #[schemars(length(min = 1, max = 63))]
    pub to: String,
    /// Its UID.
    #[schemars(schema_with = "schema::written_label")]
    pub uid: String,
    /// When it was asked to.
    #[schemars(schema_with = "schema::written_time")]
    pub since: Time,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What became of the work.
    pub result: AttemptResult,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AttemptResult {
    /// All completions succeeded.
    Succeeded,
    /// The work failed: its own exit code, or its time was up.
    Failed,
    /// The member failed the work: refused it, or lost it.
    Lost,
    /// The vendor ended it.
    Cancelled,
}

/// The lease of an attempt, as the hub last saw it on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Its id in the Escrow.
    #[schemars(schema_with = "schema::bytes32")]
    pub id: String,
    /// Its state there.
    pub state: LeaseState,
    /// What it holds or held in all, top-ups included.
    #[schemars(schema_with = "schema::written_amount")]
    pub hold: Amount,
    /// The last moment, by the chain's clock, at which it can be opened: if it isn't open then, it never will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub open_by: Option<Time>,
    /// Paid to the provider so far.
    #[serde(default)]
    #[schemars(schema_with = "schema::written_amount")]
    pub paid: Amount,
    /// Given back to the payer.
    #[serde(default)]
    #[schemars(schema_with = "schema::written_amount")]
    pub refunded: Amount,
    /// The transaction that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bytes32")]
    pub open_tx: Option<String>,
    /// The transaction that closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bytes32")]
    pub close_tx: Option<String>,
    /// When it was opened, by the chain's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub opened_at: Option<Time>,
}

/// A lease's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LeaseState {
    /// Asked for; not seen on the chain yet.
    Opening,
    /// Open; work may run.
    Open,
    /// Closed: paid and refunded.
    Closed,
    /// The chain refused it; nothing moved.
    Refused,
}

/// An attempt that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastAttempt {
    /// Its epoch.
    #[schemars(with = "EpochSchema")]
    pub epoch: Epoch,
    /// The member.
    pub member: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used, in unit-milliseconds.
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub usage_ms: u64,
    /// The lease, closed.
    pub lease: Lease,
}

/// The shape of an [`Epoch`].
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) struct EpochSchema {
    #[schemars(range(min = 0, max = schema::MAX_INTEGER))]
    generation: u64,
    #[schemars(range(min = 0, max = schema::MAX_INTEGER))]
    attempt: u64,
}

/// The shape of an [`Observed`].
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only its schema is used")]
struct ObservedSchema {
    #[schemars(range(max = schema::MAX_INTEGER))]
    settled_ms: u64,
    #[schemars(range(max = schema::MAX_INTEGER))]
    running_since_ms: Option<u64>,
    #[schemars(range(max = 4_294_967_295_u64))]
    intervals: u32,
}
