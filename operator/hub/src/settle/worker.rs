//! Carries what lies at the desk to the chain, and watches the chain.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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

/// The longest time between tries when the chain doesn't answer.
const LAST_RETRY: Duration = Duration::from_secs(15);
/// How long batches under way are waited for when the process is to end.
const LAST_PATIENCE: Duration = Duration::from_secs(10);
/// How often the head is asked for while anything goes on, and while nothing does.
const BUSY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(10);
/// How often the hub key's own coins are counted.
const GAS: Duration = Duration::from_mins(1);
/// Leases looked at at once.
const LOOKS_AT_ONCE: usize = 8;

/// How long requests are gathered before they are sent.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Openings and top-ups.
    pub open: Duration,
    /// Vouchers.
    pub settle: Duration,
    /// How long to wait after the chain couldn't be used; doubled each time, up to [`LAST_RETRY`].
    pub retry: Duration,
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
    /// Batches that may be under way at once.
    const AT_ONCE: usize;

    async fn carry(ledger: &dyn Ledger, batch: &[Self]) -> Result<Vec<Self::Answer>, LedgerError>;
}

#[async_trait]
impl Carry for OpenRequest {
    const NAME: &'static str = "open";
    const AT_ONCE: usize = 4;

    async fn carry(ledger: &dyn Ledger, batch: &[Self]) -> Result<Vec<OpenOutcome>, LedgerError> {
        ledger.open(batch).await
    }
}

#[async_trait]
impl Carry for TopUp {
    const NAME: &'static str = "top_up";
    const AT_ONCE: usize = 1;

    async fn carry(ledger: &dyn Ledger, batch: &[Self]) -> Result<Vec<TopUpOutcome>, LedgerError> {
        ledger.top_up(batch).await
    }
}

#[async_trait]
impl Carry for SignedVoucher {
    const NAME: &'static str = "settle";
    const AT_ONCE: usize = 2;

    async fn carry(ledger: &dyn Ledger, batch: &[Self]) -> Result<Vec<SettleOutcome>, LedgerError> {
        ledger.settle(batch).await
    }
}

/// Carries batches until `shutdown`, and then gives those under way a while to be confirmed.
pub async fn carry(errand: &Errand, windows: Windows, shutdown: CancellationToken) {
    let all = async {
        futures::join!(
            carry_kind::<OpenRequest>(errand, windows.open, windows.retry, &shutdown),
            carry_kind::<TopUp>(errand, windows.open, windows.retry, &shutdown),
            carry_kind::<SignedVoucher>(errand, windows.settle, windows.retry, &shutdown),
        );
    };
    let patience = async {
        shutdown.cancelled().await;
        sleep(LAST_PATIENCE).await;
    };
    tokio::select! {
        () = all => {}
        () = patience => {}
    }
}

/// Several batches of a kind may be under way, so that a request needn't wait for another's block.
async fn carry_kind<R: Carry>(errand: &Errand, window: Duration, retry: Duration, shutdown: &CancellationToken) {
    let gate = Gate { first: retry, state: Mutex::default() };
    let batches =
        futures::stream::unfold((), |()| async { Some((next::<R>(errand, window, &gate, shutdown).await?, ())) });
    batches.for_each_concurrent(R::AT_ONCE, |batch| deliver(errand, batch, &gate)).await;
}

/// The next batch that is due, once there is one; none after `shutdown`.
async fn next<R: Carry>(
    errand: &Errand,
    window: Duration,
    gate: &Gate,
    shutdown: &CancellationToken,
) -> Option<Vec<(LeaseId, R)>> {
    while !shutdown.is_cancelled() {
        let closed = gate.closed_for();
        if closed.is_zero() {
            let batch = errand.desk.take::<R>(window);
            if !batch.is_empty() {
                return Some(batch);
            }
        }
        let wait = if closed.is_zero() { errand.desk.due_in::<R>(window).unwrap_or(IDLE) } else { closed };
        tokio::select! {
            () = errand.desk.asked::<R>() => {}
            () = sleep(wait) => {}
            () = shutdown.cancelled() => {}
        }
    }
    None
}

async fn deliver<R: Carry>(errand: &Errand, batch: Vec<(LeaseId, R)>, gate: &Gate) {
    let (leases, requests): (Vec<LeaseId>, Vec<R>) = batch.into_iter().unzip();
    let began = Instant::now();
    let result = R::carry(errand.ledger.as_ref(), &requests).await;
    errand.view.doubt();
    match result {
        Ok(answers) => {
            errand.metrics.carried(R::NAME, leases.len(), began.elapsed());
            tracing::info!(kind = R::NAME, items = leases.len(), ms = began.elapsed().as_millis(), "batch confirmed");
            gate.open();
            errand.desk.trouble(None);
            errand.metrics.chain_up(true);
            for refusal in answers.iter().filter_map(R::refusal) {
                errand.metrics.refused(refusal.reason());
            }
            let answered = leases.into_iter().zip(answers).map(|(lease, answer)| (lease, Asked::Answered(answer)));
            wake(errand, errand.desk.answer::<R>(answered));
        }
        Err(error) => failed::<R>(errand, leases.into_iter().zip(requests).collect(), &error, gate),
    }
}

/// Keeps batches back after the chain couldn't be used, for longer each time.
struct Gate {
    first: Duration,
    /// Until when it is closed, and for how long it was closed last.
    state: Mutex<Option<(Instant, Duration)>>,
}

impl Gate {
    fn closed_for(&self) -> Duration {
        let state = *self.lock();
        state.map_or(Duration::ZERO, |(until, _)| until.saturating_duration_since(Instant::now()))
    }

    fn close(&self) {
        let mut state = self.lock();
        let wait = state.map_or(self.first, |(_, last)| (last * 2).min(LAST_RETRY));
        *state = Some((Instant::now() + wait, wait));
    }

    fn open(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Duration)>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch whose call failed: carried again later, one by one if one of it may have spoilt it; given up if it is alone
/// and can never succeed.
fn failed<R: Carry>(errand: &Errand, batch: Vec<(LeaseId, R)>, error: &LedgerError, gate: &Gate) {
    tracing::warn!(kind = R::NAME, items = batch.len(), %error, "a batch couldn't be carried to the chain");
    errand.metrics.carry_failed(R::NAME);
    match fault(error) {
        Fault::Chain => {
            gate.close();
            errand.desk.trouble(Some(error.to_string()));
            errand.metrics.chain_up(false);
            wake(errand, errand.desk.put_back(batch, false));
        }
        Fault::Request if batch.len() > 1 => drop(errand.desk.put_back(batch, true)),
        Fault::Request => {
            let answers = batch.into_iter().map(|(lease, _)| (lease, Asked::Impossible(error.to_string())));
            wake(errand, errand.desk.answer::<R>(answers));
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
    let (mut next, mut gas) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = shutdown.cancelled() => return,
        }
        if gas <= Instant::now()
            && let Ok(wei) = errand.ledger.gas_money().await
        {
            errand.metrics.gas(wei);
            gas = Instant::now() + GAS;
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
