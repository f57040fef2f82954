//! Two programs with one key, as when a leader lease fails: slower, but nothing twice and nothing lost.

use std::time::Duration;

use eai_chain::{Ledger as _, LedgerError, OpenOutcome, SettleOutcome, TopUp, TopUpOutcome};

use crate::support::{
    anvil::Mining,
    world::{SECOND, World, eai},
};

#[tokio::test]
async fn two_hubs_with_one_key_open_and_top_up_at_once() {
    let world = World::new().await;
    let request = world.request(1).await;
    let (one, other) = (world.ledger(), world.ledger());
    let batch = [request.clone()];
    let (a, b) = tokio::join!(one.open(&batch), other.open(&batch));
    let (a, b) = (a.unwrap().remove(0), b.unwrap().remove(0));
    assert!(matches!(a, OpenOutcome::Opened(_)));
    assert_eq!(a, b);
    assert_eq!(one.balance(world.payer.address()).await.unwrap(), eai(990));

    let terms = request.terms(world.hub.address());
    let top_up = |hold| [TopUp { terms: terms.clone(), hold: eai(hold) }];
    let (twenty, thirty) = (top_up(20), top_up(30));
    let (a, b) = tokio::join!(one.top_up(&twenty), other.top_up(&thirty));
    assert!(matches!(a.unwrap().remove(0), TopUpOutcome::ToppedUp(t) if t.hold >= eai(20)));
    assert!(matches!(b.unwrap().remove(0), TopUpOutcome::ToppedUp(t) if t.hold == eai(30)));
    assert_eq!(one.lease(terms.id()).await.unwrap().unwrap().hold, eai(30));
}

/// Nothing waits for another's block: not one opening for the next, and no opening for a settlement.
#[tokio::test]
async fn openings_and_settlements_share_a_block() {
    let world = World::with(Mining::Manual).await;
    let ledger = world.ledger();
    let finished = world.request(9).await;
    world.open(&finished).await;
    world.anvil.pass(100).await;
    let requests = [[world.request(1).await], [world.request(2).await], [world.request(3).await]];
    let vouchers = [world.voucher(&finished, SECOND, true)];
    let opens = futures::future::try_join_all(requests.iter().map(|request| ledger.open(request)));
    let block = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.anvil.mine().await;
    };
    let (opened, settled, ()) = tokio::join!(opens, ledger.settle(&vouchers), block);
    assert!(matches!(settled.unwrap()[0], SettleOutcome::Settled(_)));
    let times: Vec<_> = opened
        .unwrap()
        .iter()
        .map(|outcomes| match &outcomes[0] {
            OpenOutcome::Opened(opened) => opened.opened_at,
            OpenOutcome::Skipped(skipped) => panic!("{skipped:?}"),
        })
        .collect();
    assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
    assert_eq!(ledger.balance(world.payer.address()).await.unwrap(), eai(970).checked_sub(SECOND).unwrap());
}

/// Openings that were given up on leave transactions behind. What comes next takes their places or goes after them.
#[tokio::test]
async fn transactions_that_nobody_waits_for_hold_nothing_up() {
    let mut world = World::with(Mining::Manual).await;
    let patient = world.ledger();
    world.endpoint.settings.timeout = Duration::from_millis(400);
    let ledger = world.ledger();
    let requests = [[world.request(1).await], [world.request(2).await], [world.request(3).await]];
    let opens = futures::future::join_all(requests.iter().map(|request| ledger.open(request)));
    assert!(opens.await.iter().all(|outcome| matches!(outcome, Err(LedgerError::Unconfirmed { .. }))));
    // A call that is cancelled halfway, too.
    let _ = tokio::time::timeout(Duration::from_millis(200), ledger.open(&requests[0])).await;
    let again = futures::future::try_join_all(requests.iter().map(|request| patient.open(request)));
    for outcomes in world.mined(again).await.unwrap() {
        assert!(matches!(outcomes[0], OpenOutcome::Opened(_)), "{outcomes:?}");
    }
    let terms = requests[0][0].terms(world.hub.address());
    let outcomes = world.mined(patient.top_up(&[TopUp { terms, hold: eai(11) }])).await.unwrap();
    assert!(matches!(&outcomes[0], TopUpOutcome::ToppedUp(t) if t.hold == eai(11)));
    assert_eq!(patient.balance(world.payer.address()).await.unwrap(), eai(969));
}

/// The chain's base fee jumps while a transaction waits: its fee is raised until a block takes it.
#[tokio::test]
async fn a_transaction_that_became_too_cheap_is_paid_more() {
    let mut world = World::with(Mining::Manual).await;
    world.endpoint.settings.bump_after = Duration::from_secs(1);
    world.endpoint.settings.timeout = Duration::from_secs(50);
    let (ledger, request) = (world.ledger(), world.request(1).await);
    let batch = [request];
    let open = ledger.open(&batch);
    let dear = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        for _ in 0..60 {
            // 20 gwei, ten times what the transaction allowed.
            let fee = serde_json::json!(["0x4a817c800"]);
            world.anvil.rpc("anvil_setNextBlockBaseFeePerGas", fee).await;
            world.anvil.mine().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        outcome = open => assert!(matches!(outcome.unwrap().remove(0), OpenOutcome::Opened(_))),
        () = dear => panic!("the transaction was never taken"),
    }
}

#[tokio::test]
async fn confirmations_are_waited_for() {
    let mut world = World::with(Mining::Manual).await;
    world.endpoint.settings.confirmations = 3;
    world.endpoint.settings.timeout = Duration::from_secs(2);
    let ledger = world.ledger();
    let batch = [world.request(1).await];
    let one_block = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.anvil.mine().await;
        std::future::pending::<()>().await;
    };
    let error = tokio::select! {
        outcome = ledger.open(&batch) => outcome.unwrap_err(),
        () = one_block => unreachable!(),
    };
    assert!(matches!(error, LedgerError::Unconfirmed { .. }), "{error}");
    assert!(matches!(world.mined(ledger.open(&batch)).await.unwrap().remove(0), OpenOutcome::Opened(_)));
}
