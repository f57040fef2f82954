#![allow(clippy::unwrap_used)]
use eai_api::aijob::Network;
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use super::{
    inside::{interfaces, run},
    pod::{answer, describe, pod, targets},
    *,
};
use crate::testing::config;

fn node(addresses: &Value) -> Node {
    serde_json::from_value(json!({ "metadata": { "name": "n" }, "status": { "addresses": addresses } })).unwrap()
}

#[test]
fn the_owners_nodes_network_and_metadata_must_be_out_of_reach() {
    let nodes = [
        node(&json!([{ "type": "InternalIP", "address": "192.168.1.20" }, { "type": "Hostname", "address": "n" }])),
        node(&json!([{ "type": "ExternalIP", "address": "2001:db8::1" }])),
    ];
    let internet = targets(&nodes, &config(), Network::Internet);
    for target in [
        "169.254.169.254:80",
        "192.168.1.20:10250",
        "192.168.1.20:6443",
        "192.168.1.1:80",
        "192.168.1.1:53",
        "192.168.1.254:443",
        "[2001:db8::1]:10250",
    ] {
        assert!(internet.contains(target), "{target}: {internet:?}");
    }
    assert!(internet.iter().all(|target| target.parse::<std::net::SocketAddr>().is_ok()), "{internet:?}");
    // The internet itself may be reached by one and not by the other.
    assert!(!internet.contains("1.1.1.1:443") && !internet.contains("1.1.1.1:53"));
    let none = targets(&nodes, &config(), Network::None);
    assert!(none.contains("1.1.1.1:443") && none.contains("1.1.1.1:53") && none.is_superset(&internet));
}

#[test]
fn the_probe_is_held_to_what_work_is_held_to() {
    let targets = ["10.0.0.1:6443".to_owned()].into();
    let probe = pod(&config(), Network::None, &targets);
    let spec = probe.spec.unwrap();
    assert_eq!(spec.runtime_class_name.as_deref(), Some("gvisor"));
    assert_eq!((spec.automount_service_account_token, spec.host_network), (Some(false), None));
    let container = &spec.containers[0];
    assert_eq!(container.security_context, Some(crate::work::build::pod::confined()));
    assert_eq!(
        container.command.as_deref().unwrap(),
        ["/usr/bin/eai-agent", "probe", "--no-interfaces", "--target=10.0.0.1:6443"]
    );
    let labels = probe.metadata.labels.unwrap();
    assert_eq!((labels["eai.network/network"].as_str(), labels["eai.network/probe"].as_str()), ("none", "none"));
    assert!(!labels.contains_key("eai.network/assignment"));
    let internet = pod(&config(), Network::Internet, &targets).spec.unwrap();
    assert_eq!(internet.runtime_class_name, None);
    assert!(!internet.containers[0].command.as_deref().unwrap().contains(&"--no-interfaces".to_owned()));
}

fn ended(exit: i32) -> Pod {
    serde_json::from_value(json!({ "metadata": {}, "status": { "phase": "Failed", "containerStatuses": [
        crate::testing::container("probe", json!({ "terminated": { "exitCode": exit, "message": "reached: x\n" } })) ] } }))
    .unwrap()
}

#[test]
fn only_a_clear_answer_is_one() {
    assert_eq!(answer(&ended(0)), Some(true));
    assert_eq!(answer(&ended(10)), Some(false));
    for exit in [1, 2, 101, 128, 137, 139] {
        assert_eq!(answer(&ended(exit)), None, "{exit}");
    }
    assert_eq!(answer(&Pod::default()), None);
    assert_eq!(describe(&ended(10)), "exit code 10: reached: x");
}

#[test]
fn a_probe_that_does_not_run_says_why() {
    let waiting: Pod = serde_json::from_value(json!({ "metadata": {}, "status": { "phase": "Pending",
        "containerStatuses": [crate::testing::container("probe", json!({ "waiting": {
            "reason": "ErrImagePull", "message": "not found" } }))] } }))
    .unwrap();
    assert_eq!(describe(&waiting), "ErrImagePull: not found");
    let unscheduled: Pod =
        serde_json::from_value(json!({ "metadata": {}, "status": { "phase": "Pending", "conditions": [
        { "type": "PodScheduled", "status": "False", "message": "no node" }] } }))
        .unwrap();
    assert_eq!(describe(&unscheduled), "no node");
}

#[test]
fn every_interface_but_the_loopback_counts() {
    let path = std::env::temp_dir().join(format!("eai-interfaces-{}", std::process::id()));
    let table = "Inter-|   Receive\n face |bytes\n    lo:  10 0\n  eth0:  20 0\n";
    std::fs::write(&path, table).unwrap();
    assert_eq!(interfaces(&path).unwrap(), ["eth0"]);
    std::fs::write(&path, "Inter-| Receive\n    lo: 10\n").unwrap();
    assert!(interfaces(&path).unwrap().is_empty());
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_listener_and_a_refusal_are_both_reached_and_silence_is_not() {
    use clap::Parser as _;
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let code = |targets: Vec<String>| async move {
        let words = std::iter::once("probe".to_owned()).chain(targets.into_iter().map(|t| format!("--target={t}")));
        format!("{:?}", run(Cli::parse_from(words).args).await)
    };
    let reached = format!("{:?}", std::process::ExitCode::from(10));
    let isolated = format!("{:?}", std::process::ExitCode::from(0));
    assert_eq!(code(vec![open.to_string()]).await, reached);
    assert_eq!(code(vec![closed.to_string()]).await, reached);
    assert_eq!(code(vec![]).await, isolated);
}
