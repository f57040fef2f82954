//! Carries what lies at the desk to the chain, and watches the chain.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use eai_api::AIJob;
use eai_chain::{
    LeaseId, Ledger, LedgerError, OpenOutcome, OpenRequest, SettleOutcome, SignedVoucher, TopUp, TopUpOutcome,
};
use futures::StreamExt as _;
use kube::runtime::reflector::ObjectRef;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    desk::{Desk, Request},
    view::View,
};
use crate::{
    aijob::build::{Asked, Look},
    metrics::Metrics,
};

/// Between tries when the chain doesn't answer: doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(15);
/// How often the head is asked for while anything goes on, and while nothing does.
const BUSY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(10);
/// Leases looked at at once.
const LOOKS_AT_ONCE: usize = 8;

/// How long requests are gathered before they are sent.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Openings and top-ups.
    pub open: Duration,
    /// Vouchers.
    pub settle: Duration,
}

/// What those who go to the chain take with them.
pub struct Errand {
    /// The chain.
    pub ledger: Arc<dyn Ledger>,
    /// The counter.
    pub desk: Arc<Desk>,
    /// What is known of the chain.
    pub view: Arc<View>,
    /// Has a job looked at.
    pub wake_job: Box<dyn Fn(ObjectRef<AIJob>) + Send + Sync>,
    /// Has jobs placed.
    pub wake_pass: Arc<Notify>,
    /// Figures.
    pub metrics: Metrics,
}

/// A call that carries a batch.
#[async_trait]
trait Carry: Request {
    /// Its name in metrics and logs.
    const NAME: &'static str;

    async fn carry(ledger: &dyn Ledger, batch: &[Self]) -> Result<Vec<Self::Answer>, LedgerError>;
}

#[async_trait]
impl Carry for OpenRequest {
    const NAME: &'static str = "open";

    async fn carry(ledger: &dyn Ledger, batch: &[Self]) -> Result<Vec<OpenOutcome>, LedgerError> {
        ledger.open(batch).await
    }
}

#[async_trait]
impl Carry for TopUp {
    const NAME: &'static str = "top_up";

    async fn carry(ledger: &dyn Ledger, batch: &[Self]) -> Result<Vec<TopUpOutcome>, LedgerError> {
        ledger.top_up(batch).await
    }
}

#[async_trait]
impl Carry for SignedVoucher {
    const NAME: &'static str = "settle";

    async fn carry(ledger: &dyn Ledger, batch: &[Self]) -> Result<Vec<SettleOutcome>, LedgerError> {
        ledger.settle(batch).await
    }
}

