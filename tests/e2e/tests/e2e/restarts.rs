//! Hub, agent and chain are killed while a job runs: the job ends once and is paid once, for the time it ran.

use std::time::Duration;

use eai_e2e::{deploy::HUB_NAMESPACE, jobs::Job, join::AGENT_NAMESPACE, report::assignment_name, run, usage::Runs};
use eai_testbed::Service;
use serde_json::{Value, json};

use crate::{
    racing::once,
    support::{END, START, text, world},
};

/// Kills a Deployment's pods at once, and waits until new ones serve.
fn kill_pods(cluster: &eai_e2e::Cluster, namespace: &str, deployment: &str) {
    let selector = {
        let object = cluster.get(&["deployment", deployment, "-n", namespace]).unwrap();
        let labels = object["spec"]["selector"]["matchLabels"].as_object().unwrap().clone();
        labels.iter().map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(",")
    };
    cluster.kubectl(&["delete", "pods", "-n", namespace, "-l", &selector, "--grace-period=0", "--force"]).unwrap();
    let deployment = format!("deployment/{deployment}");
    cluster.kubectl(&["rollout", "status", &deployment, "-n", namespace, "--timeout=180s"]).unwrap();
}

/// A job on `home` that runs for `seconds`, once it runs.
fn running(vendor: &eai_e2e::vendor::Vendor, seconds: u64) -> Job {
    let w = world();
    let job = w.submit(vendor, "survivor", seconds, &json!({"placement": {"members": ["home"]}}));
    w.reach(&job, "Running", START);
    job
}

/// The end: one attempt, one run, and the bill is what containerd says, to a second.
fn ends_once(job: &Job, seconds: u64) -> Value {
    let w = world();
    let done = w.reach(job, "Succeeded", seconds);
    once(&done);
    let runs = Runs::of(&w.stage.member("home").unwrap().cluster, &assignment_name(&done)).unwrap().unwrap();
    let units = done["status"]["attempt"]["milliUnits"].as_u64().unwrap();
    let (billed, ran) = (done["status"]["attempt"]["usageMs"].as_u64().unwrap(), runs.usage_ms(units));
    assert!(billed.abs_diff(ran) <= runs.tolerance_ms(units), "billed {billed}, ran {ran} unit-milliseconds");
    done
}

#[test]
fn a_job_survives_the_hub_being_killed() {
    let w = world();
    let vendor = w.vendor("hub-killed", "1");
    let job = running(&vendor, 20);
    kill_pods(&w.stage.hub, HUB_NAMESPACE, "eai-operator");
    ends_once(&job, END);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_job_survives_its_agent_being_killed() {
    let w = world();
    let vendor = w.vendor("agent-killed", "1");
    let job = running(&vendor, 20);
    kill_pods(&w.stage.member("home").unwrap().cluster, AGENT_NAMESPACE, "eai-agent");
    ends_once(&job, END);
    vendor.leave(&w.stage, START).unwrap();
}

/// What the hub assigned is deleted by hand, or lost in a backup's restore. It is made again, and the agent knows its work.
#[test]
fn a_job_survives_its_assignment_being_deleted() {
    let w = world();
    let vendor = w.vendor("unassigned", "1");
    let job = running(&vendor, 30);
    let object = job.read(&w.stage.hub).unwrap();
    w.stage.hub.kubectl(&["delete", "assignment", &assignment_name(&object), "-n", "cn-home"]).unwrap();
    ends_once(&job, END);
    vendor.leave(&w.stage, START).unwrap();
}

/// The chain is away while the work ends, and comes back where it was.
#[test]
fn a_job_survives_the_chain_being_killed() {
    let w = world();
    let Some(testbed) = &w.stage.testbed else { return };
    let vendor = w.vendor("chain-killed", "1");
    let before = w.wealth(&vendor);
    let job = running(&vendor, 20);
    testbed.kill(Service::Chain).unwrap();
    let finished = run::wait("the work to end without a chain", START, || {
        let object = job.read(&w.stage.hub).map_err(|error| error.to_string())?;
        match text(&object["status"]["phase"]) {
            "Settling" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    testbed.start(Service::Chain).unwrap();
    finished.unwrap();
    let done = ends_once(&job, END);
    let paid = w.lease(&done["status"]["attempt"]).unwrap().paid;
    assert_eq!(w.wealth(&vendor), before.checked_sub(paid).unwrap());
    vendor.leave(&w.stage, START).unwrap();
}

/// All at once, in the worst order: each comes back to a world that went on without it.
#[test]
fn a_job_survives_hub_agent_and_chain_being_killed_together() {
    let w = world();
    let vendor = w.vendor("all-killed", "1");
    let job = running(&vendor, 25);
    if let Some(testbed) = &w.stage.testbed {
        testbed.kill(Service::Chain).unwrap();
    }
    kill_pods(&w.stage.member("home").unwrap().cluster, AGENT_NAMESPACE, "eai-agent");
    let cluster = &w.stage.hub;
    cluster.kubectl(&["delete", "pods", "-n", HUB_NAMESPACE, "--all", "--grace-period=0", "--force"]).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    if let Some(testbed) = &w.stage.testbed {
        testbed.start(Service::Chain).unwrap();
    }
    cluster.kubectl(&["rollout", "status", "deployment/eai-operator", "-n", HUB_NAMESPACE, "--timeout=180s"]).unwrap();
    ends_once(&job, END);
    vendor.leave(&w.stage, START).unwrap();
}
