//! Assignment: one attempt of one job on one member. The hub writes the spec, the member's agent the status.

use eai_core::{epoch::Epoch, fencing, money::Amount, seal::Sealed};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aijob::{Accelerator, Checkpoint, EnvVar, EpochSchema, FailurePolicy, Network, OnHubLoss, Output, SuccessPolicy},
    artifact::{CheckpointArtifact, LogArtifact, OutputArtifact, RestoreFrom},
    schema,
};

/// One attempt of one job on one member.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "eai.network",
    version = "v1alpha1",
    kind = "Assignment",
    namespaced,
    status = "AssignmentStatus",
    shortname = "asg",
    category = "eai",
    derive = "PartialEq",
    doc = "One attempt of one job on one member. The hub writes the spec, the member's agent the status.",
    printcolumn(name = "Job", type_ = "string", json_path = ".spec.job.name"),
    printcolumn(name = "Desired", type_ = "string", json_path = ".spec.desired"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Usage-ms", type_ = "integer", json_path = ".status.usageMs"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.job == oldSelf.job && self.epoch == oldSelf.epoch \
        && (self.role == oldSelf.role || self.role == 'Winner') && self.workload == oldSelf.workload && self.class == oldSelf.class && self.rate == oldSelf.rate \
        && self.leaseId == oldSelf.leaseId && self.onHubLoss == oldSelf.onHubLoss")
        .message("only desired, grant, acknowledged and a contender's role change; a new attempt is a new Assignment"),
    validation = Rule::new("has(self.grant) == has(oldSelf.grant) && (!has(self.grant) || self.grant == oldSelf.grant) \
        || (oldSelf.desired != 'Stop' && has(self.grant))")
        .message("what was stopped gets no other grant, and a grant isn't taken back").field_path(".grant"),
    validation = Rule::new("oldSelf.desired != 'Stop' || self.desired == 'Stop'")
        .message("what was stopped stays stopped; a new attempt is a new Assignment").field_path(".desired"),
    validation = Rule::new("(!oldSelf.acknowledged.started || self.acknowledged.started) \
        && (!oldSelf.acknowledged.finished || self.acknowledged.finished)")
        .message("what was noted stays noted").field_path(".acknowledged")
)]
pub struct AssignmentSpec {
    /// The job.
    pub job: JobRef,
    /// The attempt's epoch.
    #[schemars(with = "EpochSchema")]
    pub epoch: Epoch,
    /// Winner runs the work; a contender only prepares for it.
    #[serde(default)]
    pub role: Role,
    /// What to run: all that a member is told of the job.
    pub workload: Workload,
    /// The class it is billed in.
    #[schemars(schema_with = "schema::class")]
    pub class: String,
    /// EAI per unit-hour.
    #[schemars(schema_with = "schema::written_amount")]
    pub rate: Amount,
    /// The lease that pays for it, confirmed on the chain before this object was made.
    #[schemars(schema_with = "schema::bytes32")]
    pub lease_id: String,
    /// What the hub wants now.
    #[serde(default)]
    pub desired: Desired,
    /// The right to run, lent for a while. Work begins, and is resumed, only under one; where none was ever given, by a
    /// hub of an earlier version, the work isn't fenced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// What happens to the work when its grant runs out.
    #[serde(default)]
    pub on_hub_loss: OnHubLoss,
    /// What the hub has taken note of.
    #[serde(default)]
    pub acknowledged: Acknowledged,
}

/// The right to run an attempt, from when the member sent the heartbeat that it echoes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The heartbeat, as it stood on the member's Lease: `INSTANCE-SEQUENCE`.
    #[schemars(regex(pattern = r"^[0-9a-f]{16}-[1-9][0-9]{0,19}$"))]
    pub heartbeat: String,
    /// How long the grant is good for, from the sending of that heartbeat.
    #[schemars(range(min = 1, max = 86_400))]
    pub valid_for_seconds: u32,
}

impl Grant {
    /// The grant as `core` knows it; an error if the heartbeat isn't one.
    pub fn read(&self) -> Result<fencing::Grant, fencing::grant::HeartbeatError> {
        Ok(fencing::Grant {
            heartbeat: self.heartbeat.parse()?,
            valid_for_ms: u64::from(self.valid_for_seconds).saturating_mul(1_000),
        })
    }
}

/// A job by name and identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct JobRef {
    /// Its namespace on the hub.
    #[schemars(schema_with = "schema::written_label")]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its UID.
    #[schemars(schema_with = "schema::written_label")]
    pub uid: String,
}

/// An Assignment's role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// Runs the work.
    #[default]
    Winner,
    /// Prepares for it, in a race.
    Contender,
}

