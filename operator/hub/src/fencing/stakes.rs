//! What answers for members: their owners' stakes, as the chain last gave them.
//!
//! An owner is known by the account that the ComputeNode names, which is also what the NodeRegistry names a node by. That
//! account is only claimed where a member joins; it is proven by a standing offer, which its key signed for this very
//! member. Who has no such offer weighs as one without a stake: else anyone could join in the name of somebody rich.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_api::ComputeNode;
use eai_chain::{LedgerError, Stakes};
use eai_core::{address::Address, fencing::silence::part};
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;

/// Between looks at whose stakes are due.
const LOOK: Duration = Duration::from_secs(5);
/// How old a stake may get before it is read again; and how long a chain that doesn't answer is left alone.
const EVERY: Duration = Duration::from_mins(1);
/// The most that are read at one look; the rest wait for the next.
const BATCH: usize = 64;

/// What was last read of the chain. It is kept while that doesn't answer.
#[derive(Default)]
pub struct StakeBook(Mutex<HashMap<Address, Entry>>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    wei: u128,
    read: Instant,
}

impl StakeBook {
    /// What each of `nodes` weighs.
    pub fn weights(&self, nodes: &[Arc<ComputeNode>]) -> Vec<u128> {
        let mut members: HashMap<Address, usize> = HashMap::new();
        for owner in nodes.iter().filter_map(|node| proven(node)) {
            *members.entry(owner).or_default() += 1;
        }
        let known = self.lock();
        let weight = |owner: Address| {
            let stake = known.get(&owner).map_or(0, |entry| entry.wei);
            part(stake, members.get(&owner).copied().unwrap_or(1))
        };
        nodes.iter().map(|node| proven(node).map_or(0, weight)).collect()
    }

    /// Whose stakes are to be read at `now`: never read ones first, then the oldest, and no more than a batch.
    fn due(&self, owners: &HashSet<Address>, now: Instant) -> Vec<Address> {
        let mut known = self.lock();
        known.retain(|owner, _| owners.contains(owner));
        let read = |owner: &Address| known.get(owner).map(|entry| entry.read);
        let old = |owner: &&Address| read(owner).is_none_or(|read| now.saturating_duration_since(read) >= EVERY);
        let mut due: Vec<Address> = owners.iter().filter(old).copied().collect();
        due.sort_by_key(|owner| (read(owner), *owner));
        due.truncate(BATCH);
        due
    }

