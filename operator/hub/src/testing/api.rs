//! The API server: objects with versions, conditional writes, finalizers, lists and watches.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::body::Body as Answer;
use http::{Method, Request, Response};
use k8s_openapi::jiff::Timestamp;
use kube::{Client, client::Body};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    object::{Target, failure, merge, written},
    watch::Watches,
};

type Key = (String, Option<String>, String);

/// The server. Clones share it.
#[derive(Clone, Default)]
pub struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<Key, Value>,
    version: u64,
    watches: Watches,
    calls: BTreeMap<String, usize>,
    forbidden: Vec<(&'static str, String)>,
}

impl Api {
    /// A client whose watches lag by `lag`.
    pub fn client(&self, lag: Duration) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.serve(request, lag).await) }
        });
        Client::new(service, "default")
    }

    async fn serve(&self, request: Request<Body>, lag: Duration) -> Response<Answer> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let query = parts.uri.query().unwrap_or_default().to_owned();
        // A request takes a moment, in which others get their turn.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let target = Target::parse(parts.uri.path()).unwrap();
        if query.contains("watch=true") {
            let since = query.split('&').find_map(|p| p.strip_prefix("resourceVersion=")?.parse().ok());
            let events = self.lock().watches.subscribe(&target.kind, since.unwrap_or(0), lag);
            return Response::builder().status(200).body(Answer::from_stream(events)).unwrap();
        }
        let (code, answer) = self.lock().answer(&parts.method, &target, &body);
        Response::builder().status(code).body(Answer::from(serde_json::to_vec(&answer).unwrap())).unwrap()
    }

    /// Puts an object there, as somebody other than the hub.
    pub fn create<K: Serialize>(&self, kind: &str, object: &K) {
        let object = serde_json::to_value(object).unwrap();
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        let target = Target { kind: kind.to_owned(), namespace, name: None, sub: None };
        let (code, answer) = self.lock().create(&target, &object);
        assert_eq!(code, 201, "{answer}");
    }

    /// Changes an object, as somebody other than the hub; says whether it was there.
    pub fn edit(&self, kind: &str, namespace: Option<&str>, name: &str, edit: impl FnOnce(&mut Value)) -> bool {
        let key = (kind.to_owned(), namespace.map(str::to_owned), name.to_owned());
        let mut state = self.lock();
        let Some(before) = state.objects.get(&key).cloned() else { return false };
        let mut object = before.clone();
        edit(&mut object);
        if object["spec"] != before["spec"] {
            object["metadata"]["generation"] = json!(before["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        state.store(key, object, "MODIFIED");
        true
    }

    /// Asks for an object's deletion.
    pub fn delete(&self, kind: &str, namespace: Option<&str>, name: &str) {
        let target = Target {
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            sub: None,
        };
        self.lock().delete(&target);
    }

    /// Every object of a kind.
    pub fn all<K: DeserializeOwned>(&self, kind: &str) -> Vec<K> {
        let state = self.lock();
        let of_kind = state.objects.iter().filter(|((k, ..), _)| k == kind);
        of_kind.map(|(_, object)| serde_json::from_value(object.clone()).unwrap()).collect()
    }

    /// Requests so far, by verb and resource.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        self.lock().calls.clone()
    }

    /// Refuses `verb` on a resource's object.
    pub fn forbid(&self, verb: &'static str, name: &str) {
        self.lock().forbidden.push((verb, name.to_owned()));
    }

    /// Refuses nothing any more.
    pub fn allow_all(&self) {
        self.lock().forbidden.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn answer(&mut self, method: &Method, target: &Target, body: &Value) -> (u16, Value) {
        *self.calls.entry(format!("{method} {}", target.resource())).or_default() += 1;
        let name = target.name.as_deref().unwrap_or_default();
        if self.forbidden.iter().any(|(verb, forbidden)| method == *verb && forbidden == name) {
            return failure(403, "Forbidden");
        }
        match (method, &target.name) {
            (&Method::GET, None) => (200, self.list(target)),
            (&Method::GET, Some(_)) => match self.objects.get(&key(target)) {
                Some(object) => (200, object.clone()),
                None => failure(404, "NotFound"),
            },
            (&Method::POST, _) => self.create(target, body),
            (&Method::PUT | &Method::PATCH, _) => self.write(method, target, body),
            (&Method::DELETE, _) => self.delete(target),
            _ => failure(405, "MethodNotAllowed"),
        }
    }

    fn list(&self, target: &Target) -> Value {
        let items = self.objects.iter().filter(|((kind, namespace, _), _)| {
            *kind == target.kind && (target.namespace.is_none() || *namespace == target.namespace)
        });
        let items: Vec<Value> = items.map(|(_, object)| object.clone()).collect();
        json!({ "kind": "List", "apiVersion": "v1", "items": items,
            "metadata": { "resourceVersion": self.version.to_string() } })
    }

    fn create(&mut self, target: &Target, body: &Value) -> (u16, Value) {
        let mut object = body.clone();
        let name = body["metadata"]["name"].as_str().unwrap_or("unnamed").to_owned();
        let key = (target.kind.clone(), target.namespace.clone(), name);
        if self.objects.contains_key(&key) {
            return failure(409, "AlreadyExists");
        }
        if let Some(namespace) = &target.namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        object["metadata"]["uid"] = json!(format!("uid-{}", self.version + 1));
        object["metadata"]["generation"] = json!(1);
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        object["metadata"]["creationTimestamp"] = json!(now.to_string());
        (201, self.store(key, object, "ADDED"))
    }

    fn write(&mut self, method: &Method, target: &Target, body: &Value) -> (u16, Value) {
        let key = key(target);
        let Some(before) = self.objects.get(&key).cloned() else {
            // Server-side apply makes what isn't there.
            let applied = method == Method::PATCH && body["metadata"]["resourceVersion"].is_null();
            return if applied && !body["kind"].is_null() {
                self.create(target, body)
            } else {
                failure(404, "NotFound")
            };
        };
        let asked = &body["metadata"]["resourceVersion"];
        if !asked.is_null() && *asked != before["metadata"]["resourceVersion"] {
            return failure(409, "Conflict");
        }
        let mut next = before.clone();
        if method == Method::PUT {
            next.clone_from(body);
        } else {
            merge(&mut next, body);
        }
        let object = written(&before, &next, target.sub.as_deref());
        if object == before {
            return (200, before);
        }
        let done = object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        if done && !object["metadata"]["deletionTimestamp"].is_null() {
            self.objects.remove(&key);
            return (200, self.tell(&key, object, "DELETED"));
        }
        (200, self.store(key, object, "MODIFIED"))
    }

    fn delete(&mut self, target: &Target) -> (u16, Value) {
        let key = key(target);
        let Some(mut object) = self.objects.get(&key).cloned() else { return failure(404, "NotFound") };
        if object["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty()) {
            object["metadata"]["deletionTimestamp"] = json!(Timestamp::now().to_string());
            return (200, self.store(key, object, "MODIFIED"));
        }
        self.objects.remove(&key);
        (200, self.tell(&key, object, "DELETED"))
    }

    fn store(&mut self, key: Key, object: Value, event: &str) -> Value {
        let object = self.tell(&key, object, event);
        self.objects.insert(key, object.clone());
        object
    }

    fn tell(&mut self, key: &Key, mut object: Value, event: &str) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.watches.tell(&key.0, self.version, &json!({ "type": event, "object": object }));
        object
    }
}

fn key(target: &Target) -> Key {
    (target.kind.clone(), target.namespace.clone(), target.name.clone().unwrap_or_default())
}
