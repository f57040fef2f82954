//! Which Assignments the reported nodes already show.

use std::{collections::BTreeSet, sync::Arc};

use eai_api::{Assignment, names::ASSIGNMENT_LABEL};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};

use crate::{
    context::Context,
    work::{
        pods::PodFact,
        snapshot::{Hold, JobFact},
    },
};

/// Names of Assignments whose use of nodes is all in the report: their pods have nodes, or there will be none. The hub
/// subtracts the others itself.
pub(super) fn assignments(context: &Context) -> BTreeSet<String> {
    let pods = context.stores.pods.state();
    let counted = |assignment: &Arc<Assignment>| {
        let name = assignment.metadata.name.clone()?;
        let phase = assignment.status.clone().unwrap_or_default().phase;
        let shown = phase.is_final() || context.job(&name).is_some_and(|job| is_shown(assignment, &job, &pods));
        shown.then_some(name)
    };
    context.stores.assignments.state().iter().filter_map(counted).collect()
}

fn is_shown(assignment: &Assignment, job: &Job, pods: &[Arc<Pod>]) -> bool {
    let fact = JobFact::read(job);
    let name = assignment.metadata.name.as_deref();
    let own = pods.iter().filter(|pod| {
        pod.metadata.labels.as_ref().and_then(|labels| labels.get(ASSIGNMENT_LABEL)).map(String::as_str) == name
    });
    let facts: Vec<PodFact> = own.filter_map(|pod| PodFact::read(pod)).collect();
    let placed = facts.iter().filter(|pod| !pod.terminal && pod.node.is_some()).count();
    let waiting = facts.iter().any(|pod| !pod.terminal && pod.node.is_none());
    let done = facts.iter().filter(|pod| pod.terminal).count();
    let workload = &assignment.spec.workload;
    let expected = (workload.parallelism as usize).min((workload.completions as usize).saturating_sub(done));
    !waiting && (fact.over() || fact.hold == Hold::Done || placed >= expected)
}
