//! An API server in memory, as far as this controller talks to one: objects by path, UIDs, versions, preconditions.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// The server. Clones share what it holds.
#[derive(Clone, Default)]
pub struct FakeApi(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    log: Vec<String>,
    count: u64,
    fail: Option<(String, u16)>,
}

impl FakeApi {
    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let (code, answer) = api.answer(&parts.method, parts.uri.path(), &body);
                let answer = Response::builder().status(code).body(Body::from(serde_json::to_vec(&answer).unwrap()));
                Ok::<_, Infallible>(answer.unwrap())
            }
        });
        Client::new(service, "default")
    }

    /// What is at `path`.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    /// Puts an object at `path`; gives it a version, and a UID if it has none.
    pub fn put(&self, path: &str, object: impl serde::Serialize) {
        let mut state = self.0.lock().unwrap();
        let object = state.stamp(serde_json::to_value(object).unwrap());
        state.objects.insert(path.to_owned(), object);
    }

    pub fn remove(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }

    /// Fails every write whose path ends with `path`.
    pub fn fail(&self, path: &str, code: u16) {
        self.0.lock().unwrap().fail = Some((path.to_owned(), code));
    }

    pub fn heal(&self) {
        self.0.lock().unwrap().fail = None;
    }

    /// The requests since this was last asked, as `METHOD path`.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().log)
    }

    fn answer(&self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        let mut state = self.0.lock().unwrap();
        state.log.push(format!("{method} {path}"));
        if let Some((suffix, code)) = state.fail.clone()
            && *method != Method::GET
            && path.ends_with(&suffix)
        {
            return failure(code, "InternalError");
        }
        match *method {
            Method::GET => state.objects.get(path).map_or_else(|| failure(404, "NotFound"), |o| (200, o.clone())),
            Method::POST if path.ends_with("/token") => token(body),
            Method::POST => state.create(path, body),
            Method::PATCH => state.patch(path, body),
            Method::PUT => state.replace(path, body),
            Method::DELETE => state.delete(path, body),
            _ => failure(405, "MethodNotAllowed"),
        }
    }
}

impl State {
    fn stamp(&mut self, mut object: Value) -> Value {
        self.count += 1;
        object["metadata"]["resourceVersion"] = json!(self.count.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("made-{}", self.count));
        }
        object
    }

    fn create(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap_or("event"));
        if self.objects.contains_key(&path) {
            return failure(409, "AlreadyExists");
        }
        let object = self.stamp(body.clone());
        self.objects.insert(path, object.clone());
        (201, object)
    }

    fn patch(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let before = self.objects.get(path).cloned();
        for field in ["uid", "resourceVersion"] {
            let asked = &body["metadata"][field];
            if !asked.is_null() && before.as_ref().is_none_or(|before| before["metadata"][field] != *asked) {
                return failure(409, "Conflict");
            }
        }
        let mut object = before.unwrap_or_else(|| json!({}));
        merge(&mut object, body);
        let object = self.stamp(object);
        self.objects.insert(path.to_owned(), object.clone());
        (200, object)
    }

    fn replace(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let path = path.trim_end_matches("/status");
        let Some(before) = self.objects.get(path).cloned() else { return failure(404, "NotFound") };
        if before["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] {
            return failure(409, "Conflict");
        }
        let mut object = before;
        object["status"] = body["status"].clone();
        let object = self.stamp(object);
        self.objects.insert(path.to_owned(), object.clone());
        (200, object)
    }

    fn delete(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let Some(before) = self.objects.get(path).cloned() else { return failure(404, "NotFound") };
        let asked = &body["preconditions"]["uid"];
        if !asked.is_null() && before["metadata"]["uid"] != *asked {
            return failure(409, "Conflict");
        }
        if path.starts_with("/api/v1/namespaces/") && path.split('/').count() == 5 {
            // A namespace goes away by and by.
            self.objects.get_mut(path).unwrap()["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        } else {
            self.objects.remove(path);
        }
        (200, before)
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
        "message": format!("{reason} by the test") });
    (code, status)
}

/// A token that names what it is bound to.
fn token(body: &Value) -> (u16, Value) {
    let bound = body["spec"]["boundObjectRef"]["uid"].as_str().unwrap_or_default();
    let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or_default();
    let expires = k8s_openapi::jiff::Timestamp::now() + k8s_openapi::jiff::SignedDuration::from_secs(seconds);
    let status = json!({ "token": format!("token-bound-to-{bound}"), "expirationTimestamp": expires.to_string() });
    (
        201,
        json!({ "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": body["spec"], "status": status }),
    )
}
