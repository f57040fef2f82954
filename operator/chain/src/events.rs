//! A batch's receipt, read back item by item.
//!
//! The Escrow works a batch in order and says about each item exactly one thing: that it was done, or why it was
//! skipped. So the events are read in step with the items, and anything out of step is an error rather than a guess.

use std::{iter::Peekable, vec};

use alloy::{
    primitives::{B256, Log},
    rpc::types::TransactionReceipt,
    sol_types::SolEventInterface as _,
};
use eai_core::{address::Address, money::Amount};

use crate::{
    bindings::IEscrow::{self, IEscrowEvents},
    convert,
    error::LedgerError,
    ids::{LeaseId, TxHash},
    refusal::Refusal,
};

/// The Escrow's events of one transaction, in order.
pub struct Events {
    /// The transaction.
    pub tx: TxHash,
    /// Its block.
    pub block: u64,
    left: Peekable<vec::IntoIter<IEscrowEvents>>,
}

/// What a settlement did to a lease.
pub struct Payment {
    /// Paid in all, over every voucher.
    pub paid: Amount,
    /// What was returned, if the lease was closed.
    pub refunded: Option<Amount>,
}

impl Events {
    /// The events of `escrow` in `receipt`.
    pub fn of(receipt: &TransactionReceipt, escrow: Address) -> Result<Self, LedgerError> {
        let escrow = convert::to_address(escrow);
        let ours = receipt.inner.logs().iter().map(|log| &log.inner).filter(|log| log.address == escrow);
        let events: Vec<_> = ours.map(decode).collect::<Result<_, _>>()?;
        Ok(Self {
            tx: receipt.transaction_hash.into(),
            block: receipt.block_number.ok_or_else(out_of_step)?,
            left: events.into_iter().peekable(),
        })
    }

    /// What became of the next item of `openBatch`: the hold, or why not.
    pub fn opened(&mut self, lease: LeaseId) -> Result<Result<Amount, Refusal>, LedgerError> {
        match self.left.next() {
            Some(IEscrowEvents::LeaseOpened(e)) if is(e.leaseId, lease) => Ok(Ok(convert::amount(e.hold)?)),
            Some(IEscrowEvents::OpenSkipped(e)) if is(e.leaseId, lease) => Ok(Err(Refusal::from_selector(e.reason.0))),
            _ => Err(out_of_step()),
        }
    }

    /// What became of the next item of `topUpBatch`: the hold in all, or why not.
    pub fn topped_up(&mut self, lease: LeaseId) -> Result<Result<Amount, Refusal>, LedgerError> {
        match self.left.next() {
            Some(IEscrowEvents::LeaseToppedUp(e)) if is(e.leaseId, lease) => Ok(Ok(convert::amount(e.hold)?)),
            Some(IEscrowEvents::TopUpSkipped(e)) if is(e.leaseId, lease) => Ok(Err(Refusal::from_selector(e.reason.0))),
            _ => Err(out_of_step()),
        }
    }

    /// What became of the next item of `settleBatch`: the payment, or why not. A final voucher closes the lease, whether
    /// or not anything was due; but one by a key that was retired only pays.
    pub fn settled(&mut self, lease: LeaseId, is_final: bool) -> Result<Result<Payment, Refusal>, LedgerError> {
        let paid = match self.left.next_if(|event| !matches!(event, IEscrowEvents::LeaseClosed(_))) {
            Some(IEscrowEvents::SettleSkipped(e)) if is(e.leaseId, lease) => {
                return Ok(Err(Refusal::from_selector(e.reason.0)));
            }
            Some(IEscrowEvents::Settled(e)) if is(e.leaseId, lease) => Some(convert::amount(e.cumulativePaid)?),
            None if is_final => None,
            _ => return Err(out_of_step()),
        };
        if !is_final {
            return Ok(Ok(Payment { paid: paid.ok_or_else(out_of_step)?, refunded: None }));
        }
        let closing = |e: &IEscrowEvents| matches!(e, IEscrowEvents::LeaseClosed(e) if is(e.leaseId, lease));
        match (self.left.next_if(closing), paid) {
            (Some(IEscrowEvents::LeaseClosed(e)), _) => {
                Ok(Ok(Payment { paid: convert::amount(e.paid)?, refunded: Some(convert::amount(e.refunded)?) }))
            }
            (None, Some(paid)) => Ok(Ok(Payment { paid, refunded: None })),
            _ => Err(out_of_step()),
        }
    }
}

fn decode(log: &Log) -> Result<IEscrowEvents, LedgerError> {
    IEscrow::IEscrowEvents::decode_log(log).map(|event| event.data).map_err(|_| out_of_step())
}

fn is(found: B256, wanted: LeaseId) -> bool {
    found.0 == wanted.0
}

fn out_of_step() -> LedgerError {
    LedgerError::BadAnswer("the receipt's events don't match the batch".to_owned())
}

#[cfg(test)]
mod tests;
