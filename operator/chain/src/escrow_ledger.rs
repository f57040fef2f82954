//! The [`Ledger`] over JSON-RPC.

use std::{collections::HashSet, iter::zip};

use alloy::{primitives::Bytes, sol_types::SolCall as _};
use async_trait::async_trait;
use eai_core::{address::Address, money::Amount, offer::SignedOffer};
use futures::future::try_join_all;
use tracing::{debug, warn};

use crate::{
    bindings::IEscrow,
    convert,
    eip712::{self, Domain, Signature, SignedVoucher, Voucher},
    endpoint::Endpoint,
    error::LedgerError,
    events::Events,
    ids::{LeaseId, NamespaceId, TxHash},
    key::Key,
    lease::{
        Authorization, Head, LeaseState, LeaseView, OpenOutcome, OpenRequest, Opened, SettleOutcome, Settled, Skipped,
        TopUp, TopUpOutcome, ToppedUp,
    },
    ledger::{Ledger, MAX_BATCH},
    reader::Reader,
    refusal::Refusal,
    sender::{ATTEMPTS, Sender, Sent},
};

/// Gas that one call may use besides its items.
const CALL_GAS: u64 = 60_000;
/// Gas that opening a lease may use, for accounts never used before.
const OPEN_GAS: u64 = 150_000;
/// Gas that a contract's word on an offer may use besides.
const ERC1271_GAS: u64 = 200_000;
/// Gas that a top-up may use.
const TOP_UP_GAS: u64 = 60_000;
/// Gas that a voucher may use.
const SETTLE_GAS: u64 = 100_000;

/// One Escrow, through one node, with one hub's key.
pub struct EscrowLedger {
    reader: Reader,
    sender: Sender,
}

impl EscrowLedger {
    /// Prepares a connection. Nothing is sent, so the chain may be away.
    pub fn new(endpoint: Endpoint, key: Key) -> Result<Self, LedgerError> {
        let reader = Reader::new(endpoint)?;
        let sender = Sender::new(reader.rpc().clone(), key);
        Ok(Self { reader, sender })
    }

    /// What can be asked besides.
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// A lease that was opened before: by a call whose answer was lost, say.
    async fn opened_before(&self, lease: LeaseId) -> Result<OpenOutcome, LedgerError> {
        match self.reader.lease(lease).await? {
            Some(view) if view.state != LeaseState::Closed => {
                let tx = recall(lease, self.reader.opening(lease).await.map(|o| o.map(|o| o.tx)));
                Ok(OpenOutcome::Opened(Opened { lease, tx, opened_at: view.opened_at, hold: view.hold }))
            }
            Some(_) => Ok(OpenOutcome::Skipped(Skipped { lease, reason: Refusal::AlreadyClosed })),
            None => Err(LedgerError::Unreachable("its answers are of different blocks".to_owned())),
        }
    }

    /// A lease that was closed before.
    async fn closed_before(&self, lease: LeaseId) -> Result<SettleOutcome, LedgerError> {
        match self.reader.lease(lease).await? {
            Some(LeaseView { state: LeaseState::Closed, paid, refunded, .. }) => {
                let tx = recall(lease, self.reader.closing_tx(lease).await);
                Ok(SettleOutcome::Settled(Settled { lease, tx, paid, refunded, closed: true }))
            }
            _ => Err(LedgerError::Unreachable("its answers are of different blocks".to_owned())),
        }
    }
}

#[async_trait]
impl Ledger for EscrowLedger {
    fn hub_key(&self) -> Address {
        self.sender.key().address()
    }

    fn domain(&self) -> Domain {
        self.reader.domain()
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        self.reader.head().await
    }

    async fn gas_money(&self) -> Result<u128, LedgerError> {
        self.reader.gas_money(self.hub_key()).await
    }

    async fn balance(&self, account: Address) -> Result<Amount, LedgerError> {
        self.reader.balance(account).await
    }

    async fn authorization(
        &self,
        payer: Address,
        hub_key: Address,
        namespace: NamespaceId,
    ) -> Result<Authorization, LedgerError> {
        self.reader.authorization(payer, hub_key, namespace).await
    }

    async fn offer_nonce(&self, provider: Address) -> Result<u64, LedgerError> {
        self.reader.offer_nonce(provider).await
    }

    async fn accepts_offer(&self, offer: &SignedOffer) -> Result<bool, LedgerError> {
        self.reader.accepts_offer(offer).await
    }

