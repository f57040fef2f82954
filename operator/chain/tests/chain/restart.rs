//! The node goes away and comes back while a transaction is on its way.

use std::time::Duration;

use eai_chain::{Ledger as _, LedgerError, OpenOutcome, SettleOutcome};
use serde_json::json;

use crate::support::{
    anvil::Mining,
    world::{SECOND, World, eai},
};

#[tokio::test]
async fn a_node_that_restarts_and_forgets_the_pool_is_told_again() {
    let mut world = World::with(Mining::Manual).await;
    let (ledger, request) = (world.ledger(), world.request(1).await);
    let opening = tokio::spawn({
        let request = request.clone();
        async move { ledger.open(&[request]).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    // A stranger's transaction, which nobody sends again, shows that the pool is lost.
    let stranger = world.anvil.rpc("eth_accounts", json!([])).await[0].clone();
    world.anvil.rpc("eth_sendTransaction", json!([{"from": stranger, "to": stranger}])).await;
    assert_eq!(pooled(&world).await, 2);
    world.anvil.stop();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.anvil.resume().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(pooled(&world).await, 1);
    let outcome = world.mined(opening).await.unwrap().unwrap().remove(0);
    assert!(matches!(outcome, OpenOutcome::Opened(opened) if opened.tx.is_some()));
    let ledger = world.ledger();
    assert_eq!(ledger.balance(world.payer.address()).await.unwrap(), eai(990));

    // What was confirmed before a restart is still there after it.
    world.anvil.stop();
    assert!(matches!(ledger.head().await, Err(LedgerError::Unreachable(_))));
    world.anvil.resume().await;
    world.anvil.pass(10).await;
    let outcome = world.mined(ledger.settle(&[world.voucher(&request, SECOND, true)])).await.unwrap().remove(0);
    assert!(matches!(&outcome, SettleOutcome::Settled(settled) if settled.paid == SECOND), "{outcome:?}");
}

async fn pooled(world: &World) -> usize {
    let status = world.anvil.rpc("txpool_status", json!([])).await;
    let count =
        |field: &str| usize::from_str_radix(status[field].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    count("pending") + count("queued")
}

#[tokio::test]
async fn a_call_while_the_node_is_away_says_so_and_works_when_it_is_back() {
    let mut world = World::new().await;
    let ledger = world.ledger();
    let request = world.request(1).await;
    world.anvil.stop();
    let error = ledger.open(std::slice::from_ref(&request)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable(_)) && error.is_transient(), "{error}");
    world.anvil.resume().await;
    assert!(matches!(ledger.open(&[request]).await.unwrap().remove(0), OpenOutcome::Opened(_)));
}

#[tokio::test]
async fn a_node_that_stays_away_while_waiting_is_reported_as_away() {
    let mut world = World::with(Mining::Manual).await;
    world.endpoint.settings.timeout = Duration::from_secs(2);
    let (ledger, request) = (world.ledger(), world.request(1).await);
    let opening = tokio::spawn(async move { ledger.open(&[request]).await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    world.anvil.stop();
    let error = opening.await.unwrap().unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable(_)), "{error}");
}
