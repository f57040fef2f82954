//! What a vendor asks for.
#![allow(clippy::struct_excessive_bools, reason = "each is a switch of its own in what people write")]

use eai_core::{address::Address, money::Amount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AIJobStatus, FailurePolicy, SuccessPolicy};
use crate::schema;

/// A container to run to completion on somebody's accelerator, with the most it may cost.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "eai.network",
    version = "v1alpha1",
    kind = "AIJob",
    plural = "aijobs",
    namespaced,
    status = "AIJobStatus",
    shortname = "aij",
    category = "eai",
    category = "all",
    derive = "PartialEq",
    doc = "A container to run to completion on somebody's accelerator, with the most it may cost.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Member", type_ = "string", json_path = ".status.member"),
    printcolumn(name = "GPU", type_ = "string", json_path = ".status.units"),
    printcolumn(name = "Cost", type_ = "string", json_path = ".status.cost"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = "1"
    ),
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name: use at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.parallelism <= self.completions")
        .message("can't exceed completions").field_path(".parallelism"),
    validation = Rule::new("self.completions * self.outputs.size() <= 1000")
        .message("all completions together can leave at most 1000 outputs").field_path(".outputs"),
    validation = Rule::new("self.env.map(e, e.value.size()).sum() + self.command.map(c, c.size()).sum() \
        + self.args.map(a, a.size()).sum() <= 65536")
        .message("env, command and args together can hold at most 64 KiB; put more into the image").field_path(".env"),
    validation = Rule::new("self.market != 'Race'")
        .message("Race isn't available in this version; use Posted").field_path(".market"),
    validation = Rule::new("self.secrets.all(s, !self.env.exists(e, e.name == s.name))")
        .message("a variable is set by env or by secrets, not by both").field_path(".secrets"),
    validation = Rule::new("has(self.deadline) == has(oldSelf.deadline) \
        && (!has(self.deadline) || timestamp(self.deadline) == timestamp(oldSelf.deadline))")
        .message("can't change, come or go; for another job, create another").field_path(".deadline"),
    validation = Rule::new("has(self.accelerator) == has(oldSelf.accelerator) \
        && (!has(self.accelerator) || self.accelerator == oldSelf.accelerator)")
        .message("can't change, come or go; for another job, create another").field_path(".accelerator"),
    validation = Rule::new("has(self.failurePolicy) == has(oldSelf.failurePolicy) \
        && (!has(self.failurePolicy) || self.failurePolicy == oldSelf.failurePolicy)")
        .message("can't change, come or go; for another job, create another").field_path(".failurePolicy"),
    validation = Rule::new("has(self.successPolicy) == has(oldSelf.successPolicy) \
        && (!has(self.successPolicy) || self.successPolicy == oldSelf.successPolicy)")
        .message("can't change, come or go; for another job, create another").field_path(".successPolicy"),
    validation = Rule::new("has(self.checkpoint) == has(oldSelf.checkpoint) \
        && (!has(self.checkpoint) || self.checkpoint == oldSelf.checkpoint)")
        .message("can't change, come or go; for another job, create another").field_path(".checkpoint"),
    validation = Rule::new("!has(self.failurePolicy) || !has(self.failurePolicy.maxFailedIndexes) \
        || (has(self.failurePolicy.backoffLimitPerIndex) && self.failurePolicy.maxFailedIndexes <= self.completions)")
        .message("needs backoffLimitPerIndex, and can't exceed completions").field_path(".failurePolicy.maxFailedIndexes"),
    validation = Rule::new("!has(self.failurePolicy) || !has(self.failurePolicy.podFailurePolicy) \
        || has(self.failurePolicy.backoffLimitPerIndex) \
        || self.failurePolicy.podFailurePolicy.rules.all(r, r.action != 'FailIndex')")
        .message("FailIndex needs backoffLimitPerIndex; without it the first failure ends the attempt")
        .field_path(".failurePolicy.podFailurePolicy"),
    validation = Rule::new("!has(self.failurePolicy) || !has(self.failurePolicy.podFailurePolicy) \
        || self.failurePolicy.podFailurePolicy.rules.map(r, r.onExitCodes.values.size()).sum() <= 255")
        .message("all rules together can list at most 255 exit codes; there are no more")
        .field_path(".failurePolicy.podFailurePolicy"),
    validation = Rule::new("!has(self.successPolicy) || self.successPolicy.rules.all(r, \
        has(r.succeededIndexes) || has(r.succeededCount))")
        .message("a rule needs succeededIndexes or succeededCount").field_path(".successPolicy.rules"),
    validation = Rule::new("!has(self.successPolicy) || self.successPolicy.rules.all(r, \
        !has(r.succeededCount) || r.succeededCount <= self.completions)")
        .message("succeededCount can't exceed completions").field_path(".successPolicy.rules"),
    validation = Rule::new("!has(self.successPolicy) || self.successPolicy.rules.all(r, !has(r.succeededIndexes) \
        || r.succeededIndexes.replace('-', ',').split(',').all(n, int(n) < self.completions))")
        .message("succeededIndexes names indexes from 0, below completions").field_path(".successPolicy.rules"),
    validation = Rule::new("!oldSelf.cancel || self.cancel")
        .message("a cancelled job stays cancelled; create it again").field_path(".cancel")
)]
pub struct AIJobSpec {
    /// The image, by digest: `registry/repository@sha256:...`.
    #[schemars(schema_with = "schema::image")]
    #[x_kube(validation = schema::fixed())]
    pub image: String,
    /// Overrides the image's entrypoint.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    #[x_kube(validation = schema::fixed())]
    pub command: Vec<String>,
    /// Arguments of the command.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(max = 4096)))]
    #[x_kube(validation = schema::fixed())]
    pub args: Vec<String>,
    /// Plain environment variables. The member sees them.
    #[serde(default)]
    #[schemars(length(max = 128))]
    #[x_kube(validation = schema::fixed(), merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// Environment variables from Secrets of this namespace, sealed to the member that wins the job. They are safe on
    /// the way and from everyone else; whoever owns the member's machine can read them.
    #[serde(default)]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::fixed(), merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub secrets: Vec<SecretEnv>,
    /// Accelerators per pod. Without it the job is of class `cpu` and billed by core time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// Cores and memory per pod.
    #[serde(default)]
    #[x_kube(validation = schema::fixed())]
    pub resources: Resources,
    /// How many pods must succeed.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    #[x_kube(validation = schema::fixed())]
    pub completions: u32,
    /// How many pods run at once, all on one member.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    #[x_kube(validation = schema::fixed())]
    pub parallelism: u32,
    /// What the container may reach.
    #[serde(default)]
    #[x_kube(validation = schema::fixed())]
    pub network: Network,
    /// Whether commands may be run in its containers while they run, by those who may create `aijobs/exec`; each is told
    /// of by an Event. The member's owner must allow it too.
    #[serde(default)]
    #[x_kube(validation = schema::fixed())]
    pub allow_exec: bool,
    /// Files to keep, written under /eai/output.
    #[serde(default)]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::fixed(), merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub outputs: Vec<Output>,
    /// Keeps the work's last checkpoint, so that a pod that runs again, on this member or the next, goes on from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// The most to pay per unit-hour: one accelerator, or one core, for an hour.
    #[schemars(schema_with = "schema::amount")]
    pub max_price: Amount,
    /// The most to spend in all. When it is spent the job is paused; raising it resumes the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::amount")]
    pub budget: Option<Amount>,
    /// The longest a pod may run.
    #[serde(default = "default_max_duration")]
    #[schemars(range(min = 1, max = 31_536_000))]
    #[x_kube(validation = schema::fixed())]
    pub max_duration_seconds: u64,
    /// When the job is given up if it hasn't finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub deadline: Option<Time>,
    /// Where it may run.
    #[serde(default)]
    pub placement: Placement,
    /// How members compete for it.
    #[serde(default)]
    #[x_kube(validation = schema::fixed())]
    pub market: Market,
    /// What happens to the work when its member loses sight of the hub.
    #[serde(default)]
    #[x_kube(validation = schema::fixed())]
    pub on_hub_loss: OnHubLoss,
    /// What happens when an attempt fails.
    #[serde(default)]
    pub retry: Retry,
    /// What a pod's failure means. Without it the first failure that counts ends the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicy>,
    /// When enough has succeeded. Without it all completions must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_policy: Option<SuccessPolicy>,
    /// Higher goes first within the namespace.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Gives way to a job of the same namespace that has a higher priority and fits nowhere: its pods end with grace, and
    /// it goes on when there is room again. What ran is paid; work since its last checkpoint is lost.
    #[serde(default)]
    pub preemptible: bool,
    /// Holds the job back, or pauses it while it runs. A program that is paused gets SIGTERM; whatever it exits with,
    /// it is run again when the job goes on.
    #[serde(default)]
    pub suspend: bool,
    /// Ends the job for good; what ran is paid, the rest refunded.
    #[serde(default)]
    pub cancel: bool,
    /// Who pays.
    #[x_kube(validation = schema::fixed())]
    pub payment: Payment,
}

