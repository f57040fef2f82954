//! The placement pass: all jobs that wait, looked at together whenever something changes that could matter to them.

mod backoff;
mod funds;
mod members;
mod offers;
mod order;
mod pass;
mod preempt;
mod quote;
mod scribe;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use eai_api::{
    AIJob, AIJobStatus,
    aijob::{GaveWay, LeaseState},
    names::SETTLEMENT_FINALIZER,
};
use eai_core::{
    offer::SignedOffer,
    placement::{Demand, Market, Shortage, Snapshot},
};
use eai_runtime::clock;
use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt as _, runtime::reflector::ObjectRef};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

pub use backoff::Backoffs;
pub use members::unbelievable;
pub use offers::Offers;
pub use preempt::KEPT_SECONDS;
pub use quote::{Quotes, run as answer_quotes};
pub use scribe::Scribe;

use self::{
    funds::Till,
    members::Known,
    pass::{Verdict, Waiting},
    preempt::Field,
};
use crate::{
    aijob::{
        apply::{self, WriteError},
        build::{
            Stage, ending,
            situation::{unix_ms, unix_seconds, whole_seconds},
            stage,
        },
        claim::{self, Claim},
        secrets,
        words::Say,
    },
    hub::Hub,
};

/// Changes are gathered this long before a pass, so that a burst of them costs one.
const DEBOUNCE: Duration = Duration::from_millis(5);
/// How often it is tried to write that a job gives way.
const GIVE_WAY_TRIES: u32 = 3;
/// Claims written at once.
const CLAIMS_AT_ONCE: usize = 16;
/// How often a pass is made when nothing calls for one: offers expire without anyone saying so.
const RESYNC: Duration = Duration::from_secs(30);

/// Makes passes whenever `hub.pass` is woken, until `shutdown`.
pub async fn run(hub: &Hub, scribe: &Scribe, shutdown: CancellationToken) {
    let mut pause = DEBOUNCE;
    loop {
        let resync = Instant::now() + RESYNC;
        let next = hub.backoffs.next().map_or(resync, |at| resync.min(Instant::from_std(at)));
        tokio::select! {
            () = hub.pass.notified() => {}
            () = sleep_until(next) => {}
            () = shutdown.cancelled() => return,
        }
        sleep(pause).await;
        let began = Instant::now();
        let _room = hub.room.lock().await;
        let jobs = hub.world.jobs.all();
        hub.metrics.count(jobs.iter().map(AsRef::as_ref));
        if once(hub, scribe, &jobs).await {
            hub.metrics.passed(began.elapsed());
        }
        // However much changes, passes take half of the time at most.
        pause = DEBOUNCE.max(began.elapsed());
    }
}

/// One pass; says whether any job waited.
async fn once(hub: &Hub, scribe: &Scribe, jobs: &[Arc<AIJob>]) -> bool {
    let now = clock::now();
    let waiting = waiting(hub, jobs, now);
    if waiting.is_empty() {
        return false;
    }
    // After a restore work that the record doesn't know may still run.
    if !hub.fence.settled_in() {
        for waiting in &waiting {
            scribe.say(&waiting.job, Say::Recovering, Vec::new(), false);
        }
        return false;
    }
    let till = till(hub, jobs, &waiting).await;
    let (snapshot, offers) = look(hub, jobs, unix_seconds(now));
    let lines = order::lines(&snapshot, jobs, waiting, &hub.rules.queue_weights);
    let trouble = hub.desk.has_trouble();
    let verdicts = {
        let mut demand = hub.demand.lock().unwrap_or_else(PoisonError::into_inner);
        keep_up(&mut demand, &snapshot, jobs);
        let market = Market::new(snapshot, &mut demand, unix_seconds(now));
        let (field, rules) = (Field::new(jobs, unix_ms(now)), &hub.rules);
        pass::pass(pass::World { market, field, offers: &offers, till, trouble: trouble.as_deref(), rules }, &lines)
    };
    carry_out(hub, scribe, verdicts).await;
    true
}

/// What members have free and offer at `now` (Unix seconds), beside what `jobs` hold.
fn look(hub: &Hub, jobs: &[Arc<AIJob>], now: u64) -> (Snapshot, HashMap<String, Vec<SignedOffer>>) {
    let members: Vec<_> =
        hub.world.nodes.state().into_iter().map(|node| (hub.world.report(&node.name_any()), node)).collect();
    let known: Vec<Known<'_>> = members
        .iter()
        .map(|(report, node)| {
            let report = report.as_deref();
            let offers = report.map(|report| hub.offers.of(node, report, now)).unwrap_or_default();
            Known { node, report, offers }
        })
        .collect();
    let snapshot = members::snapshot(&known, jobs.iter().map(AsRef::as_ref));
    (snapshot, known.into_iter().map(|known| (known.node.name_any(), known.offers)).collect())
}

