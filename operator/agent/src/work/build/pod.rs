//! The work pod, built from the narrow spec and the owner's configuration, and from nothing else.
//!
//! It must be admitted under the restricted Pod Security Standard. Nothing of it can be chosen by the hub or the vendor
//! but the image, its command, arguments, environment and resources.

use std::collections::BTreeMap;

use eai_api::{
    aijob::{Accelerator, Checkpoint, Network},
    assignment::Workload,
    names::{
        ASSIGNMENT_LABEL, CHECKPOINT_DIR, CHECKPOINT_FILE, METERING_FINALIZER, OUTPUT_DIR, OUTPUTS_CPU_MILLIS,
        OUTPUTS_MEMORY_BYTES, WORK_CONTAINER,
    },
};
use k8s_openapi::{
    api::core::v1::{
        Affinity, Capabilities, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, NodeAffinity, NodeSelector,
        NodeSelectorRequirement, NodeSelectorTerm, PodAffinity, PodAffinityTerm, PodDNSConfig, PodSecurityContext,
        PodSpec, PodTemplateSpec, PreferredSchedulingTerm, ResourceRequirements, SeccompProfile, SecretKeySelector,
        SecurityContext, Toleration, Volume, VolumeMount,
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
    },
};

use crate::{
    config::Config,
    work::pods::{OUTPUTS_CONTAINER, RESTORE_CONTAINER},
};

/// The user and group that work runs as, whatever its image says.
const USER: i64 = 65_532;
/// A name server that isn't there, for work that may reach none.
const NOWHERE: &str = "127.0.0.1";
/// Nodes that a pod can wish for.
const MOST_PREFERRED: usize = 16;
/// Seconds between TERM and KILL.
pub const GRACE_SECONDS: i64 = 30;
/// The label of a node that nothing else is on.
const HOSTNAME: &str = "kubernetes.io/hostname";
/// The label that network policies select work by.
pub const NETWORK_LABEL: &str = "eai.network/network";

/// The template of an attempt's pods. `labels` are the attempt's; `secrets` are names of variables in the Secret
/// `secret`.
pub fn template(
    workload: &Workload,
    config: &Config,
    labels: &BTreeMap<String, String>,
    secret: &str,
    secrets: &[String],
) -> PodTemplateSpec {
    let mut labels = labels.clone();
    labels.insert(NETWORK_LABEL.to_owned(), network_word(workload.network).to_owned());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            finalizers: Some(vec![METERING_FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            affinity: affinity(workload, config, secret),
            containers: containers(workload, config, secret, secrets),
            init_containers: restore_container(workload, config).map(|container| vec![container]),
            tolerations: Some(tolerations(workload, config)).filter(|t| !t.is_empty()),
            volumes: Some(volumes(workload, config)),
            ..skeleton(config, workload.network)
        }),
    }
}

/// A pod that can do nothing yet: the security of every pod this agent makes.
pub fn skeleton(config: &Config, network: Network) -> PodSpec {
    let text = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    // The cluster's own name service would answer for the cluster, and the node's configuration names its network.
    let (runtime_class, name_servers) = match network {
        Network::None => (text(&config.runtime_class), vec![NOWHERE.to_owned()]),
        Network::Internet => (text(&config.internet_runtime_class), config.dns_servers.clone()),
    };
    PodSpec {
        automount_service_account_token: Some(false),
        dns_policy: Some("None".to_owned()),
        dns_config: Some(PodDNSConfig { nameservers: Some(name_servers), ..PodDNSConfig::default() }),
        enable_service_links: Some(false),
        node_selector: Some(config.node_selector.clone()).filter(|s| !s.is_empty()),
        priority_class_name: text(&config.priority_class),
        restart_policy: Some("Never".to_owned()),
        runtime_class_name: runtime_class,
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(seccomp()),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        ..PodSpec::default()
    }
}

/// What every container of this agent's pods is held to.
pub fn confined() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        seccomp_profile: Some(seccomp()),
        ..SecurityContext::default()
    }
}

/// A network as a label's value.
pub const fn network_word(network: Network) -> &'static str {
    match network {
        Network::None => "none",
        Network::Internet => "internet",
    }
}

fn seccomp() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }
}

