//! The [`Ledger`] over JSON-RPC.

mod settle;
mod top_up;

use std::collections::HashSet;

use alloy::{primitives::Bytes, sol_types::SolCall as _};
use async_trait::async_trait;
use eai_core::{address::Address, money::Amount, offer::SignedOffer};
use tracing::{debug, warn};

use crate::{
    bindings::IEscrow,
    eip712::{self, Domain, Signature, SignedVoucher, Voucher},
    endpoint::Endpoint,
    error::LedgerError,
    events::Events,
    ids::{LeaseId, NamespaceId, TxHash},
    key::Key,
    lease::{
        Authorization, Head, LeaseState, LeaseView, OpenOutcome, OpenRequest, Opened, SettleOutcome, Skipped, TopUp,
        TopUpOutcome,
    },
    ledger::{Ledger, MAX_BATCH},
    reader::Reader,
    refusal::Refusal,
    sender::{ATTEMPTS, Sender},
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

    pub(crate) const fn sender(&self) -> &Sender {
        &self.sender
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
        self.settle_due(vouchers).await
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
