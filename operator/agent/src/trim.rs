//! Dropping what nobody here reads, before an object is kept: an agent must fit beside a miner's own work.

use eai_api::names::ASSIGNMENT_LABEL;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Node, Pod, PodSpec},
};

/// Nothing.
pub fn nothing<K>(_: &mut K) {}

/// A Job's template may hold a vendor's whole environment.
pub fn job(job: &mut Job) {
    if let Some(spec) = job.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) {
        pod_spec(spec);
    }
}

/// So may a pod.
pub fn pod(pod: &mut Pod) {
    if let Some(labels) = &mut pod.metadata.labels {
        labels.retain(|key, _| key == ASSIGNMENT_LABEL);
    }
    pod.spec.iter_mut().for_each(pod_spec);
}

fn pod_spec(spec: &mut PodSpec) {
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        (container.env, container.command, container.args) = (None, None, None);
        (container.volume_mounts, container.security_context) = (None, None);
    }
    (spec.volumes, spec.affinity, spec.tolerations) = (None, None, None);
}

/// A node lists every image it has, each by several names; those with digests are enough.
pub fn node(node: &mut Node) {
    node.metadata.annotations = None;
    if let Some(status) = &mut node.status {
        for image in status.images.iter_mut().flatten() {
            image.names.iter_mut().for_each(|names| names.retain(|name| name.contains('@')));
            image.size_bytes = None;
        }
        (status.volumes_in_use, status.volumes_attached) = (None, None);
        (status.config, status.node_info) = (None, None);
    }
}
