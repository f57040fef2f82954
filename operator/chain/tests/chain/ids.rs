//! Names on the chain.

use eai_chain::{HubId, JobId, LeaseId, NamespaceId};

#[test]
fn an_id_is_written_as_it_is_read() {
    let text = format!("0x{}", "ab".repeat(32));
    let id: LeaseId = text.parse().unwrap();
    assert_eq!(id, LeaseId([0xab; 32]));
    assert_eq!((id.to_string(), format!("{id:?}")), (text.clone(), text.clone()));
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("{text:?}"));
    assert_eq!(serde_json::from_str::<LeaseId>(&format!("{text:?}")).unwrap(), id);
    let long = format!("{text}00");
    for wrong in ["", "0x", "0xab", &text[2..], &text[..65], long.as_str(), "0xzz"] {
        assert!(wrong.parse::<LeaseId>().is_err(), "{wrong}");
    }
}

#[test]
fn a_namespace_made_again_is_another_one() {
    let hub = HubId::derived("0d3c5a0e-3f0b-4a53-9b5e-1f2e6a7c8d90");
    let first = NamespaceId::of(hub, "5d3c5a0e-3f0b-4a53-9b5e-1f2e6a7c8d90");
    assert_ne!(first, NamespaceId::of(hub, "5d3c5a0e-3f0b-4a53-9b5e-1f2e6a7c8d91"));
    assert_ne!(first, NamespaceId::of(HubId([0; 32]), "5d3c5a0e-3f0b-4a53-9b5e-1f2e6a7c8d90"));
}

#[test]
fn known_hashes() {
    // keccak256 of the empty text and of "abc".
    let empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    let abc = "0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45";
    assert_eq!(JobId::of("").to_string(), empty);
    assert_eq!(JobId::of("abc").to_string(), abc);
    assert_eq!(HubId::derived("abc").to_string(), abc);
}
