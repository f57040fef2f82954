#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, clippy::type_complexity)]
use eai_api::{
    MemberReportSpec,
    names::{OUTPUTS_CPU_MILLIS, OUTPUTS_MEMORY_BYTES},
};
use eai_chain::{Domain, verify_offer};
use eai_core::offer::{Offer, SignedOffer};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{build::*, offers::Offers, pod::*};
use crate::{
    demand::Demand,
    report::*,
    testing::{at, config},
};

fn node(name: &str, change: Value) -> Arc<Node> {
    let mut node = json!({
        "metadata": { "name": name, "labels": { "nvidia.com/gpu.product": "A100", "nvidia.com/gpu.memory": "40960" } },
        "spec": {},
        "status": {
            "allocatable": { "cpu": "8", "memory": "16Gi", "pods": "110", "nvidia.com/gpu": "4", "xilinx.com/fpga": "1" },
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    for (pointer, value) in change.as_object().unwrap() {
        *node.pointer_mut(pointer).unwrap() = value.clone();
    }
    Arc::new(serde_json::from_value(node).unwrap())
}

fn light(spec: Value) -> LightPod {
    let mut pod: LightPod =
        serde_json::from_value(json!({ "metadata": { "name": "p", "uid": "u" }, "spec": spec })).unwrap();
    trim(&mut pod);
    pod
}

fn requests(spec: Value) -> Requests {
    light(spec).spec.requests
}

fn asks(resources: Value) -> Value {
    json!({ "name": "c", "resources": { "requests": resources } })
}

/// Limits that don't bind.
fn unlimited() -> crate::config::Config {
    let mut config = config();
    (config.limits.max_cpu, config.limits.max_memory, config.limits.max_pods) = (None, None, 1000);
    config.limits.accelerators.insert("nvidia.com/gpu".to_owned(), 100);
    config
}

#[test]
fn a_pod_asks_for_what_its_containers_do_together() {
    let spec = json!({ "containers": [asks(json!({ "cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1" })),
        asks(json!({ "cpu": "1" })), { "name": "nothing" }] });
    let expected = [("cpu".to_owned(), 1500), ("memory".to_owned(), 1 << 30), ("nvidia.com/gpu".to_owned(), 1)].into();
    assert_eq!(requests(spec), expected);
}

#[test]
fn init_containers_count_where_one_needs_more_than_the_rest_together() {
    let init = |cpu: &str| json!({ "name": "i", "resources": { "requests": { "cpu": cpu } } });
    let with = |init: Vec<Value>| {
        requests(json!({ "containers": [asks(json!({ "cpu": "1" }))], "initContainers": init }))["cpu"]
    };
    assert_eq!(with(vec![init("500m"), init("700m")]), 1000);
    assert_eq!(with(vec![init("3"), init("1")]), 3000);
}

#[test]
fn sidecars_count_on_top_and_before_later_init_containers() {
    let sidecar = json!({ "name": "s", "restartPolicy": "Always", "resources": { "requests": { "cpu": "1" } } });
    let init = json!({ "name": "i", "resources": { "requests": { "cpu": "3" } } });
    let with =
        |init: Value| requests(json!({ "containers": [asks(json!({ "cpu": "1" }))], "initContainers": init }))["cpu"];
    assert_eq!(with(json!([sidecar])), 2000);
    assert_eq!(with(json!([sidecar, init])), 4000);
    assert_eq!(with(json!([init, sidecar])), 3000);
}

#[test]
fn overhead_and_requests_of_the_whole_pod_count() {
    let spec = json!({ "containers": [asks(json!({ "cpu": "1", "nvidia.com/gpu": "2" }))],
        "resources": { "requests": { "cpu": "2" } }, "overhead": { "cpu": "250m" } });
    let requests = requests(spec);
    assert_eq!((requests["cpu"], requests["nvidia.com/gpu"]), (2250, 2));
}

#[test]
fn a_light_pod_keeps_nothing_that_capacity_does_not_need() {
    let pod = light(json!({ "nodeName": "n", "containers": [asks(json!({ "cpu": "1" }))] }));
    assert_eq!(pod.spec.node_name.as_deref(), Some("n"));
    assert!(pod.metadata.labels.is_none() && pod.metadata.annotations.is_none());
    // And it is a pod wherever it is asked for.
    assert_eq!(
        <LightPod as kube::Resource>::url_path(&(), Some("x")),
        <Pod as kube::Resource>::url_path(&(), Some("x"))
    );
}

#[test]
fn what_is_free_is_what_no_pod_asks_for() {
    let pods = [
        Arc::new(light(json!({ "nodeName": "a", "containers": [asks(json!({ "cpu": "2", "memory": "4Gi",
            "nvidia.com/gpu": "3" }))] }))),
        Arc::new(light(json!({ "containers": [asks(json!({ "cpu": "5" }))] }))),
    ];
    let report = nodes(&[node("a", json!({}))], &pods, &unlimited(), &Demand::default());
    assert_eq!(report[0].free_cpu_millis, 6_000 - OUTPUTS_CPU_MILLIS);
    assert_eq!(report[0].free_memory_bytes, (12 << 30) - OUTPUTS_MEMORY_BYTES);
    let gpu = &report[0].accelerators[0];
    assert_eq!((gpu.resource.as_str(), gpu.total, gpu.free), ("nvidia.com/gpu", 4, 1));
    assert_eq!((gpu.model.as_str(), gpu.memory_mib), ("A100", 40_960));
    // What the owner doesn't offer isn't reported.
    assert_eq!(report[0].accelerators.len(), 1);
}

#[test]
fn a_node_that_is_overcommitted_has_nothing_free() {
    let pod = Arc::new(light(json!({ "nodeName": "a", "containers": [asks(json!({ "cpu": "99" }))] })));
    let report = nodes(&[node("a", json!({}))], &[pod], &unlimited(), &Demand::default());
    assert_eq!(report[0].free_cpu_millis, 0);
}

#[test]
fn nodes_together_offer_no_more_than_the_owner_allows_beside_what_runs() {
    let two = [node("b", json!({})), node("a", json!({}))];
    let in_use = Demand {
        pods: 1,
        cpu_millis: 1_000,
        memory_bytes: 1 << 30,
        accelerators: [("nvidia.com/gpu".to_owned(), 1)].into(),
    };
    let report = nodes(&two, &[], &config(), &in_use);
    assert_eq!(report.iter().map(|n| n.free_cpu_millis).sum::<u64>(), 3_000);
    assert_eq!(report.iter().map(|n| n.free_memory_bytes).sum::<u64>(), 7 << 30);
    assert_eq!(report.iter().map(|n| n.accelerators[0].free).sum::<u32>(), 1);
    // In the order of their names, so that equal states give equal reports.
    assert_eq!(report.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let full = Demand { pods: 8, ..Demand::default() };
    assert!(nodes(&two, &[], &config(), &full).iter().all(|n| n.free_cpu_millis == 0 && n.accelerators[0].free == 0));
}

#[test]
fn nodes_that_cannot_take_work_are_left_out() {
    let mut config = config();
    let listed = |change: Value, config: &crate::config::Config| {
        nodes(&[node("a", change)], &[], config, &Demand::default()).len()
    };
    assert_eq!(listed(json!({}), &config), 1);
    assert_eq!(listed(json!({ "/spec": { "unschedulable": true } }), &config), 0);
    for status in ["False", "Unknown"] {
        assert_eq!(listed(json!({ "/status/conditions/0/status": status }), &config), 0, "{status}");
    }
    assert_eq!(listed(json!({ "/status/conditions": [] }), &config), 0);
    let taint =
        |key: &str, effect: &str| json!({ "/spec": { "taints": [{ "key": key, "value": "v", "effect": effect }] } });
    assert_eq!(listed(taint("dedicated", "NoSchedule"), &config), 0);
    assert_eq!(listed(taint("dedicated", "NoExecute"), &config), 0);
    assert_eq!(listed(taint("dedicated", "PreferNoSchedule"), &config), 1);
    assert_eq!(listed(taint("nvidia.com/gpu", "NoSchedule"), &config), 1);
    assert_eq!(listed(taint("nvidia.com/gpu", "NoExecute"), &config), 0);
    config.tolerations = serde_json::from_value(json!([{ "key": "dedicated", "operator": "Exists" }])).unwrap();
    assert_eq!(listed(taint("dedicated", "NoSchedule"), &config), 1);
    assert_eq!(listed(taint("other", "NoSchedule"), &config), 0);
    config.tolerations =
        serde_json::from_value(json!([{ "key": "dedicated", "value": "w", "effect": "NoSchedule" }])).unwrap();
    assert_eq!(listed(taint("dedicated", "NoSchedule"), &config), 0);
    config.node_selector.insert("pool".to_owned(), "eai".to_owned());
    assert_eq!(listed(json!({}), &config), 0);
    assert_eq!(listed(json!({ "/metadata/labels": { "pool": "eai" } }), &config), 1);
}

#[test]
fn nodes_meant_for_work_that_are_not_ready_are_named_and_others_are_not() {
    let mut config = unlimited();
    let status = |status: &str| json!({ "/status/conditions/0/status": status });
    let all = [node("fine", json!({})), node("unready", status("False")), node("silent", status("Unknown"))];
    let cordoned = json!({ "/spec": { "unschedulable": true }, "/status/conditions/0/status": "False" });
    let all = [&all[..], &[node("new", json!({ "/status/conditions": [] })), node("cordoned", cordoned)]].concat();
    assert_eq!(away(&all, &config), ["new", "silent", "unready"]);
    config.node_selector.insert("pool".to_owned(), "eai".to_owned());
    assert_eq!(away(&all, &config), [""; 0]);
    let many: Vec<_> = (0..100).map(|i| node(&format!("n{i}"), status("Unknown"))).collect();
    assert_eq!(away(&many, &unlimited()).len(), 64, "a report has room for so many");
}

#[test]
fn a_node_full_of_pods_has_nothing_free() {
    let pod = Arc::new(light(json!({ "nodeName": "a", "containers": [] })));
    let report =
        nodes(&[node("a", json!({ "/status/allocatable/pods": "1" }))], &[pod], &unlimited(), &Demand::default());
    assert_eq!((report[0].free_cpu_millis, report[0].accelerators[0].free), (0, 0));
}

#[test]
fn images_are_named_by_digest_and_only_those_that_work_may_use() {
    let mut config = config();
    config.limits.registries = vec!["registry.example.com/team".to_owned()];
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    let names = json!([
        { "names": [format!("registry.example.com/team/a@{}", digest("a")), "registry.example.com/team/a:latest"] },
        { "names": [format!("registry.example.com/private/b@{}", digest("b"))] },
        { "names": ["@", "sha256:", "registry.example.com/team/c:tag"] },
        {},
    ]);
    let mut holding = (*node("a", json!({}))).clone();
    holding.status.as_mut().unwrap().images = serde_json::from_value(names).unwrap();
    crate::trim::node(&mut holding);
    let kept: Vec<_> = holding.status.iter().flat_map(|s| s.images.iter().flatten()).flat_map(|i| &i.names).collect();
    assert!(!format!("{kept:?}").contains("latest"), "tags aren't kept in memory");
    let mut closed = holding.clone();
    closed.spec.as_mut().unwrap().unschedulable = Some(true);
    assert_eq!(images(&[Arc::new(holding.clone()), Arc::new(holding)], &config), [digest("a")]);
    assert!(images(&[Arc::new(closed)], &config).is_empty(), "of no use to work");
}

#[test]
fn the_interconnect_is_the_label_that_the_owner_named_or_the_node() {
    let labels = json!({ "/metadata/labels": { "nvidia.com/gpu.clique": "c1" } });
    let all = [node("a", labels), node("b", json!({}))];
    let of = |config: &crate::config::Config| -> Vec<String> {
        nodes(&all, &[], config, &Demand::default()).into_iter().map(|node| node.interconnect).collect()
    };
    let mut config = unlimited();
    assert_eq!(of(&config), ["a", "b"]);
    config.interconnect_label = "nvidia.com/gpu.clique".to_owned();
    assert_eq!(of(&config), ["c1", ""]);
}

#[test]
fn a_node_is_silent_only_when_nothing_is_heard_of_it() {
    let with = |status: &str| {
        silent_since(&node(
            "a",
            json!({ "/status/conditions": [{ "type": "Ready", "status": status,
            "lastTransitionTime": at(5).to_string() }] }),
        ))
    };
    assert_eq!(with("True"), None);
    assert_eq!(with("False"), None);
    assert_eq!(with("Unknown"), Some(at(5)));
}

/// The first of the chain tool's well-known development keys.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

#[test]
fn offers_carry_the_owners_signature_and_are_signed_anew_at_half_time() {
    let config = config();
    let key = Key::parse(KEY).unwrap();
    let mut offers = Offers::new(key);
    let first = offers.current(&config, 1_000).unwrap().to_vec();
    assert_eq!(first.iter().map(|o| o.class.as_str()).collect::<Vec<_>>(), ["nvidia.com/gpu", "cpu"]);
    let domain = Domain { chain_id: 31_337, escrow: config.chain.escrow };
    for report in &first {
        assert_eq!(report.valid_until, 1_000 + 3_600);
        let offer = Offer {
            provider: report.provider,
            member: "home-1".to_owned(),
            class: eai_core::class::Class(report.class.clone()),
            rate: report.rate,
            start_within: report.start_within,
            valid_until: report.valid_until,
            nonce: report.nonce,
        };
        verify_offer(&SignedOffer { offer, signature: report.signature.clone() }, domain).unwrap();
    }
    assert_eq!(offers.current(&config, 1_000 + 1_799).unwrap(), first);
    let second = offers.current(&config, 1_000 + 1_800).unwrap().to_vec();
    assert_eq!(second[0].valid_until, 1_000 + 1_800 + 3_600);
    assert_eq!(offers.renew_at(), 1_000 + 3_600);
}

#[tokio::test]
async fn the_hub_is_told_whether_work_may_run_on_without_it() {
    for allow in [false, true] {
        let mut config = config();
        config.limits.allow_continue = allow;
        let world = crate::testing::world::World::with(config).await;
        let ((nodes, _nodes), (pods, _pods)) = (kube::runtime::reflector::store(), kube::runtime::reflector::store());
        let context = Arc::clone(&world.context);
        let updates = tokio::sync::watch::channel(crate::update::unknown(&context.config)).1;
        let offered = tokio::sync::watch::channel(None).0;
        let kubernetes = String::new();
        let reporter = Reporter { context, nodes, pods, changed: Arc::default(), kubernetes, updates, offered };
        assert_eq!(reporter.spec(Vec::new()).allows_continue, allow);
    }
}

#[test]
fn a_report_is_not_taken_to_stand_for_ever() {
    let at = tokio::time::Instant::now();
    let written = super::Written { spec: MemberReportSpec::default(), at };
    let later = |seconds| at + std::time::Duration::from_secs(seconds);
    assert!(written.says(&MemberReportSpec::default(), later(59)));
    assert!(!written.says(&MemberReportSpec::default(), later(60)), "somebody else may have written it meanwhile");
    assert!(!written.says(&MemberReportSpec { allows_continue: true, ..Default::default() }, later(1)));
}
