//! An API server in memory: objects by path, conditional patches, and failures on demand. It answers what the real one
//! would to the requests that the agent makes, and writes down each of them.
#![allow(clippy::unwrap_used, clippy::similar_names)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};

type Fault = Box<dyn Fn(&str, &str) -> Option<u16> + Send>;

/// The server's inside.
#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    calls: Vec<String>,
    bodies: Vec<Value>,
    fault: Option<Fault>,
    stalled: bool,
    made: u32,
    /// Logs by path.
    logs: BTreeMap<String, Log>,
    /// How logs were asked for.
    queries: Vec<String>,
    /// What was put, by path.
    sent: BTreeMap<String, Vec<u8>>,
}

/// A container's log as its node has it.
struct Log {
    /// What who follows it gets before the node stops.
    followed: String,
    /// The log file that is there now.
    file: String,
}

impl Log {
    fn answer(&self, query: &str) -> String {
        let value = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        if value("follow") == Some("true") {
            return self.followed.clone();
        }
        let Some(lines) = value("tailLines") else { return self.file.clone() };
        let skip = self.file.lines().count().saturating_sub(lines.parse().unwrap());
        self.file.split_inclusive('\n').skip(skip).collect()
    }
}

/// The server. Cheap to clone.
#[derive(Clone, Default)]
pub struct Api(Arc<Mutex<State>>);

impl Api {
    /// A client of it.
    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let path = parts.uri.path().to_owned();
                let kind =
                    parts.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
                if api.0.lock().unwrap().stalled {
                    std::future::pending::<()>().await;
                }
                let (code, answer) = api.answer(&parts.method, &path, &kind, &body);
                let plain = api.plain(&path, parts.uri.query().unwrap_or_default()).filter(|_| code == 200);
                let answer = plain.map_or_else(|| serde_json::to_vec(&answer).unwrap(), String::into_bytes);
                let response = Response::builder().status(code).body(Body::from(answer));
                Ok::<_, Infallible>(response.unwrap())
            }
        });
        Client::new(service, "default")
    }

    /// The log at `path` is `text`.
    pub fn text(&self, path: &str, text: &str) {
        self.log(path, text, text);
    }

    /// Who follows the log at `path` gets `followed`; the log file that is there now is `file`.
    pub fn log(&self, path: &str, followed: &str, file: &str) {
        let log = Log { followed: followed.to_owned(), file: file.to_owned() };
        self.0.lock().unwrap().logs.insert(path.to_owned(), log);
    }

    /// How logs were asked for since the last time.
    pub fn queries(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().queries)
    }

    fn plain(&self, path: &str, query: &str) -> Option<String> {
        let mut state = self.0.lock().unwrap();
        let answer = state.logs.get(path)?.answer(query);
        state.queries.push(query.to_owned());
        Some(answer)
    }

    /// What was last put to `path`.
    pub fn sent(&self, path: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().sent.get(path).cloned()
    }

    /// Puts an object at `path`.
    pub fn put(&self, path: &str, object: impl serde::Serialize) {
        self.0.lock().unwrap().objects.insert(path.to_owned(), serde_json::to_value(object).unwrap());
    }

    /// The object at `path`.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    /// Removes the object at `path`.
    pub fn remove(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }

    /// What was asked since the last time: `METHOD path`.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    /// The bodies of what was asked, all of them.
    pub fn bodies(&self) -> Vec<Value> {
        self.0.lock().unwrap().bodies.clone()
    }

    /// From now on requests for which `fault` gives a code fail with it. Called with method and path.
    pub fn fail(&self, fault: impl Fn(&str, &str) -> Option<u16> + Send + 'static) {
        self.0.lock().unwrap().fault = Some(Box::new(fault));
    }

    /// From now on nothing is answered.
    pub fn stall(&self) {
        self.0.lock().unwrap().stalled = true;
    }

    /// From now on all is answered and nothing fails.
    pub fn heal(&self) {
        let mut state = self.0.lock().unwrap();
        (state.fault, state.stalled) = (None, false);
    }

    fn answer(&self, method: &Method, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
        let mut state = self.0.lock().unwrap();
        state.calls.push(format!("{method} {path}"));
        let bytes = body;
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        state.bodies.push(body.clone());
        if let Some(code) = state.fault.as_ref().and_then(|fault| fault(method.as_str(), path)) {
            return failure(code);
        }
        // Subresources are parts of their objects.
        let target = path.strip_suffix("/status").unwrap_or(path).to_owned();
        match *method {
            Method::PUT => {
                state.sent.insert(target, bytes.to_vec());
                (200, json!({}))
            }
            Method::GET if state.logs.contains_key(&target) => (200, Value::Null),
            Method::GET => state.objects.get(&target).cloned().map_or_else(|| failure(404), |object| (200, object)),
            Method::POST if target.ends_with("/token") => (201, granted()),
            Method::POST => state.create(&target, body),
            Method::PATCH if kind.contains("apply") => {
                state.objects.insert(target, body.clone());
                (200, body)
            }
            Method::PATCH => state.patch(&target, kind, &body),
            Method::DELETE => state.delete(&target, &body["preconditions"]),
            _ => failure(405),
        }
    }
}

