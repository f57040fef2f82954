//! Whatever is asked twice is done once.

use std::time::Duration;

use eai_chain::{EscrowLedger, Ledger as _, LedgerError, OpenOutcome, Refusal, SettleOutcome, TopUp, TopUpOutcome};
use eai_core::money::Amount;

use crate::support::{
    anvil::Mining,
    world::{SECOND, World, eai},
};

#[tokio::test]
async fn opening_twice_opens_once_and_both_calls_say_when_and_how() {
    let world = World::new().await;
    let ledger = world.ledger();
    let request = world.request(1).await;
    let batch = [request.clone(), request.clone()];
    let outcomes = world.mined(ledger.open(&batch)).await.unwrap();
    let OpenOutcome::Opened(first) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(outcomes[0], outcomes[1]);
    // A new life of the hub, which has forgotten everything.
    let again = world.open(&request).await;
    assert_eq!(&again, first);
    assert_eq!(ledger.balance(world.payer.address()).await.unwrap(), eai(990));
}

#[tokio::test]
async fn closing_twice_pays_once_and_both_calls_give_the_same_figures() {
    let world = World::new().await;
    let ledger = world.ledger();
    let request = world.request(1).await;
    world.open(&request).await;
    world.anvil.pass(100).await;
    let voucher = world.voucher(&request, SECOND, true);
    let first = world.mined(ledger.settle(std::slice::from_ref(&voucher))).await.unwrap();
    assert!(matches!(&first[0], SettleOutcome::Settled(s) if s.closed && s.paid == SECOND && s.tx.is_some()));
    let again = world.mined(world.ledger().settle(&[voucher])).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(ledger.balance(world.provider.address()).await.unwrap(), SECOND);
    // A lease that was closed can't be opened again, and the hub is told so.
    let outcomes = world.mined(ledger.open(&[request])).await.unwrap();
    assert!(matches!(&outcomes[0], OpenOutcome::Skipped(s) if s.reason == Refusal::AlreadyClosed));
}

#[tokio::test]
async fn a_smaller_voucher_after_a_larger_one_takes_nothing_back() {
    let world = World::new().await;
    let ledger = world.ledger();
    let request = world.request(1).await;
    world.open(&request).await;
    world.anvil.pass(100).await;
    let larger = Amount::from_wei(SECOND.wei() * 50);
    world.mined(ledger.settle(&[world.voucher(&request, larger, false)])).await.unwrap();
    let outcome = world.mined(ledger.settle(&[world.voucher(&request, SECOND, true)])).await.unwrap().remove(0);
    assert!(matches!(outcome, SettleOutcome::Settled(s) if s.paid == larger && s.closed));
}

/// The dangerous case: the hub dies, or gives up, while its transaction lies in the node's pool. Its next life asks
/// again. Both transactions bear one nonce, so one of them is mined.
#[tokio::test]
async fn a_top_up_left_behind_by_an_earlier_life_is_not_added_twice() {
    let world = World::with(Mining::Manual).await;
    let request = world.request(1).await;
    world.open(&request).await;
    let terms = request.terms(world.hub.address());
    let mut impatient = world.endpoint.clone();
    impatient.settings.timeout = Duration::from_millis(500);
    let first_life = EscrowLedger::new(impatient, world.hub.clone()).unwrap();
    let top_up = [TopUp { terms: terms.clone(), hold: eai(20) }];
    let error = first_life.top_up(&top_up).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unconfirmed { .. }) && error.is_transient(), "{error}");

    let second_life = world.ledger();
    let higher = [TopUp { terms: terms.clone(), hold: eai(30) }];
    let outcome = world.mined(second_life.top_up(&higher)).await.unwrap().remove(0);
    assert!(matches!(outcome, TopUpOutcome::ToppedUp(t) if t.hold == eai(30)));
    for _ in 0..3 {
        world.anvil.mine().await;
    }
    assert_eq!(second_life.lease(terms.id()).await.unwrap().unwrap().hold, eai(30));
    assert_eq!(second_life.balance(world.payer.address()).await.unwrap(), eai(970));

    let outcome = first_life.top_up(&top_up).await.unwrap().remove(0);
    assert!(matches!(outcome, TopUpOutcome::ToppedUp(t) if t.hold == eai(30) && t.tx.is_none()));
    let twice = [higher[0].clone(), higher[0].clone()];
    assert!(matches!(second_life.top_up(&twice).await, Err(LedgerError::BadRequest(_))));
}

#[tokio::test]
async fn an_opening_given_up_on_is_found_when_it_was_mined_after_all() {
    let world = World::with(Mining::Manual).await;
    let request = world.request(1).await;
    let mut impatient = world.endpoint.clone();
    impatient.settings.timeout = Duration::from_millis(500);
    let ledger = EscrowLedger::new(impatient, world.hub.clone()).unwrap();
    let error = ledger.open(std::slice::from_ref(&request)).await.unwrap_err();
    let LedgerError::Unconfirmed { tx, .. } = error else { panic!("{error}") };
    world.anvil.mine().await;
    let opened = world.open(&request).await;
    assert_eq!(opened.tx, Some(tx));
    assert_eq!(ledger.balance(world.payer.address()).await.unwrap(), eai(990));
}
