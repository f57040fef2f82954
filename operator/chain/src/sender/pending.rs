//! Waiting for a transaction that may be dropped, delayed, replaced or forgotten by a node that restarts.

use std::time::Duration;

use alloy::{
    consensus::TxEip1559,
    primitives::{B256, Bytes, TxKind},
    rpc::types::TransactionReceipt,
};
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use super::{Sender, Sent, fees::Fees};
use crate::{error::LedgerError, rpc::fault::SendFault};

/// How often the node is reminded of a transaction; one that restarted has forgotten it.
const REMIND_EVERY: Duration = Duration::from_secs(2);

/// A transaction on its way, in each form it was sent in: they share one nonce, so one of them at most is mined.
pub struct Pending {
    tx: TxEip1559,
    fees: Fees,
    raw: Vec<u8>,
    hashes: Vec<B256>,
    since: Instant,
    reminded: Instant,
    raised: Instant,
    /// How often the nonce was seen used up with no receipt of ours.
    overtaken: u8,
}

impl Pending {
    pub fn new(tx: TxEip1559, fees: Fees, hash: B256, raw: Vec<u8>) -> Self {
        let now = Instant::now();
        Self { tx, fees, raw, hashes: vec![hash], since: now, reminded: now, raised: now, overtaken: 0 }
    }

    /// The call: of whom, and what.
    pub fn call(&self) -> (TxKind, Bytes) {
        (self.tx.to, self.tx.input.clone())
    }

    /// Waits until one of the forms is confirmed or another transaction took the nonce.
    pub async fn wait(mut self, sender: &Sender) -> Result<Sent, LedgerError> {
        let settings = sender.rpc.endpoint().settings;
        let mut trouble = None;
        while self.since.elapsed() < settings.timeout {
            sleep(settings.poll).await;
            match self.look(sender).await {
                Ok(Some(sent)) => return Ok(sent),
                Ok(None) => trouble = None,
                // The node may be back before the time is up.
                Err(error) if error.is_transient() => trouble = Some(error),
                Err(error) => return Err(error),
            }
        }
        let tx = self.hashes.last().copied().unwrap_or_default().into();
        Err(trouble.unwrap_or(LedgerError::Unconfirmed { tx, after: settings.timeout }))
    }

    async fn look(&mut self, sender: &Sender) -> Result<Option<Sent>, LedgerError> {
        if let Some(receipt) = self.receipt(sender).await? {
            let deep = self.is_deep(sender, &receipt).await?;
            return Ok(deep.then(|| Sent::Confirmed(Box::new(receipt))));
        }
        if self.reminded.elapsed() < REMIND_EVERY {
            return Ok(None);
        }
        self.reminded = Instant::now();
        if sender.rpc.nonce(sender.key.address()).await? > self.tx.nonce {
            // A block may have come between the two questions, so only a second sight of this counts.
            self.overtaken += 1;
            return Ok((self.overtaken > 1).then_some(Sent::Superseded));
        }
        self.overtaken = 0;
        self.push(sender).await?;
        Ok(None)
    }

    async fn receipt(&self, sender: &Sender) -> Result<Option<TransactionReceipt>, LedgerError> {
        for hash in self.hashes.iter().rev() {
            if let Some(receipt) = sender.rpc.receipt(*hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    async fn is_deep(&self, sender: &Sender, receipt: &TransactionReceipt) -> Result<bool, LedgerError> {
        let wanted = sender.rpc.endpoint().settings.confirmations;
        let Some(block) = receipt.block_number else { return Ok(false) };
        Ok(wanted <= 1 || sender.rpc.height().await?.saturating_add(1) >= block.saturating_add(wanted))
    }

    /// Sends the transaction again, with a higher fee if it has lain about for long.
    async fn push(&mut self, sender: &Sender) -> Result<(), LedgerError> {
        if self.raised.elapsed() >= sender.rpc.endpoint().settings.bump_after {
            self.raised = Instant::now();
            self.fees = self.fees.raised(sender.rpc.fees().await?.into());
            let (hash, raw) = sender.sign(self.tx.clone(), self.fees)?;
            info!(tx = %hash, nonce = self.tx.nonce, max_fee = self.fees.max_fee, "transaction's fee raised");
            self.hashes.push(hash);
            self.raw = raw;
        }
        match sender.rpc.send(&self.raw).await {
            Ok(hash) => debug!(tx = %hash, nonce = self.tx.nonce, "transaction sent again"),
            // An answer that changes nothing here: the next look tells.
            Err(SendFault::Known | SendFault::NonceUsed | SendFault::Underpriced | SendFault::NoGasMoney) => {}
            Err(SendFault::Other(error)) => return Err(error),
        }
        Ok(())
    }
}
