//! What may be done with running work, by what its Assignment and the owner allow. Nothing here relies on the hub's word.

use std::sync::Arc;

use eai_api::{
    Assignment,
    assignment::{AssignmentPhase, Desired},
    names::ASSIGNMENT_LABEL,
};
use kube::runtime::reflector::ObjectRef;

use crate::{
    config::Limits,
    context::Context,
    work::pods::{PodFact, Work},
};

/// The Assignment that a session is about, if its work is here and isn't over.
pub fn assignment(context: &Context, name: &str) -> Result<Arc<Assignment>, String> {
    let key = ObjectRef::new(name).within(&context.hub_namespace);
    let known = context.stores.assignments.get(&key);
    let assignment = known.ok_or("the job's work isn't here; try again in a moment")?;
    let over = assignment.status.as_ref().is_some_and(|status| AssignmentPhase::is_final(status.phase));
    if over || assignment.spec.desired == Desired::Stop {
        return Err("the job's work is over; what is kept of its log: kubectl eai logs, without -f".to_owned());
    }
    Ok(assignment)
}

/// Whether commands may be run in the work: by its job's will and the owner's.
pub fn commands(assignment: &Assignment, limits: &Limits) -> Result<(), String> {
    if !assignment.spec.workload.allow_exec {
        return Err("the job allows no commands (spec.allowExec)".to_owned());
    }
    if !limits.allow_exec {
        return Err("the member's owner allows no commands in work (limits.allowExec)".to_owned());
    }
    Ok(())
}

/// The pod that runs a completion of the work now.
pub fn pod(context: &Context, assignment: &str, index: u32) -> Result<String, String> {
    let pods = context.stores.pods.state();
    let ours = pods.iter().filter(|pod| {
        let labels = pod.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(ASSIGNMENT_LABEL)).is_some_and(|name| name == assignment)
    });
    let running = |pod: &PodFact| pod.index == index && matches!(pod.work, Work::Running { .. });
    let pod = ours.filter_map(|pod| PodFact::read(pod)).find(running);
    pod.map(|pod| pod.name).ok_or_else(|| format!("completion {index} doesn't run now"))
}
