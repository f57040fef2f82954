//! Assignment: the hub's half of an attempt on a member, once the attempt isn't its job's live one any more.
//!
//! While an attempt is live its Assignment belongs to the job's reconcile. Afterwards this one stops what still runs,
//! says what was noted, and deletes it once the member had time to read that.

pub mod build;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use eai_api::{AIJob, Assignment};
use futures::{Stream, StreamExt as _};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Preconditions},
    runtime::{
        controller::{self, Action, applier},
        reflector::ObjectRef,
    },
};

use self::build::{Record, Step};
use crate::{
    aijob::apply::{self, WriteError},
    hub::Hub,
};

/// Assignments looked at at once.
const AT_ONCE: u16 = 8;
/// How often one is looked at when nothing calls for it: its job may have gone unnoticed.
const RESYNC: Duration = Duration::from_mins(10);
/// Until a reconcile that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What the reconciles share.
struct Leftovers {
    hub: Arc<Hub>,
    /// Since when each is known to be noted as finished, by UID.
    finished: Mutex<HashMap<String, Instant>>,
}

/// Looks at Assignments as `queue` names them, until it ends.
pub async fn run(hub: Arc<Hub>, queue: impl Stream<Item = ObjectRef<Assignment>> + Send + 'static) {
    let store = hub.world.assignments.store();
    let config = controller::Config::default().concurrency(AT_ONCE);
    let leftovers = Arc::new(Leftovers { hub, finished: Mutex::default() });
    let reconcile = |assignment, leftovers| Box::pin(reconcile(assignment, leftovers));
    applier(reconcile, retry, leftovers, store, queue.map(Ok::<_, std::convert::Infallible>), config)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::trace!(%error, "assignment");
            }
        })
        .await;
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that kube asks for")]
fn retry(assignment: Arc<Assignment>, error: &WriteError, _: Arc<Leftovers>) -> Action {
    match error {
        WriteError::Conflict => Action::requeue(Duration::from_secs(1)),
        WriteError::Gone => Action::await_change(),
        WriteError::Api(error) => {
            tracing::warn!(assignment = assignment.name_any(), %error, "an Assignment is tried again");
            Action::requeue(RETRY)
        }
    }
}

async fn reconcile(watched: Arc<Assignment>, leftovers: Arc<Leftovers>) -> Result<Action, WriteError> {
    let hub = &leftovers.hub;
    let assignment = hub.world.assignments.get(&ObjectRef::from_obj(watched.as_ref())).unwrap_or(watched);
    if assignment.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let record = gather(hub, &assignment).await?;
    match build::build(&assignment, &record) {
        Step::Leave => Ok(Action::requeue(RESYNC)),
        Step::Tell(desired, noted) => {
            tracing::info!(
                assignment = assignment.name_any(),
                ?desired,
                finished = noted.finished,
                "its attempt is over"
            );
            let written = apply::tell_assignment(hub, &assignment, desired, &noted, None).await?;
            hub.world.assignments.put(written);
            Ok(Action::requeue(RESYNC))
        }
        Step::KeepAWhile => {
            let uid = assignment.uid().unwrap_or_default();
            let since = *leftovers.lock().entry(uid.clone()).or_insert_with(Instant::now);
            let keep = Duration::from_secs(hub.rules.keep_seconds);
            let left = keep.saturating_sub(since.elapsed());
            if !left.is_zero() {
                return Ok(Action::requeue(left));
            }
            delete(hub, &assignment).await?;
            leftovers.lock().remove(&uid);
            Ok(Action::await_change())
        }
    }
}

/// What the job says. One that isn't in memory is asked for before it is taken to be gone: the watch may be behind.
async fn gather(hub: &Hub, assignment: &Assignment) -> Result<Record, WriteError> {
    let job_ref = &assignment.spec.job;
    let key = ObjectRef::<AIJob>::new(&job_ref.name).within(&job_ref.namespace);
    let known = hub.world.jobs.get(&key);
    match build::record(assignment, known.as_deref()) {
        Record::Orphan => {
            let api: Api<AIJob> = Api::namespaced(hub.ctx.client.clone(), &job_ref.namespace);
            let live = api.get_opt(&job_ref.name).await?;
            Ok(build::record(assignment, live.as_ref()))
        }
        record => Ok(record),
    }
}

async fn delete(hub: &Hub, assignment: &Assignment) -> Result<(), WriteError> {
    let api: Api<Assignment> =
        Api::namespaced(hub.ctx.client.clone(), assignment.namespace().as_deref().unwrap_or_default());
    let exactly = Preconditions { uid: assignment.uid(), resource_version: assignment.resource_version() };
    let params = DeleteParams { preconditions: Some(exactly), ..DeleteParams::default() };
    match api.delete(&assignment.name_any(), &params).await.map_err(WriteError::from) {
        Ok(_) | Err(WriteError::Gone) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Leftovers {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