/// Has `demand` take in what the jobs there are ask for: what came tells what comes.
fn keep_up(demand: &mut Demand, snapshot: &Snapshot, jobs: &[Arc<AIJob>]) {
    let requests: Vec<_> = jobs.iter().filter_map(|job| members::request(job).ok()).collect();
    demand.keep_up(snapshot, requests.iter().map(|request| (&request.need, request.parallelism)));
}

/// What `member` lacks to run `job` now, beside all else that it was given.
pub fn no_room(hub: &Hub, job: &AIJob, member: &str) -> Option<Shortage> {
    let node = hub.world.member(member)?;
    let report = hub.world.report(member);
    let jobs = hub.world.jobs.all();
    let others = jobs.iter().map(AsRef::as_ref).filter(|other| other.metadata.uid != job.metadata.uid);
    let known = Known { node: &node, report: report.as_deref(), offers: Vec::new() };
    let request = members::request(job).ok()?;
    members::snapshot(&[known], others).shortage(member, &request)
}

/// Whether a job waits for a member.
pub fn waits(job: &AIJob, now: Timestamp) -> bool {
    let idle = job.status.as_ref().is_none_or(|status| stage(status) == Stage::Idle);
    idle && !job.spec.suspend && ending(job, now).is_none()
}

/// The jobs that wait for a member.
fn waiting(hub: &Hub, jobs: &[Arc<AIJob>], now: Timestamp) -> Vec<Waiting> {
    let alone = |job: &AIJob| job.metadata.uid.as_deref().is_none_or(|uid| hub.backoffs.holds(uid));
    let known = jobs.iter().filter(|job| waits(job, now) && !alone(job)).filter_map(|job| {
        let namespace = hub.namespace_id(job.metadata.namespace.as_deref()?)?;
        Some(Waiting { job: job.clone(), namespace })
    });
    known.collect()
}

/// What payers have left, less what claims promised that the chain doesn't show yet.
async fn till(hub: &Hub, jobs: &[Arc<AIJob>], waiting: &[Waiting]) -> Till {
    let purses: HashSet<_> = waiting.iter().map(|w| (w.job.spec.payment.account, w.namespace)).collect();
    let unknown = purses.iter().filter(|purse| hub.view.funds(**purse).is_none()).count();
    if unknown > 0
        && let Err(error) = hub.view.fetch(hub.ctx.ledger.as_ref(), false).await
    {
        hub.desk.trouble(Some(error.to_string()));
        tracing::debug!(%error, "payers' funds can't be asked for");
    }
    let mut till = Till::new(hub.view.head().map_or(0, |head| head.time));
    for purse in purses {
        if let Some(funds) = hub.view.funds(purse).filter(|_| hub.view.head().is_some()) {
            till.fill(purse.0, purse.1, funds);
        }
    }
    set_aside(hub, jobs, &mut till);
    till
}

/// Takes out what claims promised that the chain doesn't show yet.
fn set_aside(hub: &Hub, jobs: &[Arc<AIJob>], till: &mut Till) {
    for job in jobs {
        let attempt = job.status.as_ref().and_then(|s| s.attempt.as_ref());
        let Some(attempt) = attempt.filter(|a| a.lease.state == LeaseState::Opening) else { continue };
        if let Some(namespace) = job.metadata.namespace.as_deref().and_then(|n| hub.namespace_id(n)) {
            till.set_aside(job.spec.payment.account, namespace, attempt.lease.hold);
        }
    }
}

async fn carry_out(hub: &Hub, scribe: &Scribe, verdicts: Vec<(&Waiting, Verdict)>) {
    let mut claims = Vec::new();
    for (waiting, verdict) in verdicts {
        match verdict {
            Verdict::Claim(claim) => claims.push((waiting, claim)),
            Verdict::Wait(say, lines) => {
                hub.metrics.decided(say.reason());
                scribe.say(&waiting.job, say, lines, false);
            }
            Verdict::MakeRoom(jobs, say, lines) => {
                hub.metrics.decided(say.reason());
                scribe.say(&waiting.job, say, lines, false);
                for job in jobs {
                    give_way(hub, &job, &waiting.job).await;
                }
            }
            // Whoever made it unknown wakes the next pass.
            Verdict::Unknown => {}
            Verdict::GiveUp(say) => {
                hub.metrics.decided("GiveUp");
                scribe.say(&waiting.job, say, Vec::new(), true);
            }
        }
    }
    futures::stream::iter(claims)
        .for_each_concurrent(CLAIMS_AT_ONCE, |(waiting, claim)| take(hub, scribe, waiting, claim))
        .await;
}

