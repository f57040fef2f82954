//! What vendors see of, and do in, work that runs behind a router.

use serde_json::json;

use crate::support::{END, START, says, text, world};

const HOME: &str = "home";

#[test]
fn a_log_is_followed_to_its_end_from_behind_a_router() {
    let w = world();
    let vendor = w.vendor("follower", "1");
    let counts = "for i in $(seq 1 20); do echo line $i; sleep 1; done";
    let change = json!({"command": ["sh", "-c", counts], "placement": {"members": [HOME]}});
    let job = w.submit(&vendor, "talks", 1, &change);
    w.reach(&job, "Running", START);
    let followed = vendor.eai(&w.stage, &["logs", "talks", "-f"]).unwrap();
    let wanted = (1..=20).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n") + "\n";
    assert_eq!(followed, wanted);
    w.reach(&job, "Succeeded", END);
    assert_eq!(vendor.eai(&w.stage, &["logs", "talks"]).unwrap(), wanted, "what was followed is what was kept");
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_command_runs_in_work_only_where_job_and_owner_allow_it_and_is_on_record() {
    let w = world();
    let vendor = w.vendor("enters", "1");
    let closed = w.submit(&vendor, "closed", 60, &json!({"placement": {"members": [HOME]}}));
    let open = w.submit(&vendor, "open", 60, &json!({"placement": {"members": [HOME]}, "allowExec": true}));
    w.reach(&closed, "Running", START);
    w.reach(&open, "Running", START);
    let refused = vendor.eai(&w.stage, &["exec", "closed", "--", "echo", "hi"]).unwrap_err().to_string();
    says(&refused, &["allowExec"]);
    let said = vendor.eai(&w.stage, &["exec", "open", "--", "sh", "-c", "echo in $((40+2))"]).unwrap();
    assert_eq!(said.trim(), "in 42");
    let events = w.stage.hub.get(&["events.events.k8s.io", "-n", &vendor.namespace]).unwrap();
    let notes: Vec<&str> = events["items"].as_array().unwrap().iter().map(|event| text(&event["note"])).collect();
    assert!(notes.iter().any(|note| note.contains("echo in")), "{notes:?}");
    for name in ["closed", "open"] {
        vendor.eai(&w.stage, &["cancel", name]).unwrap();
    }
    w.reach(&open, "Cancelled", END);
    w.reach(&closed, "Cancelled", END);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn what_a_members_cluster_says_of_a_job_reaches_its_vendor() {
    let w = world();
    let vendor = w.vendor("listens", "1");
    let job = w.submit(&vendor, "told", 20, &json!({"placement": {"members": [HOME]}}));
    w.reach(&job, "Running", START);
    let said = vendor.eai(&w.stage, &["events", "told"]).unwrap();
    says(&said, &["Placed", "Started"]);
    assert!(!said.contains("home-node"), "no node of the member's is named: {said}");
    w.reach(&job, "Succeeded", END);
    vendor.leave(&w.stage, START).unwrap();
}
