//! What tests share: a configuration, Assignments, and objects as a member's cluster would show them.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, clippy::type_complexity)]

pub mod api;
pub mod clock;
pub mod world;

use std::sync::Arc;

use eai_api::{Assignment, AssignmentSpec, AssignmentStatus, assignment::Grant};
use eai_core::fencing::{self, BootMs, Heartbeat, Heartbeats, Instance, Term};
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::Timestamp,
};
use serde_json::{Value, json};

use crate::{
    artifacts::View,
    config::Config,
    work::{
        build::job,
        pods::PodFact,
        snapshot::{JobFact, Snapshot},
    },
};

pub const UID: &str = "0f6e2a51-9f0d-4c7c-9f5e-2f4f0d1f2a3b";
pub const NAME: &str = "0f6e2a51-9f0d-4c7c-9f5e-2f4f0d1f2a3b-g1-a1";
pub const ASSIGNMENT_UID: &str = "a5519e1e-0000-4000-8000-000000000001";
pub const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The same on the boot-time clock.
pub const BOOT: BootMs = BootMs(5_000_000);
/// When everything in tests begins, in Unix seconds.
pub const T0: i64 = 1_800_000_000;

pub fn config() -> Config {
    Config::parse(&format!(
        "
member: home-1
hub: {{ url: 'https://hub.example.com:6443' }}
ownerKeyFile: /nowhere
chain: {{ id: 31337, escrow: '0x5FbDB2315678afecb367f032d93F642f64180aa3' }}
prices:
  - {{ class: nvidia.com/gpu, rate: '1.25' }}
  - {{ class: cpu, rate: '0.05' }}
limits:
  registries: [registry.example.com/team]
  maxCpu: 4
  maxMemory: 8Gi
  maxDurationSeconds: 7200
  maxPods: 8
  accelerators: {{ nvidia.com/gpu: 2 }}
runtimeClass: gvisor
outputsImage: registry.example.com/eai/eai-agent@{DIGEST}
"
    ))
    .unwrap()
}

/// A spec as the hub would write it: one pod, two GPUs' worth less than the limits.
pub fn spec() -> AssignmentSpec {
    spec_with(json!({}))
}

/// The same, with `workload` merged over its own.
pub fn spec_with(workload: Value) -> AssignmentSpec {
    let mut spec = json!({
        "job": { "namespace": "vendor", "name": "train", "uid": UID },
        "epoch": { "generation": 1, "attempt": 1 },
        "workload": {
            "image": format!("registry.example.com/team/trainer@{DIGEST}"),
            "args": ["train"],
            "env": [{ "name": "EPOCHS", "value": "40" }],
            "accelerator": { "resource": "nvidia.com/gpu", "count": 1 },
            "cpuMillis": 500,
            "memoryBytes": 268_435_456,
            "completions": 1,
            "parallelism": 1,
            "network": "None",
            "outputs": [],
            "maxDurationSeconds": 300,
        },
        "class": "nvidia.com/gpu",
        "rate": "1.25",
        "leaseId": format!("0x{}", "1".repeat(64)),
    });
    let target = spec["workload"].as_object_mut().unwrap();
    for (key, value) in workload.as_object().unwrap() {
        target.insert(key.clone(), value.clone());
    }
    if spec["workload"]["accelerator"].is_null() {
        spec["class"] = json!("cpu");
    }
    serde_json::from_value(spec).unwrap()
}

pub fn assignment(spec: AssignmentSpec) -> Assignment {
    let mut assignment = Assignment::new(NAME, spec);
    assignment.metadata.uid = Some(ASSIGNMENT_UID.to_owned());
    assignment.metadata.generation = Some(1);
    assignment.metadata.namespace = Some("cn-home-1".to_owned());
    assignment
}

/// `assignment` with a grant of ten minutes that echoes this heartbeat of the agent in tests.
pub fn granted(mut assignment: Assignment, sequence: u64) -> Assignment {
    let heartbeat = Heartbeat { instance: world::INSTANCE, sequence }.to_string();
    assignment.spec.grant = Some(Grant { heartbeat, valid_for_seconds: 600 });
    assignment
}

/// The term of an attempt that may run until `seconds` after [`BOOT`].
pub fn until(seconds: u64) -> Term {
    let mut heartbeats = Heartbeats::new(Instance(1));
    let grant = fencing::Grant { heartbeat: heartbeats.send(BOOT), valid_for_ms: seconds * 1_000 };
    let epoch = spec().epoch;
    Term::new(epoch).accept(epoch, grant, &heartbeats).unwrap()
}

