//! The vectors that the contracts' own tests check too: `contracts/test/vectors/eip712.json`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::str::FromStr;

use eai_core::{class::Class, epoch::Epoch, metering::MilliUnits};
use proptest::prelude::*;
use serde_json::Value;

use alloy::sol_types::SolStruct;

use super::*;
use crate::bindings::{Delivery, Readiness};
use crate::ids::{HubId, LeaseId, NamespaceId};

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/test/vectors/eip712.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn parse<T: FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    text(value).parse().unwrap()
}

fn address(value: &Value) -> Address {
    parse(value)
}

fn domain(vectors: &Value) -> Domain {
    let domain = &vectors["domain"];
    Domain { chain_id: domain["chainId"].as_u64().unwrap(), escrow: address(&domain["verifyingContract"]) }
}

fn sol_offer(m: &Value) -> IEscrow::Offer {
    IEscrow::Offer {
        provider: convert::to_address(address(&m["provider"])),
        member: text(&m["member"]).to_owned(),
        class: text(&m["class"]).to_owned(),
        rate: parse(&m["rate"]),
        startWithin: parse(&m["startWithin"]),
        validUntil: parse(&m["validUntil"]),
        nonce: parse(&m["nonce"]),
    }
}

fn sol_voucher(m: &Value) -> IEscrow::Voucher {
    IEscrow::Voucher {
        leaseId: parse(&m["leaseId"]),
        payer: convert::to_address(address(&m["payer"])),
        provider: convert::to_address(address(&m["provider"])),
        generation: parse(&m["generation"]),
        attempt: parse(&m["attempt"]),
        cumulativeAmount: parse(&m["cumulativeAmount"]),
        cumulativeUsageMs: parse(&m["cumulativeUsageMs"]),
        usageRoot: parse(&m["usageRoot"]),
        isFinal: m["isFinal"].as_bool().unwrap(),
    }
}

fn sol_grant(m: &Value) -> IEscrow::Grant {
    IEscrow::Grant {
        payer: convert::to_address(address(&m["payer"])),
        hubKey: convert::to_address(address(&m["hubKey"])),
        namespaceId: parse(&m["namespaceId"]),
        cap: parse(&m["cap"]),
        maxRate: parse(&m["maxRate"]),
        expiry: parse(&m["expiry"]),
        nonce: parse(&m["nonce"]),
        deadline: parse(&m["deadline"]),
    }
}

fn offer(m: &Value) -> Option<Offer> {
    Some(Offer {
        provider: address(&m["provider"]),
        member: text(&m["member"]).to_owned(),
        class: Class(text(&m["class"]).to_owned()),
        rate: Amount::from_wei(text(&m["rate"]).parse().ok()?),
        start_within: parse(&m["startWithin"]),
        valid_until: parse(&m["validUntil"]),
        nonce: parse(&m["nonce"]),
    })
}

fn terms(t: &Value) -> Option<LeaseTerms> {
    Some(LeaseTerms {
        payer: address(&t["payer"]),
        provider: address(&t["provider"]),
        hub_key: address(&t["hubKey"]),
        namespace: parse(&t["namespaceId"]),
        job: parse(&t["jobId"]),
        epoch: Epoch { generation: parse(&t["generation"]), attempt: parse(&t["attempt"]) },
        rate: Amount::from_wei(text(&t["rate"]).parse().ok()?),
        units: MilliUnits(parse(&t["milliUnits"])),
    })
}

/// Hash, digest, and both forms of the signature.
fn check(vectors: &Value, case: &Value, struct_hash: B256, digest: B256) {
    assert_eq!(struct_hash, parse::<B256>(&case["structHash"]), "{case}");
    assert_eq!(digest, parse::<B256>(&case["digest"]), "{case}");
    let key = Key::parse(text(&vectors["key"])).unwrap();
    assert_eq!(key.address(), address(&vectors["signer"]));
    let signature = key.sign(digest).unwrap();
    assert_eq!(signature.to_string(), text(&case["signature"]));
    assert_eq!(signature.compact().unwrap(), (parse(&case["r"]), parse(&case["vs"])));
    signature.verify(&digest.0, key.address()).unwrap();
}