    async fn lease(&self, lease: LeaseId) -> Result<Option<LeaseView>, LedgerError> {
        self.reader.lease(lease).await
    }

    async fn open(&self, requests: &[OpenRequest]) -> Result<Vec<OpenOutcome>, LedgerError> {
        check_size(requests.len())?;
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let call = IEscrow::openBatchCall {
            requests: requests.iter().map(OpenRequest::to_sol).collect(),
            offers: requests.iter().map(|r| eip712::offer_to_sol(&r.offer.offer)).collect(),
            signatures: requests.iter().map(|r| signature_bytes(&r.offer)).collect(),
        };
        let gas: u64 = requests.iter().map(|r| open_gas(&r.offer, self.domain())).sum();
        let receipt = self.sender.send(call.abi_encode(), CALL_GAS + gas).await?;
        let mut events = Events::of(&receipt, self.domain().escrow)?;
        let opened_at = self.reader.rpc().block_time(events.block).await?;
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            let lease = request.terms(self.hub_key()).id();
            outcomes.push(match events.opened(lease)? {
                Ok(hold) => OpenOutcome::Opened(Opened { lease, tx: Some(events.tx), opened_at, hold }),
                Err(Refusal::LeaseExists) => self.opened_before(lease).await?,
                Err(reason) => OpenOutcome::Skipped(Skipped { lease, reason }),
            });
        }
        debug!(tx = %events.tx, items = requests.len(), gas = receipt.gas_used, "leases opened");
        Ok(outcomes)
    }

    async fn top_up(&self, items: &[TopUp]) -> Result<Vec<TopUpOutcome>, LedgerError> {
        check_size(items.len())?;
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = items.iter().map(|item| item.terms.id()).collect();
        if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
            return Err(LedgerError::BadRequest("a batch of top-ups names a lease twice".to_owned()));
        }
        for _ in 0..ATTEMPTS {
            if let Some(outcomes) = self.try_top_up(items, &ids).await? {
                return Ok(outcomes);
            }
        }
        Err(LedgerError::KeyShared(self.hub_key()))
    }

    fn sign_voucher(&self, voucher: Voucher) -> Result<SignedVoucher, LedgerError> {
        if voucher.terms.hub_key != self.hub_key() {
            let (theirs, ours) = (voucher.terms.hub_key, self.hub_key());
            return Err(LedgerError::BadRequest(format!(
                "the lease was opened by hub key {theirs} and this hub's key is {ours}; settle it with the former key"
            )));
        }
        Ok(eip712::sign_voucher(voucher, self.domain(), self.sender.key())?)
    }

    async fn settle(&self, vouchers: &[SignedVoucher]) -> Result<Vec<SettleOutcome>, LedgerError> {
        check_size(vouchers.len())?;
        if vouchers.is_empty() {
            return Ok(Vec::new());
        }
        let settlements: Result<_, _> = vouchers.iter().map(SignedVoucher::to_sol).collect();
        let settlements = settlements.map_err(|e| LedgerError::BadRequest(e.to_string()))?;
        let call = IEscrow::settleBatchCall { settlements };
        let gas = CALL_GAS + gas_of(vouchers.len(), SETTLE_GAS);
        let receipt = self.sender.send(call.abi_encode(), gas).await?;
        let mut events = Events::of(&receipt, self.domain().escrow)?;
        let mut outcomes = Vec::with_capacity(vouchers.len());
        for SignedVoucher { voucher, .. } in vouchers {
            let lease = voucher.terms.id();
            outcomes.push(match events.settled(lease, voucher.is_final)? {
                Ok(payment) => SettleOutcome::Settled(Settled {
                    lease,
                    tx: Some(events.tx),
                    paid: payment.paid,
                    refunded: payment.refunded.unwrap_or_default(),
                    closed: payment.refunded.is_some(),
                }),
                Err(Refusal::AlreadyClosed) => self.closed_before(lease).await?,
                Err(reason) => SettleOutcome::Skipped(Skipped { lease, reason }),
            });
        }
        debug!(tx = %events.tx, items = vouchers.len(), gas = receipt.gas_used, "vouchers settled");
        Ok(outcomes)
    }
}

