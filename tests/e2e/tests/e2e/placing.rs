//! Where work goes, and what it would cost: asked beforehand, and as it happens.

use eai_e2e::run;
use serde_json::{Value, json};

use crate::support::{END, START, says, world};

#[test]
fn a_quote_says_where_and_for_how_much_without_making_anything() {
    let w = world();
    let vendor = w.vendor("quoting", "20");
    let before = w.wealth(&vendor);
    let file = std::env::temp_dir().join(format!("eai-quote-{}.json", std::process::id()));
    let ask = |change: &Value| {
        run::write(&file, &w.job(&vendor, "quoted", 1, change).to_string()).unwrap();
        vendor.eai(&w.stage, &["quote", "-f", file.to_str().unwrap(), "-o", "json"])
    };
    let quote: Value = serde_json::from_str(&ask(&json!({})).unwrap()).unwrap();
    let place = &quote["place"];
    assert_eq!((&quote["kind"], &quote["reason"]), (&json!("Quote"), &json!("Placed")), "{quote}");
    assert_eq!(quote["members"].as_array().unwrap().len(), 2, "{quote}");
    let job = w.submit(&vendor, "quoted", 1, &json!({}));
    w.reach(&job, "Succeeded", END);
    let attempt = job.read(&w.stage.hub).unwrap()["status"]["attempt"].clone();
    for (quoted, came) in [("member", "member"), ("rate", "rate"), ("class", "class"), ("milliUnits", "milliUnits")] {
        assert_eq!(place[quoted], attempt[came], "{quoted}: {quote}\n{attempt}");
    }
    assert_eq!(place["hold"], attempt["lease"]["hold"]);

    let huge = json!({"accelerator": {"resource": "nvidia.com/gpu", "count": 64}});
    let quote: Value = serde_json::from_str(&ask(&huge).unwrap()).unwrap();
    assert_eq!((&quote["place"], &quote["reason"]), (&Value::Null, &json!("NoMemberFits")));
    says(&quote.to_string(), &["4 of 4 nvidia.com/gpu free, 64 needed", "2 of 2 nvidia.com/gpu free, 64 needed"]);
    let misspelt = ask(&json!({"maxPrise": "1"})).unwrap_err().to_string();
    says(&misspelt, &["maxPrise"]);
    let jobs = w.stage.hub.kubectl(&["get", "aijobs", "-n", &vendor.namespace, "-o", "name"]).unwrap();
    assert_eq!(jobs.lines().count(), 1, "{jobs}");
    assert_ne!(w.wealth(&vendor), before, "only what ran was paid");
    std::fs::remove_file(&file).unwrap();
    vendor.leave(&w.stage, START).unwrap();
}

/// Both members run jobs in this suite, each by now with a record and with the trainer's image.
#[test]
fn members_say_what_images_they_hold_and_jobs_may_insist_on_trust_and_assurance() {
    let w = world();
    let vendor = w.vendor("choosy", "20");
    let digest = w.images.examples.split('@').nth(1).unwrap();
    let reports = w.stage.hub.kubectl(&["get", "memberreports", "-A", "-o", "json"]).unwrap();
    let reports: Value = serde_json::from_str(&reports).unwrap();
    let holds = |report: &Value| report["spec"]["images"].as_array().is_some_and(|all| all.contains(&json!(digest)));
    assert!(reports["items"].as_array().unwrap().iter().all(holds), "{digest} isn't in each of {reports:#}");
    let nodes = reports["items"].as_array().unwrap().iter().flat_map(|r| r["spec"]["nodes"].as_array().unwrap());
    assert!(nodes.clone().all(|node| node["interconnect"] == node["name"]), "no label is named, so it is the node");

    let job = w.submit(&vendor, "trusting", 1, &json!({"placement": {"minimumTrust": 100}}));
    says(&w.reason(&job, "NoMemberFits", START), &["of its work through, the job wants at least 100 %"]);
    let job = w.submit(&vendor, "attested", 1, &json!({"placement": {"minimumAssurance": "Attested"}}));
    says(&w.reason(&job, "NoMemberFits", START), &["assures L1 Sandboxed, the job wants at least L2 Attested"]);
    let gang = json!({"completions": 2, "parallelism": 2, "placement": {"sameInterconnect": true}});
    let gang = w.submit(&vendor, "together", 2, &gang);
    w.reach(&gang, "Succeeded", END);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_job_gives_way_to_a_more_important_one_of_its_namespace_and_goes_on_after_it() {
    let w = world();
    let vendor = w.vendor("urgent", "20");
    let on_home = |more: Value| {
        let mut change =
            json!({"placement": {"members": ["home"]}, "accelerator": {"resource": "nvidia.com/gpu", "count": 2}});
        for (field, value) in more.as_object().unwrap() {
            change[field] = value.clone();
        }
        change
    };
    let low = w.submit(&vendor, "low", 500, &on_home(json!({"preemptible": true})));
    w.reach(&low, "Running", START);
    let high = w.submit(&vendor, "high", 5, &on_home(json!({"priority": 10})));
    says(&w.reason(&low, "GaveWay", START), &["gives way to high"]);
    w.reach(&high, "Succeeded", END);
    w.reach(&low, "Running", END);
    let attempt = low.read(&w.stage.hub).unwrap()["status"]["attempt"].clone();
    assert_eq!((&attempt["epoch"]["attempt"], &attempt["pauses"]), (&json!(1), &json!(1)), "{attempt}");
    w.patch(&low, &json!({"spec": {"cancel": true}}));
    w.reach(&low, "Cancelled", END);
    vendor.leave(&w.stage, START).unwrap();
}
