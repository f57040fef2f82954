//! Paths, and what requests do to objects.

use serde_json::{Value, json};

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Group, version and plural, such as `apis/eai.network/v1alpha1/aijobs`.
    pub kind: String,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub sub: Option<String>,
}

impl Target {
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        let mut prefix = vec![parts.next()?];
        prefix.extend(parts.by_ref().take(if prefix[0] == "api" { 1 } else { 2 }));
        let mut rest: Vec<&str> = parts.collect();
        let mut namespace = None;
        if rest.len() >= 3 && rest[0] == "namespaces" {
            namespace = Some(rest[1].to_owned());
            rest.drain(..2);
        }
        let mut rest = rest.into_iter();
        let kind = format!("{}/{}", prefix.join("/"), rest.next()?);
        let (name, sub) = (rest.next().map(str::to_owned), rest.next().map(str::to_owned));
        Some(Self { kind, namespace, name, sub })
    }

    /// As requests are counted: `aijobs/status`.
    pub fn resource(&self) -> String {
        let plural = self.kind.rsplit('/').next().unwrap_or_default();
        self.sub.as_ref().map_or_else(|| plural.to_owned(), |sub| format!("{plural}/{sub}"))
    }
}

/// RFC 7386.
pub fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else { return into.clone_from(patch) };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(into.as_object_mut().unwrap().entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// `before` as a write of `next` leaves it: the main resource can't write the status, nor the status anything else, and
/// what the server gave can't be changed.
pub fn written(before: &Value, next: &Value, sub: Option<&str>) -> Value {
    let mut object = if sub == Some("status") { before.clone() } else { next.clone() };
    if sub == Some("status") {
        object["status"] = next["status"].clone();
    } else if !before["status"].is_null() {
        object["status"] = before["status"].clone();
    }
    for field in ["uid", "creationTimestamp", "generation", "deletionTimestamp", "namespace", "name"] {
        if !before["metadata"][field].is_null() {
            object["metadata"][field] = before["metadata"][field].clone();
        }
    }
    if object["spec"] != before["spec"] {
        object["metadata"]["generation"] = json!(before["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
    }
    object
}

/// An error as the API server puts it.
pub fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": reason, "metadata": {} });
    (code, status)
}