    /// Reads what is due. Stops at the first that can't be read: the others would most likely fail too.
    async fn read(&self, chain: &dyn Stakes, owners: &HashSet<Address>, now: Instant) -> Result<(), LedgerError> {
        for owner in self.due(owners, now) {
            let wei = chain.staked(owner).await?.wei();
            self.lock().insert(owner, Entry { wei, read: now });
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Entry>> {
        // A panic elsewhere leaves it whole: each change is one insert or remove.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner of a member, if it has shown that it is: prices are in the status only of offers that the owner signed.
fn proven(node: &ComputeNode) -> Option<Address> {
    let offers = node.status.as_ref().is_some_and(|status| !status.prices.is_empty());
    offers.then_some(node.spec.owner)
}

/// Keeps the book until `shutdown`, where the hub was told of a registry. Nobody waits for it.
pub async fn read(hub: &Hub, shutdown: CancellationToken) {
    let Some(chain) = hub.ctx.stakes.clone() else { return };
    let keep = async {
        let mut failed = false;
        loop {
            let nodes = super::silence::accepted(hub);
            let owners = nodes.iter().filter_map(|node| proven(node)).collect();
            let read = hub.stakes.read(chain.as_ref(), &owners, Instant::now()).await;
            if let Err(error) = &read
                && !failed
            {
                tracing::warn!(%error, "members' stakes can't be read; what was last read of them holds");
            }
            failed = read.is_err();
            tokio::time::sleep(if failed { EVERY } else { LOOK }).await;
        }
    };
    tokio::select! {
        () = keep => {}
        () = shutdown.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use async_trait::async_trait;
    use eai_core::money::Amount;
    use serde_json::json;

    use super::*;

    const RICH: Address = Address([0xaa; 20]);
    const POOR: Address = Address([0xbb; 20]);

    /// A chain where the rich have staked so much, or that is away.
    struct Chain(Option<u128>, Mutex<Vec<Address>>);

    impl Chain {
        fn new(stake: Option<u128>) -> Self {
            Self(stake, Mutex::default())
        }
    }

    #[async_trait]
    impl Stakes for Chain {
        async fn staked(&self, node: Address) -> Result<Amount, LedgerError> {
            self.1.lock().unwrap().push(node);
            let stake = self.0.ok_or_else(|| LedgerError::Unreachable("it is away".to_owned()))?;
            Ok(Amount::from_wei(if node == POOR { 0 } else { stake }))
        }
    }

    fn member(owner: Address, offers: bool) -> Arc<ComputeNode> {
        let price = json!({"class": "cpu", "rate": "1"});
        let prices = if offers { vec![price] } else { vec![] };
        let node = json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "ComputeNode", "metadata": {"name": "m"},
            "spec": {"owner": owner, "accepted": true}, "status": {"conditions": [], "prices": prices},
        });
        Arc::new(serde_json::from_value(node).unwrap())
    }

    async fn book(stake: u128, owners: &[Address]) -> StakeBook {
        let book = StakeBook::default();
        let owners = owners.iter().copied().collect();
        book.read(&Chain::new(Some(stake)), &owners, Instant::now()).await.unwrap();
        book
    }

    #[tokio::test]
    async fn a_stake_is_divided_among_its_owners_members() {
        let book = book(100, &[RICH, POOR]).await;
        let nodes = [member(RICH, true), member(POOR, true), member(RICH, true)];
        assert_eq!(book.weights(&nodes), [50, 0, 50]);
        assert_eq!(book.weights(&nodes[..2]), [100, 0]);
    }

    #[tokio::test]
    async fn a_name_that_no_offer_proves_brings_no_stake_and_takes_none_away() {
        let book = book(100, &[RICH]).await;
        assert_eq!(book.weights(&[member(RICH, true), member(RICH, false), member(RICH, false)]), [100, 0, 0]);
    }

    #[test]
    fn nothing_is_known_before_the_chain_has_answered() {
        assert_eq!(StakeBook::default().weights(&[member(RICH, true)]), [0]);
    }

    #[tokio::test]
    async fn what_was_last_read_is_kept_while_the_chain_is_away_and_a_minute_later_it_is_read_again() {
        let (book, began) = (book(100, &[RICH]).await, Instant::now());
        let owners = HashSet::from([RICH]);
        let later = began + EVERY;
        book.read(&Chain::new(None), &owners, began).await.unwrap();
        book.read(&Chain::new(None), &owners, later).await.unwrap_err();
        assert_eq!(book.weights(&[member(RICH, true)]), [100]);
        book.read(&Chain::new(Some(7)), &owners, later).await.unwrap();
        assert_eq!(book.weights(&[member(RICH, true)]), [7]);
    }

    #[tokio::test]
    async fn one_look_reads_a_batch_and_the_next_reads_on() {
        let owners: HashSet<Address> = (0..100).map(|number| Address([number; 20])).collect();
        let (book, chain, now) = (StakeBook::default(), Chain::new(Some(1)), Instant::now());
        for read in [64, 100, 100] {
            book.read(&chain, &owners, now).await.unwrap();
            assert_eq!(chain.1.lock().unwrap().len(), read);
        }
        assert_eq!(book.lock().len(), 100);
        assert!(book.due(&HashSet::from([RICH]), now).contains(&RICH));
        assert!(book.lock().is_empty(), "who left is forgotten");
    }
}
