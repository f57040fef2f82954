//! Definitions as small as they can be, with one change each.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{Exception, changes};

fn definition(schema: &Value) -> Value {
    json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

/// What is found where `a` was `old` and is `new`.
fn property(old: &Value, new: &Value) -> Vec<String> {
    found(&json!({"properties": {"a": old}}), &json!({"properties": {"a": new}}))
}

fn found(old: &Value, new: &Value) -> Vec<String> {
    let changes = changes(&[definition(old)], &[definition(new)], &[]);
    changes.into_iter().map(|change| format!("{}: {}", change.at, change.what)).collect()
}

#[test]
fn a_definition_may_grow() {
    let old = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let new = json!({
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "More is said of it."},
            "b": {"type": "object", "properties": {"c": {"type": "string"}}, "required": ["c"]},
            "d": {"type": "boolean", "default": false},
        },
        "required": ["a", "d"],
    });
    assert_eq!(found(&old, &new), Vec::<String>::new());
    // The other way it shrinks.
    assert_eq!(found(&new, &old), ["b: is gone", "d: is gone"]);
}

#[test]
fn a_value_may_not_change_or_get_stricter() {
    let cases = [
        (json!({"type": "string"}), json!({"type": "integer"}), r#"a: type changed from "string" to "integer""#),
        (json!({"default": 1}), json!({"default": 2}), "a: default changed from 1 to 2"),
        (json!({"default": 1}), json!({}), "a: default changed from 1 to none"),
        (json!({"maximum": 3.0}), json!({"maximum": 2.0}), "a: maximum went from 3.0 to 2.0"),
        (json!({}), json!({"maxLength": 9}), "a: maxLength went from none to 9"),
        (json!({"minItems": 1}), json!({"minItems": 2}), "a: minItems went from 1 to 2"),
        (json!({}), json!({"pattern": "^x$"}), r#"a: pattern is "^x$""#),
        (json!({"pattern": "^y$"}), json!({"pattern": "^x$"}), r#"a: pattern is "^x$""#),
        (json!({"format": "int64"}), json!({"format": "int32"}), r#"a: format is "int32""#),
        (json!({}), json!({"uniqueItems": true}), "a: uniqueItems is true"),
        (json!({"nullable": true}), json!({}), "a: nullable isn't true any more"),
        (json!({}), json!({"enum": ["x"]}), "a: there is an enum"),
        (json!({"enum": ["x", "y"]}), json!({"enum": ["x"]}), r#"a: the choice "y" is gone"#),
        (
            json!({"enum": ["x"]}),
            json!({"enum": ["x", "y"]}),
            r#"a: the choice "y" is new: an earlier program can't read it"#,
        ),
        (
            json!({"x-kubernetes-list-type": "set"}),
            json!({}),
            r#"a: x-kubernetes-list-type changed from "set" to none"#,
        ),
        (json!({"items": {"maxLength": 2}}), json!({"items": {"maxLength": 1}}), "a[]: maxLength went from 2 to 1"),
        (
            json!({"additionalProperties": {"type": "string"}}),
            json!({"additionalProperties": {"type": "integer"}}),
            r#"a{}: type changed from "string" to "integer""#,
        ),
        (json!({"additionalProperties": true}), json!({}), "a{}: additionalProperties changed"),
        (json!({"properties": {"b": {}}}), json!({"properties": {"b": {}}, "required": ["b"]}), "a: b is required"),
        (json!({}), json!({"x-kubernetes-validations": [{"rule": "self != ''"}]}), "a: there is a rule: self != ''"),
    ];
    for (old, new, expected) in cases {
        assert_eq!(property(&old, &new), [expected], "{old} to {new}");
    }
}

#[test]
fn a_value_may_get_looser() {
    let cases = [
        (json!({"maximum": 2.0}), json!({"maximum": 3.0})),
        (json!({"maxLength": 9}), json!({})),
        (json!({"minItems": 2}), json!({"minItems": 1})),
        (json!({"pattern": "^x$"}), json!({})),
        (json!({"uniqueItems": true}), json!({})),
        (json!({}), json!({"nullable": true})),
        (json!({"enum": ["x"]}), json!({})),
        (json!({"x-kubernetes-validations": [{"rule": "self != ''"}]}), json!({})),
        (json!({"properties": {"b": {}}, "required": ["b"]}), json!({"properties": {"b": {}}})),
    ];
    for (old, new) in cases {
        assert_eq!(property(&old, &new), Vec::<String>::new(), "{old} to {new}");
    }
}

/// What is found when `rule` comes, with a new property `n`, and one with a default, `d`, beside the old `o`.
fn rule(rule: &str) -> usize {
    let old = json!({"properties": {"o": {"type": "integer"}}});
    let new = json!({
        "properties": {"o": {"type": "integer"}, "n": {"type": "integer"}, "d": {"type": "integer", "default": 1}},
        "x-kubernetes-validations": [{"rule": rule}],
    });
    found(&old, &new).len()
}

#[test]
fn a_rule_may_come_that_holds_without_the_property_it_is_about() {
    for harmless in [
        "!has(self.n) || self.n <= self.o",
        "!has(self.n) || !has(self.n.m) || self.o > 0",
        "has(self.n) == has(oldSelf.n) && (!has(self.n) || self.n == oldSelf.n)",
    ] {
        assert_eq!(rule(harmless), 0, "{harmless}");
    }
    for strict in [
        "self.o > 0",
        "has(self.n)",
        "!has(self.o) || self.o > 0",
        "!has(self.d) || self.o > 0",
        "!has(self.n) && self.o > 0",
        "!has(self.n) || self.n > 0 ? self.o > 0 : false",
        "has(self.n) == has(oldSelf.n) && self.o > 0",
        "has(self.n) == has(oldSelf.n) && (!has(self.n) || true) && (self.o > 0)",
        "has(self.n) == has(oldSelf.o) && (!has(self.n) || true)",
    ] {
        assert_eq!(rule(strict), 1, "{strict}");
    }
}

#[test]
fn a_definition_keeps_its_names_versions_and_subresources() {
    let old = definition(&json!({}));
    let changed = |pointer: &str, value: Value| {
        let mut new = old.clone();
        if let Some(field) = new.pointer_mut(pointer) {
            *field = value;
        }
        let found = changes(std::slice::from_ref(&old), &[new], &[]);
        found.into_iter().map(|change| change.what).collect::<Vec<_>>()
    };
    assert_eq!(changed("/spec/scope", json!("Cluster")), ["spec.scope changed"]);
    assert_eq!(changed("/spec/names/kind", json!("Other")), ["spec.names.kind changed"]);
    assert_eq!(changed("/spec/versions/0/served", json!(false)), ["version v1 isn't served any more"]);
    assert_eq!(changed("/spec/versions/0/storage", json!(false)), ["another version is stored; it needs a conversion"]);
    assert_eq!(changed("/spec/versions/0/subresources", json!({})), ["the subresource status is gone"]);
    assert_eq!(changed("/metadata/name", json!("others.example.com")), ["the definition is gone"]);
}

#[test]
fn an_exception_allows_exactly_what_it_names_and_gives_its_reason() {
    let (old, new) = (json!({"properties": {"a": {}}}), json!({}));
    let left = |at: &str, reason: &str| {
        let exception = json!({"definition": "things.example.com", "at": at, "what": "is gone", "reason": reason});
        let exception: Exception = serde_json::from_value(exception).unwrap();
        changes(&[definition(&old)], &[definition(&new)], &[exception]).len()
    };
    assert_eq!(left("a", "nobody ever wrote it"), 0);
    assert_eq!(left("b", "nobody ever wrote it"), 1);
    assert_eq!(left("a", " "), 1);
    let without = json!({"definition": "things.example.com", "at": "a", "what": "is gone"});
    assert!(serde_json::from_value::<Exception>(without).is_err());
}
