#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, clippy::type_complexity, clippy::panic)]
//! Decisions, one by one; the crash points of metering; and what a pod may never be.

mod checkpoints;
mod fence;
mod hold;
mod lending;
mod life;
mod metering;
mod outputs;
mod security;
mod starting;
mod tries;

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use serde_json::{Value, json};

use super::*;
use crate::testing::{assignment, begun, container, made_job, snapshot, spec, spec_with, terminated};
use eai_api::AssignmentStatus;

/// A Job whose controller has said nothing but when it began.
fn open() -> Value {
    json!({ "active": 1, "startTime": crate::testing::at(0).to_string() })
}

fn condition(kind: &str) -> Value {
    json!({ "startTime": crate::testing::at(0).to_string(), "conditions": [{ "type": kind, "status": "True",
        "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit" }] })
}

/// What is decided for one GPU pod's Job with this status and these pods, `seconds` after the start.
fn decided(job_status: Value, pods: &[Pod], seconds: i64) -> Plan {
    let assignment = begun(assignment(spec()));
    let job = made_job(&assignment, job_status);
    decide(&snapshot(assignment, Some(&job), pods, seconds))
}

/// The snapshot after `job`'s record was written: what the next look sees.
fn recorded(job: &mut Job, plan: &Plan) {
    for step in &plan.steps {
        if let Step::Record { ledger, .. } = step {
            let annotations = job.metadata.annotations.get_or_insert_default();
            annotations.insert(crate::ledger::ANNOTATION.to_owned(), ledger.write());
        }
    }
}

/// A pod with an outputs container in this state.
fn with_outputs(mut pod: Pod, phase: &str, work: Value, outputs: Value) -> Pod {
    let spec = pod.spec.get_or_insert_default();
    spec.containers.push(serde_json::from_value(json!({ "name": "outputs" })).unwrap());
    pod.status = serde_json::from_value(json!({ "phase": phase,
        "containerStatuses": [container("work", work), container("outputs", outputs)] }))
    .unwrap();
    pod
}

fn has<F: Fn(&Step) -> bool>(plan: &Plan, step: F) -> bool {
    plan.steps.iter().any(step)
}