fn containers(workload: &Workload, config: &Config, secret: &str, secrets: &[String]) -> Vec<Container> {
    let mut containers = Vec::new();
    if holds(workload) {
        // First, so that it holds the outputs by the time the work ends.
        containers.push(outputs_container(workload, config));
    }
    containers.push(Container {
        name: WORK_CONTAINER.to_owned(),
        image: Some(workload.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(workload.command.clone()).filter(|c| !c.is_empty()),
        args: Some(workload.args.clone()).filter(|a| !a.is_empty()),
        env: Some(environment(workload, secret, secrets)),
        resources: Some(resources(workload)),
        security_context: Some(confined()),
        volume_mounts: Some(work_mounts(workload)),
        ..Container::default()
    });
    containers
}

fn work_mounts(workload: &Workload) -> Vec<VolumeMount> {
    let mut mounts = vec![mount("output", OUTPUT_DIR), mount("tmp", "/tmp")];
    mounts.extend(workload.checkpoint.as_ref().map(|_| mount("checkpoint", CHECKPOINT_DIR)));
    mounts
}

/// Whether a pod has something that is fetched from it.
fn holds(workload: &Workload) -> bool {
    !workload.outputs.is_empty() || workload.checkpoint.is_some()
}

/// A container of this program's own, that waits for the agent.
fn own_container(name: &str, config: &Config, words: &[&str], mounts: Vec<VolumeMount>) -> Container {
    let memory = Quantity(OUTPUTS_MEMORY_BYTES.to_string());
    let amounts = |cpu: &str| {
        BTreeMap::from([("cpu".to_owned(), Quantity(cpu.to_owned())), ("memory".to_owned(), memory.clone())])
    };
    let command = [config.agent_binary.as_str(), "outputs"].into_iter().chain(words.iter().copied());
    Container {
        name: name.to_owned(),
        image: Some(config.outputs_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(command.map(ToOwned::to_owned).collect()),
        // It sleeps while the work runs, and then hashes and copies files: little is set aside, a core may be used.
        resources: Some(ResourceRequirements {
            requests: Some(amounts(&format!("{OUTPUTS_CPU_MILLIS}m"))),
            limits: Some(amounts("1")),
            ..ResourceRequirements::default()
        }),
        security_context: Some(confined()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn outputs_container(workload: &Workload, config: &Config) -> Container {
    let read = |name: &str, path: &str| VolumeMount { read_only: Some(true), ..mount(name, path) };
    let mut mounts = vec![read("output", OUTPUT_DIR), mount("control", crate::sidecar::CONTROL_DIR)];
    mounts.extend(workload.checkpoint.as_ref().map(|_| read("checkpoint", CHECKPOINT_DIR)));
    own_container(OUTPUTS_CONTAINER, config, &[], mounts)
}

/// The container that waits, before the work begins, for the checkpoint that it goes on from. Each pod has it: whether
/// there is one is known when the pod is there.
fn restore_container(workload: &Workload, config: &Config) -> Option<Container> {
    workload.checkpoint.as_ref()?;
    let mounts = vec![mount("checkpoint", CHECKPOINT_DIR), mount("control", crate::sidecar::CONTROL_DIR)];
    Some(own_container(RESTORE_CONTAINER, config, &["checkpoint", "await"], mounts))
}

/// Plain variables, then secret ones, then the platform's, which nobody can override.
fn environment(workload: &Workload, secret: &str, secrets: &[String]) -> Vec<EnvVar> {
    let given = |name: &str| workload.env.iter().any(|v| v.name == name) || secrets.iter().any(|s| s == name);
    let plain =
        |name: &str, value: &str| EnvVar { name: name.to_owned(), value: Some(value.to_owned()), ..EnvVar::default() };
    let mut variables: Vec<EnvVar> = workload.env.iter().map(|v| plain(&v.name, &v.value)).collect();
    variables.extend(secrets.iter().map(|name| EnvVar {
        name: name.clone(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: name.clone(),
                optional: Some(false),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }));
    // The image's home belongs to another user or can't be written.
    if !given("HOME") {
        variables.push(plain("HOME", "/tmp"));
    }
    variables.push(plain("EAI_OUTPUT_DIR", OUTPUT_DIR));
    if workload.checkpoint.is_some() {
        variables.push(plain("EAI_CHECKPOINT", &format!("{CHECKPOINT_DIR}/{CHECKPOINT_FILE}")));
    }
    variables
}

fn resources(workload: &Workload) -> ResourceRequirements {
    let mut amounts = BTreeMap::from([
        ("cpu".to_owned(), Quantity(format!("{}m", workload.cpu_millis))),
        ("memory".to_owned(), Quantity(workload.memory_bytes.to_string())),
    ]);
    if let Some(accelerator) = &workload.accelerator {
        amounts.insert(accelerator.resource.clone(), Quantity(accelerator.count.to_string()));
    }
    ResourceRequirements { requests: Some(amounts.clone()), limits: Some(amounts), ..ResourceRequirements::default() }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

fn volumes(workload: &Workload, config: &Config) -> Vec<Volume> {
    let volume = |name: &str, limit: u64| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(limit.to_string())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    };
    let limit = config.limits.output_bytes();
    let mut volumes = vec![volume("output", limit), volume("tmp", limit)];
    if holds(workload) {
        volumes.push(volume("control", 1 << 20));
    }
    if let Some(checkpoint) = &workload.checkpoint {
        volumes.push(volume("checkpoint", checkpoint_volume(checkpoint)));
    }
    volumes
}

/// Bytes of a pod's volume for checkpoints: for one that is there, and one that is being written beside it.
pub fn checkpoint_volume(checkpoint: &Checkpoint) -> u64 {
    checkpoint.max_bytes.saturating_mul(2).saturating_add(1 << 20)
}

/// Nodes of the models and memory asked for. Device plugins label nodes with the resource's name before `.product` and
/// `.memory`.
/// Nodes with the right accelerators, of those the hub's choice if it has one, and one interconnect for all pods where that
/// is asked for.
fn affinity(workload: &Workload, config: &Config, name: &str) -> Option<Affinity> {
    let required_during_scheduling_ignored_during_execution = workload.accelerator.as_ref().and_then(models);
    let preferred = workload.preferred_nodes.iter().take(MOST_PREFERRED).map(|node| preference(node));
    let preferred: Vec<_> = preferred.collect();
    let preferred_during_scheduling_ignored_during_execution = (!preferred.is_empty()).then_some(preferred);
    let any = required_during_scheduling_ignored_during_execution.is_some()
        || preferred_during_scheduling_ignored_during_execution.is_some();
    let node_affinity = any.then_some(NodeAffinity {
        required_during_scheduling_ignored_during_execution,
        preferred_during_scheduling_ignored_during_execution,
    });
    let gang = workload.same_interconnect && workload.parallelism > 1;
    let pod_affinity = gang.then(|| together(config, name));
    let any = node_affinity.is_some() || pod_affinity.is_some();
    any.then(|| Affinity { node_affinity, pod_affinity, ..Affinity::default() })
}

/// A node by name, as strongly as can be wished.
fn preference(node: &str) -> PreferredSchedulingTerm {
    let name = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let preference = NodeSelectorTerm { match_fields: Some(vec![name]), ..NodeSelectorTerm::default() };
    PreferredSchedulingTerm { preference, weight: 100 }
}

/// Pods of the attempt `name` only where the first of them is: the scheduler lets that one go anywhere.
fn together(config: &Config, name: &str) -> PodAffinity {
    let label = &config.interconnect_label;
    let own = LabelSelector {
        match_labels: Some([(ASSIGNMENT_LABEL.to_owned(), name.to_owned())].into()),
        ..LabelSelector::default()
    };
    let term = PodAffinityTerm {
        label_selector: Some(own),
        topology_key: if label.is_empty() { HOSTNAME.to_owned() } else { label.clone() },
        ..PodAffinityTerm::default()
    };
    PodAffinity { required_during_scheduling_ignored_during_execution: Some(vec![term]), ..PodAffinity::default() }
}

fn models(accelerator: &Accelerator) -> Option<NodeSelector> {
    let requirement = |key: &str, operator: &str, values: Vec<String>| NodeSelectorRequirement {
        key: format!("{}.{key}", accelerator.resource),
        operator: operator.to_owned(),
        values: Some(values),
    };
    let mut requirements = Vec::new();
    if !accelerator.models.is_empty() {
        requirements.push(requirement("product", "In", accelerator.models.clone()));
    }
    if let Some(memory) = accelerator.memory_mib.filter(|&memory| memory > 0) {
        requirements.push(requirement("memory", "Gt", vec![(memory - 1).to_string()]));
    }
    if requirements.is_empty() {
        return None;
    }
    let term = NodeSelectorTerm { match_expressions: Some(requirements), ..NodeSelectorTerm::default() };
    Some(NodeSelector { node_selector_terms: vec![term] })
}

/// The owner's, and that of the accelerator asked for: nodes that have one are often kept for those who use it.
fn tolerations(workload: &Workload, config: &Config) -> Vec<Toleration> {
    let mut tolerations = config.tolerations.clone();
    if let Some(accelerator) = &workload.accelerator {
        tolerations.push(Toleration {
            key: Some(accelerator.resource.clone()),
            operator: Some("Exists".to_owned()),
            effect: Some("NoSchedule".to_owned()),
            ..Toleration::default()
        });
    }
    tolerations
}
