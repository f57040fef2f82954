//! The last test: everything is taken off again, with a job running and another paused, and nothing is stuck. After it
//! nothing is installed any more.

use eai_chain::LeaseState;
use eai_core::money::Amount;
use eai_e2e::{deploy::HUB_NAMESPACE, join::AGENT_NAMESPACE, run};
use serde_json::{Value, json};

use crate::support::{START, text, world};

/// Objects that are on their way out but can't go.
fn stuck(cluster: &eai_e2e::Cluster) -> Vec<String> {
    let namespaces = cluster.get(&["namespaces"]).unwrap();
    let leaving = |object: &&Value| object["metadata"]["deletionTimestamp"].is_string();
    let name = |object: &Value| format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]));
    namespaces["items"].as_array().unwrap().iter().filter(leaving).map(name).collect()
}

/// Whatever carries the charts' label, in any kind that they install.
fn labelled(cluster: &eai_e2e::Cluster) -> Vec<String> {
    const KINDS: &str = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,\
                         flowschemas,prioritylevelconfigurations,apiservices,roles,rolebindings,serviceaccounts,services,\
                         deployments,networkpolicies,jobs,pods,configmaps,secrets";
    let found = cluster.kubectl(&["get", KINDS, "-A", "-l", "app.kubernetes.io/part-of=eai", "-o", "name"]).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[test]
fn uninstalling_with_work_under_way_leaves_nothing_stuck_and_no_money_behind() {
    let w = world();
    let hub = &w.stage.hub;
    let vendor = w.vendor("uninstall", "1");
    let before = w.wealth(&vendor);
    let on = |member: &str| json!({"placement": {"members": [member]}});
    let jobs = [w.submit(&vendor, "at-home", 600, &on("home")), w.submit(&vendor, "in-cloud", 600, &on("cloud"))];
    let attempts = jobs.each_ref().map(|job| w.reach(job, "Running", START)["status"]["attempt"].clone());

    // The hub first, as its admin does it: its hook ends jobs, closes leases and lets members go.
    hub.helm(&["uninstall", "eai-hub", "-n", HUB_NAMESPACE, "--wait", "--timeout=300s"]).unwrap();
    let paid = attempts.iter().fold(Amount::ZERO, |sum, attempt| {
        let lease = w.lease(attempt).unwrap();
        assert_eq!(lease.state, LeaseState::Closed, "uninstalling closes the leases");
        sum.checked_add(lease.paid).unwrap()
    });
    assert_eq!(w.wealth(&vendor), before.checked_sub(paid).unwrap());
    vendor.leave(&w.stage, START).unwrap();
    hub.helm(&["uninstall", "eai-crds", "-n", HUB_NAMESPACE, "--wait", "--timeout=120s"]).unwrap();
    hub.kubectl(&["delete", "namespace", HUB_NAMESPACE, "--timeout=180s"]).unwrap();
    let left = hub.get(&["namespaces"]).unwrap();
    let names = left["items"].as_array().unwrap().iter().map(|namespace| text(&namespace["metadata"]["name"]));
    assert_eq!(names.filter(|name| name.starts_with("cn-")).collect::<Vec<_>>(), Vec::<&str>::new());
    let (_, kinds) = hub.try_kubectl(&["get", "crds", "-o", "name"], None).unwrap();
    assert!(!kinds.contains("eai.network"), "{kinds}");

    // Then the members, whose hub is gone for good.
    for member in &w.stage.members {
        let cluster = &member.cluster;
        cluster.helm(&["uninstall", "eai-agent", "-n", AGENT_NAMESPACE, "--wait", "--timeout=300s"]).unwrap();
        cluster
            .kubectl(&["delete", "namespace", AGENT_NAMESPACE, "eai-work", "--ignore-not-found", "--timeout=180s"])
            .unwrap();
    }
    for cluster in w.stage.members.iter().map(|member| &member.cluster).chain([hub]) {
        run::wait(&format!("{}: namespaces to go", cluster.name), START, || match stuck(cluster) {
            left if left.is_empty() => Ok(()),
            left => Err(left.join(", ")),
        })
        .unwrap();
        assert_eq!(labelled(cluster), Vec::<String>::new(), "on {}", cluster.name);
    }
}