/// The narrow description of the work. The agent builds the pod from it and from nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// The image, by digest.
    #[schemars(schema_with = "schema::image")]
    pub image: String,
    /// Overrides the image's entrypoint.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub command: Vec<String>,
    /// Arguments.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub args: Vec<String>,
    /// Plain environment.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub env: Vec<EnvVar>,
    /// Secret environment: a JSON object of names and values, sealed to the member's key with the job's UID as context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SealedSchema>")]
    pub sealed_env: Option<Sealed>,
    /// Accelerators per pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// Millicores per pod.
    #[schemars(range(min = 1, max = schema::MAX_INTEGER))]
    pub cpu_millis: u64,
    /// Bytes of memory per pod.
    #[schemars(range(min = 1, max = schema::MAX_INTEGER))]
    pub memory_bytes: u64,
    /// Pods that must succeed.
    #[schemars(range(min = 1, max = 1000))]
    pub completions: u32,
    /// Pods at once.
    #[schemars(range(min = 1, max = 1000))]
    pub parallelism: u32,
    /// Whether all pods that run at once need to share one interconnect.
    #[serde(default)]
    pub same_interconnect: bool,
    /// Nodes where the pods are best placed, of those that the owner allows; a wish, not a condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 253)))]
    pub preferred_nodes: Vec<String>,
    /// What it may reach.
    #[serde(default)]
    pub network: Network,
    /// Whether its vendor may run commands in its containers, where the owner allows it too.
    #[serde(default)]
    pub allow_exec: bool,
    /// Files to keep.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub outputs: Vec<Output>,
    /// The longest a pod may run.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub max_duration_seconds: u64,
    /// What a pod's failure means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicy>,
    /// When enough has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_policy: Option<SuccessPolicy>,
    /// What is kept of checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// The checkpoints of earlier attempts to go on from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub restore: Vec<RestoreFrom>,
}

/// The shape of a [`Sealed`] text.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) struct SealedSchema {
    #[schemars(length(max = 64))]
    encapsulated_key: String,
    #[schemars(length(max = 1_048_576))]
    ciphertext: String,
}

/// What the hub wants of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Desired {
    /// Run it.
    #[default]
    Run,
    /// End its pods with grace and keep the attempt.
    Pause,
    /// End it for good.
    Stop,
}

/// What the hub has taken note of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledged {
    /// The hub has seen the work started: from now on a missing Job ends the attempt.
    #[serde(default)]
    pub started: bool,
    /// The usage the hub has recorded.
    #[serde(default)]
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub usage_ms: u64,
    /// The hub has recorded how the attempt ended, so the member may clean up.
    #[serde(default)]
    pub finished: bool,
    /// What was paid to the provider.
    #[serde(default)]
    #[schemars(schema_with = "schema::written_amount")]
    pub paid: Amount,
}

/// What the member's agent says of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentStatus {
    /// The spec's generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::generation")]
    pub observed_generation: Option<i64>,
    /// Where the attempt is.
    #[serde(default)]
    pub phase: AssignmentPhase,
    /// Why, in one word.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub message: String,
    /// The batch/v1 Job's UID in the member's cluster; once set, the Job is never created again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub job_uid: Option<String>,
    /// When its first work container started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub started_at: Option<Time>,
    /// When its last work container finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::written_time")]
    pub finished_at: Option<Time>,
    /// Work containers running now.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub running: u32,
    /// How often the member's cluster took a pod away: a node was lost, drained or full, or another pod went first. What
    /// such pods ran isn't in `usageMs`.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub disruptions: u32,
    /// Cumulative usage in unit-milliseconds, from container start and finish times.
    #[serde(default)]
    #[schemars(range(max = schema::MAX_INTEGER))]
    pub usage_ms: u64,
    /// The digest over the container runs that the usage was added up from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bytes32")]
    pub usage_root: Option<String>,
    /// The exit code that decided the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::exit_code")]
    pub exit_code: Option<i32>,
    /// Logs uploaded to the hub.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub logs: Vec<LogArtifact>,
    /// Outputs uploaded to the hub.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub outputs: Vec<OutputArtifact>,
    /// The last checkpoint of each completion that was uploaded to the hub.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub checkpoints: Vec<CheckpointArtifact>,
}

/// Where an attempt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AssignmentPhase {
    /// Not looked at yet.
    #[default]
    Pending,
    /// The owner's limits forbid it; nothing was run.
    Refused,
    /// The Job exists; no container has started.
    Starting,
    /// A container runs.
    Running,
    /// Its pods were ended; the attempt stays.
    Paused,
    /// Containers have ended; logs and outputs are being uploaded.
    Finishing,
    /// All completions succeeded.
    Succeeded,
    /// The work failed.
    Failed,
    /// It was stopped as the hub asked.
    Stopped,
    /// The Job vanished after it had started.
    Lost,
}

impl AssignmentPhase {
    /// Whether nothing more happens on the member.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Refused | Self::Succeeded | Self::Failed | Self::Stopped | Self::Lost)
    }
}
