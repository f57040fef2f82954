//! While this hub leads: whether it still is the one that goes on, and what of former generations turns up on the chain.

use std::{sync::Arc, time::Duration};

use eai_chain::{Tenure, Tenures};

use super::{
    Anew, Step, Superseded, Trouble,
    orphans::{self, Search},
    record::{Record, Records},
    report, step,
};
use crate::context::{Context, Fatal, Shared};

/// How often the chain is looked at.
const EVERY: Duration = Duration::from_secs(30);

/// Looks at the chain until `ctx.shutdown`. Ends with an error when another hub goes on with this key. A chain that
/// doesn't answer, or a node that is behind, changes nothing.
pub async fn watch(ctx: Shared, tenures: Arc<dyn Tenures>, tenure: Tenure) -> Result<(), Fatal> {
    let (mut sweep, mut told) = (None, false);
    loop {
        match tenures.tenure().await {
            Ok(found) => {
                still_ours(tenure, found).map_err(|superseded| Fatal::new("leading", superseded))?;
                told = told || found == Some(tenure) && confirmed(&ctx, tenures.as_ref(), tenure).await?;
            }
            Err(error) => tracing::warn!(%error, "whether this hub still goes on can't be read from the chain"),
        }
        if told && let Err(error) = look(&ctx, tenures.as_ref(), tenure, &mut sweep).await {
            tracing::warn!(%error, "leases newer than the backup couldn't all be looked for; it is tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = ctx.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Whether the chain has said that this hub goes on as it does: it may have been away when this hub began to lead.
async fn confirmed(ctx: &Context, tenures: &dyn Tenures, tenure: Tenure) -> Result<bool, Fatal> {
    match step(ctx, tenures).await {
        Ok(Ok(Step::Taken(taken))) if taken == tenure => Ok(true),
        Ok(Ok(_)) => Err(Fatal::new("leading", Anew)),
        Ok(Err(superseded)) => Err(Fatal::new("leading", superseded)),
        Err(error) => {
            tracing::warn!(%error, "whether this hub was restored can't be told yet; it is looked at again");
            Ok(false)
        }
    }
}

/// A node that is behind says less than was known; only more is news.
fn still_ours(ours: Tenure, found: Option<Tenure>) -> Result<(), Superseded> {
    match found {
        Some(found) if found != ours && found.generation >= ours.generation => {
            Err(Superseded { generation: found.generation })
        }
        _ => Ok(()),
    }
}

/// Looks for leases of former generations that no job knows, closes and reports them; and takes down up to which block all
/// is known, once nothing can come any more.
async fn look(ctx: &Context, tenures: &dyn Tenures, tenure: Tenure, sweep: &mut Option<Search>) -> Result<(), Trouble> {
    let records = Records::of(ctx);
    let record = records.read().await?;
    if record.held != Some(tenure) {
        // Somebody wrote another; the chain has the last word, and what is there isn't overwritten.
        return Ok(());
    }
    if sweep.is_none() {
        report::catch_up(ctx, tenure.generation).await?;
    }
    let first = || record.block.map_or(Search::from(ctx.config.first_block), Search::after);
    let search = sweep.get_or_insert_with(first);
    let head = search.on(ctx, tenures, |generation| generation < tenure.generation).await?;
    let (unknown, known) = search.look(ctx).await?;
    if !unknown.is_empty() {
        report::begin(ctx, tenure.generation, &unknown, &known).await?;
        let closed = orphans::close(ctx, &unknown).await;
        report::finish(ctx, tenure.generation, &unknown, &known).await?;
        closed?;
    }
    // A hub that was replaced may still open leases for a while: as long as attempts may run that the backup lost.
    let settled = record.settled_in >= tenure.generation;
    let left = unknown.iter().any(orphans::Unknown::is_ours_to_close);
    if settled && !left && record.block.is_none_or(|block| block < head) {
        records.write(&Record { block: Some(head), ..record }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eai_chain::Holder;

    use super::*;

    #[test]
    fn only_what_is_newer_than_ours_replaces_us() {
        let tenure = |generation, holder| Tenure { generation, holder: Holder([holder; 32]) };
        let ours = tenure(3, 1);
        for behind in [None, Some(tenure(2, 1)), Some(tenure(2, 9)), Some(ours)] {
            assert_eq!(still_ours(ours, behind), Ok(()), "{behind:?}");
        }
        for other in [tenure(3, 2), tenure(4, 1), tenure(9, 2)] {
            assert_eq!(still_ours(ours, Some(other)), Err(Superseded { generation: other.generation }));
        }
    }
}