#[test]
fn the_domain_and_the_types_are_the_contracts() {
    let vectors = vectors();
    let separator = domain(&vectors).to_sol().separator();
    assert_eq!(separator, parse::<B256>(&vectors["domainSeparator"]));
    let hashes = &vectors["typeHashes"];
    assert_eq!(sol_offer(&vectors["offers"][0]["message"]).eip712_type_hash(), parse::<B256>(&hashes["Offer"]));
    assert_eq!(sol_voucher(&vectors["vouchers"][0]["message"]).eip712_type_hash(), parse::<B256>(&hashes["Voucher"]));
}

#[test]
fn offers_are_signed_as_the_contract_checks_them() {
    let vectors = vectors();
    let domain = domain(&vectors);
    let mut ours = 0;
    for case in vectors["offers"].as_array().unwrap() {
        let sol = sol_offer(&case["message"]);
        check(&vectors, case, sol.eip712_hash_struct(), sol.eip712_signing_hash(&domain.to_sol()));
        let Some(offer) = offer(&case["message"]) else { continue };
        assert_eq!(offer_to_sol(&offer).eip712_hash_struct(), sol.eip712_hash_struct());
        let key = Key::parse(text(&vectors["key"])).unwrap();
        let signed = sign_offer(offer, domain, &key).unwrap();
        assert_eq!(signed.signature, text(&case["signature"]));
        assert_eq!(verify_offer(&signed, domain).is_ok(), signed.offer.provider == key.address());
        ours += 1;
    }
    assert!(ours >= 5);
}

#[test]
fn vouchers_are_signed_as_the_contract_checks_them() {
    let vectors = vectors();
    let domain = domain(&vectors);
    let leases: Vec<_> =
        vectors["leases"].as_array().unwrap().iter().filter_map(|case| terms(&case["terms"])).collect();
    let mut ours = 0;
    for case in vectors["vouchers"].as_array().unwrap() {
        let sol = sol_voucher(&case["message"]);
        check(&vectors, case, sol.eip712_hash_struct(), sol.eip712_signing_hash(&domain.to_sol()));
        let lease = leases.iter().find(|terms| terms.id() == LeaseId::from(sol.leaseId));
        let (Some(terms), Ok(amount), Ok(usage)) =
            (lease, u128::try_from(sol.cumulativeAmount), u64::try_from(sol.cumulativeUsageMs))
        else {
            continue;
        };
        let usage_root = sol.usageRoot.into();
        let (amount, usage) = (Amount::from_wei(amount), UsageMs(usage));
        let voucher = Voucher { terms: terms.clone(), amount, usage, usage_root, is_final: sol.isFinal };
        let signed = sign_voucher(voucher, domain, &Key::parse(text(&vectors["key"])).unwrap()).unwrap();
        assert_eq!(signed.signature.to_string(), text(&case["signature"]));
        signed.verify(domain).unwrap();
        ours += 1;
    }
    assert!(ours >= 3);
}

#[test]
fn grants_are_signed_as_the_contract_checks_them() {
    let vectors = vectors();
    let domain = domain(&vectors).to_sol();
    let cases = vectors["grants"].as_array().unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let sol = sol_grant(&case["message"]);
        assert_eq!(sol.eip712_type_hash(), parse::<B256>(&vectors["typeHashes"]["Grant"]));
        check(&vectors, case, sol.eip712_hash_struct(), sol.eip712_signing_hash(&domain));
    }
}

