//! A hub's generation on chain, and the leases that were opened in its name.

use eai_chain::{Holder, Ledger as _, LedgerError, Tenure, Tenures as _};

use crate::support::world::{SECOND, World, key};

const fn tenure(generation: u64, holder: u8) -> Tenure {
    Tenure { generation, holder: Holder([holder; 32]) }
}

#[tokio::test]
async fn a_generation_is_raised_and_read_and_never_falls() {
    let world = World::new().await;
    let ours = world.registry(&world.hub);
    assert_eq!(ours.tenure().await.unwrap(), None);
    ours.raise(tenure(1, 1)).await.unwrap();
    assert_eq!(ours.tenure().await.unwrap(), Some(tenure(1, 1)));
    for refused in [tenure(1, 1), tenure(1, 2)] {
        let error = ours.raise(refused).await.unwrap_err();
        assert!(matches!(&error, LedgerError::Rejected(why) if why.contains("on chain is 1")), "{error}");
    }
    let error = ours.raise(tenure(2, 0)).await.unwrap_err();
    assert!(matches!(&error, LedgerError::Rejected(why) if why.contains("holder")), "{error}");
    ours.raise(tenure(7, 2)).await.unwrap();
    assert_eq!(ours.tenure().await.unwrap(), Some(tenure(7, 2)));
    assert_eq!(world.registry(&world.payer).tenure().await.unwrap(), None, "another key's is its own");
}

#[tokio::test]
async fn an_address_that_is_no_registry_says_so() {
    let mut world = World::new().await;
    world.registry = key(0x77).address();
    let error = world.registry(&world.hub).tenure().await.unwrap_err();
    assert!(matches!(error, LedgerError::NoContract(at) if at == world.registry), "{error}");
}

#[tokio::test]
async fn the_leases_of_a_hub_are_found_by_the_blocks_they_were_opened_in() {
    let world = World::new().await;
    let ours = world.registry(&world.hub);
    let (first, second) = (world.request(1).await, world.request(2).await);
    world.open(&first).await;
    let between = world.ledger().head().await.unwrap().number;
    world.anvil.mine().await;
    world.open(&second).await;
    let last = world.ledger().head().await.unwrap().number;
    let ids = |openings: Vec<eai_chain::Opening>| openings.iter().map(|o| o.terms.id()).collect::<Vec<_>>();
    let (one, two) = (first.terms(world.hub.address()).id(), second.terms(world.hub.address()).id());
    assert_eq!(ids(ours.openings(0, last).await.unwrap()), [one, two]);
    assert_eq!(ids(ours.openings(0, between).await.unwrap()), [one]);
    let found = ours.openings(between + 1, last).await.unwrap();
    assert_eq!((found[0].terms.clone(), found[0].hold), (second.terms(world.hub.address()), second.hold));
    assert_eq!(ids(found), [two]);
    assert_eq!(world.registry(&world.payer).openings(0, last).await.unwrap(), [], "another hub's aren't ours");
    // A lease that is closed was opened all the same.
    world.anvil.pass(10).await;
    world.mined(world.ledger().settle(&[world.voucher(&first, SECOND, true)])).await.unwrap();
    assert_eq!(ids(ours.openings(0, last).await.unwrap()), [one, two]);
}
