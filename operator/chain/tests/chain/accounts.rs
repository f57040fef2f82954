//! What people do with their own accounts.

use eai_chain::{Ledger as _, LedgerError, NamespaceId, Refusal};
use eai_core::money::Amount;

use crate::support::world::{CLOSING_WINDOW, RATE, World, eai};

#[tokio::test]
async fn deposits_and_withdrawals_move_exactly_what_they_say() {
    let world = World::new().await;
    let account = world.account(&world.payer);
    let (me, reader) = (account.address(), account.reader());
    assert_eq!(reader.token_balance(me).await.unwrap(), eai(9000));
    let odd = Amount::from_wei(1_234_567_890_123_456_789);
    world.mined(account.deposit(odd)).await.unwrap();
    assert_eq!(reader.balance(me).await.unwrap(), eai(1000).checked_add(odd).unwrap());
    assert_eq!(reader.token_balance(me).await.unwrap(), eai(9000).checked_sub(odd).unwrap());
    let to = world.provider.address();
    world.mined(account.withdraw(odd, to)).await.unwrap();
    assert_eq!(reader.token_balance(to).await.unwrap(), odd);
    assert_eq!(reader.balance(me).await.unwrap(), eai(1000));
    assert!(reader.gas_money(me).await.unwrap() > 0);
}

#[tokio::test]
async fn authorisations_are_listed_as_they_stand() {
    let world = World::new().await;
    let account = world.account(&world.payer);
    let (hub, other) = (world.hub.address(), NamespaceId([9; 32]));
    let expiry = world.now().await + 500;
    world.mined(account.authorize(hub, other, eai(3), RATE, expiry)).await.unwrap();
    world.open(&world.request(1).await).await;
    world.mined(account.revoke(hub, world.namespace)).await.unwrap();
    let grants = account.reader().authorizations(account.address()).await.unwrap();
    let found: Vec<_> = grants.iter().map(|g| (g.namespace, g.authorization.cap, g.authorization.used)).collect();
    assert_eq!(found, [(world.namespace, Amount::ZERO, eai(10)), (other, eai(3), Amount::ZERO)]);
    assert!(grants.iter().all(|grant| grant.hub_key == hub));
    assert_eq!((grants[0].authorization.expiry, grants[1].authorization.expiry), (0, expiry));
    assert!(account.reader().authorizations(world.provider.address()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_provider_voids_its_offers() {
    let world = World::new().await;
    let account = world.account(&world.provider);
    assert_eq!(account.reader().offer_nonce(account.address()).await.unwrap(), 0);
    world.mined(account.cancel_offers()).await.unwrap();
    assert_eq!(account.reader().offer_nonce(account.address()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_payer_gets_its_money_back_from_a_hub_that_is_gone() {
    let world = World::new().await;
    let (account, request) = (world.account(&world.payer), world.request(1).await);
    let opened = world.open(&request).await;
    let terms = account.reader().opening(opened.lease).await.unwrap().unwrap().terms;
    let error = account.finalize(&terms).await.unwrap_err();
    assert!(matches!(error, LedgerError::Refused(Refusal::ClosingWindowOpen)), "{error}");
    world.mined(account.start_closing(&terms)).await.unwrap();
    let view = world.ledger().lease(opened.lease).await.unwrap().unwrap();
    assert!(view.closing_at.is_some_and(|at| at >= opened.opened_at));
    world.anvil.pass(CLOSING_WINDOW + 1).await;
    world.mined(account.finalize(&terms)).await.unwrap();
    assert_eq!(account.reader().balance(account.address()).await.unwrap(), eai(1000));
}
