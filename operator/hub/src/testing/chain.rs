//! The chain: an escrow whose every batch takes a block.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use eai_chain::{
    Authorization, Domain, Head, JobId, Key, LeaseId, LeaseState, LeaseTerms, LeaseView, Ledger, LedgerError,
    NamespaceId, OpenOutcome, OpenRequest, Opened, Opening, Refusal, SettleOutcome, Settled, SignedVoucher, Skipped,
    Tenure, Tenures, TopUp, TopUpOutcome, ToppedUp, TxHash, Voucher,
};
use eai_core::{
    address::Address,
    epoch::Epoch,
    metering::{MilliUnits, cost, usage},
    money::Amount,
    offer::SignedOffer,
};
use k8s_openapi::jiff::Timestamp;

pub const DOMAIN: Domain = Domain { chain_id: 31337, escrow: Address([0xe5; 20]) };

/// The chain. Clones share it.
#[derive(Clone)]
pub struct Chain(Arc<Mutex<State>>);

struct State {
    key: Key,
    block: Duration,
    free: Amount,
    grant: Authorization,
    leases: HashMap<LeaseId, (LeaseTerms, LeaseView)>,
    calls: usize,
    down: bool,
    tenure: Option<Tenure>,
    raises: usize,
    refuses_raises: bool,
}

impl Chain {
    /// One payer who has `free` and allows everything.
    pub fn new(free: Amount, block: Duration) -> Self {
        let max_rate = "1000000".parse().unwrap();
        let grant = Authorization { cap: max_rate, used: Amount::ZERO, max_rate, expiry: u64::MAX };
        let key = Key::parse(&"42".repeat(32)).unwrap();
        Self(Arc::new(Mutex::new(State {
            key,
            block,
            free,
            grant,
            leases: HashMap::new(),
            calls: 0,
            down: false,
            tenure: None,
            raises: 0,
            refuses_raises: false,
        })))
    }

    /// Whether nobody gets an answer.
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// The payer deposits.
    pub fn deposit(&self, amount: Amount) {
        let mut state = self.lock();
        state.free = state.free.saturating_add(amount);
    }

    /// What the payer has free.
    pub fn free(&self) -> Amount {
        self.lock().free
    }

    /// Every lease that was ever opened.
    pub fn leases(&self) -> Vec<LeaseView> {
        self.lock().leases.values().map(|(_, view)| view.clone()).collect()
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Who goes on as the hub, as somebody else says.
    pub fn set_tenure(&self, tenure: Option<Tenure>) {
        self.lock().tenure = tenure;
    }

    /// How often a generation was raised.
    pub fn raises(&self) -> usize {
        self.lock().raises
    }

    /// Whether raising fails.
    pub fn refuse_raises(&self, refuse: bool) {
        self.lock().refuses_raises = refuse;
    }

    /// A lease whose job the hub has lost, of so many EAI, of which so many were paid.
    pub fn lose(&self, job: &str, generation: u64, hold: Amount, paid: Amount) -> LeaseId {
        let mut state = self.lock();
        let terms = LeaseTerms {
            payer: Address([0xaa; 20]),
            provider: Address([0xbb; 20]),
            hub_key: state.key.address(),
            namespace: NamespaceId([7; 32]),
            job: JobId::of(job),
            epoch: Epoch { generation, attempt: 1 },
            rate: "1".parse().unwrap(),
            units: MilliUnits(1000),
        };
        let view = LeaseView {
            state: LeaseState::Open,
            hold,
            paid,
            refunded: Amount::ZERO,
            held: hold.saturating_sub(paid),
            opened_at: time(),
            closing_at: None,
        };
        state.free = state.free.saturating_sub(hold);
        let id = terms.id();
        state.leases.insert(id, (terms, view));
        id
    }

    /// Puts a lease in another state.
    pub fn set_state(&self, lease: LeaseId, to: LeaseState) {
        if let Some((_, view)) = self.lock().leases.get_mut(&lease) {
            view.state = to;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn call(&self) -> Result<MutexGuard<'_, State>, LedgerError> {
        let mut state = self.lock();
        state.calls += 1;
        if state.down { Err(LedgerError::Unreachable("it is down".to_owned())) } else { Ok(state) }
    }

    async fn block(&self) -> Result<(), LedgerError> {
        let block = self.call()?.block;
        tokio::time::sleep(block).await;
        Ok(())
    }
}

fn time() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap()
}

#[async_trait]
impl Ledger for Chain {
    fn hub_key(&self) -> Address {
        self.lock().key.address()
    }

    fn domain(&self) -> Domain {
        DOMAIN
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        self.call().map(|_| Head { number: time(), time: time() })
    }

    async fn gas_money(&self) -> Result<u128, LedgerError> {
        Ok(1)
    }

    async fn balance(&self, _: Address) -> Result<Amount, LedgerError> {
        self.call().map(|state| state.free)
    }

    async fn authorization(&self, _: Address, _: Address, _: NamespaceId) -> Result<Authorization, LedgerError> {
        self.call().map(|state| state.grant)
    }

    async fn offer_nonce(&self, _: Address) -> Result<u64, LedgerError> {
        Ok(0)
    }

    async fn accepts_offer(&self, _: &SignedOffer) -> Result<bool, LedgerError> {
        Ok(true)
    }

    async fn lease(&self, lease: LeaseId) -> Result<Option<LeaseView>, LedgerError> {
        self.call().map(|state| state.leases.get(&lease).map(|(_, view)| view.clone()))
    }

