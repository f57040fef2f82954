//! Settlements, held back while the chain's clock is behind.

use std::iter::zip;

use alloy::{primitives::U256, sol_types::SolCall as _};
use eai_core::metering::MilliUnits;
use futures::future::try_join_all;
use tracing::debug;

use super::{CALL_GAS, EscrowLedger, SETTLE_GAS, gas_of, recall};
use crate::{
    bindings::IEscrow,
    convert,
    eip712::{SignedVoucher, Voucher},
    error::LedgerError,
    events::Events,
    ids::LeaseId,
    lease::{Head, LeaseState, LeaseView, SettleOutcome, Settled, Skipped},
    ledger::Ledger as _,
    refusal::Refusal,
};

/// Thousandths of a unit times seconds in a unit-hour.
const MILLI_UNIT_SECONDS: u64 = 1000 * 3600;

impl EscrowLedger {
    /// Presents the vouchers that the chain would pay in full, and holds back the rest.
    pub(super) async fn settle_due(&self, vouchers: &[SignedVoucher]) -> Result<Vec<SettleOutcome>, LedgerError> {
        let head = self.head().await?;
        let early = try_join_all(vouchers.iter().map(|v| self.is_early(&v.voucher, head))).await?;
        let due: Vec<_> = zip(vouchers, &early).filter(|(_, early)| !**early).map(|(voucher, _)| voucher).collect();
        let mut settled = self.present(&due).await?.into_iter();
        let outcomes = zip(vouchers, early).map(|(voucher, early)| {
            let lease = voucher.voucher.terms.id();
            if early {
                return Ok(SettleOutcome::Skipped(Skipped { lease, reason: Refusal::TooEarly }));
            }
            settled.next().ok_or_else(|| LedgerError::BadAnswer("a voucher without its outcome".to_owned()))
        });
        outcomes.collect()
    }

    /// Whether a final voucher would close its lease with less than it says, for no other reason than the chain's clock.
    async fn is_early(&self, voucher: &Voucher, head: Head) -> Result<bool, LedgerError> {
        if !voucher.is_final {
            // What isn't paid now is paid with the next one.
            return Ok(false);
        }
        let Some(view) = self.reader.lease(voucher.terms.id()).await? else { return Ok(false) };
        // The voucher's block comes after the latest one, so it is a second later at least.
        let next = head.time.saturating_add(1);
        let counts_on = match view.state {
            LeaseState::Open | LeaseState::Paused => true,
            LeaseState::Closing => {
                let notice = self.reader.closing_notice().await?;
                view.closing_at.is_some_and(|at| next < at.saturating_add(notice))
            }
            LeaseState::Closed => false,
        };
        // Where time no longer counts, the chain says what there is to say.
        let owed = convert::to_word(voucher.amount.min(view.hold));
        Ok(counts_on && owed > accrued(voucher, next.saturating_sub(view.opened_at)))
    }

    async fn present(&self, vouchers: &[&SignedVoucher]) -> Result<Vec<SettleOutcome>, LedgerError> {
        if vouchers.is_empty() {
            return Ok(Vec::new());
        }
        let settlements: Result<_, _> = vouchers.iter().map(|voucher| voucher.to_sol()).collect();
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

/// The most that the chain pays after `elapsed` seconds: its own formula, which can't overflow 256 bits here either.
fn accrued(voucher: &Voucher, elapsed: u64) -> U256 {
    let MilliUnits(units) = voucher.terms.units;
    convert::to_word(voucher.terms.rate) * U256::from(units) * U256::from(elapsed) / U256::from(MILLI_UNIT_SECONDS)
}
