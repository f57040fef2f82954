//! Transactions of one account, one at a time.
//!
//! The nonce is always the account's next one *as of the block at which the state was read* that the transaction was
//! made from. So of two transactions made from the same state at most one is ever mined, whether the other one was sent
//! by this call, by an earlier one that gave up waiting, or by an earlier life of this program: the chain itself sees
//! to it that nothing is done twice. A transaction that loses this race is reported as [`Sent::Superseded`], and the
//! caller makes a new one from the new state.

mod pending;

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718 as _,
    primitives::{B256, Bytes, TxKind},
    rpc::types::TransactionReceipt,
    signers::SignerSync as _,
};
use eai_core::address::Address;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};
use tracing::debug;

use crate::{
    convert,
    error::LedgerError,
    key::{Key, KeyError},
    lease::Head,
    rpc::{Rpc, fault::SendFault},
};
use pending::{Fees, Pending};

/// How often a call that was superseded is made anew.
pub const ATTEMPTS: usize = 8;
/// How often the fee is raised until the node takes the transaction in place of an older one.
const RAISES: usize = 16;

/// Sends for one account.
pub struct Sender {
    rpc: Arc<Rpc>,
    key: Key,
    turn: Mutex<()>,
}

/// What became of a transaction.
pub enum Sent {
    /// It is in a block, deep enough, and succeeded.
    Confirmed(Box<TransactionReceipt>),
    /// Another transaction took its nonce; it will never be mined.
    Superseded,
}

/// The right to send the account's next transaction.
pub struct Turn<'a> {
    sender: &'a Sender,
    head: Head,
    nonce: u64,
    _guard: MutexGuard<'a, ()>,
}

impl Sender {
    pub fn new(rpc: Arc<Rpc>, key: Key) -> Self {
        Self { rpc, key, turn: Mutex::new(()) }
    }

    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Waits for its turn and fixes the block to read state at.
    pub async fn turn(&self) -> Result<Turn<'_>, LedgerError> {
        let guard = self.turn.lock().await;
        self.rpc.ready().await?;
        let head = self.rpc.head().await?;
        let nonce = self.rpc.nonce_at(self.key.address(), head.number).await?;
        Ok(Turn { sender: self, head, nonce, _guard: guard })
    }

    /// Sends a call of the Escrow that may be made from any state, and waits until it is confirmed.
    pub async fn send(&self, input: Vec<u8>, least_gas: u64) -> Result<TransactionReceipt, LedgerError> {
        let input = Bytes::from(input);
        for _ in 0..ATTEMPTS {
            if let Sent::Confirmed(receipt) = self.turn().await?.send(input.clone(), least_gas).await? {
                return Ok(*receipt);
            }
        }
        Err(LedgerError::KeyShared(self.key.address()))
    }

    fn sign(&self, mut tx: TxEip1559, fees: Fees) -> Result<(B256, Vec<u8>), LedgerError> {
        tx.max_fee_per_gas = fees.max_fee;
        tx.max_priority_fee_per_gas = fees.priority;
        let signature = self
            .key
            .signer()
            .sign_hash_sync(&tx.signature_hash())
            .map_err(|_| LedgerError::Key(KeyError::Malformed))?;
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718()))
    }
}

impl Turn<'_> {
    /// The block whose state the transaction must be made from.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Sends a call of the Escrow, with at least `least_gas` allowed, and waits until it is confirmed.
    pub async fn send(self, input: Bytes, least_gas: u64) -> Result<Sent, LedgerError> {
        let rpc = &self.sender.rpc;
        let (from, to) = (self.sender.key.address(), rpc.endpoint().escrow);
        let estimate = rpc.estimate_gas(from, to, input.clone()).await?;
        let tx = TxEip1559 {
            chain_id: rpc.endpoint().chain_id,
            nonce: self.nonce,
            // What the call costs changes with the state until it is mined; unused gas costs nothing.
            gas_limit: (estimate + estimate / 4).max(least_gas),
            to: TxKind::Call(convert::to_address(to)),
            input: input.clone(),
            ..Default::default()
        };
        let Some(pending) = self.submit(tx).await? else { return Ok(Sent::Superseded) };
        match pending.wait(self.sender).await? {
            Sent::Confirmed(receipt) if !receipt.status() => Err(self.failure(&receipt, from, to, input).await),
            sent => Ok(sent),
        }
    }

    /// Gets the node to take the transaction; `None` if its nonce is used up.
    async fn submit(&self, tx: TxEip1559) -> Result<Option<Pending>, LedgerError> {
        let mut fees = Fees::from(self.sender.rpc.fees().await?);
        for _ in 0..RAISES {
            let (hash, raw) = self.sender.sign(tx.clone(), fees)?;
            match self.sender.rpc.send(&raw).await {
                Ok(_) | Err(SendFault::Known) => {
                    debug!(tx = %hash, nonce = self.nonce, "transaction sent");
                    return Ok(Some(Pending::new(tx, fees, hash, raw)));
                }
                Err(SendFault::NonceUsed) => return Ok(None),
                Err(SendFault::Underpriced) => fees = fees.raised(self.sender.rpc.fees().await?.into()),
                Err(SendFault::NoGasMoney) => return Err(self.no_gas_money().await),
                Err(SendFault::Other(error)) => return Err(error),
            }
        }
        Err(LedgerError::Rejected("the node takes no fee for this transaction; is its fee limit too low?".to_owned()))
    }

    async fn no_gas_money(&self) -> LedgerError {
        let account = self.sender.key.address();
        match self.sender.rpc.coin_balance(account).await {
            Ok(balance) => LedgerError::NoGasMoney { account, balance },
            Err(error) => error,
        }
    }

    /// Why a mined transaction failed, as far as playing it again tells.
    async fn failure(&self, receipt: &TransactionReceipt, from: Address, to: Address, input: Bytes) -> LedgerError {
        let replayed = match receipt.block_number {
            Some(block) => self.sender.rpc.replay(from, to, input, block).await,
            None => None,
        };
        let hash = receipt.transaction_hash;
        replayed
            .unwrap_or_else(|| LedgerError::Rejected(format!("transaction {hash} failed, probably for lack of gas")))
    }
}
