//! The batch/v1 Job of an attempt, and the Secret beside it.

use std::collections::BTreeMap;

use eai_api::{
    AssignmentSpec,
    aijob::policy::{MOST_BACKOFF_SECONDS, runs_in_a_row, tries},
    assignment::Workload,
    names::{ASSIGNMENT_LABEL, JOB_UID_LABEL},
};
use k8s_openapi::{
    ByteString,
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::Secret,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

use super::{pod, policies};
use crate::{config::Config, context::FIELD_MANAGER, ledger, refusal::Secrets};

/// Label: who made it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Annotation: the UID of the Assignment that it was made for, or that it was adopted by after that one was deleted.
pub const ASSIGNMENT_UID: &str = "eai.network/assignment-uid";
/// Annotation: the longest that a pod of it may run, in seconds. It holds also while no Assignment says so.
pub const MAX_DURATION: &str = "eai.network/max-duration-seconds";
/// Annotation: outputs that weren't kept, in words.
pub const NOTES: &str = "eai.network/notes";
/// Seconds beyond the work's own time after which the member's control plane ends a Job that no agent looks after:
/// time to pull images, and to fetch outputs. A living agent moves the end on.
pub const UNATTENDED_SECONDS: u64 = 3600;

/// Labels of everything that belongs to an attempt.
pub fn labels(name: &str, spec: &AssignmentSpec) -> BTreeMap<String, String> {
    BTreeMap::from([
        (ASSIGNMENT_LABEL.to_owned(), name.to_owned()),
        (JOB_UID_LABEL.to_owned(), spec.job.uid.clone()),
        (MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned()),
    ])
}

/// The Job of the Assignment `name` with UID `uid`. `secrets` are the names of its secret variables.
pub fn job(name: &str, uid: &str, spec: &AssignmentSpec, config: &Config, secrets: &[String]) -> Job {
    let workload = &spec.workload;
    let labels = labels(name, spec);
    Job {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(config.work_namespace.clone()),
            labels: Some(labels.clone()),
            annotations: Some(BTreeMap::from([
                (ASSIGNMENT_UID.to_owned(), uid.to_owned()),
                (MAX_DURATION.to_owned(), workload.max_duration_seconds.to_string()),
                (ledger::ANNOTATION.to_owned(), ledger::Ledger::default().write()),
            ])),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            active_deadline_seconds: i64::try_from(unattended_deadline(workload)).ok(),
            backoff_limit: Some(policies::backoff_limit(workload)),
            backoff_limit_per_index: policies::limit_per_index(workload),
            completion_mode: Some("Indexed".to_owned()),
            completions: i32::try_from(workload.completions).ok(),
            max_failed_indexes: policies::max_failed_indexes(workload),
            parallelism: i32::try_from(workload.parallelism).ok(),
            pod_failure_policy: Some(policies::pod_failure_policy(workload)),
            // Never two pods of an index at once, not even while one is ending.
            pod_replacement_policy: Some("Failed".to_owned()),
            success_policy: policies::success_policy(workload),
            template: pod::template(workload, config, &labels, name, secrets),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// Seconds from its start after which a Job ends if no agent looks after it.
pub fn unattended_deadline(workload: &Workload) -> u64 {
    let tries = tries(workload.failure_policy.as_ref());
    let runs = runs_in_a_row(workload.completions, workload.parallelism, tries);
    let grace = u64::try_from(pod::GRACE_SECONDS).unwrap_or(0);
    let between = if tries > 1 { MOST_BACKOFF_SECONDS } else { 0 };
    let each = workload.max_duration_seconds.saturating_add(grace).saturating_add(between);
    runs.saturating_mul(each).saturating_add(UNATTENDED_SECONDS)
}

/// The Secret with an attempt's secret variables. The Job becomes its owner once there is one.
pub fn secret(name: &str, spec: &AssignmentSpec, config: &Config, secrets: &Secrets) -> Secret {
    let data = secrets.iter().map(|(name, value)| (name.clone(), ByteString(value.as_bytes().to_vec()))).collect();
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(config.work_namespace.clone()),
            labels: Some(labels(name, spec)),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        data: Some(data),
        ..Secret::default()
    }
}

/// A reference that makes `job` an object's owner, so that the one goes with the other.
pub fn owner(job: &Job) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: job.metadata.name.clone()?,
        uid: job.metadata.uid.clone()?,
        ..OwnerReference::default()
    })
}