/// The same Assignment deleted on the hub and made again: the hub knows that its work has begun.
pub fn made_again(assignment: &Assignment) -> Assignment {
    let mut again = assignment.clone();
    again.metadata.uid = Some("made-again".to_owned());
    again.spec.acknowledged.started = true;
    again.status = None;
    again
}

/// `seconds` after [`T0`].
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(T0 + seconds).unwrap()
}

/// The same in Unix milliseconds.
pub fn ms(seconds: i64) -> u64 {
    u64::try_from((T0 + seconds) * 1000).unwrap()
}

/// A work pod with this completion index and status, as the member's API server shows it.
pub fn pod(index: u32, status: Value) -> Pod {
    pod_with(index, &format!("pod-{index}"), status, json!({}))
}

/// The same with a UID, and metadata merged over its own.
pub fn pod_with(index: u32, uid: &str, status: Value, metadata: Value) -> Pod {
    let mut meta = json!({
        "name": format!("{NAME}-{index}-{uid}"),
        "namespace": "eai-work",
        "uid": uid,
        "creationTimestamp": at(0).to_string(),
        "labels": { "eai.network/assignment": NAME },
        "annotations": { "batch.kubernetes.io/job-completion-index": index.to_string() },
        "finalizers": ["batch.kubernetes.io/job-tracking", "eai.network/metering"],
    });
    for (key, value) in metadata.as_object().unwrap() {
        meta[key] = value.clone();
    }
    let containers = json!([{ "name": "work" }]);
    serde_json::from_value(json!({ "metadata": meta, "spec": { "nodeName": "node-1", "containers": containers },
        "status": status }))
    .unwrap()
}

/// The status of a pod whose work runs since `start`.
pub fn running(start: i64) -> Value {
    json!({ "phase": "Running", "containerStatuses": [container("work", json!({
        "running": { "startedAt": at(start).to_string() } }))] })
}

/// The status of a pod whose work ran from `start` to `finish`.
pub fn ended(start: i64, finish: i64, exit: i32) -> Value {
    let phase = if exit == 0 { "Succeeded" } else { "Failed" };
    json!({ "phase": phase, "containerStatuses": [container("work", terminated(start, finish, exit))] })
}

pub fn terminated(start: i64, finish: i64, exit: i32) -> Value {
    json!({ "terminated": { "startedAt": at(start).to_string(), "finishedAt": at(finish).to_string(),
        "exitCode": exit, "reason": if exit == 0 { "Completed" } else { "Error" } } })
}

/// The status of a pod whose work waits for `reason`.
pub fn waiting(reason: &str) -> Value {
    json!({ "phase": "Pending", "containerStatuses": [container("work", json!({
        "waiting": { "reason": reason, "message": "as told" } }))] })
}

pub fn container(name: &str, state: Value) -> Value {
    json!({ "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state })
}

/// The Job of `assignment` as its API server shows it, with `status`.
pub fn made_job(assignment: &Assignment, status: Value) -> Job {
    let mut job = job::job(NAME, ASSIGNMENT_UID, &assignment.spec, &config(), &[]);
    job.metadata.uid = Some("job-uid".to_owned());
    job.status = Some(serde_json::from_value(status).unwrap());
    job
}

/// A snapshot at `seconds` after [`T0`].
pub fn snapshot(assignment: Assignment, job: Option<&Job>, pods: &[Pod], seconds: i64) -> Snapshot {
    let previous = assignment.status.clone().unwrap_or_default();
    Snapshot {
        previous,
        job: job.map(JobFact::read),
        pods: pods.iter().filter_map(PodFact::read).collect(),
        artifacts: View::default(),
        lost_nodes: std::collections::BTreeMap::new(),
        start_within: 60,
        term: Term::new(assignment.spec.epoch),
        now: at(seconds),
        boot: BOOT.after(u64::try_from(seconds).unwrap_or(0) * 1_000),
        assignment: Arc::new(assignment),
    }
}

/// `assignment` after its agent has said that its Job exists.
pub fn begun(mut assignment: Assignment) -> Assignment {
    assignment.status = Some(AssignmentStatus { job_uid: Some("job-uid".to_owned()), ..AssignmentStatus::default() });
    assignment
}
