use eai_core::{
    address::Address,
    class::Class,
    offer::{Offer, SignedOffer},
};

fn signed() -> SignedOffer {
    SignedOffer {
        offer: Offer {
            provider: Address([0x11; 20]),
            member: "home-1".to_owned(),
            class: Class("nvidia.com/gpu".to_owned()),
            rate: "0.8".parse().unwrap(),
            start_within: 60,
            valid_until: 1_800_000_000,
            nonce: 3,
        },
        signature: "0xab".to_owned(),
    }
}

#[test]
fn json_is_flat_and_reads_back() {
    let json = serde_json::to_value(signed()).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "provider": "0x1111111111111111111111111111111111111111",
            "member": "home-1",
            "class": "nvidia.com/gpu",
            "rate": "0.8",
            "startWithin": 60,
            "validUntil": 1_800_000_000,
            "nonce": 3,
            "signature": "0xab",
        })
    );
    assert_eq!(serde_json::from_value::<SignedOffer>(json).unwrap(), signed());
}

#[test]
fn every_field_is_needed() {
    let whole = serde_json::to_value(signed()).unwrap();
    for field in whole.as_object().unwrap().keys() {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(field);
        assert!(serde_json::from_value::<SignedOffer>(part).is_err(), "{field}");
    }
}

#[test]
fn only_cpu_is_billed_by_cores() {
    assert!(Class::cpu().is_cpu());
    assert_eq!(Class::cpu().to_string(), "cpu");
    assert!(!Class("nvidia.com/gpu".to_owned()).is_cpu());
}
