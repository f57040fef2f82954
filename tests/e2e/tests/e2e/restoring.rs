//! The hub's cluster is restored from a backup that is older than some of its work: what the backup doesn't know is
//! stopped, refunded and reported; what it knows is finished and paid once; and a hub on an older record doesn't lead.

use eai_chain::{LeaseState, LeaseView, Tenure};
use eai_core::money::Amount;
use eai_e2e::{deploy::HUB_NAMESPACE, jobs::Job, report::assignment_name, run};
use eai_testbed::ClusterName;
use serde_json::{Value, json};

use crate::support::{END, START, text, world};

const OPERATOR: &str = "deployment/eai-operator";
/// Seconds for which work is lent the right to run here: what is lost ends with it, and a restored hub waits twice that.
const GRANT: u64 = 60;
/// Seconds until a restored hub has waited, and what it then resumes has run.
const SETTLED: u64 = END + 300;

fn kubectl(arguments: &[&str]) -> String {
    world().stage.hub.kubectl(arguments).unwrap()
}

/// Has the hub lend for `seconds`.
fn lend_for(seconds: u64) {
    let stage = &world().stage;
    let chart = stage.repository.join("charts/eai-hub").display().to_string();
    let value = format!("fencing.validForSeconds={seconds}");
    let upgrade = ["upgrade", "eai-hub", &chart, "-n", HUB_NAMESPACE, "--reuse-values", "--set", &value];
    stage.hub.helm(&[&upgrade[..], &["--wait", "--timeout", "180s"]].concat()).unwrap();
}

/// Writes entries of the hub's record, as somebody who restored them would.
fn write_record(entries: &Value) {
    let patch = json!({"data": entries}).to_string();
    kubectl(&["patch", "configmap", "eai-hub-info", "-n", HUB_NAMESPACE, "--type=merge", "-p", &patch]);
}

fn record() -> Value {
    world().stage.hub.get(&["configmap", "eai-hub-info", "-n", HUB_NAMESPACE]).unwrap()["data"].clone()
}

/// Who goes on, by the chain.
fn tenure() -> Tenure {
    let w = world();
    w.block_on(w.contracts.tenure(&w.stage.people.hub.key)).unwrap().expect("the hub is in the registry")
}

fn lease(attempt: &Value) -> LeaseView {
    world().lease(attempt).expect("its lease was opened")
}

/// Waits until a lease is closed.
fn closed(what: &str, attempt: &Value) -> LeaseView {
    run::wait(&format!("{what}'s lease to be closed"), START, || match lease(attempt) {
        view if view.state == LeaseState::Closed => Ok(view),
        view => Err(format!("{view:?}")),
    })
    .unwrap()
}

/// The pods of an Assignment that may still run on the member.
fn pods_of(assignment: &str) -> Vec<String> {
    let home = &world().stage.member("home").unwrap().cluster;
    let selector = format!("eai.network/assignment={assignment}");
    let over = "--field-selector=status.phase!=Failed,status.phase!=Succeeded";
    let found = home.kubectl(&["get", "pods", "-n", "eai-work", "-l", &selector, over, "-o", "name"]).unwrap();
    found.lines().map(str::to_owned).collect()
}

/// All that a job's leases paid.
fn paid_for(job: &Value) -> Amount {
    let past = job["status"]["pastAttempts"].as_array().cloned().unwrap_or_default();
    let attempts = past.iter().chain([&job["status"]["attempt"]]).filter(|attempt| attempt["lease"]["id"].is_string());
    attempts.map(|attempt| lease(attempt).paid).fold(Amount::ZERO, Amount::saturating_add)
}

/// Stops the hub's processes, as one does before a restore.
fn stop_operator() {
    kubectl(&["scale", OPERATOR, "-n", HUB_NAMESPACE, "--replicas=0"]);
    let labels = "app.kubernetes.io/name=eai-operator";
    kubectl(&["wait", "--for=delete", "pods", "-n", HUB_NAMESPACE, "-l", labels, "--timeout=120s"]);
}

