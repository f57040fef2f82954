//! Transactions of one account.
//!
//! Two kinds of calls, because two things must hold:
//!
//! - [`Sender::send`] is for calls that are right in any state, which the contract itself does once only. Several may be
//!   under way, with one nonce after the other, so that none waits for another's block.
//! - [`Sender::turn`] is for calls that are right only in the state that they were made from. It waits until nothing
//!   else is under way, and the nonce is the account's next one *as of the block at which the state is read*. So of two
//!   transactions made from the same state one at most is ever mined, whether the other was sent by this call, by an
//!   earlier one that gave up waiting, or by an earlier life of this program: the chain itself sees to it.
//!
//! A transaction whose nonce another one took is reported as [`Sent::Superseded`], and the caller makes a new one.

mod fees;
mod live;
mod pending;

use std::sync::Arc;

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718 as _,
    primitives::{B256, Bytes, TxKind},
    rpc::types::TransactionReceipt,
    signers::SignerSync as _,
};
use eai_core::address::Address;
use tokio::sync::{Mutex, RwLock, RwLockWriteGuard};
use tracing::debug;

use crate::{
    convert,
    error::LedgerError,
    key::{Key, KeyError},
    lease::Head,
    rpc::{Rpc, fault::SendFault},
};
use fees::Fees;
use live::Live;
use pending::Pending;

/// How often a call that was superseded is made anew.
pub const ATTEMPTS: usize = 8;
/// The most gas to allow a call beyond its estimate; a transaction may not have more than 2^24 (EIP-7825).
const MOST_GAS: u64 = 16_000_000;
/// How often the fee is raised until the node takes the transaction in place of an older one.
const RAISES: usize = 16;

/// Sends for one account.
pub struct Sender {
    rpc: Arc<Rpc>,
    key: Key,
    /// Held shared by calls right in any state, alone by a [`Turn`].
    lanes: RwLock<()>,
    /// Held from choosing a nonce until the node has the transaction.
    submitting: Mutex<()>,
    live: Live,
}

/// What became of a transaction.
pub enum Sent {
    /// It is in a block, deep enough, and succeeded.
    Confirmed(Box<TransactionReceipt>),
    /// Another transaction took its nonce; it will never be mined.
    Superseded,
}

/// The right to send a call made from the state at one block.
pub struct Turn<'a> {
    sender: &'a Sender,
    head: Head,
    nonce: u64,
    _alone: RwLockWriteGuard<'a, ()>,
}

impl Sender {
    pub fn new(rpc: Arc<Rpc>, key: Key) -> Self {
        Self { rpc, key, lanes: RwLock::default(), submitting: Mutex::default(), live: Live::default() }
    }

    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Sends a call of the Escrow that is right in any state, with at least `least_gas` allowed, and waits until it is
    /// confirmed.
    pub async fn send(&self, input: Vec<u8>, least_gas: u64) -> Result<TransactionReceipt, LedgerError> {
        self.send_to(self.rpc.endpoint().escrow, input, least_gas).await
    }

    /// The same for a call of the contract at `to`.
    pub async fn send_to(
        &self,
        to: Address,
        input: Vec<u8>,
        least_gas: u64,
    ) -> Result<TransactionReceipt, LedgerError> {
        let input = Bytes::from(input);
        for _ in 0..ATTEMPTS {
            if let Sent::Confirmed(receipt) = self.try_send(to, input.clone(), least_gas).await? {
                return Ok(*receipt);
            }
        }
        Err(LedgerError::KeyShared(self.key.address()))
    }

    async fn try_send(&self, to: Address, input: Bytes, least_gas: u64) -> Result<Sent, LedgerError> {
        let _shared = self.lanes.read().await;
        self.rpc.ready().await?;
        let draft = self.draft(to, input, least_gas).await?;
        let (pending, _live) = {
            let _alone = self.submitting.lock().await;
            let nonce = self.live.next(self.rpc.nonce(self.key.address()).await?);
            let Some(pending) = self.submit(TxEip1559 { nonce, ..draft }).await? else { return Ok(Sent::Superseded) };
            (pending, self.live.enter(nonce))
        };
        self.finish(pending).await
    }

