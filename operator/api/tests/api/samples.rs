//! A good object of each kind, with every field that can be given.

use serde_json::{Value, json};

/// The objects, by kind.
pub fn samples() -> Vec<(String, Value)> {
    let text = include_str!("../table/samples.yaml");
    serde_norway::Deserializer::from_str(text)
        .map(|document| {
            let object = <Value as serde::Deserialize>::deserialize(document).unwrap();
            (object["kind"].as_str().unwrap().to_owned(), object)
        })
        .collect()
}

/// The good object of a kind.
pub fn sample(kind: &str) -> Value {
    let found = samples().into_iter().find(|(name, _)| name == kind);
    found.unwrap_or_else(|| panic!("no sample of {kind}")).1
}

/// `object` with the value at a JSON pointer set; `null` is a value.
pub fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
    match parent {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        Value::Object(fields) => {
            fields.insert(key.to_owned(), value);
        }
        other => panic!("{other} can't hold {key}"),
    }
}

/// `object` without the field at a JSON pointer.
pub fn remove(object: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let removed = object.pointer_mut(parent).and_then(|p| p.as_object_mut()?.remove(key));
    assert!(removed.is_some(), "{pointer} isn't there to be removed");
}

#[test]
fn every_sample_is_accepted_as_it_is() {
    let mut kinds = Vec::new();
    for (kind, object) in samples() {
        let server = crate::server::Server::of(&kind);
        let stored = server.admit(&object, None).unwrap_or_else(|faults| panic!("{kind}: {faults:#?}"));
        assert_eq!(stored, object, "{kind}: the sample gives every field, so nothing is defaulted or pruned");
        kinds.push(kind);
    }
    kinds.sort();
    assert_eq!(json!(kinds), json!(["AIJob", "AgentRelease", "Assignment", "ComputeNode", "MemberReport"]));
}
