//! From a job to what its member is told of it.

use eai_api::{
    AIJob, Assignment, AssignmentSpec,
    aijob::Attempt,
    artifact::RestoreFrom,
    assignment::{Acknowledged, Desired, Grant, JobRef, Role, Workload},
    names::{JOB_UID_LABEL, MEMBER_LABEL, member_namespace},
};
use eai_core::{
    quantity::{QuantityError, parse_milli, parse_units},
    seal::Sealed,
};
use kube::ResourceExt as _;

use super::build::situation::ever_ran;

/// The Assignment of the attempt of a job that is whole, with what the hub doesn't keep in memory. Its name is the epoch's, so that it can be made only once.
pub fn assignment(
    job: &AIJob,
    attempt: &Attempt,
    (desired, grant): (Desired, Option<Grant>),
    sealed_env: Option<Sealed>,
) -> Result<Assignment, QuantityError> {
    let uid = job.uid().unwrap_or_default();
    let spec = &job.spec;
    let workload = Workload {
        image: spec.image.clone(),
        command: spec.command.clone(),
        args: spec.args.clone(),
        env: spec.env.clone(),
        sealed_env,
        accelerator: spec.accelerator.clone(),
        cpu_millis: parse_milli(&spec.resources.cpu)?,
        memory_bytes: parse_units(&spec.resources.memory)?,
        completions: spec.completions,
        parallelism: spec.parallelism.min(spec.completions),
        same_interconnect: spec.placement.same_interconnect,
        preferred_nodes: attempt.nodes.clone(),
        network: spec.network,
        allow_exec: spec.allow_exec,
        outputs: spec.outputs.clone(),
        max_duration_seconds: spec.max_duration_seconds,
        failure_policy: spec.failure_policy.clone(),
        success_policy: spec.success_policy.clone(),
        checkpoint: spec.checkpoint.clone(),
        restore: restore(job),
    };
    let job_ref = JobRef { namespace: job.namespace().unwrap_or_default(), name: job.name_any(), uid: uid.clone() };
    let mut assignment = Assignment::new(
        &attempt.epoch.name(&uid),
        AssignmentSpec {
            job: job_ref,
            epoch: attempt.epoch,
            role: Role::Winner,
            workload,
            class: attempt.class.clone(),
            rate: attempt.rate,
            lease_id: attempt.lease.id.clone(),
            desired,
            grant,
            on_hub_loss: spec.on_hub_loss,
            // Made again for work that ran before: if its Job is gone, the work is lost and must not begin anew.
            acknowledged: Acknowledged { started: ever_ran(attempt), ..Acknowledged::default() },
        },
    );
    assignment.metadata.namespace = Some(member_namespace(&attempt.member));
    let labels = [(JOB_UID_LABEL, uid), (MEMBER_LABEL, attempt.member.clone())];
    assignment.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value)).into());
    Ok(assignment)
}

/// The checkpoints that the job's attempts left, for each index the last.
fn restore(job: &AIJob) -> Vec<RestoreFrom> {
    let wanted = job.status.as_ref().filter(|_| job.spec.checkpoint.is_some());
    let saved = wanted.map_or(&[][..], |status| &status.checkpoints);
    saved.iter().map(|saved| RestoreFrom { index: saved.index, epoch: saved.epoch }).collect()
}