#[test]
fn a_restored_hub_stops_refunds_and_reports_what_its_backup_does_not_know() {
    let w = world();
    let Some(testbed) = &w.stage.testbed else { return };
    assert!(w.contracts.hub_registry.is_some(), "the stage's chain has no HubRegistry: make it anew");
    lend_for(GRANT);
    // Earlier tests were lent more, and nothing of them runs any more.
    write_record(&json!({"lentForMs": (GRANT * 1_000).to_string()}));
    let vendor = w.vendor("restored", "2");
    let wealth = w.wealth(&vendor);
    let home = json!({"placement": {"members": ["home"]}});
    let before = tenure();

    // The backup knows of two jobs that run.
    let kept = w.submit(&vendor, "kept", 120, &home);
    let ended = w.submit(&vendor, "ended", 40, &home);
    let first = w.reach(&ended, "Running", START)["status"]["attempt"].clone();
    w.reach(&kept, "Running", START);
    let backup = w.stage.dir.join("restoring-etcd");
    let _ = std::fs::remove_dir_all(&backup);
    testbed.save_etcd(ClusterName::Hub, &backup).unwrap();

    // After it one ends and is paid, and another begins.
    let lost = w.submit(&vendor, "lost", 500, &home);
    let lost = w.reach(&lost, "Running", START);
    w.reach(&ended, "Succeeded", START);
    let paid_before = closed("ended", &first).paid;
    assert!(!pods_of(&assignment_name(&lost)).is_empty(), "it runs");
    stop_operator();
    let settled = lease(&lost["status"]["attempt"]);
    assert_eq!(settled.state, LeaseState::Open);
    testbed.restore_etcd(ClusterName::Hub, &backup).unwrap();

    // The backup's operator starts by itself, and nobody has told it anything.
    run::wait("the restored hub to raise its generation", SETTLED, || match tenure() {
        now if now.generation == before.generation + 1 => Ok(()),
        now => Err(format!("{now:?}")),
    })
    .unwrap();
    refunded_and_reported(&lost, &settled, before.generation + 1);
    kept_jobs_are_paid_once(&kept, &ended, &first, paid_before);
    let spent = [&kept, &ended].map(|job| paid_for(&job.read(&w.stage.hub).unwrap()));
    let spent = spent.into_iter().fold(settled.paid, Amount::saturating_add);
    assert_eq!(w.wealth(&vendor), wealth.checked_sub(spent).unwrap(), "all the rest is back");

    an_older_record_does_not_lead(before);
    let next = w.submit(&vendor, "next", 5, &home);
    let next = w.reach(&next, "Succeeded", SETTLED);
    assert_eq!(next["status"]["attempt"]["epoch"]["generation"], before.generation + 1);
    vendor.leave(&w.stage, START).unwrap();
    lend_for(600);
    let _ = std::fs::remove_dir_all(&backup);
}

/// The work of a job that the backup doesn't know ends, its lease is closed at what had settled, and both are told.
fn refunded_and_reported(lost: &Value, settled: &LeaseView, generation: u64) {
    let w = world();
    let attempt = &lost["status"]["attempt"];
    let view = closed("lost", attempt);
    assert_eq!(view.paid, settled.paid, "nothing is paid beyond what had settled");
    assert_eq!(view.refunded, view.hold.checked_sub(settled.paid).unwrap(), "the rest went back");
    let id = text(&attempt["lease"]["id"]);
    run::wait("the report of the lost lease", START, || {
        let map = w.stage.hub.get(&["configmap", "eai-restores", "-n", HUB_NAMESPACE]);
        let map = map.map_err(|error| error.to_string())?;
        let table = text(&map["data"][format!("g{generation:020}.csv")]).to_owned();
        let line = table.lines().find(|line| line.starts_with(id)).map(str::to_owned);
        line.filter(|line| line.ends_with(",Closed")).ok_or(table)
    })
    .unwrap();
    run::wait("the lost work to end on its member", END, || match pods_of(&assignment_name(lost)) {
        left if left.is_empty() => Ok(()),
        left => Err(left.join(", ")),
    })
    .unwrap();
}

/// What the backup knows ends well. What had been paid for before the restore isn't paid again.
fn kept_jobs_are_paid_once(kept: &Job, ended: &Job, first: &Value, paid_before: Amount) {
    let w = world();
    let done = w.reach(kept, "Succeeded", SETTLED);
    assert_eq!(done["status"]["pastAttempts"].as_array().map_or(0, Vec::len), 0, "one attempt: {done}");
    assert_eq!(closed("kept", &done["status"]["attempt"]).paid, paid_for(&done));
    // What became of it the backup doesn't know: it isn't run and paid again, and its vendor is told.
    let said = ended.wait_for(&w.stage.hub, SETTLED, "its end", |job| job["status"]["phase"] == "Failed").unwrap();
    assert_eq!(said["status"]["attempt"]["outcome"]["reason"], "LeaseClosed", "{said}");
    assert_eq!(closed("ended", first).paid, paid_before, "its first lease was closed before the restore");
}

/// A hub with the record from before the restore says what its admin is to do, and does nothing.
fn an_older_record_does_not_lead(before: Tenure) {
    let now = tenure();
    let right = record();
    write_record(&json!({"generation": before.generation.to_string(), "generationHolder": before.holder.to_string()}));
    kubectl(&["rollout", "restart", OPERATOR, "-n", HUB_NAMESPACE]);
    let wanted = format!("set hub.generation to {}", now.generation + 1);
    run::wait("a hub with an older record to refuse to lead", END, || {
        let all = ["logs", "-n", HUB_NAMESPACE, "-l", "app.kubernetes.io/name=eai-operator", "--tail=200"];
        let mut said = String::new();
        for previous in [false, true] {
            let arguments = [&all[..], if previous { &["--previous"] } else { &[] }].concat();
            said += &world().stage.hub.try_kubectl(&arguments, None).map_err(|error| error.to_string())?.1;
        }
        if said.contains(&wanted) { Ok(()) } else { Err(said) }
    })
    .unwrap();
    assert_eq!(tenure(), now, "it sent nothing");
    write_record(&json!({"generation": right["generation"], "generationHolder": right["generationHolder"]}));
    kubectl(&["rollout", "restart", OPERATOR, "-n", HUB_NAMESPACE]);
    kubectl(&["rollout", "status", OPERATOR, "-n", HUB_NAMESPACE, "--timeout=300s"]);
}
