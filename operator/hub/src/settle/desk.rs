//! The counter between jobs and the chain: what was asked for each lease, and what came back.
//!
//! Jobs ask and read answers here; one worker carries requests to the chain in batches. Nothing here outlives the
//! process, and nothing needs to: what matters is on the chain and in the jobs' statuses, and asking twice does nothing
//! twice.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_api::AIJob;
use eai_chain::{
    LeaseId, OpenOutcome, OpenRequest, Refusal, SettleOutcome, SignedVoucher, TopUp, TopUpOutcome, ledger::MAX_BATCH,
};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

use crate::aijob::build::{Asked, Look};

/// How long a refusal stands before the same is asked again.
const STANDS: Duration = Duration::from_secs(9);
/// How long it stands if the next block may change it.
const STANDS_BRIEFLY: Duration = Duration::from_millis(900);
/// How long "impossible" stands.
const IMPOSSIBLE_STANDS: Duration = Duration::from_mins(1);

const fn stands(refusal: Refusal) -> Duration {
    if refusal.is_transient() { STANDS_BRIEFLY } else { STANDS }
}

/// What can be asked of the chain in batches.
pub trait Request: Clone + Send + Sync {
    /// The answer.
    type Answer: Clone + Send;

    /// The part of the books that holds requests of this kind.
    fn tray(books: &mut Books) -> &mut Tray<Self>;

    /// The bell for requests of this kind.
    fn bell(desk: &Desk) -> &Notify;

    /// Why the answer is a no, if it is; that stands for a while.
    fn refusal(answer: &Self::Answer) -> Option<Refusal>;
}

/// Requests of one kind.
pub struct Tray<R: Request> {
    waiting: VecDeque<(LeaseId, R)>,
    /// Since when the oldest request waits.
    since: Option<Instant>,
    /// Every lease's latest request and what became of it.
    states: HashMap<LeaseId, (Asked<R::Answer>, Instant)>,
    /// Whether to carry requests one at a time, to find the one that spoils its batch.
    singly: bool,
}

impl<R: Request> Default for Tray<R> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), since: None, states: HashMap::new(), singly: false }
    }
}

/// Everything at the counter.
#[derive(Default)]
pub struct Books {
    jobs: HashMap<LeaseId, ObjectRef<AIJob>>,
    opens: Tray<OpenRequest>,
    top_ups: Tray<TopUp>,
    vouchers: Tray<SignedVoucher>,
    looks: HashMap<LeaseId, Look>,
    to_look: VecDeque<LeaseId>,
    trouble: Option<String>,
}

/// What came back for one lease.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The opening.
    pub open: Asked<OpenOutcome>,
    /// The latest top-up.
    pub top_up: Asked<TopUpOutcome>,
    /// The latest voucher.
    pub settle: Asked<SettleOutcome>,
    /// The latest look.
    pub look: Option<Look>,
    /// Why the chain can't be used now.
    pub trouble: Option<String>,
}

/// Rung when something is asked.
#[derive(Default)]
struct Bells {
    opens: Notify,
    top_ups: Notify,
    vouchers: Notify,
}

/// The counter.
#[derive(Default)]
pub struct Desk {
    books: Mutex<Books>,
    bells: Bells,
    /// Woken when there is something to look at.
    pub to_look: Notify,
}

impl Request for OpenRequest {
    type Answer = OpenOutcome;

    fn tray(books: &mut Books) -> &mut Tray<Self> {
        &mut books.opens
    }

    fn bell(desk: &Desk) -> &Notify {
        &desk.bells.opens
    }

    fn refusal(answer: &OpenOutcome) -> Option<Refusal> {
        match answer {
            OpenOutcome::Skipped(skipped) => Some(skipped.reason),
            OpenOutcome::Opened(_) => None,
        }
    }
}

impl Request for TopUp {
    type Answer = TopUpOutcome;

    fn tray(books: &mut Books) -> &mut Tray<Self> {
        &mut books.top_ups
    }

    fn bell(desk: &Desk) -> &Notify {
        &desk.bells.top_ups
    }

    fn refusal(answer: &TopUpOutcome) -> Option<Refusal> {
        match answer {
            TopUpOutcome::Skipped(skipped) => Some(skipped.reason),
            TopUpOutcome::ToppedUp(_) => None,
        }
    }
}

impl Request for SignedVoucher {
    type Answer = SettleOutcome;

    fn tray(books: &mut Books) -> &mut Tray<Self> {
        &mut books.vouchers
    }

    fn bell(desk: &Desk) -> &Notify {
        &desk.bells.vouchers
    }

    fn refusal(answer: &SettleOutcome) -> Option<Refusal> {
        match answer {
            SettleOutcome::Skipped(skipped) => Some(skipped.reason),
            SettleOutcome::Settled(_) => None,
        }
    }
}

impl<R: Request> Tray<R> {
    fn state(&self, lease: LeaseId) -> Asked<R::Answer> {
        match self.states.get(&lease) {
            None => Asked::No,
            Some((Asked::Impossible(_), at)) if at.elapsed() > IMPOSSIBLE_STANDS => Asked::No,
            Some((state, _)) => state.clone(),
        }
    }

    fn ask(&mut self, lease: LeaseId, request: R) -> bool {
        let blocked = match self.states.get(&lease) {
            Some((Asked::Waiting, _)) => true,
            Some((Asked::Impossible(_), at)) => at.elapsed() <= IMPOSSIBLE_STANDS,
            Some((Asked::Answered(answer), at)) => {
                R::refusal(answer).is_some_and(|refusal| at.elapsed() <= stands(refusal))
            }
            _ => false,
        };
        if blocked {
            return false;
        }
        self.states.insert(lease, (Asked::Waiting, Instant::now()));
        self.waiting.push_back((lease, request));
        self.since.get_or_insert_with(Instant::now);
        true
    }

