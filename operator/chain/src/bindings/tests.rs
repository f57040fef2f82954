//! The bindings against the contracts as built: `contracts/abi`.
#![allow(clippy::unwrap_used, clippy::pedantic)]

use std::collections::BTreeSet;

use alloy::{primitives::keccak256, sol_types::SolInterface as _};
use serde_json::Value;

use super::{
    IEscrow::{IEscrowCalls, IEscrowErrors, IEscrowEvents},
    IHubRegistry::{IHubRegistryCalls, IHubRegistryErrors, IHubRegistryEvents},
};
use crate::refusal::Refusal;

/// What the built contract has besides its interface: OpenZeppelin's own.
const BESIDES: [&str; 5] = [
    "eip712Domain()",
    "EIP712DomainChanged()",
    "InvalidShortString()",
    "SafeERC20FailedOperation(address)",
    "StringTooLong(string)",
];

fn entries(kind: &str) -> Vec<String> {
    entries_of("Escrow", kind)
}

fn entries_of(contract: &str, kind: &str) -> Vec<String> {
    let path = format!("{}/../../contracts/abi/{contract}.json", env!("CARGO_MANIFEST_DIR"));
    let artifact: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let abi = artifact["abi"].as_array().unwrap();
    let signatures = abi.iter().filter(|entry| entry["type"] == kind).map(|entry| {
        let name = entry["name"].as_str().unwrap();
        format!("{name}{}", tuple(&entry["inputs"]))
    });
    signatures.filter(|signature| !BESIDES.contains(&signature.as_str())).collect()
}

fn tuple(inputs: &Value) -> String {
    let types: Vec<_> = inputs.as_array().unwrap().iter().map(canonical).collect();
    format!("({})", types.join(","))
}

fn canonical(input: &Value) -> String {
    let name = input["type"].as_str().unwrap();
    match name.strip_prefix("tuple") {
        Some(array) => format!("{}{array}", tuple(&input["components"])),
        None => name.to_owned(),
    }
}

fn selectors(kind: &str) -> BTreeSet<[u8; 4]> {
    entries(kind).iter().map(|signature| *keccak256(signature).first_chunk().unwrap()).collect()
}

#[test]
fn every_function_is_bound_as_it_was_built() {
    let bound: BTreeSet<_> = IEscrowCalls::selectors().collect();
    assert!(bound.len() > 20);
    assert_eq!(selectors("function"), bound);
}

#[test]
fn every_error_is_bound_as_it_was_built_and_has_words() {
    let bound: BTreeSet<_> = IEscrowErrors::selectors().collect();
    assert_eq!(selectors("error"), bound);
    let refusals: BTreeSet<_> = bound.iter().map(|selector| Refusal::from_selector(*selector).reason()).collect();
    assert_eq!(refusals, Refusal::ALL.iter().map(Refusal::reason).collect());
    assert_eq!(refusals.len(), bound.len());
    assert!(Refusal::ALL.iter().all(|refusal| refusal.to_string().len() > 12));
    let unknown = Refusal::from_selector([1, 2, 3, 4]);
    assert!(unknown.to_string().contains("0x01020304"));
}

#[test]
fn every_event_is_bound_as_it_was_built() {
    let built: BTreeSet<_> = entries("event").iter().map(|signature| keccak256(signature).0).collect();
    let bound: BTreeSet<_> = IEscrowEvents::SELECTORS.iter().copied().collect();
    assert_eq!(built, bound);
}

#[test]
fn the_hub_registry_is_bound_as_it_was_built() {
    let built = |kind| entries_of("HubRegistry", kind).iter().map(|s| keccak256(s).0).collect::<BTreeSet<_>>();
    let short = |kind| built(kind).iter().map(|hash| *hash.first_chunk().unwrap()).collect::<BTreeSet<[u8; 4]>>();
    assert_eq!(short("function"), IHubRegistryCalls::selectors().collect());
    assert_eq!(short("error"), IHubRegistryErrors::selectors().collect());
    assert_eq!(built("event"), IHubRegistryEvents::SELECTORS.iter().copied().collect());
    assert_eq!(built("event").len(), 1);
}
