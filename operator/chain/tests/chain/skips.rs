//! Each reason for which the Escrow skips an item, reached for real, in batches whose other items go through.

use eai_chain::{
    LeaseTerms, Ledger, NamespaceId, OpenOutcome, OpenRequest, Refusal, SettleOutcome, TopUp, TopUpOutcome, sign_offer,
};
use eai_core::{metering::MilliUnits, money::Amount};

use crate::support::world::{CLOSING_WINDOW, RATE, SECOND, World, eai, key};

fn reason(outcome: &OpenOutcome) -> Option<Refusal> {
    match outcome {
        OpenOutcome::Opened(_) => None,
        OpenOutcome::Skipped(skipped) => Some(skipped.reason),
    }
}

async fn changed(world: &World, n: u32, change: impl FnOnce(&mut OpenRequest)) -> OpenRequest {
    let mut request = world.request(n).await;
    change(&mut request);
    request
}

#[tokio::test]
async fn a_bad_item_of_an_opening_is_skipped_with_its_reason_and_the_good_ones_open() {
    let world = World::new().await;
    let (now, ledger) = (world.now().await, world.ledger());
    let above = Amount::from_wei(RATE.wei() + 1);
    let offer = world.offer().await;
    let dear = world.sign(eai_core::offer::Offer { rate: above, ..offer.clone() });
    let cheap = world.sign(eai_core::offer::Offer { rate: Amount::from_wei(RATE.wei() - 1), ..offer.clone() });
    let old = world.sign(eai_core::offer::Offer { valid_until: now - 1, ..offer.clone() });
    let cancelled = world.sign(eai_core::offer::Offer { nonce: offer.nonce + 1, ..offer.clone() });
    let forged = sign_offer(offer.clone(), world.domain(), &key(0x44)).unwrap();
    let mut unreadable = forged.clone();
    unreadable.signature = "0x12".to_owned();
    let cases = [
        (changed(&world, 0, |_| ()).await, None),
        (changed(&world, 1, |r| r.open_by = now - 1).await, Some(Refusal::OpenByPassed)),
        (changed(&world, 2, |r| r.namespace = NamespaceId([8; 32])).await, Some(Refusal::NotAuthorized)),
        (changed(&world, 3, |r| (r.rate, r.offer) = (above, dear)).await, Some(Refusal::RateAboveAuthorization)),
        (changed(&world, 4, |r| r.offer = cheap).await, Some(Refusal::RateAboveOffer)),
        (changed(&world, 5, |r| r.hold = eai(491)).await, Some(Refusal::CapExceeded)),
        (changed(&world, 6, |r| r.units = MilliUnits(0)).await, Some(Refusal::BadMilliUnits)),
        (changed(&world, 7, |r| r.offer = old).await, Some(Refusal::OfferExpired)),
        (changed(&world, 8, |r| r.offer = cancelled).await, Some(Refusal::OfferCancelled)),
        (changed(&world, 9, |r| r.offer = forged).await, Some(Refusal::BadSignature)),
        (changed(&world, 10, |r| r.offer = unreadable).await, Some(Refusal::BadSignature)),
        (changed(&world, 11, |r| r.hold = Amount::ZERO).await, Some(Refusal::ZeroAmount)),
        (changed(&world, 12, |_| ()).await, None),
    ];
    let requests: Vec<_> = cases.iter().map(|(request, _)| request.clone()).collect();
    let outcomes = world.mined(ledger.open(&requests)).await.unwrap();
    for ((request, wanted), outcome) in cases.iter().zip(&outcomes) {
        assert_eq!(reason(outcome), *wanted, "{request:?}");
    }
    assert_eq!(ledger.balance(world.payer.address()).await.unwrap(), eai(980));
}