    async fn open(&self, requests: &[OpenRequest]) -> Result<Vec<OpenOutcome>, LedgerError> {
        self.block().await?;
        let mut state = self.lock();
        Ok(requests.iter().map(|request| state.open(request)).collect())
    }

    async fn top_up(&self, items: &[TopUp]) -> Result<Vec<TopUpOutcome>, LedgerError> {
        self.block().await?;
        let mut state = self.lock();
        Ok(items.iter().map(|item| state.top_up(item)).collect())
    }

    fn sign_voucher(&self, voucher: Voucher) -> Result<SignedVoucher, LedgerError> {
        Ok(eai_chain::eip712::sign_voucher(voucher, DOMAIN, &self.lock().key)?)
    }

    async fn settle(&self, vouchers: &[SignedVoucher]) -> Result<Vec<SettleOutcome>, LedgerError> {
        self.block().await?;
        let mut state = self.lock();
        Ok(vouchers.iter().map(|voucher| state.settle(voucher)).collect())
    }
}

#[async_trait]
impl Tenures for Chain {
    async fn tenure(&self) -> Result<Option<Tenure>, LedgerError> {
        self.call().map(|state| state.tenure)
    }

    async fn raise(&self, tenure: Tenure) -> Result<(), LedgerError> {
        let mut state = self.call()?;
        let current = state.tenure.map_or(0, |tenure| tenure.generation);
        if state.refuses_raises || tenure.generation <= current {
            return Err(LedgerError::Rejected(format!("the generation is {current}")));
        }
        state.raises += 1;
        state.tenure = Some(tenure);
        Ok(())
    }

    async fn openings(&self, first: u64, last: u64) -> Result<Vec<Opening>, LedgerError> {
        let state = self.call()?;
        let within = state.leases.values().filter(|(_, view)| (first..=last).contains(&view.opened_at));
        let opening = |(terms, view): &(LeaseTerms, LeaseView)| Opening {
            terms: terms.clone(),
            hold: view.hold,
            tx: TxHash([1; 32]),
            block: view.opened_at,
        };
        Ok(within.map(opening).collect())
    }
}

impl State {
    fn open(&mut self, request: &OpenRequest) -> OpenOutcome {
        let terms = request.terms(self.key.address());
        let lease = terms.id();
        if let Some((_, view)) = self.leases.get(&lease) {
            return OpenOutcome::Opened(Opened { lease, tx: None, opened_at: view.opened_at, hold: view.hold });
        }
        let skip = |reason| OpenOutcome::Skipped(Skipped { lease, reason });
        if time() > request.open_by {
            return skip(Refusal::OpenByPassed);
        }
        let Some(free) = self.free.checked_sub(request.hold) else { return skip(Refusal::InsufficientBalance) };
        self.free = free;
        let (hold, opened_at) = (request.hold, time());
        let (paid, refunded) = (Amount::ZERO, Amount::ZERO);
        let state = LeaseState::Open;
        let view = LeaseView { state, hold, paid, refunded, held: hold, opened_at, closing_at: None };
        self.leases.insert(lease, (terms, view));
        OpenOutcome::Opened(Opened { lease, tx: Some(TxHash([1; 32])), opened_at, hold })
    }

    fn top_up(&mut self, item: &TopUp) -> TopUpOutcome {
        let lease = item.terms.id();
        let skip = |reason| TopUpOutcome::Skipped(Skipped { lease, reason });
        let Some((_, view)) = self.leases.get_mut(&lease) else { return skip(Refusal::UnknownLease) };
        if view.state == LeaseState::Closed {
            return skip(Refusal::AlreadyClosed);
        }
        let more = item.hold.saturating_sub(view.hold);
        let Some(free) = self.free.checked_sub(more) else { return skip(Refusal::InsufficientBalance) };
        self.free = free;
        (view.hold, view.held) = (view.hold.saturating_add(more), view.held.saturating_add(more));
        TopUpOutcome::ToppedUp(ToppedUp { lease, tx: None, hold: view.hold })
    }

    fn settle(&mut self, signed: &SignedVoucher) -> SettleOutcome {
        let lease = signed.voucher.terms.id();
        let skip = |reason| SettleOutcome::Skipped(Skipped { lease, reason });
        if signed.verify(DOMAIN).is_err() {
            return skip(Refusal::BadSignature);
        }
        let Some((terms, view)) = self.leases.get_mut(&lease) else { return skip(Refusal::UnknownLease) };
        if view.state != LeaseState::Closed {
            let elapsed = time().saturating_sub(view.opened_at) * 1000;
            let accrued = cost(terms.rate, usage(terms.units, elapsed));
            if signed.voucher.is_final && signed.voucher.amount.min(view.hold) > accrued {
                return skip(Refusal::TooEarly);
            }
            view.paid = view.paid.max(signed.voucher.amount.min(accrued).min(view.hold));
            view.held = view.hold.saturating_sub(view.paid);
            if signed.voucher.is_final {
                (view.state, view.refunded, view.held) = (LeaseState::Closed, view.held, Amount::ZERO);
                self.free = self.free.saturating_add(view.refunded);
            }
        }
        let closed = view.state == LeaseState::Closed;
        SettleOutcome::Settled(Settled { lease, tx: None, paid: view.paid, refunded: view.refunded, closed })
    }
}
