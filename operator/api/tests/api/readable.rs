//! Whatever the API server stores can be read. One object that can't stops the watch of everybody who reads its kind: a
//! vendor could stop the hub with an AIJob, a member with an Assignment's status.

use eai_core::{image::ImageRef, quantity};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;

use crate::{
    generator::values,
    round_trips::round_trip,
    samples::{sample, set},
    server::Server,
};

/// Visits each field of a schema, with its JSON pointer.
fn each_field(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        visit(&path, property);
        if property["properties"].is_object() {
            each_field(property, &path, visit);
        }
    }
}

/// Puts generated values that the field's own schema accepts into a good object and reads it. Says how many were accepted.
fn try_field(kind: &str, pointer: &str, schema: &Value) -> u32 {
    let (server, good) = (Server::of_schema(schema.clone()), sample(kind));
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let accepted = std::cell::Cell::new(0);
    let outcome = TestRunner::new(config).run(&values(schema), |value| {
        let Ok(stored) = server.admit(&value, None) else { return Ok(()) };
        accepted.set(accepted.get() + 1);
        let mut object = good.clone();
        set(&mut object, pointer, stored);
        read(kind, &object)
    });
    outcome.unwrap_or_else(|error| panic!("{kind}{pointer}: {error}"));
    accepted.get()
}

fn read(kind: &str, stored: &Value) -> Result<(), TestCaseError> {
    let read = round_trip(kind, stored);
    prop_assert!(read.is_ok(), "stored but not readable: {:?}\n{stored:#}", read.err());
    let (Ok(read), "AIJob") = (read, kind) else { return Ok(()) };
    let spec = &read["spec"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    prop_assert!(text(&spec["image"]).parse::<ImageRef>().is_ok(), "image: {}", spec["image"]);
    let cpu = quantity::parse_milli(&text(&spec["resources"]["cpu"]));
    prop_assert!(cpu.is_ok_and(|cpu| cpu > 0), "cpu: {}", spec["resources"]["cpu"]);
    let memory = quantity::parse_units(&text(&spec["resources"]["memory"]));
    prop_assert!(memory.is_ok_and(|memory| memory > 0), "memory: {}", spec["resources"]["memory"]);
    Ok(())
}

#[test]
fn whatever_is_accepted_can_be_read() {
    for kind in ["AIJob", "AgentRelease", "Assignment", "ComputeNode", "MemberReport"] {
        let schema = Server::of(kind).schema().clone();
        let mut never = Vec::new();
        each_field(&schema, "", &mut |pointer, schema| {
            let ours = pointer.starts_with("/spec") || pointer.starts_with("/status");
            // So much must be right at once in a whole spec that chance doesn't find it every time.
            let whole = ["/spec", "/status"].contains(&pointer);
            if ours && try_field(kind, pointer, schema) == 0 && !whole {
                never.push(pointer.to_owned());
            }
        });
        assert!(never.is_empty(), "{kind}: nothing that was tried was accepted in {never:?}");
    }
}
