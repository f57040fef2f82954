//! A lease from deposit to withdrawal, on blocks that come by themselves.

use eai_chain::{LeaseState, Ledger as _, OpenOutcome, Refusal, SettleOutcome, Settled, TopUp, TopUpOutcome};
use eai_core::money::Amount;

use crate::support::{
    anvil::{CHAIN_ID, Mining},
    world::{RATE, SECOND, World, eai},
};

#[tokio::test]
async fn a_lease_is_opened_topped_up_paid_and_closed_and_every_wei_is_accounted_for() {
    let world = World::new().await;
    let ledger = world.ledger();
    let (payer, provider) = (world.payer.address(), world.provider.address());
    assert_eq!(ledger.domain().chain_id, CHAIN_ID);
    assert_eq!(ledger.balance(payer).await.unwrap(), eai(1000));

    let request = world.request(1).await;
    let lease = request.terms(ledger.hub_key()).id();
    assert_eq!(ledger.lease(lease).await.unwrap(), None);
    let opened = match ledger.open(std::slice::from_ref(&request)).await.unwrap().remove(0) {
        OpenOutcome::Opened(opened) => opened,
        OpenOutcome::Skipped(skipped) => panic!("{skipped:?}"),
    };
    assert_eq!((opened.lease, opened.hold), (lease, eai(10)));
    let view = ledger.lease(lease).await.unwrap().unwrap();
    assert_eq!((view.state, view.hold, view.held), (LeaseState::Open, eai(10), eai(10)));
    assert_eq!((view.opened_at, view.closing_at), (opened.opened_at, None));
    assert_eq!(ledger.balance(payer).await.unwrap(), eai(990));
    let grant = ledger.authorization(payer, ledger.hub_key(), world.namespace).await.unwrap();
    assert_eq!((grant.cap, grant.used, grant.max_rate), (eai(500), eai(10), RATE));
    assert_eq!(grant.left(opened.opened_at), eai(490));
    assert_eq!(grant.left(grant.expiry), Amount::ZERO);

    let more = TopUp { terms: request.terms(ledger.hub_key()), hold: eai(15) };
    match ledger.top_up(&[more]).await.unwrap().remove(0) {
        TopUpOutcome::ToppedUp(topped) => assert_eq!((topped.hold, topped.tx.is_some()), (eai(15), true)),
        TopUpOutcome::Skipped(skipped) => panic!("{skipped:?}"),
    }

    world.anvil.pass(100).await;
    let paid = Amount::from_wei(SECOND.wei() * 60 + 1);
    let part = world.voucher(&request, paid, false);
    let outcome = ledger.settle(std::slice::from_ref(&part)).await.unwrap().remove(0);
    let SettleOutcome::Settled(Settled { tx: Some(_), paid: so_far, refunded, closed: false, .. }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((so_far, refunded), (paid, Amount::ZERO));
    let outcome = ledger.settle(&[part]).await.unwrap().remove(0);
    assert!(matches!(outcome, SettleOutcome::Skipped(s) if s.reason == Refusal::NothingToSettle));

    let all = Amount::from_wei(SECOND.wei() * 61);
    let outcome = ledger.settle(&[world.voucher(&request, all, true)]).await.unwrap().remove(0);
    let SettleOutcome::Settled(settled) = outcome else { panic!("{outcome:?}") };
    assert!(settled.closed);
    assert_eq!(settled.paid, all);
    assert_eq!(settled.paid.checked_add(settled.refunded), Some(eai(15)));
    assert_eq!(ledger.balance(provider).await.unwrap(), all);
    assert_eq!(ledger.balance(payer).await.unwrap(), eai(1000).checked_sub(all).unwrap());

    let reader = ledger.reader();
    let opening = reader.opening(lease).await.unwrap().unwrap();
    assert_eq!((Some(opening.tx), opening.hold), (opened.tx, eai(10)));
    assert_eq!(opening.terms, request.terms(ledger.hub_key()));
    assert_eq!(reader.closing_tx(lease).await.unwrap(), settled.tx);
    let earnings = reader.earnings(provider).await.unwrap();
    assert_eq!(earnings.iter().map(|e| e.amount.wei()).sum::<u128>(), all.wei());
    assert_eq!(earnings.iter().map(|e| (e.lease, e.usage.0)).collect::<Vec<_>>(), [(lease, 60_000), (lease, 61_000)]);
}

#[tokio::test]
async fn a_final_voucher_over_nothing_returns_the_whole_hold() {
    let world = World::new().await;
    let request = world.request(1).await;
    let opened = world.open(&request).await;
    let ledger = world.ledger();
    let outcome = world.mined(ledger.settle(&[world.voucher(&request, Amount::ZERO, true)])).await.unwrap().remove(0);
    let SettleOutcome::Settled(settled) = outcome else { panic!("{outcome:?}") };
    assert_eq!((settled.lease, settled.paid, settled.refunded), (opened.lease, Amount::ZERO, eai(10)));
    assert_eq!(ledger.balance(world.payer.address()).await.unwrap(), eai(1000));
}

#[tokio::test]
async fn the_chain_pays_no_more_than_the_time_since_opening() {
    let world = World::new().await;
    let request = world.request(1).await;
    let opened = world.open(&request).await;
    let ledger = world.ledger();
    world.anvil.pass(10).await;
    let outcome = world.mined(ledger.settle(&[world.voucher(&request, eai(9), false)])).await.unwrap().remove(0);
    let SettleOutcome::Settled(settled) = outcome else { panic!("{outcome:?}") };
    let elapsed = settled.paid.wei() / SECOND.wei();
    assert!((10..60).contains(&elapsed), "{elapsed} s were paid");
    assert!(u128::from(world.now().await - opened.opened_at) >= elapsed);
}

/// A final voucher ahead of the chain's clock would close the lease with too little paid. It's held back, and the rest
/// of the batch goes through.
#[tokio::test]
async fn a_final_voucher_waits_for_the_chains_clock() {
    let world = World::with(Mining::Manual).await;
    let (slow, other) = (world.request(1).await, world.request(2).await);
    world.open(&slow).await;
    world.open(&other).await;
    let ledger = world.ledger();
    let amount = Amount::from_wei(SECOND.wei() * 1000);
    let vouchers = [world.voucher(&slow, amount, true), world.voucher(&other, Amount::ZERO, true)];
    let outcomes = world.mined(ledger.settle(&vouchers)).await.unwrap();
    assert!(matches!(&outcomes[0], SettleOutcome::Skipped(s) if s.reason == Refusal::TooEarly), "{outcomes:?}");
    assert!(Refusal::TooEarly.is_transient());
    assert!(matches!(&outcomes[1], SettleOutcome::Settled(s) if s.closed), "{outcomes:?}");
    let lease = ledger.lease(slow.terms(ledger.hub_key()).id()).await.unwrap().unwrap();
    assert_eq!((lease.state, lease.paid), (LeaseState::Open, Amount::ZERO));

    // Alone, it costs no transaction.
    let outcomes = ledger.settle(&vouchers[..1]).await.unwrap();
    assert!(matches!(&outcomes[0], SettleOutcome::Skipped(s) if s.reason == Refusal::TooEarly));
    world.anvil.pass(1000).await;
    let outcomes = world.mined(ledger.settle(&vouchers)).await.unwrap();
    assert!(matches!(&outcomes[0], SettleOutcome::Settled(s) if s.closed && s.paid == amount), "{outcomes:?}");

    // What the hold can't pay is no reason to wait.
    let small = world.request(3).await;
    world.open(&small).await;
    world.anvil.pass(10_000).await;
    let outcomes = world.mined(ledger.settle(&[world.voucher(&small, eai(11), true)])).await.unwrap();
    assert!(matches!(&outcomes[0], SettleOutcome::Settled(s) if s.closed && s.paid == eai(10)), "{outcomes:?}");
}

/// A payer that closes its lease at once doesn't get the work for nothing that runs until the hub has seen it.
#[tokio::test]
async fn work_is_paid_until_the_hub_has_seen_the_closing() {
    let world = World::with(Mining::Manual).await;
    let request = world.request(1).await;
    let opened = world.open(&request).await;
    let account = world.account(&world.payer);
    let terms = account.reader().opening(opened.lease).await.unwrap().unwrap().terms;
    world.mined(account.start_closing(&terms)).await.unwrap();
    let ledger = world.ledger();
    let amount = Amount::from_wei(SECOND.wei() * 600);
    let last = [world.voucher(&request, amount, true)];
    let outcomes = ledger.settle(&last).await.unwrap();
    assert!(matches!(&outcomes[0], SettleOutcome::Skipped(s) if s.reason == Refusal::TooEarly), "{outcomes:?}");
    world.anvil.pass(600).await;
    let outcomes = world.mined(ledger.settle(&last)).await.unwrap();
    assert!(matches!(&outcomes[0], SettleOutcome::Settled(s) if s.closed && s.paid == amount), "{outcomes:?}");
}

/// Beyond the notice nothing accrues, so nothing is waited for.
#[tokio::test]
async fn work_after_the_notice_is_not_waited_for() {
    let world = World::with(Mining::Manual).await;
    let request = world.request(1).await;
    let opened = world.open(&request).await;
    let account = world.account(&world.payer);
    let terms = account.reader().opening(opened.lease).await.unwrap().unwrap().terms;
    world.mined(account.start_closing(&terms)).await.unwrap();
    let ledger = world.ledger();
    let closing_at = ledger.lease(opened.lease).await.unwrap().unwrap().closing_at.unwrap();
    world.anvil.pass(15 * 60).await;
    let last = [world.voucher(&request, Amount::from_wei(SECOND.wei() * 5000), true)];
    let outcomes = world.mined(ledger.settle(&last)).await.unwrap();
    let paid = Amount::from_wei(SECOND.wei() * u128::from(closing_at - opened.opened_at + 15 * 60));
    assert!(matches!(&outcomes[0], SettleOutcome::Settled(s) if s.closed && s.paid == paid), "{outcomes:?}");
}

#[tokio::test]
async fn a_full_batch_goes_through_in_one_transaction() {
    let world = World::new().await;
    let first = world.request(0).await;
    let requests: Vec<_> = (0_u8..64)
        .map(|n| eai_chain::OpenRequest {
            job: eai_chain::JobId::of(&n.to_string()),
            hold: Amount::from_wei(SECOND.wei() + u128::from(n)),
            ..first.clone()
        })
        .collect();
    let ledger = world.ledger();
    let outcomes = world.mined(ledger.open(&requests)).await.unwrap();
    let txs: Vec<_> = outcomes
        .iter()
        .zip(&requests)
        .map(|(outcome, request)| match outcome {
            OpenOutcome::Opened(o) => {
                assert_eq!((o.lease, o.hold), (request.terms(ledger.hub_key()).id(), request.hold));
                o.tx.unwrap()
            }
            OpenOutcome::Skipped(s) => panic!("{s:?}"),
        })
        .collect();
    assert_eq!(txs.len(), 64);
    assert!(txs.iter().all(|tx| *tx == txs[0]));
    world.anvil.pass(10).await;
    let finals: Vec<_> = requests.iter().map(|r| world.voucher(r, r.hold, true)).collect();
    let outcomes = world.mined(ledger.settle(&finals)).await.unwrap();
    assert!(outcomes.iter().all(|o| matches!(o, SettleOutcome::Settled(s) if s.closed)));
    let tops: Vec<_> = requests.iter().map(|r| TopUp { terms: r.terms(ledger.hub_key()), hold: eai(1) }).collect();
    let outcomes = ledger.top_up(&tops).await.unwrap();
    assert!(outcomes.iter().all(|o| matches!(o, TopUpOutcome::Skipped(s) if s.reason == Refusal::AlreadyClosed)));
    let too_many: Vec<_> = (0..65).map(|_| first.clone()).collect();
    assert!(!ledger.open(&too_many).await.unwrap_err().is_transient());
    assert_eq!(ledger.open(&[]).await.unwrap(), []);
}