/// Carries batches until `shutdown`: openings first, as somebody waits for each, then top-ups, then vouchers.
pub async fn carry(errand: &Errand, windows: Windows, shutdown: CancellationToken) {
    let mut retry = FIRST_RETRY;
    while !shutdown.is_cancelled() {
        let went = match carry_next(errand, windows).await {
            Some(Ok(())) => true,
            Some(Err(())) => {
                pause(retry, &shutdown).await;
                retry = (retry * 2).min(LAST_RETRY);
                continue;
            }
            None => false,
        };
        retry = FIRST_RETRY;
        if went {
            continue;
        }
        // Nothing is due. What waits becomes due within a window; otherwise somebody will ask.
        let waits = errand.desk.waiting().iter().any(|n| *n > 0);
        let wait = if waits { windows.open.clamp(Duration::from_millis(5), Duration::from_millis(50)) } else { IDLE };
        tokio::select! {
            () = errand.desk.to_carry.notified() => {}
            () = sleep(wait) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Carries the next batch that is due: `None` if none is, an error if the chain couldn't be used.
async fn carry_next(errand: &Errand, windows: Windows) -> Option<Result<(), ()>> {
    if let Some(result) = carry_kind::<OpenRequest>(errand, windows.open).await {
        return Some(result);
    }
    if let Some(result) = carry_kind::<TopUp>(errand, windows.open).await {
        return Some(result);
    }
    carry_kind::<SignedVoucher>(errand, windows.settle).await
}

async fn carry_kind<R: Carry>(errand: &Errand, window: Duration) -> Option<Result<(), ()>> {
    let batch = errand.desk.take::<R>(window);
    if batch.is_empty() {
        return None;
    }
    let (leases, requests): (Vec<LeaseId>, Vec<R>) = batch.into_iter().unzip();
    let began = Instant::now();
    match R::carry(errand.ledger.as_ref(), &requests).await {
        Ok(answers) => {
            errand.metrics.carried(R::NAME, leases.len(), began.elapsed());
            tracing::info!(kind = R::NAME, items = leases.len(), ms = began.elapsed().as_millis(), "batch confirmed");
            errand.desk.trouble(None);
            errand.metrics.chain_up(true);
            errand.view.doubt();
            for refusal in answers.iter().filter_map(R::refusal) {
                errand.metrics.refused(refusal.reason());
            }
            let answered = leases.into_iter().zip(answers).map(|(lease, answer)| (lease, Asked::Answered(answer)));
            wake(errand, errand.desk.answer::<R>(answered));
            Some(Ok(()))
        }
        Err(error) => Some(failed::<R>(errand, leases.into_iter().zip(requests).collect(), &error)),
    }
}

/// A batch whose call failed: carried again later, one by one if one of it may have spoilt it; given up if it is alone
/// and can never succeed.
fn failed<R: Carry>(errand: &Errand, batch: Vec<(LeaseId, R)>, error: &LedgerError) -> Result<(), ()> {
    tracing::warn!(kind = R::NAME, items = batch.len(), %error, "a batch couldn't be carried to the chain");
    errand.metrics.carry_failed(R::NAME);
    errand.view.doubt();
    match fault(error) {
        Fault::Chain => {
            errand.desk.trouble(Some(error.to_string()));
            errand.metrics.chain_up(false);
            errand.desk.put_back(batch, false);
            Err(())
        }
        Fault::Request if batch.len() > 1 => {
            errand.desk.put_back(batch, true);
            Ok(())
        }
        Fault::Request => {
            let answers = batch.into_iter().map(|(lease, _)| (lease, Asked::Impossible(error.to_string())));
            wake(errand, errand.desk.answer::<R>(answers));
            Ok(())
        }
    }
}

/// Where the fault lies when a call fails.
enum Fault {
    /// With the chain, the node or the hub's account: nothing can be carried now.
    Chain,
    /// With what was asked.
    Request,
}

fn fault(error: &LedgerError) -> Fault {
    match error {
        LedgerError::BadRequest(_) | LedgerError::Refused(_) | LedgerError::Rejected(_) => Fault::Request,
        _ => Fault::Chain,
    }
}

fn wake(errand: &Errand, jobs: Vec<ObjectRef<AIJob>>) {
    for job in jobs {
        (errand.wake_job)(job);
    }
    errand.wake_pass.notify_one();
}

/// Looks at leases as they are asked for, until `shutdown`.
pub async fn look(errand: &Errand, shutdown: CancellationToken) {
    loop {
        let leases = errand.desk.take_looks();
        if leases.is_empty() {
            tokio::select! {
                () = errand.desk.to_look.notified() => {}
                () = shutdown.cancelled() => return,
            }
            continue;
        }
        futures::stream::iter(leases).for_each_concurrent(LOOKS_AT_ONCE, |lease| look_at(errand, lease)).await;
        if shutdown.is_cancelled() {
            return;
        }
    }
}

async fn look_at(errand: &Errand, lease: LeaseId) {
    // The head first: whatever the lease is found to be, it was so at that block or later.
    let found = async {
        let head = errand.ledger.head().await?;
        Ok::<_, LedgerError>(Look { at: head.time, lease: errand.ledger.lease(lease).await? })
    };
    match found.await {
        Ok(look) => wake(errand, errand.desk.looked(lease, look).into_iter().collect()),
        Err(error) => tracing::warn!(%lease, %error, "couldn't look at a lease"),
    }
}

/// Keeps the head and the funds that anybody asks for fresh, until `shutdown`.
pub async fn keep_watch(errand: &Errand, shutdown: CancellationToken) {
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = shutdown.cancelled() => return,
        }
        next = Instant::now() + if errand.desk.is_idle() && errand.view.is_idle() { IDLE } else { BUSY };
        match watch_once(errand).await {
            Ok(changed) => {
                if errand.desk.has_trouble().is_some() && errand.desk.waiting() == [0; 3] {
                    errand.desk.trouble(None);
                }
                errand.metrics.chain_up(true);
                if changed {
                    errand.wake_pass.notify_one();
                }
            }
            Err(error) => {
                errand.metrics.chain_up(false);
                errand.desk.trouble(Some(error.to_string()));
                tracing::debug!(%error, "the chain doesn't answer");
            }
        }
    }
}

async fn watch_once(errand: &Errand) -> Result<bool, LedgerError> {
    let first = errand.view.head().is_none();
    let new = errand.view.look(errand.ledger.as_ref()).await?;
    let changed = errand.view.fetch(errand.ledger.as_ref(), new).await?;
    Ok(changed || first)
}

async fn pause(time: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = sleep(time) => {}
        () = shutdown.cancelled() => {}
    }
}
