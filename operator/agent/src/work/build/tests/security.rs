//! What no Assignment can make of a pod.

use std::collections::BTreeMap;

use eai_api::{AssignmentSpec, aijob::Network};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use proptest::prelude::*;

use super::*;
use crate::testing::{ASSIGNMENT_UID, NAME, config};

fn pod_spec(spec: &AssignmentSpec, config: &crate::config::Config) -> PodSpec {
    job::job(NAME, ASSIGNMENT_UID, spec, config, &["TOKEN".to_owned()]).spec.unwrap().template.spec.unwrap()
}

/// The restricted Pod Security Standard, and what this project adds to it.
fn is_confined(pod: &PodSpec) {
    assert_ne!(pod.host_network, Some(true));
    assert_ne!(pod.host_pid, Some(true));
    assert_ne!(pod.host_ipc, Some(true));
    assert_eq!(pod.automount_service_account_token, Some(false));
    assert_eq!(pod.service_account_name, None);
    assert_eq!(pod.enable_service_links, Some(false));
    assert_eq!(pod.node_name, None);
    assert_eq!(pod.host_aliases, None);
    assert_eq!(pod.share_process_namespace, None);
    assert!(pod.init_containers.iter().flatten().all(|c| c.name == "restore"));
    assert_eq!(pod.ephemeral_containers, None);
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    let security = pod.security_context.as_ref().unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(
        (security.run_as_user, security.run_as_group, security.fs_group),
        (Some(65_532), Some(65_532), Some(65_532))
    );
    assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
    assert!(security.sysctls.is_none() && security.supplemental_groups.is_none());
    for volume in pod.volumes.iter().flatten() {
        let only_empty = serde_json::to_value(volume).unwrap();
        assert_eq!(only_empty.as_object().unwrap().keys().collect::<Vec<_>>(), ["emptyDir", "name"]);
        assert!(volume.empty_dir.as_ref().unwrap().size_limit.is_some());
    }
    pod.containers.iter().chain(pod.init_containers.iter().flatten()).for_each(container_is_confined);
}

fn container_is_confined(container: &Container) {
    let security = container.security_context.as_ref().unwrap();
    assert_eq!(security.privileged, Some(false));
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_eq!((security.run_as_non_root, security.run_as_user), (Some(true), Some(65_532)));
    assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
    let capabilities = security.capabilities.as_ref().unwrap();
    assert_eq!((capabilities.drop.as_deref(), capabilities.add.as_deref()), (Some(&["ALL".to_owned()][..]), None));
    assert!(container.ports.is_none() && container.lifecycle.is_none() && container.volume_devices.is_none());
    assert!(container.liveness_probe.is_none() && container.startup_probe.is_none());
    let resources = container.resources.as_ref().unwrap();
    assert!(resources.limits.as_ref().unwrap().contains_key("memory"));
    assert!(resources.claims.is_none());
}

#[test]
fn the_pod_is_what_the_owner_allows_and_no_more() {
    let mut config = config();
    config.node_selector = BTreeMap::from([("pool".to_owned(), "eai".to_owned())]);
    config.priority_class = "eai-low".to_owned();
    let pod = pod_spec(&spec(), &config);
    is_confined(&pod);
    assert_eq!(pod.runtime_class_name.as_deref(), Some("gvisor"));
    assert_eq!(pod.node_selector, Some(config.node_selector));
    assert_eq!(pod.priority_class_name.as_deref(), Some("eai-low"));
    assert_eq!(pod.dns_policy.as_deref(), Some("None"));
    assert_eq!(pod.dns_config.unwrap().nameservers.unwrap(), ["127.0.0.1"]);
    assert_eq!(pod.termination_grace_period_seconds, Some(30));
    assert_eq!(pod.containers.len(), 1);
}

#[test]
fn work_asks_for_exactly_what_it_is_limited_to() {
    let pod = pod_spec(&spec(), &config());
    let resources = pod.containers[0].resources.clone().unwrap();
    assert_eq!(resources.requests, resources.limits);
    let text = serde_json::to_value(&resources.limits).unwrap();
    assert_eq!(text, json!({ "cpu": "500m", "memory": "268435456", "nvidia.com/gpu": "1" }));
}