/// The cases of a contract with a domain of its own.
fn check_all<T: SolStruct>(contract: &str, list: &str, name: &str, read: impl Fn(&Value) -> T) {
    let vectors = vectors();
    let own = &vectors[contract];
    let domain = Eip712Domain {
        name: Some(text(&own["domain"]["name"]).to_owned().into()),
        version: Some(text(&own["domain"]["version"]).to_owned().into()),
        chain_id: own["domain"]["chainId"].as_u64().map(U256::from),
        verifying_contract: Some(convert::to_address(address(&own["domain"]["verifyingContract"]))),
        salt: None,
    };
    assert_eq!(domain.separator(), parse::<B256>(&own["domainSeparator"]));
    let cases = own[list].as_array().unwrap();
    assert!(cases.len() >= 3);
    for case in cases {
        let sol = read(&case["message"]);
        assert_eq!(sol.eip712_type_hash(), parse::<B256>(&own["typeHashes"][name]));
        check(&vectors, case, sol.eip712_hash_struct(), sol.eip712_signing_hash(&domain));
    }
}

#[test]
fn readiness_and_deliveries_are_signed_as_the_contracts_check_them() {
    check_all("raceBonds", "readiness", "Readiness", |m| Readiness {
        provider: convert::to_address(address(&m["provider"])),
        hubKey: convert::to_address(address(&m["hubKey"])),
        namespaceId: parse(&m["namespaceId"]),
        jobId: parse(&m["jobId"]),
        generation: parse(&m["generation"]),
        attempt: parse(&m["attempt"]),
        bond: parse(&m["bond"]),
        startWithin: parse(&m["startWithin"]),
        validUntil: parse(&m["validUntil"]),
        nonce: parse(&m["nonce"]),
    });
    check_all("catalog", "deliveries", "Delivery", |m| Delivery {
        listing: parse(&m["listing"]),
        version: parse(&m["version"]),
        buyer: convert::to_address(address(&m["buyer"])),
        root: parse(&m["root"]),
    });
}

#[test]
fn leases_and_namespaces_are_named_as_the_contract_names_them() {
    let vectors = vectors();
    let mut ours = 0;
    for case in vectors["leases"].as_array().unwrap() {
        let Some(terms) = terms(&case["terms"]) else { continue };
        assert_eq!(terms.id(), parse(&case["leaseId"]));
        ours += 1;
    }
    assert!(ours >= 3);
    for case in vectors["namespaces"].as_array().unwrap() {
        let hub: HubId = parse(&case["hubId"]);
        assert_eq!(NamespaceId::of(hub, text(&case["namespaceUid"])), parse(&case["namespaceId"]));
    }
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let text = "[a-z0-9./-]{0,40}";
    (any::<[u8; 20]>(), text, text, any::<u128>(), any::<u32>(), any::<u64>(), any::<u64>()).prop_map(
        |(provider, member, class, rate, start_within, valid_until, nonce)| Offer {
            provider: Address(provider),
            member,
            class: Class(class),
            rate: Amount::from_wei(rate),
            start_within,
            valid_until,
            nonce,
        },
    )
}

proptest! {
    /// Whatever is changed in a signed offer, it is no longer its provider's.
    #[test]
    fn a_changed_offer_is_no_longer_signed(offer in any_offer(), other in any_offer(), field in 0..7, bit in 0_u64..64) {
        let domain = Domain { chain_id: 31_337, escrow: Address([1; 20]) };
        let key = Key::parse(&"22".repeat(32)).unwrap();
        let signed = sign_offer(Offer { provider: key.address(), ..offer }, domain, &key).unwrap();
        verify_offer(&signed, domain).unwrap();
        let mut changed = signed.clone();
        match field {
            0 => changed.offer.provider = other.provider,
            1 => changed.offer.member.push('x'),
            2 => changed.offer.class.0.push('x'),
            3 => changed.offer.rate = Amount::from_wei(signed.offer.rate.wei() ^ (1 << bit)),
            4 => changed.offer.start_within ^= 1 << (bit % 32),
            5 => changed.offer.valid_until ^= 1 << bit,
            _ => changed.offer.nonce ^= 1 << bit,
        }
        prop_assert!(verify_offer(&changed, domain).is_err());
        let (elsewhere, other) = (Domain { chain_id: 1, ..domain }, Domain { escrow: Address([2; 20]), ..domain });
        prop_assert!(verify_offer(&signed, elsewhere).is_err());
        prop_assert!(verify_offer(&signed, other).is_err());
    }
}
