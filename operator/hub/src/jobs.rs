//! The job side as a whole: what is watched, and who is told of what.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eai_api::{AIJob, Assignment};
use futures::{Stream, StreamExt as _, stream};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::{
    Mutex, Notify,
    mpsc::{UnboundedReceiver, unbounded_channel},
};
use tokio_util::sync::CancellationToken;

use crate::{
    aijob::{self, build::Rules},
    assignment,
    context::{Fatal, Shared},
    drain,
    fencing::{self, Fence, StakeBook},
    herald::{self, Herald},
    hub::Hub,
    hub_info,
    metrics::Metrics,
    placement::{self, Backoffs, Offers, Scribe},
    release,
    settle::{self, Errand, Windows},
    tally,
    world::{self, Change, World},
};

/// How long to wait, at first, after the chain couldn't be used.
const CHAIN_RETRY: Duration = Duration::from_secs(1);
/// How often to try again to say who this hub is.
const PUBLISH_RETRY: Duration = Duration::from_secs(10);

/// Runs until `ctx.shutdown` is cancelled; called on the leader only.
pub async fn run(ctx: Shared, metrics: Metrics) -> Result<(), Fatal> {
    let id = hub_info::hub_id(&ctx.client, &ctx.config.hub_id).await?;
    let (world, writers) = World::new();
    let (jobs, jobs_queue) = unbounded_channel();
    let (assignments, assignments_queue) = unbounded_channel();
    let (herald, news) = Herald::new();
    let (tell, changes) = unbounded_channel();
    let hub = Arc::new(Hub {
        world,
        desk: Arc::default(),
        view: Arc::default(),
        offers: Offers::new(ctx.ledger.domain()),
        backoffs: Backoffs::default(),
        rules: rules(&ctx),
        id,
        fence: Fence::new(ctx.fencing, Instant::now()),
        stakes: StakeBook::default(),
        room: Mutex::default(),
        demand: std::sync::Mutex::default(),
        pass: Arc::new(Notify::new()),
        jobs,
        assignments,
        herald,
        metrics,
        ctx,
    });
    let background = async {
        futures::join!(
            world::watch(hub.ctx.client.clone(), &hub.world, writers, tell),
            dispatch(&hub, changes),
            herald::run(hub.ctx.recorder.clone(), news),
        );
    };
    tokio::select! {
        () = work(&hub, jobs_queue, assignments_queue) => Ok(()),
        () = background => Err(Fatal::new("the watches", "they ended")),
    }
}

/// Everything that decides and acts; ends with the hub's shutdown.
async fn work(
    hub: &Arc<Hub>,
    jobs: UnboundedReceiver<ObjectRef<AIJob>>,
    assignments: UnboundedReceiver<ObjectRef<Assignment>>,
) {
    // Nothing is decided before everything has been listed once.
    if hub.world.ready().await.is_err() {
        return;
    }
    let shutdown = hub.ctx.shutdown.clone();
    let scribe = Scribe::default();
    let errand = errand(hub);
    let windows = Windows {
        open: Duration::from_millis(hub.ctx.config.open_window_ms),
        settle: Duration::from_millis(hub.ctx.config.settle_window_ms),
        retry: CHAIN_RETRY,
    };
    futures::join!(
        aijob::run(hub.clone(), until(&shutdown, received(jobs))),
        assignment::run(hub.clone(), until(&shutdown, received(assignments))),
        placement::run(hub, &scribe, shutdown.clone()),
        placement::answer_quotes(hub, shutdown.clone()),
        scribe.run(hub, shutdown.clone()),
        settle::carry(&errand, windows, shutdown.clone()),
        settle::look(&errand, shutdown.clone()),
        settle::keep_watch(&errand, shutdown.clone()),
        publish(hub, &shutdown),
        fencing::settle_in(hub, shutdown.clone()),
        fencing::watch(hub, shutdown.clone()),
        fencing::read_stakes(hub, shutdown.clone()),
        tally::watch(hub, shutdown.clone()),
        wake_jobs_of_who_is_heard_again(hub, &shutdown),
        release::run(hub, shutdown.clone()),
    );
}

