//! Top-ups: from what leases are to have held to what is added.

use std::iter::zip;

use alloy::{primitives::Bytes, sol_types::SolCall as _};
use eai_core::money::Amount;
use futures::future::try_join_all;

use super::{CALL_GAS, EscrowLedger, TOP_UP_GAS, gas_of};
use crate::{
    bindings::IEscrow,
    convert,
    error::LedgerError,
    events::Events,
    ids::LeaseId,
    lease::{LeaseState, LeaseView, Skipped, TopUp, TopUpOutcome, ToppedUp},
    ledger::Ledger as _,
    refusal::Refusal,
    sender::Sent,
};

impl EscrowLedger {
    /// Tops up from what the leases hold now; `None` if another transaction came in between.
    pub(super) async fn try_top_up(
        &self,
        items: &[TopUp],
        ids: &[LeaseId],
    ) -> Result<Option<Vec<TopUpOutcome>>, LedgerError> {
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
