//! Two hubs race for the same jobs, the leader lease broken on purpose: each job is attempted once and paid once.

use eai_chain::LeaseState;
use eai_core::money::Amount;
use eai_e2e::{deploy::HUB_NAMESPACE, report::assignment_name, run, usage::Runs};
use serde_json::{Value, json};

use crate::support::{END, START, text, world};

const SECOND: &str = "e2e-second-hub";
const JOBS: usize = 6;

/// A second hub with the same key and rights that asks no leader lease. Its labels are its own, so that no Service leads
/// to it.
fn second_hub() -> Value {
    let mut hub = world().stage.hub.get(&["deployment", "eai-operator", "-n", HUB_NAMESPACE]).unwrap();
    let labels = json!({"app": SECOND});
    hub["metadata"] = json!({"name": SECOND, "namespace": HUB_NAMESPACE});
    hub.as_object_mut().unwrap().remove("status");
    let spec = &mut hub["spec"];
    spec["selector"] = json!({"matchLabels": labels});
    spec["template"]["metadata"] = json!({"labels": labels});
    let pod = &mut spec["template"]["spec"];
    for volume in pod["volumes"].as_array_mut().unwrap().iter_mut().filter(|volume| volume["name"] == "artifacts") {
        *volume = json!({"name": "artifacts", "emptyDir": {}});
    }
    let arguments = pod["containers"][0]["args"].as_array_mut().unwrap();
    arguments.retain(|argument| !text(argument).starts_with("--leader-elect"));
    arguments.push(json!("--leader-elect=false"));
    hub
}

/// A second hub that goes with its last mention, whatever happens in between.
struct SecondHub;

impl SecondHub {
    fn start() -> Self {
        let hub = &world().stage.hub;
        let second = Self;
        hub.apply(&second_hub().to_string()).unwrap();
        let name = format!("deployment/{SECOND}");
        hub.kubectl(&["rollout", "status", &name, "-n", HUB_NAMESPACE, "--timeout=180s"]).unwrap();
        second
    }
}

impl Drop for SecondHub {
    fn drop(&mut self) {
        let delete = ["delete", "deployment", SECOND, "-n", HUB_NAMESPACE, "--ignore-not-found", "--timeout=180s"];
        let gone = world().stage.hub.kubectl(&delete);
        assert!(gone.is_ok() || std::thread::panicking(), "{gone:?}");
    }
}

#[test]
fn two_hubs_that_race_make_one_attempt_and_one_lease_of_each_job() {
    let w = world();
    let vendor = w.vendor("race", "1");
    let before = w.wealth(&vendor);
    let second = SecondHub::start();
    let jobs: Vec<_> = (0..JOBS).map(|n| w.submit(&vendor, &format!("raced-{n}"), 3, &json!({}))).collect();
    let ended = jobs.iter().map(|job| w.reach(job, "Succeeded", END));
    let paid = ended.fold(Amount::ZERO, |sum, job| sum.checked_add(once(&job)).unwrap());
    drop(second);
    assert_eq!(w.wealth(&vendor), before.checked_sub(paid).unwrap(), "the vendor lost only what was paid");
    vendor.leave(&w.stage, START).unwrap();
}

/// Asserts that a job was attempted once, ran once and was paid once; returns what was paid.
#[track_caller]
pub fn once(job: &Value) -> Amount {
    let w = world();
    let (status, uid) = (&job["status"], text(&job["metadata"]["uid"]));
    assert_eq!(status["attempt"]["epoch"]["attempt"], 1, "{uid}: a second attempt");
    assert!(status["pastAttempts"].as_array().is_none_or(Vec::is_empty), "{uid}: {}", status["pastAttempts"]);
    let lease = w.lease(&status["attempt"]).expect("its lease is on the chain");
    assert_eq!(lease.state, LeaseState::Closed);
    assert_eq!(lease.paid.checked_add(lease.refunded), Some(lease.hold));
    let member = &w.stage.member(text(&status["member"])).unwrap().cluster;
    let runs = Runs::of(member, &assignment_name(job)).unwrap();
    if let Some(runs) = runs {
        assert_eq!(u64::from(runs.count), job["spec"]["completions"].as_u64().unwrap(), "{uid}: containers that ran");
    }
    let others: Vec<_> = w.stage.members.iter().filter(|other| other.cluster.name != member.name).collect();
    for other in others {
        let runs = Runs::of(&other.cluster, uid).unwrap();
        assert!(runs.is_none_or(|runs| runs.count == 0), "{uid}: it ran on {} too", other.cluster.name);
    }
    lease.paid
}

/// The hub that is left is the one with the lease, and it is alone.
#[test]
fn one_hub_leads() {
    let w = world();
    let lease = run::wait("a leader", START, || {
        let lease =
            w.stage.hub.get(&["lease", "eai-operator", "-n", HUB_NAMESPACE]).map_err(|error| error.to_string())?;
        if lease["spec"]["holderIdentity"].is_string() { Ok(lease) } else { Err(lease.to_string()) }
    })
    .unwrap();
    assert!(!text(&lease["spec"]["holderIdentity"]).is_empty());
}