#[tokio::test]
async fn an_opening_is_refused_without_money_and_after_the_authorisation() {
    let world = World::new().await;
    let ledger = world.ledger();
    let account = world.account(&world.payer);
    world.mined(account.withdraw(eai(995), world.payer.address())).await.unwrap();
    let request = world.request(1).await;
    let outcomes = world.mined(ledger.open(std::slice::from_ref(&request))).await.unwrap();
    assert_eq!(reason(&outcomes[0]), Some(Refusal::InsufficientBalance));
    assert!(Refusal::InsufficientBalance.is_about_funds());

    world.mined(account.revoke(world.hub.address(), world.namespace)).await.unwrap();
    let outcomes = world.mined(ledger.open(std::slice::from_ref(&request))).await.unwrap();
    assert_eq!(reason(&outcomes[0]), Some(Refusal::NotAuthorized));

    let expiry = world.now().await + 1000;
    world.mined(account.authorize(world.hub.address(), world.namespace, eai(1), RATE, expiry)).await.unwrap();
    world.anvil.pass(2000).await;
    let request = changed(&world, 2, |r| r.hold = eai(1)).await;
    let outcomes = world.mined(ledger.open(&[request])).await.unwrap();
    assert_eq!(reason(&outcomes[0]), Some(Refusal::AuthorizationExpired));
}

async fn top_up(world: &World, ledger: &dyn Ledger, terms: LeaseTerms, hold: Amount) -> Result<Amount, Refusal> {
    match world.mined(ledger.top_up(&[TopUp { terms, hold }])).await.unwrap().remove(0) {
        TopUpOutcome::ToppedUp(topped) => Ok(topped.hold),
        TopUpOutcome::Skipped(skipped) => Err(skipped.reason),
    }
}

#[tokio::test]
async fn a_top_up_says_why_it_adds_nothing() {
    let world = World::new().await;
    let ledger = world.ledger();
    let request = world.request(1).await;
    let terms = request.terms(world.hub.address());
    assert_eq!(top_up(&world, &ledger, terms.clone(), eai(11)).await, Err(Refusal::UnknownLease));
    world.open(&request).await;
    assert_eq!(top_up(&world, &ledger, terms.clone(), eai(501)).await, Err(Refusal::CapExceeded));
    assert_eq!(top_up(&world, &ledger, terms.clone(), eai(500)).await, Ok(eai(500)));
    assert_eq!(top_up(&world, &ledger, terms.clone(), eai(3)).await, Ok(eai(500)));

    let mut stranger = world.endpoint.clone();
    stranger.settings.timeout = std::time::Duration::from_secs(20);
    let stranger = eai_chain::EscrowLedger::new(stranger, world.provider.clone()).unwrap();
    assert_eq!(top_up(&world, &stranger, terms.clone(), eai(501)).await, Err(Refusal::NotHubKey));

    world.mined(world.account(&world.provider).start_closing(&terms)).await.unwrap();
    assert_eq!(top_up(&world, &ledger, terms, eai(501)).await, Err(Refusal::AlreadyClosing));
}

#[tokio::test]
async fn a_voucher_says_why_it_isnt_paid() {
    let world = World::new().await;
    let ledger = world.ledger();
    let requests = [world.request(1).await, world.request(2).await, world.request(3).await];
    world.open(&requests[0]).await;
    world.open(&requests[1]).await;
    world.anvil.pass(100).await;
    let mut forged = world.voucher(&requests[1], SECOND, false);
    forged.voucher.amount = eai(9);
    let vouchers = [
        world.voucher(&requests[0], SECOND, false),
        forged,
        world.voucher(&requests[2], SECOND, true),
        world.voucher(&requests[1], Amount::ZERO, false),
    ];
    let outcomes = world.mined(ledger.settle(&vouchers)).await.unwrap();
    let reasons: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            SettleOutcome::Settled(_) => None,
            SettleOutcome::Skipped(skipped) => Some(skipped.reason),
        })
        .collect();
    let wanted = [None, Some(Refusal::BadSignature), Some(Refusal::UnknownLease), Some(Refusal::NothingToSettle)];
    assert_eq!(reasons, wanted);

    world.mined(world.account(&world.payer).start_closing(&requests[1].terms(world.hub.address()))).await.unwrap();
    world.anvil.pass(CLOSING_WINDOW + 1).await;
    let outcomes = world.mined(ledger.settle(&[world.voucher(&requests[1], SECOND, true)])).await.unwrap();
    assert!(matches!(&outcomes[0], SettleOutcome::Skipped(s) if s.reason == Refusal::ClosingWindowOver));
}