fn one() -> u32 {
    1
}

fn default_max_duration() -> u64 {
    3600
}

/// A plain environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvVar {
    /// Its name.
    #[schemars(schema_with = "schema::env_name")]
    pub name: String,
    /// Its value.
    #[serde(default)]
    #[schemars(length(max = 32_768))]
    pub value: String,
}

/// An environment variable whose value is a key of a Secret in the job's namespace. The hub must be allowed to `get`
/// that Secret: `kubectl describe aijob` gives the command if it isn't.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretEnv {
    /// The variable's name.
    #[schemars(schema_with = "schema::env_name")]
    pub name: String,
    /// The Secret's name.
    #[schemars(schema_with = "schema::secret_name")]
    pub secret_name: String,
    /// The key in the Secret.
    #[schemars(schema_with = "schema::secret_key")]
    pub key: String,
}

/// The accelerators that each pod needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accelerator {
    /// The extended resource, such as `nvidia.com/gpu`.
    #[schemars(schema_with = "schema::resource")]
    pub resource: String,
    /// How many.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1024))]
    pub count: u32,
    /// Product names that will do; any if empty.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(max = 128)))]
    pub models: Vec<String>,
    /// The least memory of each, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000_000))]
    pub memory_mib: Option<u64>,
}

/// Cores and memory of one pod: request and limit alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Cores, such as `500m` or `4`.
    #[serde(default = "default_cpu")]
    #[schemars(schema_with = "schema::cores")]
    pub cpu: String,
    /// Memory, such as `2Gi`.
    #[serde(default = "default_memory")]
    #[schemars(schema_with = "schema::memory")]
    pub memory: String,
}

