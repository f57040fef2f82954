//! After a restore: which hub goes on, as which generation, and what becomes of what the backup doesn't know.
//!
//! The chain says in the contract `HubRegistry` who goes on as a hub. Before anything begins, whoever leads compares that
//! with its own record in ConfigMap `eai-hub-info` and, where it was restored, raises the generation ([`take`]). While it
//! leads it looks at the chain again and again, and ends if somebody else goes on ([`watch`]). Leases of former
//! generations that the record doesn't know were opened after the backup: they are closed at what had settled, so that
//! the rest returns to the payer at once, and told of in ConfigMap `eai-restores`.
//!
//! That a lease is newer than the backup is told by the record too: it says up to which block of the chain everything is
//! known. A claim is written before its lease is opened, so a record that was written after a block was seen holds the
//! claim of every lease that was opened up to that block.

mod decide;
mod known;
mod orphans;
mod record;
mod report;
#[cfg(test)]
mod tests;
mod watch;

use std::{sync::Arc, time::Duration};

use eai_chain::{Holder, LedgerError, Tenure, Tenures};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::watch::watch;
use self::{
    decide::{Verdict, decide},
    orphans::Search,
    record::{Record, Records},
};
use crate::context::{Context, Fatal};

/// Until what couldn't be read, written or sent is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long the chain is waited for by a hub that has its generation on record. Then it goes on as that, so that what runs
/// is lent more although the chain is away; [`watch`] looks again.
const PATIENCE: Duration = Duration::from_secs(15);

/// What can go wrong on the way; it is tried again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] LedgerError),
    /// The API server.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// No random numbers are to be had.
    #[error("no random numbers are to be had: {0}")]
    Random(#[from] getrandom::Error),
}

/// Another hub goes on with this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "another hub goes on with this hub's key, as generation {generation}: this one was restored from an older backup, or \
     is the one that was replaced. If it is this one that goes on, stop the other and set hub.generation to {} (--generation)",
    generation.saturating_add(1)
)]
pub struct Superseded {
    /// Its generation.
    pub generation: u64,
}

/// The chain was away when this hub began to lead, and says now that it isn't what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chain answers again, and this hub's generation is to be raised: it begins anew")]
struct Anew;

/// What one look came to.
enum Step {
    /// This hub goes on with this.
    Taken(Tenure),
    /// Something was written or sent; look again.
    Again,
}

/// Waits until the chain says that this hub goes on, raising its generation where that is due; returns as what it goes
/// on, or `None` if `shutdown` came first. Called by whoever leads, before anything begins. While the chain doesn't answer,
/// what it said last counts.
pub async fn take(
    ctx: &Context,
    tenures: &Arc<dyn Tenures>,
    shutdown: &CancellationToken,
) -> Result<Option<Tenure>, Fatal> {
    let since = Instant::now();
    loop {
        match step(ctx, tenures.as_ref()).await {
            Ok(Ok(Step::Taken(tenure))) => {
                tracing::info!(generation = tenure.generation, "the chain says that this hub goes on");
                return Ok(Some(tenure));
            }
            Ok(Ok(Step::Again)) => continue,
            Ok(Err(superseded)) => return Err(Fatal::new("leading", superseded)),
            Err(Trouble::Chain(error))
                if since.elapsed() >= PATIENCE
                    && let Some(held) = on_record(ctx).await =>
            {
                let generation = held.generation;
                tracing::warn!(%error, generation, "the chain doesn't answer; this hub goes on as what it was");
                return Ok(Some(held));
            }
            Err(error) => tracing::warn!(%error, "the hub's generation can't be read or raised; it is tried again"),
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = shutdown.cancelled() => return Ok(None),
        }
    }
}

/// As what this hub went on last, unless it was told since that it was restored.
async fn on_record(ctx: &Context) -> Option<Tenure> {
    let record = Records::of(ctx).read().await.ok()?;
    let held = record.held?;
    let raises = record.raising.is_some_and(|raising| raising != held) || ctx.config.generation > held.generation;
    (!raises).then_some(held)
}

async fn step(ctx: &Context, tenures: &dyn Tenures) -> Result<Result<Step, Superseded>, Trouble> {
    let records = Records::of(ctx);
    let (record, asked) = (records.read().await?, ctx.config.generation);
    let chain = tenures.tenure().await?;
    let verdict = match decide(asked, &record, chain, false) {
        Verdict::Go(tenure) => decide(asked, &record, chain, lacks_leases(ctx, tenures, &record, tenure).await?),
        other => other,
    };
    match verdict {
        Verdict::Superseded(generation) => Ok(Err(Superseded { generation })),
        Verdict::Go(tenure) if record.held == Some(tenure) => Ok(Ok(Step::Taken(tenure))),
        Verdict::Go(tenure) => {
            let noted = Record { held: Some(tenure), raising: None, ..record };
            records.write(&noted).await?;
            Ok(Ok(Step::Again))
        }
        Verdict::Raise(generation) => {
            raise(ctx, tenures, &records, record, chain, generation).await?;
            Ok(Ok(Step::Again))
        }
    }
}

/// Writes that the generation is to be raised, and raises it. What was written is used again after a crash.
async fn raise(
    ctx: &Context,
    tenures: &dyn Tenures,
    records: &Records,
    record: Record,
    chain: Option<Tenure>,
    generation: u64,
) -> Result<(), Trouble> {
    let before = chain.map_or(0, |tenure| tenure.generation);
    let intent = match record.raising {
        Some(intent) if intent.generation == generation => intent,
        _ => Tenure { generation, holder: draw()? },
    };
    if record.raising != Some(intent) {
        // A hub that was never here and wasn't restored knows all that was opened in its name.
        let block = match record.block {
            None if record.is_fresh(chain, generation) => Some(ctx.ledger.head().await?.number),
            block => block,
        };
        records.write(&Record { raising: Some(intent), block, ..record }).await?;
    }
    tracing::warn!(from = before, to = generation, "the hub's generation is being raised on chain");
    tenures.raise(intent).await?;
    Ok(())
}

/// Whether the chain has a lease of this very generation that is newer than the record and that a job ought to know: then
/// this hub was restored, and nobody has said so.
async fn lacks_leases(ctx: &Context, tenures: &dyn Tenures, record: &Record, tenure: Tenure) -> Result<bool, Trouble> {
    let Some(block) = record.block else { return Ok(false) };
    let mut search = Search::after(block);
    search.on(ctx, tenures, |generation| generation >= tenure.generation).await?;
    let signs = search.signs(ctx).await?;
    for lost in &signs {
        let lease = lost.terms.id();
        tracing::warn!(%lease, block = lost.block, "a lease isn't on record: this hub was restored from a backup");
    }
    Ok(!signs.is_empty())
}

fn draw() -> Result<Holder, getrandom::Error> {
    let mut word = [0; 32];
    getrandom::fill(&mut word)?;
    Ok(Holder(word))
}