impl EscrowLedger {
    /// Tops up from what the leases hold now; `None` if another transaction came in between.
    async fn try_top_up(&self, items: &[TopUp], ids: &[LeaseId]) -> Result<Option<Vec<TopUpOutcome>>, LedgerError> {
        // The differences hold only for the state that they were computed from. The turn ties the transaction to it.
        let turn = self.sender.turn().await?;
        let block = turn.head().number.into();
        let views = try_join_all(ids.iter().map(|id| self.reader.lease_at(*id, block))).await?;
        let steps: Vec<_> = zip(items, views).map(|(item, view)| Step::of(item, view)).collect();
        let call = IEscrow::topUpBatchCall {
            terms: zip(items, &steps).filter(|(_, s)| s.adds()).map(|(item, _)| item.terms.to_sol()).collect(),
            amounts: steps.iter().filter_map(Step::amount).map(convert::to_word).collect(),
        };
        let mut events = None;
        if !call.amounts.is_empty() {
            let gas = CALL_GAS + gas_of(call.amounts.len(), TOP_UP_GAS);
            match turn.send(Bytes::from(call.abi_encode()), gas).await? {
                Sent::Confirmed(receipt) => events = Some(Events::of(&receipt, self.domain().escrow)?),
                Sent::Superseded => return Ok(None),
            }
        }
        zip(ids, steps).map(|(lease, step)| step.outcome(*lease, events.as_mut())).collect::<Result<_, _>>().map(Some)
    }
}

/// What a top-up comes to, given where its lease stands.
enum Step {
    /// The lease has had enough already.
    Enough(Amount),
    /// It can't be topped up.
    Refuse(Refusal),
    /// This much is missing.
    Add(Amount),
}

impl Step {
    fn of(item: &TopUp, view: Option<LeaseView>) -> Self {
        let Some(view) = view else { return Self::Refuse(Refusal::UnknownLease) };
        match (view.state, item.hold.saturating_sub(view.hold)) {
            (_, Amount::ZERO) => Self::Enough(view.hold),
            (LeaseState::Closed, _) => Self::Refuse(Refusal::AlreadyClosed),
            (LeaseState::Closing, _) => Self::Refuse(Refusal::AlreadyClosing),
            (LeaseState::Open | LeaseState::Paused, missing) => Self::Add(missing),
        }
    }

    const fn amount(&self) -> Option<Amount> {
        if let Self::Add(amount) = self { Some(*amount) } else { None }
    }

    const fn adds(&self) -> bool {
        matches!(self, Self::Add(_))
    }

    fn outcome(self, lease: LeaseId, events: Option<&mut Events>) -> Result<TopUpOutcome, LedgerError> {
        let done = match (self, events) {
            (Self::Enough(hold), _) => Ok((None, hold)),
            (Self::Refuse(reason), _) => Err(reason),
            (Self::Add(_), Some(events)) => events.topped_up(lease)?.map(|hold| (Some(events.tx), hold)),
            (Self::Add(_), None) => return Err(LedgerError::BadAnswer("a top-up without its receipt".to_owned())),
        };
        Ok(match done {
            Ok((tx, hold)) => TopUpOutcome::ToppedUp(ToppedUp { lease, tx, hold }),
            Err(reason) => TopUpOutcome::Skipped(Skipped { lease, reason }),
        })
    }
}

fn check_size(items: usize) -> Result<(), LedgerError> {
    if items > MAX_BATCH {
        return Err(LedgerError::BadRequest(format!("a batch of {items} is more than {MAX_BATCH}; send several")));
    }
    Ok(())
}

fn gas_of(items: usize, each: u64) -> u64 {
    each.saturating_mul(u64::try_from(items).unwrap_or(u64::MAX))
}

fn open_gas(offer: &SignedOffer, domain: Domain) -> u64 {
    if eip712::verify_offer(offer, domain).is_ok() { OPEN_GAS } else { OPEN_GAS + ERC1271_GAS }
}

/// The signature's bytes; none for one that can't be read, so that the chain skips that item and not the batch.
fn signature_bytes(offer: &SignedOffer) -> Bytes {
    offer.signature.parse::<Signature>().map(|s| Bytes::copy_from_slice(&s.0)).unwrap_or_default()
}

/// A transaction's name is good to have and not worth failing for: nodes may keep no old events.
fn recall(lease: LeaseId, found: Result<Option<TxHash>, LedgerError>) -> Option<TxHash> {
    found.unwrap_or_else(|error| {
        warn!(%lease, %error, "the lease's transaction isn't found");
        None
    })
}