fn default_cpu() -> String {
    "1".to_owned()
}

fn default_memory() -> String {
    "1Gi".to_owned()
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu: default_cpu(), memory: default_memory() }
    }
}

/// What a container may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Network {
    /// Nothing: gVisor without network.
    #[default]
    None,
    /// The internet, on members that have probed that nothing of their own is in reach.
    Internet,
}

/// A file to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// What to call it.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// The file, relative to /eai/output.
    #[schemars(schema_with = "schema::output_path")]
    pub path: String,
    /// The most it may hold, in bytes; a larger file is not kept and the job says so.
    #[serde(default = "default_max_bytes")]
    #[schemars(range(min = 1, max = 10_737_418_240_u64))]
    pub max_bytes: u64,
}

/// The checkpoint of each completion: one file that the work puts in place as /eai/checkpoint/latest, by writing it under
/// another name there and renaming it. It is handed to the hub, and is there again before the completion's next pod
/// begins, wherever that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The most it may hold, in bytes; a larger one is not kept. Twice as much may lie in /eai/checkpoint.
    #[serde(default = "default_checkpoint_bytes")]
    #[schemars(range(min = 1, max = 10_737_418_240_u64))]
    pub max_bytes: u64,
    /// How often a new one is handed to the hub at most. When the work is paused or fails the last one is in any case.
    #[serde(default = "default_every")]
    #[schemars(range(min = 10, max = 86_400))]
    pub every_seconds: u32,
}

fn default_checkpoint_bytes() -> u64 {
    1 << 30
}

fn default_every() -> u32 {
    60
}

fn default_max_bytes() -> u64 {
    64 << 20
}

/// Where a job may run. An empty list allows all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Member forms that will do.
    #[serde(default)]
    #[schemars(length(max = 3))]
    pub forms: Vec<crate::compute_node::Form>,
    /// Sites that will do.
    #[serde(default)]
    #[schemars(length(max = 4))]
    pub sites: Vec<crate::compute_node::Site>,
    /// Regions that will do.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub regions: Vec<String>,
    /// Members, by name, that will do.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub members: Vec<String>,
    /// The least part of the attempts it was given that a member must have seen through, in per cent. A member without a
    /// record counts as 50.
    #[serde(default)]
    #[schemars(range(max = 100))]
    pub minimum_trust: u8,
    /// What the work must be able to rest on at least.
    #[serde(default)]
    pub minimum_assurance: Assurance,
    /// Whether all pods that run at once need to share one interconnect, such as `NVLink`.
    #[serde(default)]
    pub same_interconnect: bool,
}

/// What the work can rest on, weakest first. No member offers more than `Sandboxed` yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Assurance {
    /// L0: Kubernetes keeps the work apart, as far as was probed.
    #[default]
    Isolated,
    /// L1: a sandbox of its own, without network.
    Sandboxed,
    /// L2: a trusted execution environment, verified before a key is released.
    Attested,
    /// L3: nothing is there in the clear.
    Encrypted,
}

/// How members compete for a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Market {
    /// The best standing offer wins at once.
    #[default]
    Posted,
    /// Several members prepare, the first that is ready wins.
    Race,
}

/// What happens to the work when its member loses sight of the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnHubLoss {
    /// The work ends with its grant, so that the hub can start it elsewhere.
    #[default]
    SelfFence,
    /// The work runs on and is never started elsewhere until the member answers.
    Continue,
}

impl From<OnHubLoss> for eai_core::fencing::OnLoss {
    fn from(wish: OnHubLoss) -> Self {
        match wish {
            OnHubLoss::SelfFence => Self::SelfFence,
            OnHubLoss::Continue => Self::Continue,
        }
    }
}

/// What happens when an attempt fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Attempts that the work may end by itself, the first among them. What its members do doesn't count: work that a
    /// member refused or lost is given to another.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 1 }
    }
}

/// Who pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// The account in the Escrow; its owner must have authorised this hub for this namespace.
    #[schemars(schema_with = "schema::address")]
    pub account: Address,
}