impl State {
    fn create(&mut self, collection: &str, mut object: Value) -> (u16, Value) {
        let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap());
        if self.objects.contains_key(&path) {
            return failure(409);
        }
        self.made += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.made));
        self.objects.insert(path, object.clone());
        (201, object)
    }

    /// Removes an object that is still as the preconditions say.
    fn delete(&mut self, path: &str, preconditions: &Value) -> (u16, Value) {
        let Some(object) = self.objects.get(path) else { return failure(404) };
        let is = |key: &str| preconditions[key].is_null() || preconditions[key] == object["metadata"][key];
        if !is("uid") || !is("resourceVersion") {
            return failure(409);
        }
        self.objects.remove(path).map_or_else(|| failure(404), |object| (200, object))
    }

    fn patch(&mut self, path: &str, kind: &str, patch: &Value) -> (u16, Value) {
        let Some(object) = self.objects.get(path) else { return failure(404) };
        let mut changed = object.clone();
        if kind.contains("json-patch") {
            for operation in patch.as_array().unwrap() {
                if !operate(&mut changed, operation) {
                    return failure(422);
                }
            }
        } else {
            let uid = patch.pointer("/metadata/uid");
            if uid.is_some_and(|uid| *uid != object["metadata"]["uid"]) {
                return failure(409);
            }
            merge(&mut changed, patch);
        }
        self.objects.insert(path.to_owned(), changed.clone());
        (200, changed)
    }
}

/// One operation of a JSON patch; false if it can't be done.
fn operate(object: &mut Value, operation: &Value) -> bool {
    let pointer = operation["path"].as_str().unwrap();
    match operation["op"].as_str().unwrap() {
        "test" => object.pointer(pointer).unwrap_or(&Value::Null) == &operation["value"],
        word => {
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            let last = last.replace("~1", "/");
            match (object.pointer_mut(parent), word) {
                (Some(Value::Object(map)), "add") => drop(map.insert(last, operation["value"].clone())),
                (Some(Value::Array(list)), "remove") => drop(list.remove(last.parse().unwrap())),
                _ => return false,
            }
            true
        }
    }
}

/// A merge patch (RFC 7386); `stringData` becomes `data` as in a Secret.
fn merge(object: &mut Value, patch: &Value) {
    for (key, value) in patch.as_object().unwrap() {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(key)),
            Value::Object(fields) if key == "stringData" => {
                for (name, text) in fields {
                    let bytes = k8s_openapi::ByteString(text.as_str().unwrap().as_bytes().to_vec());
                    object["data"][name] = serde_json::to_value(bytes).unwrap();
                }
            }
            Value::Object(_) => {
                if !object[key].is_object() {
                    object[key] = json!({});
                }
                merge(&mut object[key], value);
            }
            _ => object[key] = value.clone(),
        }
    }
}

fn granted() -> Value {
    json!({ "metadata": {}, "spec": {}, "status": { "token": "renewed", "expirationTimestamp": "2099-01-01T00:00:00Z" } })
}

fn failure(code: u16) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        409 => "AlreadyExists",
        422 => "Invalid",
        _ => "Failure",
    };
    (
        code,
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code }),
    )
}
