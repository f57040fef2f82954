//! Somebody has stolen the hub: they write Assignments into a member's namespace with the hub's own rights. What the
//! member's owner doesn't allow is refused by the agent, with a sentence, and nothing of it runs.

use eai_core::epoch::Epoch;
use eai_e2e::run;
use serde_json::{Value, json};

use crate::support::{START, says, text, world};

const HUB: &str = "--as=system:serviceaccount:eai-system:eai-operator";
const MEMBER: &str = "home";
/// How often an attack is tried on which the hub is sooner than the agent.
const TRIES: usize = 10;

/// A job's UID that no API server gives.
fn uid(number: usize) -> String {
    format!("00000000-0000-4000-8000-e2e{number:09}")
}

/// What the agent would run, if it were paid for.
fn assignment(number: usize) -> Value {
    let uid = uid(number);
    json!({
        "apiVersion": "eai.network/v1alpha1",
        "kind": "Assignment",
        "metadata": {"name": Epoch { generation: world().generation(), attempt: 1 }.name(&uid), "namespace": format!("cn-{MEMBER}")},
        "spec": {
            "job": {"namespace": "stolen", "name": "stolen", "uid": uid},
            "epoch": {"generation": world().generation(), "attempt": 1},
            "workload": {
                "image": world().images.examples,
                "args": ["train"],
                "cpuMillis": 100,
                "memoryBytes": 128 << 20,
                "completions": 1,
                "parallelism": 1,
                "maxDurationSeconds": 60,
            },
            "class": "cpu",
            "rate": "5",
            "leaseId": format!("0x{}", "1".repeat(64)),
        },
    })
}

/// What the thief changes, and what the agent calls it.
fn attacks() -> Vec<(&'static str, Value, &'static str)> {
    let images = &world().images;
    let digest = images.examples.split_once('@').unwrap().1;
    vec![
        ("/spec/workload/image", json!(format!("evil.example.com/miner@{digest}")), "RegistryNotAllowed"),
        ("/spec/workload/maxDurationSeconds", json!(31_536_000), "TooLong"),
        ("/spec/workload/network", json!("Internet"), "InternetNotAllowed"),
        ("/spec/workload/accelerator", json!({"resource": "nvidia.com/gpu", "count": 1024}), "PriceMismatch"),
        ("/spec/rate", json!("0"), "PriceMismatch"),
        ("/spec/class", json!("nvidia.com/gpu"), "PriceMismatch"),
        ("/spec/role", json!("Contender"), "RoleNotSupported"),
        ("/spec/epoch", json!({"generation": world().generation(), "attempt": 2}), "NameMismatch"),
        ("/spec/workload/env", json!([{"name": "A"}, {"name": "A"}]), "BadEnvironment"),
        ("/spec/workload/sealedEnv", json!({"encapsulatedKey": "AAAA", "ciphertext": "AAAA"}), "SecretsNotForUs"),
        ("/spec/workload/outputs", json!([{"name": "a", "path": "a", "maxBytes": 10_737_418_240_u64}]), "AboveLimit"),
    ]
}

#[test]
fn what_the_owner_does_not_allow_is_refused_and_never_runs_even_with_the_hubs_rights() {
    let mut wrong = Vec::new();
    for (number, (pointer, value, reason)) in attacks().into_iter().enumerate() {
        // The hub stops what no job asked for: where it is sooner than the agent, it is tried again.
        let tries = (0..TRIES).map(|again| number * TRIES + again);
        let judged = tries.map(|number| (number, attack(number, pointer, &value)));
        match judged.into_iter().find(|(_, status)| status["phase"] != "Stopped") {
            Some((number, status)) if status["reason"] == reason && !text(&status["message"]).is_empty() => {
                wrong.extend(trace(&uid(number)).map(|trace| format!("{pointer}: {trace}")));
            }
            other => wrong.push(format!("{pointer}: wanted {reason}, got {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Writes the Assignment with `value` at `pointer` as the hub; returns what the agent says of it in the end.
fn attack(number: usize, pointer: &str, value: &Value) -> Value {
    let hub = &world().stage.hub;
    let mut object = assignment(number);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[field] = value.clone();
    let name = text(&object["metadata"]["name"]).to_owned();
    let (code, said) = hub.try_kubectl(&["create", HUB, "-f", "-"], Some(&object.to_string())).unwrap();
    assert_eq!(code, 0, "the hub may write Assignments, or this proves nothing: {said}");
    let status = run::wait(&format!("the agent's word on {name}"), START, || {
        let object = hub.get(&["assignment", &name, "-n", "cn-home"]).map_err(|error| error.to_string())?;
        match text(&object["status"]["phase"]) {
            "Refused" | "Stopped" => Ok(object["status"].clone()),
            other => Err(format!("{other:?}: {}", object["status"])),
        }
    });
    hub.kubectl(&["delete", "assignment", &name, "-n", "cn-home", HUB, "--wait=false"]).unwrap();
    status.unwrap()
}

/// What is in the member's cluster of a job that was refused, if anything is.
fn trace(uid: &str) -> Option<String> {
    let home = &world().stage.member(MEMBER).unwrap().cluster;
    let found = home.get(&["jobs,pods,secrets", "-n", "eai-work"]).unwrap();
    let items = found["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| text(&item["metadata"]["name"]))
        .find(|name| name.contains(uid))
        .map(|name| format!("{name} exists"))
}

/// The hub's narrow words are all that the agent reads: there is no field by which a pod could be asked for more.
#[test]
fn an_assignment_has_no_field_for_what_a_pod_must_not_have() {
    let w = world();
    let mut object = assignment(900);
    for (field, value) in [
        ("hostNetwork", json!(true)),
        ("hostPath", json!("/")),
        ("privileged", json!(true)),
        ("nodeName", json!("home-node")),
        ("serviceAccountName", json!("default")),
        ("tolerations", json!([{"operator": "Exists"}])),
    ] {
        object["spec"]["workload"][field] = value;
        let input = object.to_string();
        let (code, said) = w
            .stage
            .hub
            .try_kubectl(&["create", HUB, "--dry-run=server", "--validate=strict", "-f", "-"], Some(&input))
            .unwrap();
        assert_ne!(code, 0, "{field}");
        says(&said, &[&format!("unknown field \"spec.workload.{field}\"")]);
        object["spec"]["workload"].as_object_mut().unwrap().remove(field);
    }
}
