//! What this API has, in the shapes that the API server and its clients ask for it. Constant texts.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use eai_api::names::{ARTIFACTS_GROUP, VERSION};
use serde_json::{Value, json};

use super::error::json_response;

/// The content type of aggregated discovery.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// (resource, subresource, kind, verbs).
const RESOURCES: [(&str, &str, &str, &[&str]); 10] = [
    ("aijobs", "log", "Log", &["get"]),
    ("aijobs", "outputs", "Output", &["get"]),
    ("aijobs", "checkpoint", "Checkpoint", &["get"]),
    ("aijobs", "events", "Events", &["get"]),
    ("aijobs", "exec", "Exec", &["create", "get"]),
    ("aijobs", "portforward", "PortForward", &["create", "get"]),
    ("assignments", "log", "Log", &["create", "update"]),
    ("assignments", "outputs", "Output", &["create", "update"]),
    ("assignments", "checkpoint", "Checkpoint", &["create", "get", "update"]),
    ("sessions", "attach", "Session", &["get"]),
];

/// Quotes: asked for by POST, and not kept.
const QUOTES: (&str, &str, &[&str]) = ("quotes", "Quote", &["create"]);

/// `/apis`: the one group, aggregated where that is asked for.
pub fn groups(headers: &HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = accept.split(',').any(|kind| {
        let has = |part: &str| kind.split(';').any(|found| found.trim() == part);
        has("as=APIGroupDiscoveryList") && has("v=v2") && has("g=apidiscovery.k8s.io")
    });
    if !wanted {
        let list = json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [group_value()] });
        return json_response(StatusCode::OK, list.to_string());
    }
    let mut response = json_response(StatusCode::OK, aggregated().to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    response
}

fn group_value() -> Value {
    let version = json!({ "groupVersion": format!("{ARTIFACTS_GROUP}/{VERSION}"), "version": VERSION });
    json!({ "kind": "APIGroup", "apiVersion": "v1", "name": ARTIFACTS_GROUP, "versions": [version],
        "preferredVersion": version })
}

/// `/apis/artifacts.eai.network`.
pub fn group() -> Response<Body> {
    json_response(StatusCode::OK, group_value().to_string())
}

/// `/apis/artifacts.eai.network/v1alpha1`.
pub fn resources() -> Response<Body> {
    let resources: Vec<_> = RESOURCES
        .iter()
        .map(|(resource, subresource, kind, verbs)| {
            json!({ "name": format!("{resource}/{subresource}"), "singularName": "", "namespaced": true, "kind": kind,
                "verbs": verbs })
        })
        .chain([json!({ "name": QUOTES.0, "singularName": "quote", "namespaced": true, "kind": QUOTES.1,
            "verbs": QUOTES.2 })])
        .collect();
    let list = json!({ "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": format!("{ARTIFACTS_GROUP}/{VERSION}"), "resources": resources });
    json_response(StatusCode::OK, list.to_string())
}

/// The same for clients that ask once for everything. The owners themselves aren't here: they are of another group, and
/// stand empty as Kubernetes' own conversion would leave them.
fn aggregated() -> Value {
    let kind = |kind: &str| json!({ "group": ARTIFACTS_GROUP, "version": VERSION, "kind": kind });
    let resources: Vec<_> = ["aijobs", "assignments", "sessions"]
        .iter()
        .map(|owner| {
            let subresources: Vec<_> = RESOURCES
                .iter()
                .filter(|(resource, ..)| resource == owner)
                .map(|(_, name, of, verbs)| json!({ "subresource": name, "responseKind": kind(of), "verbs": verbs }))
                .collect();
            json!({ "resource": owner, "responseKind": { "group": "", "version": "", "kind": "" },
                "scope": "Namespaced", "singularResource": "", "verbs": [], "subresources": subresources })
        })
        .chain([json!({ "resource": QUOTES.0, "responseKind": kind(QUOTES.1), "scope": "Namespaced",
            "singularResource": "quote", "verbs": QUOTES.2 })])
        .collect();
    let version = json!({ "version": VERSION, "freshness": "Current", "resources": resources });
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": [{ "metadata": { "name": ARTIFACTS_GROUP }, "versions": [version] }] })
}

/// `/openapi/v2`: nothing but that we are here; bytes have no schema.
pub fn open_api_v2() -> Response<Body> {
    let document = json!({ "swagger": "2.0", "info": { "title": ARTIFACTS_GROUP, "version": VERSION }, "paths": {} });
    json_response(StatusCode::OK, document.to_string())
}

/// `/openapi/v3`.
pub fn open_api_v3() -> Response<Body> {
    json_response(StatusCode::OK, json!({ "paths": {} }).to_string())
}