    /// The next batch, if it is full or its time has come.
    fn take(&mut self, window: Duration) -> Vec<(LeaseId, R)> {
        let most = if self.singly { 1 } else { MAX_BATCH };
        let due = self.since.is_some_and(|since| since.elapsed() >= window);
        if self.waiting.is_empty() || !(due || self.waiting.len() >= most) {
            return Vec::new();
        }
        let batch: Vec<_> = self.waiting.drain(..most.min(self.waiting.len())).collect();
        if self.waiting.is_empty() {
            self.since = None;
        }
        batch
    }

    fn put_back(&mut self, batch: Vec<(LeaseId, R)>) {
        for item in batch.into_iter().rev() {
            self.waiting.push_front(item);
        }
        self.since.get_or_insert_with(Instant::now);
    }
}

impl Desk {
    /// Asks for a lease's opening, a top-up or a voucher's settlement, for `job`. Asking again while it waits changes
    /// nothing, and after a refusal not until that has stood for a while.
    pub fn ask<R: Request>(&self, job: &ObjectRef<AIJob>, lease: LeaseId, request: R) {
        let mut books = self.lock();
        books.jobs.insert(lease, job.clone());
        if R::tray(&mut books).ask(lease, request) {
            drop(books);
            R::bell(self).notify_one();
        }
    }

    /// Asks for a look at a lease.
    pub fn ask_look(&self, job: &ObjectRef<AIJob>, lease: LeaseId) {
        let mut books = self.lock();
        books.jobs.insert(lease, job.clone());
        if !books.to_look.contains(&lease) {
            books.to_look.push_back(lease);
            drop(books);
            self.to_look.notify_one();
        }
    }

    /// What came back for a lease.
    pub fn answers(&self, lease: LeaseId) -> Answers {
        let books = self.lock();
        Answers {
            open: books.opens.state(lease),
            top_up: books.top_ups.state(lease),
            settle: books.vouchers.state(lease),
            look: books.looks.get(&lease).cloned(),
            trouble: books.trouble.clone(),
        }
    }

    /// Forgets a lease whose end is on record.
    pub fn forget(&self, lease: LeaseId) {
        let mut books = self.lock();
        books.jobs.remove(&lease);
        books.opens.states.remove(&lease);
        books.top_ups.states.remove(&lease);
        books.vouchers.states.remove(&lease);
        books.looks.remove(&lease);
    }

    /// The next batch of a kind, if there is one and it is full or has waited for `window`.
    pub fn take<R: Request>(&self, window: Duration) -> Vec<(LeaseId, R)> {
        R::tray(&mut self.lock()).take(window)
    }

    /// Until a request of this kind is asked.
    pub async fn asked<R: Request>(&self) {
        R::bell(self).notified().await;
    }

    /// In how long requests of a kind that wait will have waited for `window`; `None` if none does.
    pub fn due_in<R: Request>(&self, window: Duration) -> Option<Duration> {
        let since = R::tray(&mut self.lock()).since?;
        Some(window.saturating_sub(since.elapsed()).max(Duration::from_millis(1)))
    }

    /// Puts a batch back whose call failed, and says whose it is; `singly` if one of it may have spoilt it.
    pub fn put_back<R: Request>(&self, batch: Vec<(LeaseId, R)>, singly: bool) -> Vec<ObjectRef<AIJob>> {
        let mut books = self.lock();
        let jobs = batch.iter().filter_map(|(lease, _)| books.jobs.get(lease).cloned()).collect();
        let tray = R::tray(&mut books);
        tray.singly = singly;
        tray.put_back(batch);
        drop(books);
        R::bell(self).notify_one();
        jobs
    }

    /// Takes down answers, and says whose they are.
    pub fn answer<R: Request>(
        &self,
        answers: impl IntoIterator<Item = (LeaseId, Asked<R::Answer>)>,
    ) -> Vec<ObjectRef<AIJob>> {
        let mut books = self.lock();
        let mut jobs = Vec::new();
        for (lease, answer) in answers {
            R::tray(&mut books).states.insert(lease, (answer, Instant::now()));
            jobs.extend(books.jobs.get(&lease).cloned());
        }
        let tray = R::tray(&mut books);
        tray.singly &= !tray.waiting.is_empty();
        jobs
    }

    /// Takes down that a lease can't be served, as a sentence.
    pub fn give_up<R: Request>(&self, lease: LeaseId, why: String) {
        R::tray(&mut self.lock()).states.insert(lease, (Asked::Impossible(why), Instant::now()));
    }

    /// The leases to be looked at.
    pub fn take_looks(&self) -> Vec<LeaseId> {
        self.lock().to_look.drain(..).collect()
    }

    /// Takes down a look, and says whose it is.
    pub fn looked(&self, lease: LeaseId, look: Look) -> Option<ObjectRef<AIJob>> {
        let mut books = self.lock();
        let job = books.jobs.get(&lease).cloned()?;
        books.looks.insert(lease, look);
        Some(job)
    }

    /// Says why the chain can't be used, or that it can again.
    pub fn trouble(&self, trouble: Option<String>) {
        self.lock().trouble = trouble;
    }

    /// Why the chain can't be used now.
    pub fn has_trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    /// How many requests wait: openings, top-ups, vouchers.
    pub fn waiting(&self) -> [usize; 3] {
        let books = self.lock();
        [books.opens.waiting.len(), books.top_ups.waiting.len(), books.vouchers.waiting.len()]
    }

    /// Whether anything of any job is going on.
    pub fn is_idle(&self) -> bool {
        self.lock().jobs.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
