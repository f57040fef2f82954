//! The desk and those who carry what lies there, against a chain that answers as it is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use eai_api::AIJob;
use eai_chain::{
    Authorization, Domain, Head, JobId, LeaseId, LeaseView, Ledger, LedgerError, NamespaceId, OpenOutcome, OpenRequest,
    Opened, Refusal, SettleOutcome, SignedVoucher, Skipped, TopUp, TopUpOutcome, Voucher,
};
use eai_core::{
    address::Address,
    class::Class,
    epoch::Epoch,
    metering::MilliUnits,
    money::Amount,
    offer::{Offer, SignedOffer},
};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Desk, Errand, View, Windows, carry};
use crate::{aijob::build::Asked, metrics::Metrics};

type Script = VecDeque<Result<Option<Refusal>, LedgerError>>;

/// A chain that opens leases as its script says: each call takes the next line; with none left it says yes.
#[derive(Default)]
struct Chain {
    calls: Mutex<Vec<usize>>,
    script: Mutex<Script>,
    slow: Mutex<Duration>,
    poison: Mutex<Option<LeaseId>>,
    free: Mutex<u64>,
}

#[async_trait]
impl Ledger for Chain {
    fn hub_key(&self) -> Address {
        Address([1; 20])
    }

    fn domain(&self) -> Domain {
        Domain { chain_id: 1, escrow: Address([2; 20]) }
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        Ok(Head { number: 1, time: 1 })
    }

    async fn gas_money(&self) -> Result<u128, LedgerError> {
        Ok(1)
    }

    async fn balance(&self, _: Address) -> Result<Amount, LedgerError> {
        Ok(Amount::from_wei(u128::from(*self.free.lock().unwrap())))
    }

    async fn authorization(&self, _: Address, _: Address, _: NamespaceId) -> Result<Authorization, LedgerError> {
        Ok(Authorization { cap: Amount::from_wei(50), used: Amount::ZERO, max_rate: Amount::MAX, expiry: 9 })
    }

    async fn offer_nonce(&self, _: Address) -> Result<u64, LedgerError> {
        Ok(0)
    }

    async fn accepts_offer(&self, _: &SignedOffer) -> Result<bool, LedgerError> {
        Ok(true)
    }

    async fn lease(&self, _: LeaseId) -> Result<Option<LeaseView>, LedgerError> {
        Ok(None)
    }

    async fn open(&self, requests: &[OpenRequest]) -> Result<Vec<OpenOutcome>, LedgerError> {
        self.calls.lock().unwrap().push(requests.len());
        let slow = *self.slow.lock().unwrap();
        tokio::time::sleep(slow).await;
        let ids: Vec<LeaseId> = requests.iter().map(|r| r.terms(self.hub_key()).id()).collect();
        if self.poison.lock().unwrap().is_some_and(|poison| ids.contains(&poison)) {
            return Err(LedgerError::BadRequest("an amount beyond the chain's".to_owned()));
        }
        let refusal = self.script.lock().unwrap().pop_front().unwrap_or(Ok(None))?;
        let answer = |lease| match refusal {
            Some(reason) => OpenOutcome::Skipped(Skipped { lease, reason }),
            None => OpenOutcome::Opened(Opened { lease, tx: None, opened_at: 1, hold: Amount::ZERO }),
        };
        Ok(ids.into_iter().map(answer).collect())
    }

    async fn top_up(&self, _: &[TopUp]) -> Result<Vec<TopUpOutcome>, LedgerError> {
        Ok(Vec::new())
    }

    fn sign_voucher(&self, _: Voucher) -> Result<SignedVoucher, LedgerError> {
        Err(LedgerError::BadRequest("not here".to_owned()))
    }

    async fn settle(&self, _: &[SignedVoucher]) -> Result<Vec<SettleOutcome>, LedgerError> {
        Ok(Vec::new())
    }
}

fn request(job: u64) -> (LeaseId, OpenRequest) {
    let offer = Offer {
        provider: Address([3; 20]),
        member: "home".to_owned(),
        class: Class::cpu(),
        rate: Amount::ZERO,
        start_within: 1,
        valid_until: 9,
        nonce: 0,
    };
    let request = OpenRequest {
        payer: Address([4; 20]),
        namespace: NamespaceId::default(),
        job: JobId::of(&job.to_string()),
        epoch: Epoch { generation: 1, attempt: 1 },
        rate: Amount::ZERO,
        units: MilliUnits(1),
        hold: Amount::ZERO,
        open_by: 9,
        offer: SignedOffer { offer, signature: String::new() },
    };
    (request.terms(Address([1; 20])).id(), request)
}

struct Counter {
    chain: Arc<Chain>,
    desk: Arc<Desk>,
    woken: Arc<Mutex<Vec<String>>>,
    shutdown: CancellationToken,
}

/// A desk with somebody who carries.
fn counter(window_ms: u64) -> Counter {
    let (chain, desk, woken) = (Arc::new(Chain::default()), Arc::new(Desk::default()), Arc::new(Mutex::default()));
    let shutdown = CancellationToken::new();
    let heard: Arc<Mutex<Vec<String>>> = woken.clone();
    let errand = Errand {
        ledger: chain.clone(),
        desk: desk.clone(),
        view: Arc::default(),
        wake_job: Box::new(move |job: ObjectRef<AIJob>| heard.lock().unwrap().push(job.name)),
        wake_pass: Arc::new(Notify::new()),
        metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
    };
    let windows = Windows {
        open: Duration::from_millis(window_ms),
        settle: Duration::from_millis(window_ms),
        retry: Duration::from_millis(100),
    };
    let end = shutdown.clone();
    tokio::spawn(async move { carry(&errand, windows, end).await });
    Counter { chain, desk, woken, shutdown }
}

