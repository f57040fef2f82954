//! Every field survives being read and written.

use eai_api::{AIJob, AgentRelease, Assignment, ComputeNode, MemberReport};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::samples::{samples, set};

/// Reads an object as its type and writes it again.
pub fn round_trip(kind: &str, object: &Value) -> Result<Value, serde_json::Error> {
    fn through<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, serde_json::Error> {
        // Through text, as a watch reads it.
        let read: T = serde_json::from_str(&object.to_string())?;
        serde_json::to_value(&read)
    }
    match kind {
        "AIJob" => through::<AIJob>(object),
        "AgentRelease" => through::<AgentRelease>(object),
        "Assignment" => through::<Assignment>(object),
        "ComputeNode" => through::<ComputeNode>(object),
        "MemberReport" => through::<MemberReport>(object),
        other => panic!("no kind {other}"),
    }
}

#[test]
fn every_field_survives_being_read_and_written() {
    for (kind, mut object) in samples() {
        // Addresses are written in lower case, whatever case they are read in.
        for pointer in ["/spec/owner", "/spec/payment/account"] {
            if let Some(address) = object.pointer(pointer).and_then(Value::as_str).map(str::to_lowercase) {
                set(&mut object, pointer, address.into());
            }
        }
        if kind == "AIJob" {
            set(&mut object, "/spec/deadline", "2030-03-01T10:00:00Z".into());
        }
        assert_eq!(round_trip(&kind, &object).unwrap(), object, "{kind}");
    }
}

/// What is left out is read as what the API server fills in, so that no code has two defaults.
#[test]
fn what_is_left_out_is_read_as_the_schema_has_it() {
    for (kind, object) in samples() {
        let server = crate::server::Server::of(&kind);
        let mut least = least(server.schema(), &object);
        if kind == "ComputeNode" {
            // A pull member must have one.
            set(&mut least, "/spec/sealingKey", object["spec"]["sealingKey"].clone());
        }
        let stored = server.admit(&least, None).unwrap_or_else(|faults| panic!("{kind}: {faults:#?}"));
        let (bare, full) = (round_trip(&kind, &least).unwrap(), round_trip(&kind, &stored).unwrap());
        assert_eq!(bare, full, "{kind}");
    }
}

/// The object with its required fields alone.
fn least(schema: &Value, object: &Value) -> Value {
    let Some(fields) = object.as_object() else { return object.clone() };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let keep = |name: &String| {
        required.contains(&Value::from(name.as_str())) || ["apiVersion", "kind", "metadata"].contains(&name.as_str())
    };
    fields
        .iter()
        .filter(|(name, _)| keep(name))
        .map(|(name, value)| match name.as_str() {
            "metadata" => (name.clone(), value.clone()),
            _ => (name.clone(), least(&schema["properties"][name], value)),
        })
        .collect()
}
