//! Money runs out and comes back, and not a wei is lost.

use std::collections::BTreeMap;

use eai_chain::LeaseState;
use eai_core::{
    metering::{UsageMs, cost},
    money::Amount,
};
use eai_e2e::{
    jobs::{self, Job},
    report::assignment_name,
    run,
    usage::Runs,
    vendor::Vendor,
};
use serde_json::{Value, json};

use crate::support::{END, START, amount, says, text, world};

/// The bill of a settled job is its usage at its rate, the lease is closed, and payer and provider have the whole hold.
#[track_caller]
fn settled_to_the_wei(job: &Value) -> Amount {
    let attempt = &job["status"]["attempt"];
    let lease = world().lease(attempt).expect("the lease is on the chain");
    assert_eq!(lease.state, LeaseState::Closed);
    assert_eq!(lease.held, Amount::ZERO);
    assert_eq!(lease.paid.checked_add(lease.refunded), Some(lease.hold));
    let usage = UsageMs(attempt["usageMs"].as_u64().unwrap());
    assert_eq!(lease.paid, cost(amount(&attempt["rate"]), usage), "paid for {usage:?}");
    assert_eq!(amount(&attempt["lease"]["paid"]), lease.paid);
    assert_eq!(amount(&attempt["lease"]["refunded"]), lease.refunded);
    lease.paid
}

fn gone(vendor: &Vendor, before: Amount, paid: Amount) {
    assert_eq!(world().wealth(vendor), before.checked_sub(paid).unwrap(), "only what was paid is gone");
}

/// At 0.04 EAI per core-hour a tenth of a core for an hour holds 0.004 EAI.
const HOLD: &str = "0.004";

