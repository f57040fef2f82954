//! Reading everything once.

use std::sync::Arc;

use eai_api::{Assignment, AssignmentSpec, assignment::Desired, names::ASSIGNMENT_LABEL};
use eai_core::fencing::Term;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Api, runtime::reflector::ObjectRef};

use super::{
    pods::PodFact,
    snapshot::{JobFact, Snapshot},
};
use crate::{context::Context, link::with_timeout};

/// How long a Job that was just created may be missing from the watch.
const WATCH_LAG: std::time::Duration = std::time::Duration::from_secs(10);

/// Everything about `assignment`. Costs no request, but for one where a Job that should be there isn't.
pub async fn gather(context: &Context, assignment: Arc<Assignment>) -> Result<Snapshot, kube::Error> {
    let name = assignment.metadata.name.clone().unwrap_or_default();
    let uid = assignment.metadata.uid.clone().unwrap_or_default();
    let watched = assignment.status.clone().unwrap_or_default();
    let track = context.tracks.with(&name, &uid, |track| {
        track.seen.get_or_insert_with(tokio::time::Instant::now);
        track.clone()
    });
    let previous = track.written.unwrap_or(watched);
    let mut job = find(context, &name, &uid);
    let begun = previous.job_uid.is_some() || assignment.spec.acknowledged.started;
    if job.is_none() && begun && !previous.phase.is_final() {
        // A cache that lags must not make a Job look lost.
        let jobs: Api<Job> = Api::namespaced(context.member.clone(), &context.config.work_namespace);
        job = with_timeout(jobs.get_opt(&name)).await?.map(Arc::new);
    }
    let pods = context.stores.pods.state();
    let term = take(context, &name, &uid, &assignment.spec);
    // In this order: what passes between the two brings the end of a grant forward, not back.
    let now = context.pulse.wall();
    let boot = context.pulse.boot();
    Ok(Snapshot {
        previous,
        job: job.map(|job| JobFact::read(&job)),
        pods: pods.iter().filter(|pod| belongs(pod, &name)).filter_map(|pod| PodFact::read(pod)).collect(),
        artifacts: context.artifacts.view(&name),
        lost_nodes: context.silent_nodes(),
        start_within: u64::from(context.config.start_within_seconds),
        term,
        now,
        boot,
        assignment,
    })
}

/// Until when it may run, with its grant taken. One that can't be taken changes nothing; nor does that of work which is
/// stopped.
fn take(context: &Context, name: &str, uid: &str, spec: &AssignmentSpec) -> Term {
    context.tracks.with(name, uid, |track| {
        let term = track.term.unwrap_or(Term::new(spec.epoch));
        let Some(grant) = spec.grant.as_ref().filter(|_| spec.desired != Desired::Stop) else { return term };
        match context.pulse.take(term, spec.epoch, grant) {
            Ok(taken) => {
                (track.term, track.untaken) = (Some(taken), None);
                taken
            }
            Err(error) => {
                if track.untaken.as_ref() != Some(grant) {
                    tracing::debug!(assignment = name, %error, heartbeat = grant.heartbeat, "a grant isn't taken");
                    track.untaken = Some(grant.clone());
                }
                term
            }
        }
    })
}

/// The Job as watched, or as created a moment ago.
fn find(context: &Context, name: &str, uid: &str) -> Option<Arc<Job>> {
    let key = ObjectRef::new(name).within(&context.config.work_namespace);
    let watched = context.stores.jobs.get(&key);
    context.tracks.with(name, uid, |track| {
        let fresh = track.created_at.is_some_and(|at| at.elapsed() < WATCH_LAG);
        if watched.is_some() || !fresh {
            (track.created, track.reserved) = (None, None);
        }
        watched.or_else(|| track.created.clone())
    })
}

fn belongs(pod: &Pod, name: &str) -> bool {
    pod.metadata.labels.as_ref().and_then(|labels| labels.get(ASSIGNMENT_LABEL)).is_some_and(|label| label == name)
}
