//! A hub for tests: an API server that answers as it is told, and remembers what it was asked.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use kube::Client;
use serde_json::{Value, json};

use crate::hub::Hub;

/// A request: method, path with query, body.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub body: Value,
}

/// What was asked so far.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    /// `METHOD path` of every request, without the query.
    pub fn lines(&self) -> Vec<String> {
        let line = |asked: &Asked| format!("{} {}", asked.method, asked.path.split('?').next().unwrap());
        self.0.lock().unwrap().iter().map(line).collect()
    }

    /// The body of the last such request.
    pub fn body(&self, method: &str, path: &str) -> Value {
        let log = self.0.lock().unwrap();
        let found = log.iter().rev().find(|asked| asked.method == method && asked.path.split('?').next() == Some(path));
        found.unwrap_or_else(|| panic!("no {method} {path} in {log:#?}")).body.clone()
    }
}

/// A hub whose API server answers with what `answer` makes of each request.
pub fn hub(answer: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) -> (Hub, Log) {
    let (log, answer) = (Log::default(), Arc::new(answer));
    let kept = log.clone();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (kept, answer) = (kept.clone(), Arc::clone(&answer));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let asked = Asked {
                method: parts.method.to_string(),
                path: parts.uri.path_and_query().unwrap().to_string(),
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            };
            kept.0.lock().unwrap().push(asked.clone());
            let (code, body) = answer(&asked);
            let body = match body {
                Value::String(text) => text.into_bytes(),
                body => body.to_string().into_bytes(),
            };
            let answer = http::Response::builder().status(code).body(kube::client::Body::from(body));
            Ok::<_, Infallible>(answer.unwrap())
        }
    });
    let hub = Hub {
        client: Client::new(service, "default"),
        namespace: "eai-system".to_owned(),
        job_namespace: "vision".to_owned(),
        config: kube::Config::new("https://hub.example.com:6443".parse().unwrap()),
    };
    (hub, log)
}

/// The API server's refusal.
pub fn refused(code: u16) -> (u16, Value) {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "AlreadyExists",
        _ => "InternalError",
    };
    (code, json!({"kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": reason}))
}

/// An object as the API server would give it back: with a UID.
pub fn made(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["uid"] = json!("made-here");
    object
}