#[test]
fn outputs_bring_a_container_that_can_only_read_them() {
    let pod = pod_spec(&spec_with(json!({ "outputs": [{ "name": "a", "path": "a" }] })), &config());
    is_confined(&pod);
    let sidecar = &pod.containers[0];
    assert_eq!((sidecar.name.as_str(), sidecar.env.as_ref()), ("outputs", None));
    assert_eq!(sidecar.image.as_deref(), Some(config().outputs_image.as_str()));
    let mounts: Vec<_> =
        sidecar.volume_mounts.iter().flatten().map(|m| (m.mount_path.as_str(), m.read_only == Some(true))).collect();
    assert_eq!(mounts, [("/eai/output", true), ("/eai/control", false)]);
    // The work can't reach what ends it.
    let work: Vec<_> = pod.containers[1].volume_mounts.iter().flatten().map(|m| m.mount_path.as_str()).collect();
    assert_eq!(work, ["/eai/output", "/tmp"]);
}

#[test]
fn the_internet_comes_without_the_clusters_names() {
    let mut config = config();
    config.internet_runtime_class = "kata".to_owned();
    let pod = pod_spec(&spec_with(json!({ "network": "Internet" })), &config);
    is_confined(&pod);
    assert_eq!(pod.runtime_class_name.as_deref(), Some("kata"));
    assert_eq!(pod.dns_policy.as_deref(), Some("None"));
    assert_eq!(pod.dns_config.unwrap().nameservers.unwrap(), ["1.1.1.1", "9.9.9.9"]);
    let labels = |network| {
        let spec = spec_with(json!({ "network": network }));
        let template = pod::template(&spec.workload, &config, &BTreeMap::new(), NAME, &[]);
        template.metadata.unwrap().labels.unwrap()["eai.network/network"].clone()
    };
    assert_eq!((labels("Internet").as_str(), labels("None").as_str()), ("internet", "none"));
}

#[test]
fn the_environment_is_the_works_but_for_the_platforms_own() {
    let pod = pod_spec(&spec(), &config());
    let env = pod.containers[0].env.clone().unwrap();
    let names: Vec<_> = env.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["EPOCHS", "TOKEN", "HOME", "EAI_OUTPUT_DIR"]);
    let secret = env[1].value_from.clone().unwrap().secret_key_ref.unwrap();
    assert_eq!((secret.name.as_str(), secret.key.as_str()), (NAME, "TOKEN"));
    let own_home = pod_spec(&spec_with(json!({ "env": [{ "name": "HOME", "value": "/x" }] })), &config());
    let homes: Vec<_> = own_home.containers[0].env.iter().flatten().filter(|v| v.name == "HOME").collect();
    assert_eq!((homes.len(), homes[0].value.as_deref()), (1, Some("/x")));
}

