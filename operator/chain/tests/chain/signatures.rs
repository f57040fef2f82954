//! Signatures that must not pass.

use alloy::primitives::{U256, hex};
use eai_chain::{
    Domain,
    eip712::{Signature, SignatureError},
    sign_offer, verify_offer,
};
use eai_core::{
    address::Address,
    class::Class,
    money::Amount,
    offer::{Offer, SignedOffer},
};

use crate::support::world::key;

const DOMAIN: Domain = Domain { chain_id: 31_337, escrow: Address([1; 20]) };

fn signed() -> SignedOffer {
    let offer = Offer {
        provider: key(0x22).address(),
        member: "home".to_owned(),
        class: Class::cpu(),
        rate: Amount::from_wei(5),
        start_within: 60,
        valid_until: 1_800_000_000,
        nonce: 0,
    };
    sign_offer(offer, DOMAIN, &key(0x22)).unwrap()
}

#[test]
fn another_keys_signature_names_both_accounts() {
    let mut offer = signed();
    offer.offer.provider = key(0x33).address();
    let forged = sign_offer(offer.offer, DOMAIN, &key(0x22)).unwrap();
    let (expected, found) = (key(0x33).address(), key(0x22).address());
    assert_eq!(verify_offer(&forged, DOMAIN), Err(SignatureError::WrongSigner { expected, found }));
}

#[test]
fn the_mirrored_form_of_a_signature_is_refused_as_on_the_chain() {
    let mut offer = signed();
    let bytes = offer.signature.parse::<Signature>().unwrap().0;
    let order: U256 = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse().unwrap();
    let s = U256::from_be_slice(&bytes[32..64]);
    let v = if bytes[64] == 27 { 28 } else { 27 };
    let mirrored = [&bytes[..32], &(order - s).to_be_bytes::<32>(), &[v]].concat();
    offer.signature = hex::encode_prefixed(mirrored);
    assert_eq!(verify_offer(&offer, DOMAIN), Err(SignatureError::Malformed));
}

#[test]
fn what_isnt_a_signature_is_refused() {
    let good = signed().signature;
    let (short, long, zero) = (&good[..130], format!("{good}00"), format!("0x{}", "00".repeat(65)));
    for text in ["", "0x", short, &long, &good[2..], &zero] {
        let offer = SignedOffer { signature: text.to_owned(), ..signed() };
        assert!(verify_offer(&offer, DOMAIN).is_err(), "{text}");
    }
}
