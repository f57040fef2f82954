//! Errors that say what is wrong and give nothing away.

use eai_chain::{Account, Endpoint, EscrowLedger, Key, Ledger as _, LedgerError, OpenOutcome, Reader, Refusal};
use eai_core::address::Address;
use serde_json::json;

use crate::support::{
    anvil::CHAIN_ID,
    world::{RATE, World, eai, key},
};

#[tokio::test]
async fn a_node_that_isnt_there_is_unreachable_and_its_url_stays_secret() {
    let escrow = Address([1; 20]);
    for url in ["http://127.0.0.1:1/v3/s3cret", "https://127.0.0.1:1/v3/s3cret", "http://s3cret.invalid/"] {
        let reader = Reader::new(Endpoint::new(url, CHAIN_ID, escrow)).unwrap();
        let error = reader.head().await.unwrap_err();
        assert!(matches!(error, LedgerError::Unreachable(_)) && error.is_transient(), "{error}");
        assert!(!format!("{error} {error:?} {:?}", Endpoint::new(url, CHAIN_ID, escrow)).contains("s3cret"));
    }
    for url in ["s3cret", "ftp://s3cret/", "http://[s3cret/"] {
        let error = Reader::new(Endpoint::new(url, CHAIN_ID, escrow)).err().unwrap();
        assert!(matches!(error, LedgerError::BadRequest(_)) && !error.is_transient());
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn another_chain_or_no_contract_is_told_before_anything_is_sent() {
    let world = World::new().await;
    let elsewhere = Endpoint { chain_id: 1, ..world.endpoint.clone() };
    let error = EscrowLedger::new(elsewhere, world.hub.clone()).unwrap().open(&[world.request(1).await]).await;
    assert!(matches!(error, Err(LedgerError::WrongChain { expected: 1, found: CHAIN_ID })));
    let nothing = Endpoint { escrow: Address([9; 20]), ..world.endpoint.clone() };
    let error = Reader::new(nothing).unwrap().balance(world.payer.address()).await;
    assert!(matches!(error, Err(LedgerError::NoContract(address)) if address == Address([9; 20])));
}

#[tokio::test]
async fn a_contract_that_isnt_an_escrow_is_noticed() {
    let world = World::new().await;
    let token = world.ledger().reader().token().await.unwrap();
    let reader = Reader::new(Endpoint { escrow: token, ..world.endpoint.clone() }).unwrap();
    let error = reader.offer_nonce(world.provider.address()).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
}

#[tokio::test]
async fn an_account_without_gas_money_is_told_how_much_it_has() {
    let world = World::new().await;
    world.anvil.rpc("anvil_setBalance", json!([world.hub.address(), "0x5"])).await;
    let ledger = world.ledger();
    assert_eq!(ledger.gas_money().await.unwrap(), 5);
    let error = ledger.open(&[world.request(1).await]).await.unwrap_err();
    match error {
        LedgerError::NoGasMoney { account, balance } => assert_eq!((account, balance), (world.hub.address(), 5)),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_contracts_own_reasons_come_through_as_words() {
    let world = World::new().await;
    let account = world.account(&world.payer);
    let error = account.withdraw(eai(1001), world.payer.address()).await.unwrap_err();
    assert!(matches!(error, LedgerError::Refused(Refusal::InsufficientBalance)), "{error}");
    assert!(error.to_string().contains("kubectl eai deposit"));
    let error = account.authorize(world.hub.address(), world.namespace, eai(1), RATE, 1).await.unwrap_err();
    assert!(matches!(error, LedgerError::Refused(Refusal::BadExpiry)), "{error}");
    let error = account.deposit(eai(9001)).await.unwrap_err().to_string();
    assert!(error.contains("has 9000 EAI, less than the 9001"), "{error}");
    let poor = Account::new(world.endpoint.clone(), key(0x55)).unwrap();
    assert!(matches!(poor.revoke(world.hub.address(), world.namespace).await, Err(LedgerError::NoGasMoney { .. })));
}

#[tokio::test]
async fn another_hubs_voucher_isnt_signed() {
    let world = World::new().await;
    let request = world.request(1).await;
    let mut voucher = world.voucher(&request, eai(1), true).voucher;
    voucher.terms.hub_key = world.provider.address();
    let error = world.ledger().sign_voucher(voucher).unwrap_err().to_string();
    assert!(error.contains(&world.provider.address().to_string()), "{error}");
}

/// A provider that is a contract has no key: it is asked (ERC-1271).
#[tokio::test]
async fn an_offer_of_a_contract_is_accepted_when_the_contract_says_so() {
    let world = World::new().await;
    let ledger = world.ledger();
    let mut request = world.request(1).await;
    assert!(ledger.accepts_offer(&request.offer).await.unwrap());
    let wallet = Address([0xc0; 20]);
    request.offer.offer.provider = wallet;
    assert!(!ledger.accepts_offer(&request.offer).await.unwrap());
    // Answers 0x1626ba7e to everything: yes.
    let yes = "0x631626ba7e60e01b5f5260205ff3";
    world.anvil.rpc("anvil_setCode", json!([wallet, yes])).await;
    assert!(ledger.accepts_offer(&request.offer).await.unwrap());
    let mut unreadable = request.offer.clone();
    unreadable.signature = "0x".to_owned();
    assert!(!ledger.accepts_offer(&unreadable).await.unwrap());
    let outcome = world.mined(ledger.open(&[request.clone()])).await.unwrap().remove(0);
    assert!(matches!(outcome, OpenOutcome::Opened(_)));
    // Answers 0: no.
    world.anvil.rpc("anvil_setCode", json!([wallet, "0x60205ff3"])).await;
    assert!(!ledger.accepts_offer(&request.offer).await.unwrap());
    // Reverts.
    world.anvil.rpc("anvil_setCode", json!([wallet, "0x5f5ffd"])).await;
    assert!(!ledger.accepts_offer(&request.offer).await.unwrap());
}

#[test]
fn a_key_that_isnt_one_is_no_key() {
    assert!(Key::parse("0x00").is_err());
}
