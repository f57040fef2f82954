//! What `kubectl get` shows, and by which names the kinds are asked for.

use serde_json::{Value, json};

use crate::samples::sample;

fn crd(kind: &str) -> Value {
    let crd = eai_api::crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    serde_json::to_value(crd).unwrap()
}

fn columns(kind: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let crd = crd(kind);
    let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
    columns.iter().map(|column| (text(&column["name"]), text(&column["jsonPath"]))).collect()
}

/// The value at a path such as `.status.conditions[?(@.type=="Ready")].status`, as the API server finds it.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = object;
    for step in path.trim_start_matches('.').split('.') {
        if step.starts_with("type==") {
            continue;
        }
        value = match step.split_once("[?(@") {
            Some((list, _)) => value[list].as_array()?.iter().find(|item| item["type"] == "Ready")?,
            None => value.get(step)?,
        };
    }
    Some(value)
}

#[test]
fn a_job_is_listed_with_what_its_vendor_asks_about() {
    let names: Vec<_> = columns("AIJob").into_iter().map(|(name, _)| name.to_uppercase()).collect();
    assert_eq!(names, ["READY", "PHASE", "MEMBER", "GPU", "COST", "AGE", "MESSAGE"]);
}

#[test]
fn every_column_shows_something() {
    for kind in ["AIJob", "AgentRelease", "Assignment", "ComputeNode", "MemberReport"] {
        let object = sample(kind);
        for (name, path) in columns(kind).into_iter().filter(|(_, path)| !path.starts_with(".metadata")) {
            let shown = at(&object, &path).unwrap_or_else(|| panic!("{kind}: {name}: nothing at {path}"));
            assert!(!shown.is_object() && !shown.is_array() && !shown.is_null(), "{kind}: {name}: {shown}");
        }
    }
}

#[test]
fn the_kinds_go_by_short_names_and_together() {
    let names = ["AIJob", "AgentRelease", "Assignment", "ComputeNode", "MemberReport"].map(|kind| {
        let crd = crd(kind);
        let names = &crd["spec"]["names"];
        json!([names["plural"], names["shortNames"], names["categories"], crd["spec"]["scope"]])
    });
    assert_eq!(
        json!(names),
        json!([
            ["aijobs", ["aij"], ["eai", "all"], "Namespaced"],
            ["agentreleases", ["agr"], ["eai"], "Cluster"],
            ["assignments", ["asg"], ["eai"], "Namespaced"],
            ["computenodes", ["cn"], ["eai"], "Cluster"],
            ["memberreports", ["mr"], ["eai"], "Namespaced"],
        ])
    );
}

/// Status is a subresource of its own, so that who may write a spec can't write a status.
#[test]
fn status_is_apart_from_spec() {
    let apart = ["AIJob", "AgentRelease", "Assignment", "ComputeNode", "MemberReport"]
        .map(|kind| crd(kind)["spec"]["versions"][0]["subresources"]["status"].is_object());
    assert_eq!(apart, [true; 5]);
}
