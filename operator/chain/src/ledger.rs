//! What the hub sees of the chain.

use async_trait::async_trait;
use eai_core::{address::Address, money::Amount, offer::SignedOffer};

use crate::{
    eip712::{Domain, SignedVoucher, Voucher},
    error::LedgerError,
    ids::{LeaseId, NamespaceId},
    lease::{Authorization, Head, LeaseView, OpenOutcome, OpenRequest, SettleOutcome, TopUp, TopUpOutcome},
};

/// The most items in one batch; the Escrow refuses more.
pub const MAX_BATCH: usize = 64;

/// Money on the chain, in the hub's words.
///
/// The three batches (`open`, `top_up`, `settle`) each send at most one transaction, wait until it is confirmed, and
/// return one outcome per item in the order given. They are idempotent: after an error, or a crash, repeat the same call
/// and what was done already is found rather than done twice. An empty batch sends nothing. Several openings and
/// settlements may be under way at the same time, and share a block; a top-up waits until it is alone.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The hub key's account: the one that payers authorise, and that pays for gas.
    fn hub_key(&self) -> Address;

    /// What signatures must be made for.
    fn domain(&self) -> Domain;

    /// The latest block.
    async fn head(&self) -> Result<Head, LedgerError>;

    /// What the hub key has left for gas, in wei of the chain's own coin (not EAI).
    async fn gas_money(&self) -> Result<u128, LedgerError>;

    /// The free balance of `account` in the Escrow: what leases can be opened with, and what can be withdrawn.
    async fn balance(&self, account: Address) -> Result<Amount, LedgerError>;

    /// What `payer` allows `hub_key` for `namespace`; all zero if nothing.
    async fn authorization(
        &self,
        payer: Address,
        hub_key: Address,
        namespace: NamespaceId,
    ) -> Result<Authorization, LedgerError>;

    /// The nonce that offers of `provider` must bear.
    async fn offer_nonce(&self, provider: Address) -> Result<u64, LedgerError>;

    /// Whether the provider signed this offer, by key or, for a contract, by ERC-1271. Says nothing of its expiry and
    /// nonce.
    async fn accepts_offer(&self, offer: &SignedOffer) -> Result<bool, LedgerError>;

    /// Where the lease stands; `None` if it was never opened.
    async fn lease(&self, lease: LeaseId) -> Result<Option<LeaseView>, LedgerError>;

    /// Opens leases, at most [`MAX_BATCH`].
    async fn open(&self, requests: &[OpenRequest]) -> Result<Vec<OpenOutcome>, LedgerError>;

    /// Adds to open leases, at most [`MAX_BATCH`].
    async fn top_up(&self, items: &[TopUp]) -> Result<Vec<TopUpOutcome>, LedgerError>;

    /// Signs a voucher. An error if its lease is of another hub key, whose vouchers this one can't sign.
    fn sign_voucher(&self, voucher: Voucher) -> Result<SignedVoucher, LedgerError>;

    /// Presents vouchers, at most [`MAX_BATCH`], one per lease.
    ///
    /// A final voucher for more than the chain would pay by its own clock yet is held back, and skipped with
    /// [`Refusal::TooEarly`](crate::Refusal::TooEarly): presented now, it would close the lease with too little paid.
    async fn settle(&self, vouchers: &[SignedVoucher]) -> Result<Vec<SettleOutcome>, LedgerError>;
}