#[test]
fn a_thousand_jobs_on_a_deposit_for_ten_run_ten_and_the_others_are_told_why_they_wait() {
    let w = world();
    let vendor = w.vendor("thousand", "0.04");
    let before = w.wealth(&vendor);
    let shape = json!({"maxDurationSeconds": 3600, "resources": {"cpu": "100m", "memory": "64Mi"}});
    let jobs: Vec<Value> = (0..1000).map(|n| w.job(&vendor, &format!("job-{n:03}"), 900, &shape)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": jobs}).to_string();
    let (code, said) = w.stage.hub.try_kubectl(&["create", "-f", "-"], Some(&list)).unwrap();
    assert_eq!(code, 0, "{said}");
    let read = || w.stage.hub.get(&["aijobs", "-n", &vendor.namespace]).map_err(|error| error.to_string());
    let objects = run::wait("ten of a thousand to run", END, || {
        let objects = read()?;
        let count = tally(&objects);
        let open = open_leases(&objects);
        assert!(open <= 10, "{open} leases on a deposit for ten");
        let waiting = reasons(&objects).get("InsufficientFunds").copied().unwrap_or(0);
        let settled = count.get("Running") == Some(&10) && waiting == 990;
        if settled { Ok(objects) } else { Err(format!("{count:?} {:?}", reasons(&objects))) }
    })
    .unwrap();
    assert_eq!(open_leases(&objects), 10);
    let held: u128 = leases(&objects).map(|attempt| w.lease(attempt).unwrap().hold.wei()).sum();
    assert_eq!(Amount::from_wei(held), "0.04".parse().unwrap(), "ten holds of {HOLD}");
    assert_eq!(w.block_on(w.chain().balance(vendor.person.address)).unwrap(), Amount::ZERO);
    let waiting = objects["items"].as_array().unwrap().iter().find(|job| jobs::phase(job) == "Pending").unwrap();
    says(
        &jobs::message(waiting),
        &["needs a hold of 0.004 EAI", "kubectl eai deposit", &vendor.person.address.to_string()],
    );

    vendor.leave(&w.stage, END).unwrap();
    let provider_paid = leases_closed(&objects);
    gone(&vendor, before, provider_paid);
}

fn leases(objects: &Value) -> impl Iterator<Item = &Value> {
    let items = objects["items"].as_array().into_iter().flatten();
    items.map(|job| &job["status"]["attempt"]).filter(|attempt| attempt["lease"]["state"] == "Open")
}

fn open_leases(objects: &Value) -> usize {
    leases(objects).count()
}

/// What the leases paid, once all of them are closed.
fn leases_closed(objects: &Value) -> Amount {
    leases(objects).fold(Amount::ZERO, |sum, attempt| {
        let lease = world().lease(attempt).unwrap();
        assert_eq!(lease.state, LeaseState::Closed, "the namespace is gone, so the lease is closed");
        assert_eq!(lease.paid.checked_add(lease.refunded), Some(lease.hold));
        sum.checked_add(lease.paid).unwrap()
    })
}

fn tally(objects: &Value) -> BTreeMap<String, usize> {
    count(objects, |job| jobs::phase(job).to_owned())
}

fn reasons(objects: &Value) -> BTreeMap<String, usize> {
    count(objects, |job| jobs::condition(job, "Ready").map_or("", |ready| text(&ready["reason"])).to_owned())
}

fn count(objects: &Value, of: impl Fn(&Value) -> String) -> BTreeMap<String, usize> {
    objects["items"].as_array().into_iter().flatten().fold(BTreeMap::new(), |mut counts, job| {
        *counts.entry(of(job)).or_default() += 1;
        counts
    })
}

/// Twenty seconds of a GPU at 1.2 EAI an hour. The work would go on for much longer.
#[test]
fn a_budget_that_runs_out_midway_pauses_the_job_and_raising_it_resumes_the_job() {
    let w = world();
    let vendor = w.vendor("budget", "1");
    let before = w.wealth(&vendor);
    let gpu = json!({"resource": "nvidia.com/gpu"});
    let job = w.submit(&vendor, "short", 400, &json!({"accelerator": gpu, "budget": "0.006666666666666667"}));
    w.reach(&job, "Running", START);
    let paused = w.reach(&job, "Paused", START);
    says(&jobs::message(&paused), &["BudgetReached", "the budget of 0.006666666666666667 EAI", "Raise spec.budget"]);
    assert!(amount(&paused["status"]["cost"]) <= amount(&paused["spec"]["budget"]), "never past the budget");
    let member = &w.stage.member(text(&paused["status"]["member"])).unwrap().cluster;
    let pods = format!("eai.network/job-uid={}", text(&paused["metadata"]["uid"]));
    run::wait("a paused job's pods to go", START, || match member.get(&["pods", "-n", "eai-work", "-l", &pods]) {
        Ok(list) if list["items"] == json!([]) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
    w.patch(&job, &json!({"spec": {"budget": "1"}}));
    let again = w.reach(&job, "Running", START);
    assert_eq!(again["status"]["attempt"]["epoch"]["attempt"], 1, "the same attempt goes on");
    gone(&vendor, before, settled_to_the_wei(&cancel(&vendor, &job)));
    vendor.leave(&w.stage, START).unwrap();
}

/// The lease holds a minute and the account nothing more. A pause in between makes the minute too short for the work.
#[test]
fn a_hold_that_is_empty_pauses_the_job_and_a_deposit_resumes_it() {
    let w = world();
    let vendor = w.poor_vendor("hold", "1");
    vendor.deposit(&w.stage, "0.02").unwrap();
    vendor.authorize(&w.stage, "1", "5").unwrap();
    let before = w.wealth(&vendor);
    let shape = json!({"accelerator": {"resource": "nvidia.com/gpu"}, "maxDurationSeconds": 60});
    let job = w.submit(&vendor, "empty", 400, &shape);
    w.reach(&job, "Running", START);
    w.patch(&job, &json!({"spec": {"suspend": true}}));
    let paused = w.reach(&job, "Paused", START);
    says(&jobs::message(&paused), &["Suspended"]);
    w.patch(&job, &json!({"spec": {"suspend": false}}));
    w.reach(&job, "Running", START);
    let said = w.reason(&job, "HoldEmpty", START);
    says(&said, &["kubectl eai deposit", &vendor.person.address.to_string()]);
    w.reach(&job, "Paused", START);
    vendor.deposit(&w.stage, "0.5").unwrap();
    w.reach(&job, "Running", START);
    gone(&vendor, before, settled_to_the_wei(&cancel(&vendor, &job)));
    vendor.leave(&w.stage, START).unwrap();
}

/// Ends a job as its vendor does.
fn cancel(vendor: &Vendor, job: &Job) -> Value {
    vendor.eai(&world().stage, &["cancel", &job.name]).unwrap();
    world().reach(job, "Cancelled", START)
}

/// A payer can begin to close a lease without the hub, at any time. What runs until the hub has seen that is paid.
#[test]
fn a_payer_who_closes_the_lease_at_once_pays_for_what_runs_all_the_same() {
    let w = world();
    let vendor = w.vendor("closing", "1");
    let before = w.wealth(&vendor);
    let job = w.submit(&vendor, "closed", 30, &json!({}));
    let opened = |object: &Value| object["status"]["attempt"]["lease"]["state"] == "Open";
    let object = job.wait_for(&w.stage.hub, START, "an open lease", opened).unwrap();
    let lease = text(&object["status"]["attempt"]["lease"]["id"]).parse().unwrap();
    w.block_on(vendor.start_closing(&w.contracts, lease)).unwrap();
    let over = |object: &Value| ["Succeeded", "Failed"].contains(&jobs::phase(object));
    let done = job.wait_for(&w.stage.hub, START, "its end", over).unwrap();
    let paid = settled_to_the_wei(&done);
    let usage = done["status"]["attempt"]["usageMs"].as_u64().unwrap();
    assert!(usage >= 2_500, "a tenth of a core for half a minute, not {usage} core-ms");
    gone(&vendor, before, paid);
    vendor.leave(&w.stage, START).unwrap();
}

/// Pods with outputs stay until these are collected; what counts is when the work itself ended.
#[test]
fn a_job_with_outputs_that_is_paused_and_cancelled_pays_for_what_containerd_says_it_ran() {
    let w = world();
    let vendor = w.vendor("outputs", "1");
    let before = w.wealth(&vendor);
    let shape = json!({"outputs": [{"name": "model", "path": "model"}], "placement": {"members": ["home"]}});
    let job = w.submit(&vendor, "interrupted", 300, &shape);
    w.reach(&job, "Running", START);
    w.patch(&job, &json!({"spec": {"suspend": true}}));
    w.reach(&job, "Paused", START);
    w.patch(&job, &json!({"spec": {"suspend": false}}));
    w.reach(&job, "Running", START);
    let done = cancel(&vendor, &job);
    let paid = settled_to_the_wei(&done);
    let attempt = &done["status"]["attempt"];
    let units = attempt["milliUnits"].as_u64().unwrap();
    let runs = Runs::of(&w.stage.member("home").unwrap().cluster, &assignment_name(&done)).unwrap().unwrap();
    let (billed, ran) = (attempt["usageMs"].as_u64().unwrap(), runs.usage_ms(units));
    assert!(
        billed.abs_diff(ran) <= runs.tolerance_ms(units),
        "billed {billed}, ran {ran} core-ms in {} runs",
        runs.count
    );
    gone(&vendor, before, paid);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_job_that_is_cancelled_pays_for_what_ran_and_gets_the_rest_back() {
    let w = world();
    let vendor = w.vendor("cancel", "1");
    let before = w.wealth(&vendor);
    let job = w.submit(&vendor, "cancelled", 300, &json!({}));
    w.reach(&job, "Running", START);
    let done = cancel(&vendor, &job);
    let paid = settled_to_the_wei(&done);
    assert!(paid > Amount::ZERO);
    gone(&vendor, before, paid);
    vendor.leave(&w.stage, START).unwrap();
}
