//! When each block of the chain was first seen here, to tell the wait for a block from the wait for the hub to see it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy::{
    primitives::B256,
    providers::{Provider as _, ProviderBuilder, RootProvider},
};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    balances::Contracts,
    error::{Error, Result},
};

/// How often the chain is asked for its height.
const EVERY: Duration = Duration::from_millis(20);

type Heights = Arc<Mutex<Vec<(u64, Instant)>>>;

/// Blocks as they came; the asking ends when it is dropped.
pub struct Blocks {
    provider: RootProvider,
    heights: Heights,
    _asking: JoinSet<()>,
}

impl Blocks {
    /// Asks the chain for its height from now on.
    pub fn watching(contracts: &Contracts) -> Result<Self> {
        let url = contracts.rpc.parse().map_err(|error| Error::unexpected("the RPC URL", error))?;
        let provider = ProviderBuilder::default().connect_http(url);
        let (heights, mut asking) = (Heights::default(), JoinSet::new());
        asking.spawn(ask(provider.clone(), Arc::clone(&heights)));
        Ok(Self { provider, heights, _asking: asking })
    }

    /// When the block that holds transaction `tx` was first seen.
    pub async fn when(&self, tx: &str) -> Result<Option<Instant>> {
        let hash: B256 = tx.parse().map_err(|error| Error::unexpected(format!("transaction {tx:?}"), error))?;
        let receipt = self.provider.get_transaction_receipt(hash).await;
        let receipt = receipt.map_err(|error| Error::unexpected("the chain", error))?;
        let Some(block) = receipt.and_then(|receipt| receipt.block_number) else { return Ok(None) };
        Ok(first(&self.heights.lock().unwrap_or_else(PoisonError::into_inner), block))
    }
}

async fn ask(provider: RootProvider, heights: Heights) {
    loop {
        if let Ok(height) = provider.get_block_number().await {
            let mut heights = heights.lock().unwrap_or_else(PoisonError::into_inner);
            if heights.last().is_none_or(|(last, _)| *last < height) {
                heights.push((height, Instant::now()));
            }
        }
        sleep(EVERY).await;
    }
}

/// When `block` or a later one was first seen.
fn first(heights: &[(u64, Instant)], block: u64) -> Option<Instant> {
    heights.iter().find(|(height, _)| *height >= block).map(|(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_seen_with_the_first_height_that_has_it() {
        let start = Instant::now();
        let later = start + Duration::from_secs(2);
        let heights = [(5, start), (7, later)];
        assert_eq!(first(&heights, 5), Some(start));
        assert_eq!(first(&heights, 6), Some(later));
        assert_eq!(first(&heights, 8), None);
    }
}
