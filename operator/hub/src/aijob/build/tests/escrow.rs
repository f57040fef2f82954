//! The escrow, as far as these tests need one: it pays for no more than the time there was, and out of a lease comes no
//! more than went in.

use eai_chain::{
    LeaseState as OnChain, LeaseView, OpenOutcome, Opened, Refusal, SettleOutcome, Settled, Skipped, TopUpOutcome,
    ToppedUp, TxHash,
};
use eai_core::{
    metering::{MilliUnits, cost, usage},
    money::Amount,
};

use super::world::{OnLedger, Pending, World};
use crate::aijob::build::{Asked, Bill, ChainNews};

impl World {
    /// A block.
    pub fn mine(&mut self) {
        let free = self.free;
        for news in self.hubs.iter_mut().flat_map(|hub| hub.news.values_mut()) {
            // Funds that somebody asked for are kept fresh.
            news.addable = news.addable.map(|_| free);
        }
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Open { hub, id, hold, open_by, rate, units } => {
                    let answer = self.open(&id, hold, open_by, rate, units);
                    self.answer(hub, &id, |news| news.open = Asked::Answered(answer));
                }
                Pending::TopUp { hub, id, total } => {
                    let answer = self.top_up(&id, total);
                    self.answer(hub, &id, |news| {
                        news.top_up = Asked::Answered(answer);
                        news.addable = None;
                    });
                }
                Pending::Settle { hub, id, bill } => {
                    let answer = self.settle(&id, bill);
                    self.answer(hub, &id, |news| news.settle = Asked::Answered(answer));
                }
            }
        }
    }

    fn answer(&mut self, hub: usize, id: &str, take: impl FnOnce(&mut ChainNews)) {
        // A hub that restarted meanwhile doesn't hear it.
        if let Some(news) = self.hubs[hub].news.get_mut(id) {
            take(news);
        }
    }

    fn open(&mut self, id: &str, hold: Amount, open_by: u64, rate: Amount, units: MilliUnits) -> OpenOutcome {
        let lease = id.parse().unwrap();
        if let Some(there) = self.leases.get(id) {
            return OpenOutcome::Opened(Opened {
                lease,
                tx: None,
                opened_at: there.opened_ms / 1000,
                hold: there.hold,
            });
        }
        if self.chain_time() > open_by {
            return OpenOutcome::Skipped(Skipped { lease, reason: Refusal::OpenByPassed });
        }
        let Some(free) = self.free.checked_sub(hold) else {
            return OpenOutcome::Skipped(Skipped { lease, reason: Refusal::InsufficientBalance });
        };
        self.free = free;
        let opened_ms = self.now_ms / 1000 * 1000;
        let (paid, refunded) = (Amount::ZERO, Amount::ZERO);
        let made = OnLedger { hold, paid, refunded, state: OnChain::Open, opened_ms, closing_ms: None, rate, units };
        self.leases.insert(id.to_owned(), made);
        OpenOutcome::Opened(Opened { lease, tx: Some(TxHash([1; 32])), opened_at: opened_ms / 1000, hold })
    }

    fn top_up(&mut self, id: &str, total: Amount) -> TopUpOutcome {
        let lease = id.parse().unwrap();
        let skip = |reason| TopUpOutcome::Skipped(Skipped { lease, reason });
        let Some(there) = self.leases.get_mut(id) else { return skip(Refusal::UnknownLease) };
        if there.state != OnChain::Open {
            return skip(Refusal::AlreadyClosed);
        }
        let more = total.saturating_sub(there.hold);
        let Some(free) = self.free.checked_sub(more) else { return skip(Refusal::InsufficientBalance) };
        self.free = free;
        there.hold = there.hold.saturating_add(more);
        TopUpOutcome::ToppedUp(ToppedUp { lease, tx: None, hold: there.hold })
    }

    fn settle(&mut self, id: &str, bill: Bill) -> SettleOutcome {
        let lease = id.parse().unwrap();
        let now_ms = self.now_ms;
        let Some(there) = self.leases.get_mut(id) else {
            return SettleOutcome::Skipped(Skipped { lease, reason: Refusal::UnknownLease });
        };
        if there.state != OnChain::Closed {
            // As the Escrow does: what runs in the notice after closing began is still paid.
            let until = there.closing_ms.map_or(now_ms, |at| now_ms.min(at + 900_000)) / 1000 * 1000;
            let elapsed = until.saturating_sub(there.opened_ms) / 1000 * 1000;
            let accrued = cost(there.rate, usage(there.units, elapsed));
            there.paid = there.paid.max(bill.amount.min(accrued).min(there.hold));
            if bill.is_final {
                there.state = OnChain::Closed;
                there.refunded = there.hold.saturating_sub(there.paid);
                self.free = self.free.saturating_add(there.refunded);
            }
        }
        let (paid, refunded, closed) = (there.paid, there.refunded, there.state == OnChain::Closed);
        SettleOutcome::Settled(Settled { lease, tx: None, paid, refunded, closed })
    }

    /// Payer or provider starts to close every open lease.
    pub fn start_closing(&mut self) {
        let now_ms = self.now_ms;
        for lease in self.leases.values_mut().filter(|l| l.state == OnChain::Open) {
            (lease.state, lease.closing_ms) = (OnChain::Closing, Some(now_ms));
        }
    }

    pub(super) fn view(&self, id: &str) -> Option<LeaseView> {
        self.leases.get(id).map(|l| LeaseView {
            state: l.state,
            hold: l.hold,
            paid: l.paid,
            refunded: l.refunded,
            held: l.hold.saturating_sub(l.paid).saturating_sub(l.refunded),
            opened_at: l.opened_ms / 1000,
            closing_at: None,
        })
    }
}
