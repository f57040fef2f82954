//! Leases that were opened in this hub's name and that no job of it knows.

use eai_chain::{
    LeaseState, LeaseView, LedgerError, Opening, SettleOutcome, Tenures, UsageRoot, Voucher, ledger::MAX_BATCH,
};
use eai_core::metering::UsageMs;

use super::{Trouble, known::Known};
use crate::context::Context;

/// Blocks asked for at once; nodes bound what one answer may hold.
const WINDOW: u64 = 5_000;

/// A search along the chain, which goes on where it was interrupted.
pub struct Search {
    /// The next block to look at.
    next: u64,
    found: Vec<Opening>,
}

/// A lease that no job knows, and where it stands.
pub struct Unknown {
    /// How it began.
    pub opening: Opening,
    /// Where it stands.
    pub view: LeaseView,
}

impl Search {
    /// For what was opened after `block`.
    pub const fn after(block: u64) -> Self {
        Self::from(block.saturating_add(1))
    }

    /// For what was opened in `block` and after.
    pub const fn from(block: u64) -> Self {
        Self { next: block, found: Vec::new() }
    }

    /// Goes on to the latest block and keeps the leases whose generation `matters`. Returns that block.
    pub async fn on(
        &mut self,
        ctx: &Context,
        tenures: &dyn Tenures,
        matters: impl Fn(u64) -> bool + Send,
    ) -> Result<u64, Trouble> {
        let head = ctx.ledger.head().await?.number;
        while self.next <= head {
            let last = head.min(self.next.saturating_add(WINDOW - 1));
            let openings = tenures.openings(self.next, last).await?;
            self.found.extend(openings.into_iter().filter(|opening| matters(opening.terms.epoch.generation)));
            self.next = last.saturating_add(1);
        }
        Ok(head)
    }

    /// Those found that the record ought to know, and doesn't: open ones that no job names, since a job stays until its
    /// lease is closed; and closed ones that were paid under a job that is there, since a job never forgets what it paid.
    pub async fn signs(&self, ctx: &Context) -> Result<Vec<Opening>, Trouble> {
        let mut signs = Vec::new();
        if self.found.is_empty() {
            return Ok(signs);
        }
        let known = Known::read(&ctx.client).await?;
        for opening in self.found.iter().filter(|opening| !known.has(opening.terms.id())) {
            let view = stands(ctx, opening).await?;
            let paid = !view.paid.is_zero() && known.job(opening.terms.job).is_some();
            if view.state != LeaseState::Closed || paid {
                signs.push(opening.clone());
            }
        }
        Ok(signs)
    }

    /// Those found that no job knows and that aren't closed, with where they stand, and what the jobs know. Forgets the
    /// rest. Jobs are asked for only if there is any.
    pub async fn look(&mut self, ctx: &Context) -> Result<(Vec<Unknown>, Known), Trouble> {
        if self.found.is_empty() {
            return Ok((Vec::new(), Known::default()));
        }
        let known = Known::read(&ctx.client).await?;
        self.found.retain(|opening| !known.has(opening.terms.id()));
        let mut unknown = Vec::new();
        for opening in &self.found {
            let view = stands(ctx, opening).await?;
            if view.state != LeaseState::Closed {
                unknown.push(Unknown { opening: opening.clone(), view });
            }
        }
        self.found = unknown.iter().map(|unknown| unknown.opening.clone()).collect();
        Ok((unknown, known))
    }
}

/// Where a lease stands that was opened. A node that is behind must not make us forget it.
async fn stands(ctx: &Context, opening: &Opening) -> Result<LeaseView, Trouble> {
    let view = ctx.ledger.lease(opening.terms.id()).await?;
    Ok(view.ok_or_else(|| LedgerError::Unreachable("its answers are of different blocks".to_owned()))?)
}

/// Closes leases at what had settled. One whose payer or provider is closing it is left to them: there may be a claim on
/// it. Whatever was closed before stays as it is, so this may be repeated.
pub async fn close(ctx: &Context, unknown: &[Unknown]) -> Result<(), Trouble> {
    let ours = unknown.iter().filter(|unknown| unknown.is_ours_to_close());
    let vouchers = ours.map(|Unknown { opening, view }| {
        let (terms, amount) = (opening.terms.clone(), view.paid);
        let (usage, usage_root) = (UsageMs(0), UsageRoot::default());
        ctx.ledger.sign_voucher(Voucher { terms, amount, usage, usage_root, is_final: true })
    });
    let vouchers = vouchers.collect::<Result<Vec<_>, _>>()?;
    for batch in vouchers.chunks(MAX_BATCH) {
        for outcome in ctx.ledger.settle(batch).await? {
            if let SettleOutcome::Skipped(skipped) = outcome {
                tracing::warn!(lease = %skipped.lease, reason = %skipped.reason, "a lease newer than the backup isn't closed yet");
            }
        }
    }
    Ok(())
}

impl Unknown {
    /// Whether nobody else is closing it.
    pub fn is_ours_to_close(&self) -> bool {
        self.view.state != LeaseState::Closing
    }
}
