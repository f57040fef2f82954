//! Names that hub, agent and CLI must agree on.

/// The API group of every kind here.
pub const GROUP: &str = "eai.network";
/// The group of the aggregated API through which logs and outputs travel.
pub const ARTIFACTS_GROUP: &str = "artifacts.eai.network";
/// The version of both groups.
pub const VERSION: &str = "v1alpha1";

/// On an AIJob until its lease is settled.
pub const SETTLEMENT_FINALIZER: &str = "eai.network/settlement";
/// On a ComputeNode until its namespace and rights are gone.
pub const MEMBER_FINALIZER: &str = "eai.network/member";
/// On a work pod until its containers' times are recorded.
pub const METERING_FINALIZER: &str = "eai.network/metering";

/// Label: the member an object belongs to.
pub const MEMBER_LABEL: &str = "eai.network/member";
/// Label: the UID of the AIJob an object belongs to.
pub const JOB_UID_LABEL: &str = "eai.network/job-uid";
/// Label: the Assignment a Job, pod or Secret in the member's cluster belongs to.
pub const ASSIGNMENT_LABEL: &str = "eai.network/assignment";
/// Label on the ServiceAccount, ClusterRole and binding of an invite; its value is the member's name.
pub const INVITE_LABEL: &str = "eai.network/invite";

/// The ServiceAccount of an agent within its `cn-` namespace; also its Role and RoleBinding.
pub const AGENT_ACCOUNT: &str = "agent";
/// The Secret in a `cn-` namespace that the agent's tokens are bound to: deleting it revokes them all.
pub const TOKEN_SECRET: &str = "agent-token";
/// The Lease in a `cn-` namespace that the agent renews as its heartbeat.
pub const HEARTBEAT_LEASE: &str = "agent";
/// Annotation of [`HEARTBEAT_LEASE`]: which heartbeat it is, `INSTANCE-SEQUENCE`, for grants to echo.
pub const HEARTBEAT_ANNOTATION: &str = "eai.network/heartbeat";
/// The Secret in the agent's namespace on the member that holds the member's own keys.
pub const IDENTITY_SECRET: &str = "eai-agent-identity";
/// The key in [`IDENTITY_SECRET`] of the private key that tokens and secrets are sealed to.
pub const SEALING_KEY_KEY: &str = "sealingKey";
/// The Secret in a push member's `cn-` namespace that holds its kubeconfig, under [`KUBECONFIG_KEY`].
pub const KUBECONFIG_SECRET: &str = "member-kubeconfig";
/// The key of a kubeconfig in its Secret.
pub const KUBECONFIG_KEY: &str = "kubeconfig";
/// The Secret in a push member's `cn-` namespace that holds what its agent is told: [`AGENT_CONFIG_KEY`] and
/// [`OWNER_KEY_KEY`].
pub const AGENT_CONFIG_SECRET: &str = "agent-config";
/// The key of an agent's configuration (YAML) in its Secret.
pub const AGENT_CONFIG_KEY: &str = "agent.yaml";
/// The key of the owner's private key in the Secret that holds it.
pub const OWNER_KEY_KEY: &str = "owner-key";
/// Where a push agent's [`AGENT_CONFIG_SECRET`] is mounted; its configuration names the owner's key there.
pub const AGENT_CONFIG_DIR: &str = "/etc/eai/agent";
/// Where a push agent's [`KUBECONFIG_SECRET`] is mounted.
pub const MEMBER_DIR: &str = "/etc/eai/member";
/// The Deployment of a push member's agent, in its `cn-` namespace.
pub const AGENT_DEPLOYMENT: &str = "eai-agent";

/// The audience of agents' tokens for the hub's own endpoints. Tokens for the API server carry its own audience.
pub const HUB_AUDIENCE: &str = "eai-hub";
/// The ConfigMap in the hub's namespace, readable by every authenticated user, that tells where chain and contracts are.
pub const HUB_INFO: &str = "eai-hub-info";

/// The directory in a work container that named outputs are written to; also in `$EAI_OUTPUT_DIR`.
pub const OUTPUT_DIR: &str = "/eai/output";

/// The directory in a work container that checkpoints are written to.
pub const CHECKPOINT_DIR: &str = "/eai/checkpoint";
/// The checkpoint itself, put in place there by renaming; its whole path is in `$EAI_CHECKPOINT`.
pub const CHECKPOINT_FILE: &str = "latest";
/// The header of an artifact that carries what the whole hashes to.
pub const DIGEST_HEADER: &str = "eai-content-digest";

/// The name of the container that does the work in a work pod.
pub const WORK_CONTAINER: &str = "work";

/// A member's namespace on the hub.
pub fn member_namespace(member: &str) -> String {
    format!("cn-{member}")
}

/// The member whose namespace this is.
pub fn member_of_namespace(namespace: &str) -> Option<&str> {
    namespace.strip_prefix("cn-").filter(|member| !member.is_empty())
}

/// The name of an invite's ServiceAccount (in the hub's namespace).
pub fn invite_account(member: &str) -> String {
    format!("invite-{member}")
}

/// The name of an invite's ClusterRole and ClusterRoleBinding.
pub fn invite_role(member: &str) -> String {
    format!("eai-invite-{member}")
}

/// Millicores that the container beside a pod's work that keeps its outputs asks for.
pub const OUTPUTS_CPU_MILLIS: u64 = 10;
/// The same, in bytes of memory.
pub const OUTPUTS_MEMORY_BYTES: u64 = 64 << 20;
