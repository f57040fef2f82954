//! What can't be done is refused with a sentence that says why, and nothing is lost.

use eai_e2e::{jobs, run};
use serde_json::{Value, json};

use crate::support::{END, START, says, text, world};

#[test]
fn an_image_without_a_digest_is_refused_by_its_field() {
    let w = world();
    let vendor = w.poor_vendor("tag", "1");
    let tag = w.images.examples.split('@').next().unwrap().to_owned() + ":demo";
    let job = w.job(&vendor, "tag", 1, &json!({"image": tag}));
    let (code, said) = w.stage.hub.try_kubectl(&["apply", "-f", "-"], Some(&job.to_string())).unwrap();
    assert_ne!(code, 0);
    says(&said, &["spec.image: Invalid value", "name the image by registry and digest", "a tag may change"]);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_negative_or_malformed_amount_is_refused_by_its_field() {
    let w = world();
    let vendor = w.poor_vendor("negative", "1");
    for (field, amount) in
        [("maxPrice", "-1"), ("maxPrice", "1e3"), ("budget", "1,5"), ("budget", "-0.000000000000000001")]
    {
        let job = w.job(&vendor, "amount", 1, &json!({field: amount}));
        let (code, said) = w.stage.hub.try_kubectl(&["apply", "-f", "-"], Some(&job.to_string())).unwrap();
        assert_ne!(code, 0, "{field}: {amount}");
        says(&said, &[&format!("spec.{field}: Invalid value: \"{amount}\""), "write an amount of EAI"]);
    }
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_budget_that_buys_no_useful_run_keeps_nothing_from_anybody() {
    let w = world();
    let vendor = w.vendor("wei", "1");
    let before = w.wealth(&vendor);
    let gpu = json!({"accelerator": {"resource": "nvidia.com/gpu"}, "budget": "0.000000000000000001"});
    let job = w.submit(&vendor, "one-wei", 1, &gpu);
    let said = w.reason(&job, "BudgetTooSmall", START);
    says(&said, &["0.000000000000000001 EAI left", "raise spec.budget"]);
    assert_eq!(job.read(&w.stage.hub).unwrap()["status"]["attempt"], Value::Null, "no member is claimed");
    assert_eq!(w.wealth(&vendor), before);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_job_padded_so_that_its_status_has_no_room_is_refused() {
    let w = world();
    let vendor = w.poor_vendor("padded", "1");
    let mut job = w.job(&vendor, "padded", 1, &json!({}));
    job["metadata"]["labels"] =
        (0..65).map(|n| (format!("pad-{n}"), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let (code, said) = w.stage.hub.try_kubectl(&["create", "-f", "-"], Some(&job.to_string())).unwrap();
    assert_ne!(code, 0);
    says(&said, &["metadata.labels: an AIJob has at most 64"]);
    job["metadata"]["labels"] = json!({});
    job["metadata"]["annotations"] = json!({"pad": "x".repeat(131_072)});
    let (code, said) = w.stage.hub.try_kubectl(&["create", "-f", "-"], Some(&job.to_string())).unwrap();
    assert_ne!(code, 0);
    says(&said, &["metadata.annotations: an AIJob has at most 128 KiB"]);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_job_that_no_member_fits_is_told_which_resource_is_short_on_which_member_by_how_much() {
    let w = world();
    let vendor = w.vendor("toobig", "20");
    let before = w.wealth(&vendor);
    let job = w.submit(&vendor, "too-big", 1, &json!({"accelerator": {"resource": "nvidia.com/gpu", "count": 64}}));
    let said = w.reason(&job, "NoMemberFits", START);
    says(&said, &["home", "cloud", "nvidia.com/gpu", "64 needed"]);
    let refusals = job.read(&w.stage.hub).unwrap()["status"]["refusals"].clone();
    for line in ["cloud: 4 of 4 nvidia.com/gpu free, 64 needed", "home: 2 of 2 nvidia.com/gpu free, 64 needed"] {
        assert!(refusals.as_array().unwrap().contains(&json!(line)), "{line:?} isn't in {refusals}");
    }
    let explained = vendor.eai(&w.stage, &["explain", "too-big"]).unwrap();
    says(&explained, &["home", "nvidia.com/gpu"]);
    assert_eq!(w.wealth(&vendor), before);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_namespace_whose_payer_authorised_nothing_runs_nothing_and_is_told_the_command() {
    let w = world();
    let vendor = w.poor_vendor("unknown", "1");
    vendor.deposit(&w.stage, "1").unwrap();
    let before = w.wealth(&vendor);
    let job = w.submit(&vendor, "unpaid", 1, &json!({}));
    let said = w.reason(&job, "NotAuthorised", START);
    says(&said, &["kubectl eai authorize", &vendor.namespace, &vendor.person.address.to_string()]);
    let object = job.read(&w.stage.hub).unwrap();
    assert_eq!(jobs::condition(&object, "Funded").map(|c| text(&c["status"])), Some("False"));
    assert_eq!(w.wealth(&vendor), before);
    vendor.authorize(&w.stage, "1", "5").unwrap();
    w.reach(&job, "Succeeded", END);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn a_namespace_that_was_deleted_and_made_again_inherits_no_authorisation() {
    let w = world();
    let vendor = w.vendor("remade", "1");
    let before = w.wealth(&vendor);
    vendor.leave(&w.stage, START).unwrap();
    w.stage.hub.kubectl(&["create", "namespace", &vendor.namespace]).unwrap();
    let job = w.submit(&vendor, "inherits", 1, &json!({}));
    let said = w.reason(&job, "NotAuthorised", START);
    says(&said, &["kubectl eai authorize", "made again"]);
    assert_eq!(w.wealth(&vendor), before);
    vendor.leave(&w.stage, START).unwrap();
}

/// A kubeconfig in which nothing is wrong but that its user runs a program.
fn kubeconfig_with_plugin() -> Value {
    let cloud = &world().stage.member("cloud").unwrap().cluster;
    let view = cloud.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]).unwrap();
    let view: Value = serde_json::from_str(&view).unwrap();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "evil",
        "contexts": [{"name": "evil", "context": {"cluster": "evil", "user": "evil"}}],
        "clusters": [{"name": "evil", "cluster": view["clusters"][0]["cluster"]}],
        "users": [{"name": "evil", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "/bin/sh",
            "args": ["-c", "touch /tmp/eai-plugin-ran"],
            "interactiveMode": "Never",
        }}}],
    })
}

#[test]
fn a_kubeconfig_that_runs_a_plugin_is_refused_by_the_command_that_takes_it() {
    let w = world();
    let dir = w.stage.dir.join("refused");
    let (kubeconfig, config, key) = (dir.join("kubeconfig"), dir.join("agent.yaml"), dir.join("key"));
    run::write_secret(&kubeconfig, &kubeconfig_with_plugin().to_string()).unwrap();
    run::write(&config, &json!({"prices": [{"class": "cpu", "rate": "1"}]}).to_string()).unwrap();
    run::write_secret(&key, &w.stage.people.miners[0].key).unwrap();
    let mut join = w.stage.eai(None).unwrap();
    join.args(["join", "e2e-refused", "--push", "--member-kubeconfig"]).arg(&kubeconfig);
    join.arg("--config").arg(&config).arg("--owner-key-file").arg(&key);
    let (code, said) = run::attempt_text(&mut join, None).unwrap();
    assert_ne!(code, 0, "{said}");
    says(&said, &["exec"]);
    assert!(!std::path::Path::new("/tmp/eai-plugin-ran").exists(), "the plugin ran");
    let made = w.stage.hub.try_kubectl(&["get", "computenode", "e2e-refused"], None).unwrap();
    assert_ne!(made.0, 0, "something was made: {}", made.1);
}

/// Somebody goes around the command, with an admin's rights: the hub looks at the Secret itself.
#[test]
fn a_kubeconfig_that_runs_a_plugin_is_refused_by_the_hub() {
    let w = world();
    let hub = &w.stage.hub;
    // What an earlier run left, if it failed.
    let _ = run::attempt_text(w.stage.eai(None).unwrap().args(["leave", "e2e-plugin", "--yes"]), None);
    let _ = hub.try_kubectl(&["wait", "--for=delete", "namespace/cn-e2e-plugin", "--timeout=180s"], None);
    let node = json!({
        "apiVersion": "eai.network/v1alpha1",
        "kind": "ComputeNode",
        "metadata": {"name": "e2e-plugin"},
        "spec": {"owner": w.stage.people.miners[0].address, "connection": "Push", "accepted": true},
    });
    hub.apply(&node.to_string()).unwrap();
    run::wait("the namespace cn-e2e-plugin", START, || {
        hub.get(&["namespace", "cn-e2e-plugin"]).map(|_| ()).map_err(|error| error.to_string())
    })
    .unwrap();
    let secret = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "cn-e2e-plugin"}, "stringData": data});
    let kubeconfig = secret("member-kubeconfig", json!({"kubeconfig": kubeconfig_with_plugin().to_string()}));
    let config = secret("agent-config", json!({"agent.yaml": "{}", "owner-key": w.stage.people.miners[0].key}));
    hub.apply(&kubeconfig.to_string()).unwrap();
    hub.apply(&config.to_string()).unwrap();
    let node = run::wait("the refusal", START, || {
        let node = hub.get(&["computenode", "e2e-plugin"]).map_err(|error| error.to_string())?;
        match jobs::condition(&node, "Stalled") {
            Some(stalled) if stalled["reason"] == "KubeconfigRefused" => Ok(node),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    says(text(&jobs::condition(&node, "Stalled").unwrap()["message"]), &["exec"]);
    let made = hub.get(&["deployments", "-n", "cn-e2e-plugin"]).unwrap();
    assert_eq!(made["items"], json!([]), "an agent was started with it");
    run::output(w.stage.eai(None).unwrap().args(["leave", "e2e-plugin", "--yes"])).unwrap();
    hub.kubectl(&["wait", "--for=delete", "namespace/cn-e2e-plugin", "--timeout=180s"]).unwrap();
}
