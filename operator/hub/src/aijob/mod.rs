//! AIJob: claimed, leased, run, metered and settled.
//!
//! A reconcile reads: gather (from memory), build (pure), status (one conditional write), apply (the wishes, only if the
//! write held).

pub mod apply;
pub mod build;
pub mod claim;
pub mod gather;
pub mod secrets;
pub mod words;
mod workload;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eai_api::{
    AIJob, AIJobStatus, Assignment,
    aijob::{Attempt, LeaseState},
};
use eai_runtime::clock;
use futures::{Stream, StreamExt as _};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, ResourceExt as _,
    runtime::{
        controller::{self, Action, applier},
        reflector::ObjectRef,
    },
};

use self::{
    apply::{WishError, WriteError},
    build::{Plan, Situation, Stage, build, situation::unix_ms, stage},
    words::reason,
};
use crate::{herald::News, hub::Hub};

/// Jobs looked at at once.
const AT_ONCE: u16 = 32;
/// How often a job is looked at when nothing calls for it.
const RESYNC: Duration = Duration::from_mins(5);
/// Until a reconcile that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status couldn't be written.
    #[error("writing the job's status failed: {0}")]
    Status(#[source] WriteError),
    /// Something that follows from it couldn't be done.
    #[error("{0}")]
    Wish(#[from] WishError),
}

/// Looks at jobs as `queue` names them, until it ends.
pub async fn run(hub: Arc<Hub>, queue: impl Stream<Item = ObjectRef<AIJob>> + Send + 'static) {
    let store = hub.world.jobs.store();
    let config = controller::Config::default().concurrency(AT_ONCE);
    let queue = queue.map(Ok::<_, std::convert::Infallible>);
    let reconcile = |job, hub| Box::pin(reconcile(job, hub));
    applier(reconcile, retry, hub, store, queue, config)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::trace!(%error, "job");
            }
        })
        .await;
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that kube asks for")]
fn retry(job: Arc<AIJob>, error: &Error, hub: Arc<Hub>) -> Action {
    match error {
        Error::Status(WriteError::Conflict) | Error::Wish(WishError::Write(WriteError::Conflict)) => {
            hub.metrics.conflict("job");
            Action::requeue(Duration::from_millis(500))
        }
        Error::Status(WriteError::Gone) => Action::await_change(),
        _ => {
            tracing::warn!(job = %ObjectRef::from_obj(job.as_ref()), %error, "a job is tried again");
            Action::requeue(RETRY)
        }
    }
}

/// gather, build, status, apply.
async fn reconcile(watched: Arc<AIJob>, hub: Arc<Hub>) -> Result<Action, Error> {
    // Work that is paused may be given room again.
    let room = if holds_still(&watched) { Some(hub.room.lock().await) } else { None };
    let job = hub.world.jobs.get(&ObjectRef::from_obj(watched.as_ref())).unwrap_or(watched);
    let now = clock::now();
    let gathered = gather::gather(&hub, &job, now);
    doubt(&hub, &job, gathered.assignment.as_deref(), now);
    let plan = build(&Situation {
        job: &job,
        assignment: gathered.assignment.as_deref(),
        sight: gathered.sight,
        member_enrolled: gathered.member_enrolled,
        no_room: gathered.no_room,
        gives_way_to: gathered.gives_way_to,
        member_silent: gathered.member_silent,
        drain: gathered.drain,
        tether: gathered.tether,
        stored: gathered.stored,
        chain: gathered.chain,
        rules: &hub.rules,
        now,
    });
    let (job, whole) = write(&hub, job, &plan).await?;
    drop(room);
    let mut failure = None;
    for wish in plan.wishes {
        if let Err(error) = apply::fulfil(&hub, &job, wish, whole.as_ref()).await {
            failure.get_or_insert(error);
        }
    }
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(Action::requeue(plan.again.map_or(RESYNC, |at| until(now, at)))),
    }
}

