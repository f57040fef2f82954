//! Assignments: from the hub's wish to a Job in the member's cluster, and back.
//!
//! A reconcile reads top to bottom: `gather` reads everything once, `build` decides, `apply` does it, `status` tells the
//! hub, also when something failed.

mod admit;
mod apply;
pub mod build;
mod gather;
pub mod pods;
pub mod snapshot;
mod status;

pub use status::USAGE_EVERY;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use eai_api::{Assignment, AssignmentStatus, assignment::AssignmentPhase, names::ASSIGNMENT_LABEL};
use eai_core::fencing::Verdict;
use futures::{Stream, StreamExt as _};
use kube::{
    Resource, ResourceExt as _,
    runtime::{
        applier,
        controller::{Action, Config as ApplierConfig, ReconcileRequest},
        reflector::ObjectRef,
    },
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use self::{
    admit::{Admission, admit, judge},
    apply::{Applier, ApplyError},
    build::{Plan, Step, decide, grant},
    snapshot::Snapshot,
};
use crate::{context::Context, fence, identity::IdentityError, refusal::Refusal};

/// Looked at again this long after nothing happened at all.
const IDLE: Duration = Duration::from_mins(10);

/// What is to be fenced and couldn't be is tried again this soon.
const FENCE_RETRY: Duration = Duration::from_millis(500);

/// Why a reconcile failed. All of it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The member's cluster couldn't be read.
    #[error("reading the member's cluster: {0}")]
    Gather(kube::Error),
    /// A step failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The hub generation couldn't be written down, so nothing of it may run yet.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The hub couldn't be told.
    #[error("telling the hub: {0}")]
    Status(kube::Error),
}

/// Reconciles whatever `queue` names, until `shutdown` and until what was begun is done.
pub async fn run(context: Arc<Context>, queue: UnboundedReceiver<ObjectRef<Assignment>>, shutdown: CancellationToken) {
    let store = context.stores.assignments.clone();
    let _ = tokio::join!(context.stores.jobs.wait_until_ready(), context.stores.pods.wait_until_ready());
    let queue = requests(queue).take_until(shutdown.cancelled_owned());
    applier(
        |assignment, context| Box::pin(reconcile(assignment, context)),
        |assignment, error, context| failed(&assignment, error, &context),
        context,
        store,
        queue,
        ApplierConfig::default(),
    )
    .for_each(|_| async {})
    .await;
}

fn requests(
    queue: UnboundedReceiver<ObjectRef<Assignment>>,
) -> impl Stream<Item = Result<ReconcileRequest<Assignment>, std::convert::Infallible>> {
    futures::stream::unfold(queue, |mut queue| async move {
        queue.recv().await.map(|object| (Ok(ReconcileRequest::from(object)), queue))
    })
}

/// The Assignment that a Job or pod in the member's cluster belongs to.
pub fn assignment_of<K: Resource>(object: &K, hub_namespace: &str) -> Option<ObjectRef<Assignment>> {
    let name = object.labels().get(ASSIGNMENT_LABEL)?;
    Some(ObjectRef::new(name).within(hub_namespace))
}

/// Looks at `assignment` once.
pub async fn reconcile(assignment: Arc<Assignment>, context: Arc<Context>) -> Result<Action, WorkError> {
    let timer = context.metrics.reconcile_seconds.start_timer();
    let (name, uid) = (assignment.name_any(), assignment.uid().unwrap_or_default());
    let result = tokio::select! {
        result = Box::pin(reconcile_once(assignment, &context)) => result,
        // Whatever this waits for, a hub that is away or a cluster that is slow: it is looked at now, and fenced first.
        () = fence::interrupt(&context, &name, &uid) => Ok(Action::requeue(Duration::ZERO)),
    };
    timer.observe_duration();
    let word = if result.is_ok() { "ok" } else { "error" };
    context.metrics.reconciles.with_label_values(&[word]).inc();
    if result.is_ok() {
        context.tracks.with(&name, &uid, |track| track.failures = 0);
    }
    result
}