    /// Waits until nothing else is under way and fixes the block to read state at.
    pub async fn turn(&self) -> Result<Turn<'_>, LedgerError> {
        let alone = self.lanes.write().await;
        self.rpc.ready().await?;
        let head = self.rpc.head().await?;
        let nonce = self.rpc.nonce_at(self.key.address(), head.number).await?;
        Ok(Turn { sender: self, head, nonce, _alone: alone })
    }

    /// The transaction, all but its nonce and fees. Fails with the contract's reason if the call would revert.
    async fn draft(&self, to: Address, input: Bytes, least_gas: u64) -> Result<TxEip1559, LedgerError> {
        let endpoint = self.rpc.endpoint();
        let estimate = self.rpc.estimate_gas(self.key.address(), to, input.clone()).await?;
        Ok(TxEip1559 {
            chain_id: endpoint.chain_id,
            // What the call costs changes with the state until it is mined; unused gas costs nothing.
            gas_limit: estimate.max((estimate + estimate / 4).max(least_gas).min(MOST_GAS)),
            to: TxKind::Call(convert::to_address(to)),
            input,
            ..Default::default()
        })
    }

    /// Gets the node to take the transaction; `None` if its nonce is used up.
    async fn submit(&self, tx: TxEip1559) -> Result<Option<Pending>, LedgerError> {
        let mut fees = Fees::from(self.rpc.fees().await?);
        for _ in 0..RAISES {
            let (hash, raw) = self.sign(tx.clone(), fees)?;
            match self.rpc.send(&raw).await {
                Ok(_) | Err(SendFault::Known) => {
                    debug!(tx = %hash, nonce = tx.nonce, "transaction sent");
                    return Ok(Some(Pending::new(tx, fees, hash, raw)));
                }
                Err(SendFault::NonceUsed) => return Ok(None),
                Err(SendFault::Underpriced) => fees = fees.raised(self.rpc.fees().await?.into()),
                Err(SendFault::NoGasMoney) => return Err(self.no_gas_money().await),
                Err(SendFault::Other(error)) => return Err(error),
            }
        }
        Err(LedgerError::Rejected("the node takes no fee for this transaction; is its fee limit too low?".to_owned()))
    }

    fn sign(&self, mut tx: TxEip1559, fees: Fees) -> Result<(B256, Vec<u8>), LedgerError> {
        tx.max_fee_per_gas = fees.max_fee;
        tx.max_priority_fee_per_gas = fees.priority;
        let signature = self.key.signer().sign_hash_sync(&tx.signature_hash()).map_err(|_| KeyError::Malformed)?;
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718()))
    }

    async fn finish(&self, pending: Pending) -> Result<Sent, LedgerError> {
        let (to, input) = pending.call();
        match pending.wait(self).await? {
            Sent::Confirmed(receipt) if !receipt.status() => Err(self.failure(&receipt, to, input).await),
            sent => Ok(sent),
        }
    }

    async fn no_gas_money(&self) -> LedgerError {
        let account = self.key.address();
        match self.rpc.coin_balance(account).await {
            Ok(balance) => LedgerError::NoGasMoney { account, balance },
            Err(error) => error,
        }
    }

    /// Why a mined transaction failed, as far as playing it again tells.
    async fn failure(&self, receipt: &TransactionReceipt, to: TxKind, input: Bytes) -> LedgerError {
        let replayed = match (receipt.block_number, to.to()) {
            (Some(block), Some(to)) => {
                self.rpc.replay(self.key.address(), convert::from_address(*to), input, block).await
            }
            _ => None,
        };
        let hash = receipt.transaction_hash;
        replayed
            .unwrap_or_else(|| LedgerError::Rejected(format!("transaction {hash} failed, probably for lack of gas")))
    }
}

impl Turn<'_> {
    /// The block whose state the call must be made from.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Sends a call of the Escrow, with at least `least_gas` allowed, and waits until it is confirmed.
    pub async fn send(self, input: Bytes, least_gas: u64) -> Result<Sent, LedgerError> {
        let to = self.sender.rpc.endpoint().escrow;
        let draft = self.sender.draft(to, input, least_gas).await?;
        match self.sender.submit(TxEip1559 { nonce: self.nonce, ..draft }).await? {
            Some(pending) => self.sender.finish(pending).await,
            None => Ok(Sent::Superseded),
        }
    }
}