/// Writes down that `job` gives way to `claimant`. Somebody else's write comes between easily, for it runs: then it is
/// looked at and written again.
async fn give_way(hub: &Hub, job: &AIJob, claimant: &AIJob) {
    let api: Api<AIJob> = Api::namespaced(hub.ctx.client.clone(), &job.namespace().unwrap_or_default());
    let (to, uid) = (claimant.name_any(), claimant.uid().unwrap_or_default());
    let gave_way = GaveWay { to, uid, since: whole_seconds(clock::now()) };
    let mut latest = job.clone();
    for _ in 0..GIVE_WAY_TRIES {
        let Some(mut status) = latest.status.clone() else { return };
        let Some(attempt) = status.attempt.as_mut().filter(|attempt| attempt.outcome.is_none()) else { return };
        attempt.gave_way = Some(gave_way.clone());
        match apply::write_status(&api, &latest, status).await {
            Ok(written) => {
                let key = ObjectRef::from_obj(job);
                tracing::info!(job = %key, to = gave_way.to, "gives way");
                hub.world.jobs.put(written);
                return hub.wake(key);
            }
            Err(WriteError::Conflict) => hub.metrics.conflict("give way"),
            Err(error) => {
                tracing::warn!(job = job.name_any(), %error, "that a job gives way couldn't be written");
                return;
            }
        }
        match api.get(&job.name_any()).await {
            Ok(read) if read.metadata.uid == job.metadata.uid => latest = read,
            _ => return,
        }
    }
}

/// Writes one claim. If somebody else wrote the job meanwhile it is dropped: the newer object comes up by itself.
async fn take(hub: &Hub, scribe: &Scribe, waiting: &Waiting, claim: Claim) {
    let job = waiting.job.as_ref();
    let uid = job.uid().unwrap_or_default();
    match try_take(hub, waiting, &claim).await {
        Ok(Some(say)) => {
            hub.backoffs.delay(&uid);
            hub.metrics.decided(say.reason());
            scribe.say(&waiting.job, say, Vec::new(), false);
        }
        Ok(None) => {
            hub.metrics.decided("Claimed");
            let key = ObjectRef::from_obj(job);
            tracing::info!(job = %key, member = claim.member, rate = %claim.rate, "claimed");
            hub.wake(key);
        }
        Err(WriteError::Conflict) => hub.metrics.conflict("claim"),
        Err(error) => {
            hub.backoffs.delay(&uid);
            tracing::warn!(job = job.name_any(), %error, "a claim couldn't be written");
        }
    }
}

/// Claims, or says what is in the way of it.
async fn try_take(hub: &Hub, waiting: &Waiting, claim: &Claim) -> Result<Option<Say>, WriteError> {
    if !waiting.job.spec.secrets.is_empty()
        && let Err(error) = secrets::read(&hub.ctx.client, &waiting.job, &hub.ctx.config.account()).await
    {
        return Ok(Some(error.say()));
    }
    let Some(head) = hub.view.head() else { return Err(WriteError::Conflict) };
    let namespace = waiting.job.namespace().unwrap_or_default();
    let api: Api<AIJob> = Api::namespaced(hub.ctx.client.clone(), &namespace);
    // The finalizer first: once there is a claim there may be a lease, and the job must not go before it is closed.
    let job = apply::add_finalizer(&api, &waiting.job, SETTLEMENT_FINALIZER).await?;
    let parties = claim::Parties { hub_key: hub.ctx.ledger.hub_key(), namespace: waiting.namespace };
    let now = clock::now();
    let status = claim::claim(&job, claim, parties, &hub.rules, head.time, now);
    let written = apply::write_status(&api, &job, status).await?;
    if let Some(created) = &written.metadata.creation_timestamp {
        let took = Duration::try_from(now.duration_since(created.0)).unwrap_or_default();
        hub.metrics.stepped("claim", took);
    }
    apply::placed_event(hub, &written, claim);
    hub.world.jobs.put(written);
    Ok(None)
}

/// Whether a status says already what would be written.
fn says(status: Option<&AIJobStatus>, say: &Say) -> bool {
    let ready = status.and_then(|s| s.conditions.iter().find(|c| c.type_ == eai_api::condition::READY));
    ready.is_some_and(|c| c.reason == say.reason() && c.message == say.message())
}