fn rules(ctx: &Shared) -> Rules {
    Rules {
        generation: ctx.config.generation,
        hold_seconds: ctx.config.hold_seconds.max(1),
        settle_seconds: ctx.config.settle_interval_seconds.max(1),
        queue_weights: ctx.config.queue_weights.iter().cloned().collect(),
        ..Rules::default()
    }
}

fn errand(hub: &Arc<Hub>) -> Errand {
    let jobs = hub.jobs.clone();
    Errand {
        ledger: hub.ctx.ledger.clone(),
        desk: hub.desk.clone(),
        view: hub.view.clone(),
        wake_job: Box::new(move |job| drop(jobs.send(job))),
        wake_pass: hub.pass.clone(),
        metrics: hub.metrics.clone(),
    }
}

fn received<T>(queue: UnboundedReceiver<T>) -> impl Stream<Item = T> {
    stream::unfold(queue, |mut queue| async move { Some((queue.recv().await?, queue)) })
}

fn until<S: Stream>(shutdown: &CancellationToken, stream: S) -> impl Stream<Item = S::Item> + use<S> {
    stream.take_until(shutdown.clone().cancelled_owned())
}

/// Tells those concerned of each change.
async fn dispatch(hub: &Hub, mut changes: UnboundedReceiver<Change>) {
    while let Some(change) = changes.recv().await {
        match change {
            Change::Job(job, gone) => {
                wake_assignments_of(hub, &job, gone);
                if gone {
                    hub.pass.notify_one();
                } else {
                    hub.wake(job);
                }
            }
            Change::Assignment(assignment, job) => {
                hub.wake(job);
                let _ = hub.assignments.send(assignment);
            }
            Change::Member => {
                hub.pass.notify_one();
                wake_jobs_that_must_go(hub);
            }
            Change::Namespace => hub.pass.notify_one(),
        }
    }
}

/// A job that is gone, or whose record moved on, leaves Assignments to be cleared away.
fn wake_assignments_of(hub: &Hub, job: &ObjectRef<AIJob>, gone: bool) {
    let over = |job: &AIJob| job.status.as_ref().is_some_and(|s| s.attempt.is_none() || s.phase.is_final());
    if !gone && !hub.world.jobs.get(job).is_some_and(|job| over(&job)) {
        return;
    }
    let of_job = |assignment: &Assignment| {
        assignment.spec.job.name == job.name && Some(&assignment.spec.job.namespace) == job.namespace.as_ref()
    };
    for assignment in hub.world.assignments.all().iter().filter(|a| of_job(a)) {
        let _ = hub.assignments.send(ObjectRef::from_obj(assignment.as_ref()));
    }
}

/// Jobs whose member left, or is being emptied, hear of it at once.
fn wake_jobs_that_must_go(hub: &Hub) {
    let must_go = |member: &str| {
        let report = hub.world.report(member);
        let node = hub.world.member(member);
        node.is_none_or(|node| drain::by(&node, report.as_deref().map(|report| &report.spec)).is_some())
    };
    for job in hub.world.jobs.all() {
        let attempt = job.status.as_ref().filter(|s| !s.phase.is_final()).and_then(|s| s.attempt.as_ref());
        if attempt.is_some_and(|attempt| must_go(&attempt.member)) {
            hub.wake(ObjectRef::from_obj(job.as_ref()));
        }
    }
}

/// Jobs whose member is heard again are due a grant at once: work that was suspended for want of one waits for it.
async fn wake_jobs_of_who_is_heard_again(hub: &Hub, shutdown: &CancellationToken) {
    loop {
        let back = tokio::select! {
            back = hub.ctx.heartbeats.heard_again() => back,
            () = shutdown.cancelled() => return,
        };
        for job in hub.world.jobs.all() {
            let attempt = job.status.as_ref().filter(|s| !s.phase.is_final()).and_then(|s| s.attempt.as_ref());
            if attempt.is_some_and(|attempt| back.contains(&attempt.member)) {
                hub.wake(ObjectRef::from_obj(job.as_ref()));
            }
        }
    }
}

/// Says who this hub is, however often that takes.
async fn publish(hub: &Hub, shutdown: &CancellationToken) {
    while let Err(error) = hub_info::publish(&hub.ctx, hub.id).await {
        tracing::warn!(%error, "ConfigMap eai-hub-info couldn't be written; it is tried again");
        tokio::select! {
            () = tokio::time::sleep(PUBLISH_RETRY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