/// Takes note of what its member says although it can't be, while that matters.
fn doubt(hub: &Hub, job: &AIJob, assignment: Option<&Assignment>, now: Timestamp) {
    let attempt = job.status.as_ref().filter(|s| stage(s) == Stage::Live).and_then(|s| s.attempt.as_ref());
    let Some((attempt, assignment)) = attempt.zip(assignment) else { return };
    if let Some(what) = build::doubt(attempt, assignment, unix_ms(now)) {
        hub.ctx.doubts.note(&attempt.member, what, Instant::now());
    }
}

/// Whether the job's work is paused, or about to be.
fn holds_still(job: &AIJob) -> bool {
    let attempt = job.status.as_ref().and_then(|s| s.attempt.as_ref());
    attempt.is_some_and(|attempt| attempt.outcome.is_none() && attempt.held_since.is_some())
}

/// Writes the status if it changes anything, and says so; returns the job as it is then, and the answer to the write.
async fn write(hub: &Hub, job: Arc<AIJob>, plan: &Plan) -> Result<(Arc<AIJob>, Option<AIJob>), Error> {
    if job.status.as_ref() == Some(&plan.status) || (job.status.is_none() && plan.status == AIJobStatus::default()) {
        return Ok((job, None));
    }
    let api: Api<AIJob> = Api::namespaced(hub.ctx.client.clone(), &job.namespace().unwrap_or_default());
    let written = apply::write_status(&api, &job, plan.status.clone()).await.map_err(Error::Status)?;
    tell(hub, &job, &written, plan);
    let put = hub.world.jobs.put(written.clone());
    // Only now: whoever looks at an older record would remember it anew.
    forget_fence(hub, &job, &written);
    Ok((put, Some(written)))
}

/// Forgets what was lent to an attempt that is over.
fn forget_fence(hub: &Hub, before: &AIJob, after: &AIJob) {
    let attempt = |job: &AIJob| job.status.as_ref().and_then(|status| status.attempt.clone());
    let goes_on = |a: &Attempt| a.outcome.is_none() && a.lease.state != LeaseState::Refused;
    if let (Some(was), false) = (attempt(before), attempt(after).as_ref().is_some_and(goes_on)) {
        hub.fence.forget(&was.epoch.name(after.uid().as_deref().unwrap_or_default()));
    }
}

fn tell(hub: &Hub, before: &AIJob, after: &AIJob, plan: &Plan) {
    for note in &plan.notes {
        hub.herald.tell(News::about(after, note.warning, note.reason, note.text.clone()));
    }
    let (was, is) = (before.status.clone().unwrap_or_default(), &plan.status);
    if was.phase != is.phase {
        tracing::info!(job = %ObjectRef::from_obj(after), from = %was.phase, to = %is.phase, "phase");
        // Capacity or money may have become free.
        hub.pass.notify_one();
    }
    if was.attempt.is_some() && is.attempt.is_none() {
        if is.past_attempts.last().is_none_or(|past| !reason::is_a_move(&past.outcome.reason)) {
            // A member that refused for now is not to be asked again at once.
            hub.backoffs.delay(after.uid().as_deref().unwrap_or_default());
        }
        was.attempt.iter().for_each(|attempt| apply::forget(hub, attempt));
    }
    let state = |status: &AIJobStatus| status.attempt.as_ref().map(|a| a.lease.state);
    match (state(&was), is.attempt.as_ref()) {
        (Some(LeaseState::Opening), Some(attempt)) if attempt.lease.state == LeaseState::Open => {
            let claimed = attempt.claimed_at.as_ref().map(|at| clock::now().duration_since(at.0));
            hub.metrics.stepped("open", claimed.and_then(|took| took.try_into().ok()).unwrap_or_default());
        }
        (Some(LeaseState::Opening), Some(attempt)) if attempt.lease.state == LeaseState::Refused => {
            hub.backoffs.delay(after.uid().as_deref().unwrap_or_default());
            apply::refused_lease(hub, after, attempt);
        }
        _ => {}
    }
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    wait.clamp(Duration::from_millis(20), RESYNC)
}
