//! The contracts as built: `contracts/abi`.

use std::path::PathBuf;

use serde_json::Value;

pub fn artifact(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../contracts/abi/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn bytecode(name: &str) -> Vec<u8> {
    alloy::primitives::hex::decode(artifact(name)["bytecode"].as_str().unwrap()).unwrap()
}