#[test]
fn models_and_memory_become_node_labels() {
    let pod = pod_spec(
        &spec_with(json!({ "accelerator": { "resource": "nvidia.com/gpu", "count": 1, "models": ["A100", "H100"],
            "memoryMib": 40_960 } })),
        &config(),
    );
    let terms =
        pod.affinity.unwrap().node_affinity.unwrap().required_during_scheduling_ignored_during_execution.unwrap();
    assert_eq!(
        serde_json::to_value(&terms.node_selector_terms).unwrap(),
        json!([{ "matchExpressions": [
            { "key": "nvidia.com/gpu.product", "operator": "In", "values": ["A100", "H100"] },
            { "key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["40959"] },
        ] }])
    );
    assert_eq!(pod_spec(&spec(), &config()).affinity, None);
    let tolerations = pod_spec(&spec(), &config()).tolerations.unwrap();
    assert_eq!((tolerations.len(), tolerations[0].key.as_deref()), (1, Some("nvidia.com/gpu")));
    assert_eq!(pod_spec(&spec_with(json!({ "accelerator": null })), &config()).tolerations, None);
}

#[test]
fn the_job_is_the_attempt_and_retries_nothing() {
    let spec = spec_with(json!({ "completions": 5, "parallelism": 2 }));
    let job = job::job(NAME, ASSIGNMENT_UID, &spec, &config(), &[]);
    let given = job.spec.unwrap();
    assert_eq!((given.completions, given.parallelism, given.backoff_limit), (Some(5), Some(2), Some(0)));
    assert_eq!(given.completion_mode.as_deref(), Some("Indexed"));
    assert_eq!(given.pod_replacement_policy.as_deref(), Some("Failed"));
    // Three waves of 300 s and 30 s of grace, and the hour that an agent may be away.
    assert_eq!(given.active_deadline_seconds, Some(3 * 330 + 3_600));
    assert_eq!(job.metadata.name.as_deref(), Some(NAME));
    assert_eq!(job.metadata.labels.unwrap()["eai.network/job-uid"], crate::testing::UID);
    let finalizers = given.template.metadata.unwrap().finalizers.unwrap();
    assert_eq!(finalizers, ["eai.network/metering"]);
}

#[test]
fn the_secret_goes_with_its_job() {
    let spec = spec();
    let mut job = job::job(NAME, ASSIGNMENT_UID, &spec, &config(), &[]);
    assert_eq!(job::owner(&job), None);
    job.metadata.uid = Some("u".to_owned());
    let owner = job::owner(&job).unwrap();
    assert_eq!((owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()), ("Job", NAME, "u"));
    let secrets = BTreeMap::from([("TOKEN".to_owned(), "s3cret".to_owned().into())]);
    let secret = job::secret(NAME, &spec, &config(), &secrets);
    assert_eq!(secret.data.unwrap()["TOKEN"].0, b"s3cret");
    assert_eq!((secret.immutable, secret.metadata.name.as_deref()), (Some(true), Some(NAME)));
}

proptest! {
    /// Whatever the workload says, the pod is confined.
    #[test]
    fn no_workload_loosens_the_pod(
        image in ".{0,80}", words in prop::collection::vec(".{0,40}", 0..5),
        env in prop::collection::vec((".{0,20}", ".{0,40}"), 0..5),
        resource in prop::option::of(".{0,30}"), cpu in any::<u64>(), memory in any::<u64>(),
        internet in any::<bool>(), outputs in prop::collection::vec((".{0,20}", ".{0,40}", any::<u64>()), 0..4),
        counts in any::<(u32, u32, u32, u64)>(),
    ) {
        let outputs: Vec<_> =
            outputs.iter().map(|(name, path, max)| json!({ "name": name, "path": path, "maxBytes": max })).collect();
        let env: Vec<_> = env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let spec = spec_with(json!({
            "image": image, "command": words, "args": words, "env": env, "cpuMillis": cpu, "memoryBytes": memory,
            "accelerator": resource.map(|r| json!({ "resource": r, "count": counts.0, "models": [r], "memoryMib": counts.3 })),
            "network": if internet { "Internet" } else { "None" }, "outputs": outputs,
            "completions": counts.0, "parallelism": counts.1, "maxDurationSeconds": counts.3,
        }));
        let pod = pod_spec(&spec, &config());
        is_confined(&pod);
        prop_assert_eq!(pod.runtime_class_name.as_deref(), if internet { None } else { Some("gvisor") });
        prop_assert!(pod.containers.len() <= 2);
        let _ = Network::None;
    }
}

#[test]
fn a_gang_that_wants_one_interconnect_is_kept_together() {
    let gang = |same: bool, parallelism: u32| {
        let mut spec = spec();
        (spec.workload.completions, spec.workload.parallelism) = (4, parallelism);
        spec.workload.same_interconnect = same;
        spec
    };
    let together = |label: &str, same, parallelism| {
        let mut config = config();
        config.interconnect_label = label.to_owned();
        let affinity = pod_spec(&gang(same, parallelism), &config).affinity?.pod_affinity?;
        Some(affinity.required_during_scheduling_ignored_during_execution.unwrap().remove(0))
    };
    let term = together("nvidia.com/gpu.clique", true, 4).unwrap();
    assert_eq!(term.topology_key, "nvidia.com/gpu.clique");
    let labels = term.label_selector.unwrap().match_labels.unwrap();
    assert_eq!(labels.keys().collect::<Vec<_>>(), ["eai.network/assignment"], "its own pods and nobody else's");
    assert_eq!(together("", true, 4).unwrap().topology_key, "kubernetes.io/hostname");
    assert_eq!(together("nvidia.com/gpu.clique", false, 4), None);
    assert_eq!(together("nvidia.com/gpu.clique", true, 1), None, "one pod is on one interconnect anyway");
}

#[test]
fn the_hubs_choice_of_nodes_is_a_wish_and_no_condition() {
    let mut wishing = spec();
    wishing.workload.preferred_nodes = vec!["a".to_owned(), "b".to_owned()];
    let affinity = pod_spec(&wishing, &config()).affinity.unwrap().node_affinity.unwrap();
    assert_eq!(affinity.required_during_scheduling_ignored_during_execution, None);
    let names: Vec<_> = affinity.preferred_during_scheduling_ignored_during_execution.iter().flatten().collect();
    assert_eq!(
        serde_json::to_value(names).unwrap(),
        json!(["a", "b"].map(|name| json!({ "weight": 100, "preference": { "matchFields": [
            { "key": "metadata.name", "operator": "In", "values": [name] } ] } })))
    );
}
