//! What failures mean to a job, and how it goes on from where it was.

use serde_json::{Value, json};

use crate::support::{END, START, text, world};

fn attempts(object: &Value) -> usize {
    object["status"]["pastAttempts"].as_array().map_or(0, Vec::len) + 1
}

#[test]
fn an_exit_code_that_fails_the_job_is_not_tried_again_anywhere() {
    let w = world();
    let vendor = w.vendor("exit-code", "1");
    let policy = json!({"podFailurePolicy": {"rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}});
    let change =
        json!({"command": ["sh", "-c", "sleep 2; exit 42"], "retry": {"maxAttempts": 3}, "failurePolicy": policy});
    let job = w.submit(&vendor, "bad-input", 1, &change);
    let done = w.reach(&job, "Failed", END);
    assert_eq!((attempts(&done), text(&done["status"]["attempt"]["outcome"]["reason"])), (1, "PodFailurePolicy"));
    assert_eq!(done["status"]["exitCode"], 42);
    vendor.leave(&w.stage, START).unwrap();
}

/// Counts one step more each time it runs, in its checkpoint, and fails until it has counted three.
const COUNTS: &str = "n=$(cat $EAI_CHECKPOINT 2>/dev/null || echo 0); n=$((n+1)); echo at $n; echo $n > $EAI_CHECKPOINT.new; \
                      mv $EAI_CHECKPOINT.new $EAI_CHECKPOINT; sleep 3; [ $n -ge 3 ]";

#[test]
fn work_that_is_tried_again_goes_on_from_its_checkpoint() {
    let w = world();
    let vendor = w.vendor("checkpoint", "1");
    let change = json!({"command": ["sh", "-c", COUNTS], "retry": {"maxAttempts": 3},
        "checkpoint": {"maxBytes": 1024, "everySeconds": 10}});
    let job = w.submit(&vendor, "steps", 1, &change);
    let done = w.reach(&job, "Succeeded", END);
    assert_eq!(attempts(&done), 3, "two steps failed, the third was done: {}", done["status"]);
    assert_eq!(vendor.eai(&w.stage, &["logs", "steps"]).unwrap().trim(), "at 3");
    vendor.leave(&w.stage, START).unwrap();
}

/// The member that had it is emptied: it goes on elsewhere, from where it was.
#[test]
fn work_of_a_drained_member_goes_on_elsewhere_from_its_checkpoint_and_the_member_is_empty() {
    let w = world();
    let vendor = w.vendor("drained", "1");
    let counts = "n=$(cat $EAI_CHECKPOINT 2>/dev/null || echo 0); echo from $n; \
                  while [ $n -lt 40 ]; do n=$((n+1)); echo $n > $EAI_CHECKPOINT.new; mv $EAI_CHECKPOINT.new $EAI_CHECKPOINT; \
                  sleep 1; done";
    let change = json!({"command": ["sh", "-c", counts], "preemptible": true,
        "checkpoint": {"maxBytes": 1024, "everySeconds": 10}});
    let job = w.submit(&vendor, "moves", 1, &change);
    let object = w.reach(&job, "Running", START);
    let from = text(&object["status"]["member"]).to_owned();
    let saved = |object: &Value| object["status"]["checkpoints"].as_array().is_some_and(|all| !all.is_empty());
    job.wait_for(&w.stage.hub, START, "a checkpoint", saved).unwrap();
    let eai = |arguments: &[&str]| eai_e2e::run::output(w.stage.eai(None).unwrap().args(arguments));
    let drained = eai(&["drain", &from, "--within", "5m"]);
    let moved = drained.and_then(|_| {
        job.wait_for(&w.stage.hub, START, "another member", |object| {
            let member = text(&object["status"]["member"]);
            !member.is_empty() && member != from
        })
    });
    eai(&["uncordon", &from]).unwrap();
    moved.unwrap();
    let done = w.reach(&job, "Succeeded", END);
    assert_eq!(text(&done["status"]["pastAttempts"][0]["outcome"]["reason"]), "Drained");
    let log = vendor.eai(&w.stage, &["logs", "moves"]).unwrap();
    assert!(log.starts_with("from ") && log.trim() != "from 0", "{log}");
    vendor.leave(&w.stage, START).unwrap();
}