async fn reconcile_once(assignment: Arc<Assignment>, context: &Context) -> Result<Action, WorkError> {
    let mut snapshot = gather::gather(context, assignment.clone()).await.map_err(WorkError::Gather)?;
    let before = snapshot.previous.clone();
    let mut plan = decide(&snapshot);
    note_fence(context, &snapshot);
    let mut result = Ok(());
    if let [step @ (Step::Admit | Step::Judge)] = plan.steps.as_slice() {
        let admission =
            if *step == Step::Admit { admit(context, &snapshot).await } else { Ok(judge(context, &snapshot)) };
        match admission {
            Ok(Admission::Created(fact)) => {
                snapshot.job = Some(*fact);
                plan = decide(&snapshot);
                note_fence(context, &snapshot);
            }
            Ok(Admission::Refused(refusal)) => plan = refused(context, &snapshot, refusal),
            Ok(Admission::Wait) => build::say(&mut plan.status, "Probing", "it begins once the probes are done"),
            Ok(Admission::Ungranted) => build::await_grant(&mut plan.status),
            Err(error) => result = Err(error),
        }
    }
    if result.is_ok() {
        result = perform(context, &snapshot, &plan).await;
    }
    // What couldn't be done can't be told as done: then only what was true before is told.
    let status = if result.is_ok() { plan.status } else { keep(&snapshot, &before) };
    let told = status::write(context, &assignment, &before, &status).await.map_err(WorkError::Status);
    result.and(told)?;
    // Telling may be what letting a pod go, or cleaning up, waited for.
    let waited = before.outputs != status.outputs || before.phase.is_final() != status.phase.is_final();
    let again = plan.again.into_iter().chain(waited.then_some(AFTER_TELLING)).min();
    Ok(Action::requeue(again.unwrap_or(IDLE)))
}

/// After the hub was told something, what depends on its being told is looked at.
const AFTER_TELLING: Duration = Duration::from_millis(50);

/// Remembers from when on nothing of the attempt may run, for those who see to it that it is looked at then.
fn note_fence(context: &Context, snapshot: &Snapshot) {
    let at = grant::fence_at(snapshot);
    context.tracks.with(snapshot.name(), snapshot.uid(), |track| track.fence_at = at);
}

async fn perform(context: &Context, snapshot: &Snapshot, plan: &Plan) -> Result<(), WorkError> {
    let applier = Applier::new(context, snapshot.name());
    let fenced = snapshot.verdict(snapshot.job.as_ref()) == Some(Verdict::Fence);
    if fenced && plan.steps.contains(&Step::Suspend(true)) {
        tracing::warn!(assignment = snapshot.name(), "the hub hasn't renewed its right to run, so it is suspended");
    }
    let mut unended = None;
    for step in &plan.steps {
        match applier.step(step, snapshot).await {
            // One pod that can't be ended, or has changed meanwhile, is no reason to let others run on.
            Err(error) if matches!(step, Step::End { .. } | Step::Interrupt { .. }) => unended = Some(error.into()),
            done => done?,
        }
    }
    unended.map_or(Ok(()), Err)
}

/// The status when a step failed: as before, but for the Job, which is there whatever else failed.
fn keep(snapshot: &Snapshot, before: &AssignmentStatus) -> AssignmentStatus {
    let mut status = before.clone();
    if let Some(job) = snapshot.job.as_ref().filter(|job| !snapshot.is_foreign(job) && !status.phase.is_final()) {
        status.job_uid = Some(job.uid.clone());
        if status.phase == AssignmentPhase::Pending {
            status.phase = AssignmentPhase::Starting;
        }
    }
    status
}

fn refused(context: &Context, snapshot: &Snapshot, refusal: Refusal) -> Plan {
    let reason = format!("{:?}", refusal.reason);
    tracing::warn!(assignment = snapshot.name(), reason, message = refusal.message, "refused");
    context.metrics.refusals.with_label_values(&[&reason]).inc();
    let mut status = AssignmentStatus {
        observed_generation: snapshot.assignment.metadata.generation,
        phase: AssignmentPhase::Refused,
        ..snapshot.previous.clone()
    };
    build::say(&mut status, &reason, refusal.message);
    Plan { steps: Vec::new(), status, again: None }
}

/// Tries again: soon at first, then less often.
fn failed(assignment: &Assignment, error: &WorkError, context: &Context) -> Action {
    let name = assignment.name_any();
    let uid = assignment.uid().unwrap_or_default();
    let (failures, fence_at) = context.tracks.with(&name, &uid, |track| {
        track.failures = track.failures.saturating_add(1);
        (track.failures, track.fence_at)
    });
    tracing::warn!(assignment = name, %error, failures, "will be tried again");
    let later = Duration::from_millis(200 << failures.min(8)).min(Duration::from_secs(30));
    // Nothing puts the end of a grant off.
    let due = fence_at.map(|at| Duration::from_millis(at.since(context.pulse.boot())).max(FENCE_RETRY));
    Action::requeue(due.map_or(later, |due| later.min(due)))
}
