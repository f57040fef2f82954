//! A hub with one job, one attempt at it, and an API server that allows what it is told to.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};
use kube::Client;
use serde_json::{Value, json};

use super::{
    super::{
        app::App,
        authorize::{self, Authorizer},
        sessions::{Bounds, Sessions},
        store::Store,
    },
    Scratch,
    identity::names,
};

pub const ROOT: &str = "/apis/artifacts.eai.network/v1alpha1";
pub const UID: &str = "0b1f9c1e-0000-4000-8000-000000000001";
pub const VENDOR: &str = "vendor";
pub const AGENT: &str = "system:serviceaccount:cn-m:agent";

pub fn read_path(what: &str) -> String {
    format!("{ROOT}/namespaces/research/aijobs/digits/{what}")
}

pub fn write_path(what: &str) -> String {
    format!("{ROOT}/namespaces/cn-m/assignments/{UID}-g1-a1/{what}")
}

/// The API server's answers.
#[derive(Clone)]
pub struct Api {
    /// Questions that are answered with yes, as `USER VERB RESOURCE/SUBRESOURCE NAMESPACE NAME`.
    pub allowed: Arc<Mutex<HashSet<String>>>,
    /// Every question so far.
    pub asked: Arc<Mutex<Vec<String>>>,
    /// Whether it answers at all.
    pub up: Arc<Mutex<bool>>,
    /// The job.
    pub job: Arc<Mutex<Value>>,
    /// The Assignment.
    pub assignment: Arc<Mutex<Value>>,
    /// Events so far, as `REASON NOTE`.
    pub events: Arc<Mutex<Vec<String>>>,
}

impl Api {
    /// Begins with the usual Assignment and changes its workload, or what the hub noted.
    pub fn set(&self, change: impl FnOnce(&mut Value, &mut Value)) {
        let mut made = assignment();
        let mut acknowledged = json!({});
        change(&mut made["spec"]["workload"], &mut acknowledged);
        made["spec"]["acknowledged"] = acknowledged;
        *self.assignment.lock().unwrap() = made;
    }

    fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let (code, answer) = api.answer(parts.uri.path(), &body);
                let answer =
                    Response::builder().status(code).body(kube::client::Body::from(answer.to_string().into_bytes()));
                Ok::<_, Infallible>(answer.unwrap())
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, path: &str, body: &Value) -> (u16, Value) {
        if !*self.up.lock().unwrap() {
            return (500, json!({ "kind": "Status", "code": 500, "message": "down", "reason": "InternalError" }));
        }
        match path {
            "/apis/authorization.k8s.io/v1/subjectaccessreviews" => self.review(body),
            "/apis/events.k8s.io/v1/namespaces/research/events" => {
                let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
                assert_eq!((&body["regarding"]["name"], &body["regarding"]["uid"]), (&json!("digits"), &json!(UID)));
                self.events.lock().unwrap().push(format!("{} {}", text("reason"), text("note")));
                (201, body.clone())
            }
            "/apis/eai.network/v1alpha1/namespaces/research/aijobs/digits" => (200, self.job.lock().unwrap().clone()),
            "/apis/eai.network/v1alpha1/aijobs" => (
                200,
                json!({ "apiVersion": "meta.k8s.io/v1",
                "kind": "PartialObjectMetadataList", "metadata": {},
                "items": [{ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": { "name": "digits", "namespace": "research", "uid": UID } }] }),
            ),
            path if path == format!("/apis/eai.network/v1alpha1/namespaces/cn-m/assignments/{UID}-g1-a1") => {
                (200, self.assignment.lock().unwrap().clone())
            }
            _ => (404, json!({ "kind": "Status", "code": 404, "message": "not found", "reason": "NotFound" })),
        }
    }

    fn review(&self, body: &Value) -> (u16, Value) {
        let spec = &body["spec"];
        let about = &spec["resourceAttributes"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let live = matches!(about["subresource"].as_str(), Some("exec" | "portforward"));
        assert_eq!(about["group"], if live { "artifacts.eai.network" } else { "eai.network" });
        let question = format!(
            "{} {} {}/{} {} {}",
            text(&spec["user"]),
            text(&about["verb"]),
            text(&about["resource"]),
            text(&about["subresource"]),
            text(&about["namespace"]),
            text(&about["name"])
        );
        let allowed = self.allowed.lock().unwrap().contains(&question);
        self.asked.lock().unwrap().push(question);
        let mut answer = body.clone();
        answer["status"] = json!({ "allowed": allowed });
        (201, answer)
    }
}

fn workload() -> Value {
    json!({ "image": format!("registry.example.com/a@sha256:{}", "0".repeat(64)), "cpuMillis": 1000, "memoryBytes": 1024,
        "completions": 2, "parallelism": 1, "maxDurationSeconds": 60, "checkpoint": { "maxBytes": 100 },
        "restore": [{ "index": 1, "epoch": { "generation": 1, "attempt": 0 } }],
        "outputs": [{ "name": "model", "path": "model.bin", "maxBytes": 100 }] })
}

fn job() -> Value {
    json!({ "apiVersion": "eai.network/v1alpha1", "kind": "AIJob",
        "metadata": { "name": "digits", "namespace": "research", "uid": UID },
        "spec": { "image": format!("registry.example.com/a@sha256:{}", "0".repeat(64)), "completions": 2,
            "maxPrice": "1", "payment": { "account": format!("0x{}", "1".repeat(40)) },
            "outputs": [{ "name": "model", "path": "model.bin", "maxBytes": 100 }] },
        "status": { "phase": "Running", "attempt": { "epoch": { "generation": 1, "attempt": 1 }, "member": "m",
            "class": "cpu", "rate": "1", "milliUnits": 1000, "provider": format!("0x{}", "2".repeat(40)),
            "lease": { "id": format!("0x{}", "3".repeat(64)), "state": "Open", "hold": "1", "paid": "0", "refunded": "0" } } } })
}

/// The job, as somebody would have it quoted.
pub fn job_to_quote() -> String {
    job().to_string()
}

fn assignment() -> Value {
    json!({ "apiVersion": "eai.network/v1alpha1", "kind": "Assignment",
        "metadata": { "name": format!("{UID}-g1-a1"), "namespace": "cn-m" },
        "spec": { "job": { "namespace": "research", "name": "digits", "uid": UID },
            "epoch": { "generation": 1, "attempt": 1 }, "workload": workload(), "class": "cpu", "rate": "1",
            "leaseId": format!("0x{}", "3".repeat(64)) } })
}

pub struct World {
    pub app: Arc<App>,
    pub api: Api,
    pub scratch: Scratch,
}

impl World {
    pub async fn new() -> Self {
        Self::within(Bounds::default()).await
    }

    pub async fn within(bounds: Bounds) -> Self {
        let scratch = Scratch::new();
        let allowed =
            [format!("{VENDOR} get aijobs/ research digits"), format!("{AGENT} update assignments/status cn-m ")];
        let api = Api {
            allowed: Arc::new(Mutex::new(allowed.into())),
            asked: Arc::default(),
            up: Arc::new(Mutex::new(true)),
            job: Arc::new(Mutex::new(job())),
            assignment: Arc::new(Mutex::new(assignment())),
            events: Arc::default(),
        };
        let client = api.client();
        // Where bounds are short, so is memory.
        let remembered = authorize::REMEMBERED.min(bounds.recheck / 2);
        let authorizer = Arc::new(Authorizer::new(client.clone(), remembered));
        let app = App {
            client,
            authorizer: authorizer.clone(),
            sessions: Sessions::new(authorizer, bounds, tokio_util::sync::CancellationToken::new()),
            store: Store::open(scratch.path()).await.unwrap(),
            uploads: tokio::sync::Semaphore::new(super::super::app::UPLOADS),
            quotes: crate::placement::Quotes::default(),
            requests: super::super::requests(&prometheus::Registry::new()).unwrap(),
        };
        Self { app: Arc::new(app), api, scratch }
    }

    /// Sends a request as `user`, as if over a connection of the API server's.
    pub async fn send(&self, user: &str, request: axum::http::request::Builder, body: &[u8]) -> Answer {
        let request = request.header("X-Remote-User", user).header("Content-Length", body.len());
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let response = self.app.answer(request, &names()).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec();
        Answer { code: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, user: &str, path: &str) -> Answer {
        self.send(user, Request::get(path), b"").await
    }

    pub async fn put(&self, user: &str, path: &str, body: &[u8]) -> Answer {
        self.send(user, Request::put(path), body).await
    }
}

pub struct Answer {
    pub code: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The message of a refusal, which must be a `metav1.Status` that agrees with the code.
    pub fn refusal(&self, code: u16) -> String {
        let status: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((self.code.as_u16(), status["code"].as_u64()), (code, Some(code.into())), "{status}");
        assert_eq!((&status["kind"], &status["status"]), (&json!("Status"), &json!("Failure")));
        assert_eq!(self.headers["content-type"], "application/json");
        status["message"].as_str().unwrap().to_owned()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