impl Counter {
    fn ask(&self, job: u64) -> LeaseId {
        let (lease, request) = request(job);
        self.desk.ask(&ObjectRef::new(&job.to_string()), lease, request);
        lease
    }

    fn calls(&self) -> Vec<usize> {
        self.chain.calls.lock().unwrap().clone()
    }
}

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test]
async fn requests_within_a_window_share_a_transaction() {
    let counter = counter(500);
    let leases: Vec<LeaseId> = (0..3).map(|job| counter.ask(job)).collect();
    wait(100).await;
    assert!(counter.calls().is_empty());
    wait(900).await;
    assert_eq!(counter.calls(), [3]);
    assert!(matches!(counter.desk.answers(leases[1]).open, Asked::Answered(OpenOutcome::Opened(_))));
    assert_eq!(counter.woken.lock().unwrap().len(), 3);
    counter.shutdown.cancel();
}

#[tokio::test]
async fn a_full_batch_doesnt_wait_for_the_window() {
    let counter = counter(1_000_000);
    for job in 0..70 {
        counter.ask(job);
    }
    wait(300).await;
    assert_eq!(counter.calls(), [64]);
}

#[tokio::test]
async fn a_batch_doesnt_wait_for_anothers_block() {
    let counter = counter(10);
    *counter.chain.slow.lock().unwrap() = Duration::from_secs(2);
    counter.ask(1);
    wait(300).await;
    counter.ask(2);
    wait(300).await;
    assert_eq!(counter.calls(), [1, 1], "both are under way");
}

#[tokio::test]
async fn asking_while_it_waits_asks_nothing() {
    let counter = counter(10);
    *counter.chain.slow.lock().unwrap() = Duration::from_millis(600);
    for _ in 0..5 {
        counter.ask(1);
    }
    wait(200).await;
    counter.ask(1);
    wait(1_000).await;
    assert_eq!(counter.calls(), [1]);
}

#[tokio::test]
async fn while_the_chain_is_away_requests_wait_and_arent_hammered() {
    let counter = counter(10);
    for _ in 0..4 {
        counter.chain.script.lock().unwrap().push_back(Err(LedgerError::Unreachable("no route".to_owned())));
    }
    let lease = counter.ask(1);
    wait(60).await;
    assert_eq!(counter.calls(), [1]);
    assert!(counter.desk.answers(lease).trouble.unwrap().contains("no route"));
    assert_eq!(counter.desk.answers(lease).open, Asked::Waiting);
    wait(400).await;
    assert!(counter.calls().len() <= 3, "after 100 and 300 ms: {:?}", counter.calls());
    wait(2_000).await;
    assert_eq!(counter.calls().len(), 5, "after 100, 300, 700 and 1500 ms");
    assert!(matches!(counter.desk.answers(lease).open, Asked::Answered(OpenOutcome::Opened(_))));
    assert_eq!(counter.desk.answers(lease).trouble, None);
}

#[tokio::test]
async fn one_bad_request_doesnt_spoil_the_others() {
    let counter = counter(10);
    let (bad, _) = request(2);
    *counter.chain.poison.lock().unwrap() = Some(bad);
    let leases: Vec<LeaseId> = (1..4).map(|job| counter.ask(job)).collect();
    wait(600).await;
    assert_eq!(counter.calls(), [3, 1, 1, 1]);
    assert!(matches!(counter.desk.answers(leases[0]).open, Asked::Answered(_)));
    assert!(matches!(counter.desk.answers(leases[1]).open, Asked::Impossible(_)));
    assert!(matches!(counter.desk.answers(leases[2]).open, Asked::Answered(_)));
    for job in 10..13 {
        counter.ask(job);
    }
    wait(600).await;
    assert_eq!(counter.calls()[4..], [3], "and batches are batches again");
}

#[tokio::test]
async fn what_is_forgotten_is_gone() {
    let counter = counter(10);
    let lease = counter.ask(1);
    wait(500).await;
    counter.desk.forget(lease);
    assert_eq!(counter.desk.answers(lease).open, Asked::No);
    assert!(counter.desk.is_idle());
}

#[tokio::test]
async fn funds_are_what_the_account_and_the_authorisation_both_allow() {
    let (chain, view) = (Chain::default(), View::default());
    let purse = (Address([4; 20]), NamespaceId::default());
    assert_eq!(view.funds(purse), None);
    *chain.free.lock().unwrap() = 30;
    assert!(view.fetch(&chain, false).await.unwrap());
    assert_eq!(view.known(purse).unwrap().addable(8), Amount::from_wei(30));
    assert_eq!(view.known(purse).unwrap().addable(9), Amount::ZERO, "the authorisation is over");
    *chain.free.lock().unwrap() = 70;
    assert!(!view.fetch(&chain, false).await.unwrap(), "known is known until a new block");
    assert!(view.fetch(&chain, true).await.unwrap());
    assert_eq!(view.known(purse).unwrap().addable(8), Amount::from_wei(50));
    view.doubt();
    assert_eq!(view.known(purse), None);
}
