#![allow(clippy::unwrap_used)]
use eai_api::assignment::Role;
use eai_core::seal::{KeyPair, Purpose, seal};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{DIGEST, NAME, UID, config, spec, spec_with};

const PROVEN: Probes = Probes { sandbox: Some(true), internet_isolated: Some(true) };

fn judged(spec: &AssignmentSpec, config: &Config) -> Verdict {
    let in_use = Demand::default();
    judge(NAME, spec, Terms { config, probes: PROVEN, highest_generation: 1, in_use: &in_use })
}

fn reason(verdict: Verdict) -> Option<Reason> {
    match verdict {
        Verdict::Refuse(refusal) => {
            assert!(!refusal.message.is_empty() && refusal.message.len() < 1000, "{}", refusal.message);
            Some(refusal.reason)
        }
        _ => None,
    }
}

/// Why a spec with `workload` merged over a good one is refused under the usual configuration.
fn refused(workload: serde_json::Value) -> Option<Reason> {
    reason(judged(&spec_with(workload), &config()))
}

#[test]
fn what_the_owner_allows_is_admitted() {
    assert_eq!(judged(&spec(), &config()), Verdict::Admit);
    let cpu = spec_with(json!({ "accelerator": null }));
    assert_eq!(judged(&cpu, &config()), Verdict::Admit);
}

#[test]
fn work_that_runs_on_without_the_hub_is_its_owners_choice() {
    let mut spec = spec();
    spec.on_hub_loss = eai_api::aijob::OnHubLoss::Continue;
    assert_eq!(reason(judged(&spec, &config())), Some(Reason::ContinueNotAllowed));
    let mut allowed = config();
    allowed.limits.allow_continue = true;
    assert_eq!(judged(&spec, &allowed), Verdict::Admit);
}

#[test]
fn images_from_elsewhere_are_refused() {
    for image in [
        format!("docker.io/library/miner@{DIGEST}"),
        format!("registry.example.com/teammate/trainer@{DIGEST}"),
        format!("registry.example.com/other@{DIGEST}"),
        format!("registry.example.com.evil.org/team/trainer@{DIGEST}"),
        format!("evil.org/registry.example.com/team/trainer@{DIGEST}"),
        format!("registry.example.com:5000/team/trainer@{DIGEST}"),
    ] {
        assert_eq!(refused(json!({ "image": image })), Some(Reason::RegistryNotAllowed), "{image}");
    }
}

#[test]
fn images_that_are_not_named_by_digest_are_refused() {
    for image in [
        "registry.example.com/team/trainer:latest",
        "registry.example.com/team/trainer",
        "registry.example.com/team/trainer@sha256:abc",
        "registry.example.com/team/../../evil@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "trainer",
        "",
    ] {
        assert_eq!(refused(json!({ "image": image })), Some(Reason::BadImage), "{image}");
    }
}

#[test]
fn no_registries_allow_nothing() {
    let mut config = config();
    config.limits.registries.clear();
    assert_eq!(reason(judged(&spec(), &config)), Some(Reason::RegistryNotAllowed));
}

#[test]
fn more_than_the_owner_allows_is_refused() {
    for workload in [
        json!({ "cpuMillis": 4_001 }),
        json!({ "memoryBytes": (8u64 << 30) + 1 }),
        json!({ "accelerator": { "resource": "nvidia.com/gpu", "count": 3 } }),
        json!({ "completions": 9, "parallelism": 9, "cpuMillis": 1, "accelerator": null }),
        json!({ "completions": 3, "parallelism": 3, "accelerator": { "resource": "nvidia.com/gpu", "count": 1 } }),
        json!({ "completions": 8, "parallelism": 8, "cpuMillis": 501, "accelerator": null }),
        json!({ "cpuMillis": u64::MAX, "completions": 8, "parallelism": 8 }),
        json!({ "memoryBytes": u64::MAX, "completions": 8, "parallelism": 8 }),
        json!({ "outputs": [{ "name": "a", "path": "a", "maxBytes": 11u64 << 30 }] }),
        json!({ "outputs": [{ "name": "a", "path": "a", "maxBytes": u64::MAX }, { "name": "b", "path": "b", "maxBytes": 2 }] }),
    ] {
        assert_eq!(refused(workload.clone()), Some(Reason::AboveLimit), "{workload}");
    }
    assert_eq!(refused(json!({ "maxDurationSeconds": 7_201 })), Some(Reason::TooLong));
}

#[test]
fn exactly_what_the_owner_allows_is_admitted() {
    for workload in [
        json!({ "cpuMillis": 4_000, "memoryBytes": 8u64 << 30 }),
        json!({ "completions": 8, "parallelism": 8, "cpuMillis": 500, "accelerator": null }),
        json!({ "completions": 100, "parallelism": 2 }),
        json!({ "accelerator": { "resource": "nvidia.com/gpu", "count": 2 } }),
        json!({ "maxDurationSeconds": 7_200 }),
    ] {
        assert_eq!(refused(workload.clone()), None, "{workload}");
    }
}

#[test]
fn without_limits_only_what_cannot_be_is_refused() {
    let mut config = config();
    (config.limits.max_cpu, config.limits.max_memory, config.limits.max_duration_seconds) = (None, None, None);
    let large =
        spec_with(json!({ "cpuMillis": 1_000_000, "memoryBytes": 1u64 << 50, "maxDurationSeconds": 31_536_000 }));
    assert_eq!(judged(&large, &config), Verdict::Admit);
    for seconds in [0, 31_536_001, u64::MAX] {
        let spec = spec_with(json!({ "maxDurationSeconds": seconds }));
        assert_eq!(reason(judged(&spec, &config)), Some(Reason::TooLong), "{seconds}");
    }
}

#[test]
fn what_runs_already_counts() {
    let (config, spec) = (config(), spec_with(json!({ "cpuMillis": 1_000 })));
    let with = |in_use: Demand| {
        judge(NAME, &spec, Terms { config: &config, probes: PROVEN, highest_generation: 0, in_use: &in_use })
    };
    let cpu = |cpu_millis| Demand { cpu_millis, ..Demand::default() };
    assert_eq!(with(cpu(3_000)), Verdict::Admit);
    assert_eq!(reason(with(cpu(3_001))), Some(Reason::NoRoom));
    assert_eq!(reason(with(Demand { pods: 8, ..Demand::default() })), Some(Reason::NoRoom));
    assert_eq!(reason(with(Demand { memory_bytes: 8 << 30, ..Demand::default() })), Some(Reason::NoRoom));
    let gpus = Demand { accelerators: [("nvidia.com/gpu".to_owned(), 2)].into(), ..Demand::default() };
    assert_eq!(reason(with(gpus)), Some(Reason::NoRoom));
    let others = Demand { accelerators: [("xilinx.com/fpga".to_owned(), 9)].into(), ..Demand::default() };
    assert_eq!(with(others), Verdict::Admit);
}

#[test]
fn what_is_overcommitted_stands_in_the_way_only_of_work_that_wants_it() {
    let mut config = config();
    config.limits.accelerators.insert("xilinx.com/fpga".to_owned(), 1);
    // The owner has lowered a limit below what runs already.
    let in_use = Demand {
        pods: 2,
        cpu_millis: 1_000,
        memory_bytes: 1 << 30,
        accelerators: [("xilinx.com/fpga".to_owned(), 2)].into(),
    };
    let with = |spec: &AssignmentSpec, config: &Config| {
        judge(NAME, spec, Terms { config, probes: PROVEN, highest_generation: 0, in_use: &in_use })
    };
    assert_eq!(with(&spec_with(json!({ "accelerator": null })), &config), Verdict::Admit);
    assert_eq!(with(&spec(), &config), Verdict::Admit);
    let mut fpga = spec_with(json!({ "accelerator": { "resource": "xilinx.com/fpga", "count": 1 } }));
    fpga.class = "xilinx.com/fpga".to_owned();
    config.prices.push(crate::config::Price { class: fpga.class.clone(), rate: "1".parse().unwrap() });
    assert_eq!(reason(with(&fpga, &config)), Some(Reason::NoRoom));
}

#[test]
fn resources_that_are_not_offered_are_refused() {
    let fpga = spec_with(json!({ "accelerator": { "resource": "xilinx.com/fpga", "count": 1 } }));
    let mut fpga = AssignmentSpec { class: "xilinx.com/fpga".to_owned(), ..fpga };
    assert_eq!(reason(judged(&fpga, &config())), Some(Reason::ResourceNotOffered));
    // Not even when its class pretends to be another.
    fpga.class = "nvidia.com/gpu".to_owned();
    assert_eq!(reason(judged(&fpga, &config())), Some(Reason::PriceMismatch));
    // A price without a limit isn't an offer either.
    let mut config = config();
    config.prices.push(crate::config::Price { class: "xilinx.com/fpga".to_owned(), rate: "1".parse().unwrap() });
    fpga.class = "xilinx.com/fpga".to_owned();
    assert_eq!(reason(judged(&fpga, &config)), Some(Reason::ResourceNotOffered));
    // Nor are resources that aren't accelerators at all.
    for resource in ["cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "pods"] {
        let mut spec = spec_with(json!({ "accelerator": { "resource": resource, "count": 1 } }));
        spec.class = resource.to_owned();
        assert!(reason(judged(&spec, &config)).is_some(), "{resource}");
    }
}

#[test]
fn shapes_that_make_no_sense_are_refused() {
    for workload in [
        json!({ "completions": 0, "parallelism": 0 }),
        json!({ "completions": 0 }),
        json!({ "parallelism": 0 }),
        json!({ "parallelism": 2 }),
        json!({ "completions": 1001, "parallelism": 1 }),
        json!({ "completions": u32::MAX, "parallelism": u32::MAX }),
        json!({ "cpuMillis": 0 }),
        json!({ "memoryBytes": 0 }),
        json!({ "accelerator": { "resource": "nvidia.com/gpu", "count": 0 } }),
    ] {
        assert_eq!(refused(workload.clone()), Some(Reason::BadShape), "{workload}");
    }
}

#[test]
fn policies_that_cannot_be_followed_are_refused() {
    let rule = |action: &str, values: serde_json::Value| json!([{ "action": action, "onExitCodes": { "operator": "In", "values": values } }]);
    let rules = |rules: serde_json::Value| json!({ "podFailurePolicy": { "rules": rules } });
    for policy in [
        json!({ "backoffLimitPerIndex": 11 }),
        json!({ "backoffLimitPerIndex": u32::MAX }),
        json!({ "backoffLimitPerIndex": 1, "maxFailedIndexes": 5 }),
        json!({ "maxFailedIndexes": 0 }),
        rules(json!([])),
        rules(rule("Count", json!([]))),
        rules(rule("Count", json!([0]))),
        rules(rule("Count", json!([256]))),
        rules(rule("FailIndex", json!([1]))),
        rules(json!(vec![rule("Count", json!([1]))[0].clone(); 20])),
    ] {
        let with = refused(json!({ "completions": 4, "failurePolicy": policy }));
        assert_eq!(with, Some(Reason::BadShape), "{policy}");
    }
    for rule in [
        json!({}),
        json!({ "succeededCount": 5 }),
        json!({ "succeededIndexes": "0-4" }),
        json!({ "succeededIndexes": "1,0" }),
    ] {
        let with = refused(json!({ "completions": 4, "successPolicy": { "rules": [rule] } }));
        assert_eq!(with, Some(Reason::BadShape), "{rule}");
    }
    let good = json!({ "completions": 4,
        "failurePolicy": { "backoffLimitPerIndex": 10, "maxFailedIndexes": 4,
            "podFailurePolicy": { "rules": rule("FailIndex", json!([255, 1])) } },
        "successPolicy": { "rules": [{ "succeededIndexes": "0,2-3", "succeededCount": 3 }] } });
    assert_eq!(refused(good), None);
}

#[test]
fn outputs_that_leave_their_directory_or_cannot_be_listed_are_refused() {
    let with = |outputs: serde_json::Value| refused(json!({ "outputs": outputs }));
    for path in ["/etc/passwd", "../x", "a/../../x", "a//b", ".hidden", "a/.b", "", "a b", "a\n", "a\0", "-rf", "a/"] {
        assert_eq!(with(json!([{ "name": "a", "path": path }])), Some(Reason::BadOutputs), "{path:?}");
    }
    for name in ["", "A", "a_b", "-a", "a/b", "..", &"a".repeat(64)] {
        assert_eq!(with(json!([{ "name": name, "path": "a" }])), Some(Reason::BadOutputs), "{name:?}");
    }
    let twice = json!([{ "name": "a", "path": "a" }, { "name": "a", "path": "b" }]);
    assert_eq!(with(twice), Some(Reason::BadOutputs));
    let many: Vec<_> = (0..33).map(|i| json!({ "name": format!("o{i}"), "path": "a", "maxBytes": 1 })).collect();
    assert_eq!(with(json!(many)), Some(Reason::BadOutputs));
    let listed =
        json!({ "completions": 1000, "outputs": [{ "name": "a", "path": "a" }, { "name": "b", "path": "b" }] });
    assert_eq!(refused(listed), Some(Reason::BadOutputs));
    assert_eq!(with(json!([{ "name": "model", "path": "run_1/model.v2.safetensors" }])), None);
}

#[test]
fn checkpoints_that_the_owner_has_no_room_for_are_refused() {
    let with =
        |max_bytes: u64, every: u32| refused(json!({ "checkpoint": { "maxBytes": max_bytes, "everySeconds": every } }));
    assert_eq!((with(1, 10), with(5 << 30, 86_400)), (None, None));
    assert_eq!(
        (with(0, 60), with(1, 9), with(1, 86_401)),
        (Some(Reason::BadShape), Some(Reason::BadShape), Some(Reason::BadShape))
    );
    assert_eq!((with((5 << 30) + 1, 60), with(u64::MAX, 60)), (Some(Reason::AboveLimit), Some(Reason::AboveLimit)));
}

#[test]
fn environments_that_cannot_be_handed_over_are_refused() {
    let with = |env: serde_json::Value| refused(json!({ "env": env }));
    for name in ["", "1A", "A-B", "A B", "A=B", "Ä", "A\0", "EAI_OUTPUT_DIR", "EAI_", &"A".repeat(129)] {
        assert_eq!(with(json!([{ "name": name, "value": "" }])), Some(Reason::BadEnvironment), "{name:?}");
    }
    let twice = json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }]);
    assert_eq!(with(twice), Some(Reason::BadEnvironment));
    assert_eq!(with(json!([{ "name": "A", "value": "\0" }])), Some(Reason::BadEnvironment));
    assert_eq!(with(json!([{ "name": "A", "value": "x".repeat(257 << 10) }])), Some(Reason::BadEnvironment));
    assert_eq!(refused(json!({ "command": ["sh", "-c", "\0"] })), Some(Reason::BadEnvironment));
    assert_eq!(refused(json!({ "args": vec!["x"; 513] })), Some(Reason::BadEnvironment));
    assert_eq!(refused(json!({ "args": ["x".repeat(300 << 10)] })), Some(Reason::BadEnvironment));
    assert_eq!(with(json!([{ "name": "_a1", "value": "$(B) \n ü" }])), None);
}

#[test]
fn an_older_generation_of_the_hub_is_refused() {
    let (config, in_use, mut spec) = (config(), Demand::default(), spec());
    let with = |spec: &AssignmentSpec, highest_generation| {
        let name = spec.epoch.name(UID);
        judge(&name, spec, Terms { config: &config, probes: PROVEN, highest_generation, in_use: &in_use })
    };
    assert_eq!(with(&spec, 0), Verdict::Admit);
    assert_eq!(with(&spec, 1), Verdict::Admit);
    assert_eq!(reason(with(&spec, 2)), Some(Reason::StaleGeneration));
    spec.epoch.generation = 3;
    assert_eq!(with(&spec, 2), Verdict::Admit);
}

#[test]
fn a_name_that_is_not_the_epochs_is_refused() {
    let (config, in_use) = (config(), Demand::default());
    let with = |name: &str, spec: &AssignmentSpec| {
        reason(judge(name, spec, Terms { config: &config, probes: PROVEN, highest_generation: 0, in_use: &in_use }))
    };
    assert_eq!(with(NAME, &spec()), None);
    for name in ["", "x", &format!("{UID}-g1-a2"), &format!("{UID}-g2-a1"), &format!("{NAME}-0")] {
        assert_eq!(with(name, &spec()), Some(Reason::NameMismatch), "{name}");
    }
    for uid in ["", "-a", "a-", "UPPER", "a.b", "a/b", &"a".repeat(41)] {
        let mut spec = spec();
        spec.job.uid = uid.to_owned();
        let name = spec.epoch.name(uid);
        assert_eq!(with(&name, &spec), Some(Reason::NameMismatch), "{uid}");
    }
    let mut huge = spec();
    (huge.epoch.generation, huge.epoch.attempt) = (u64::MAX, u64::MAX);
    assert_eq!(with(&huge.epoch.name(UID), &huge), Some(Reason::NameMismatch));
}

#[test]
fn contenders_are_refused() {
    let mut spec = spec();
    spec.role = Role::Contender;
    assert_eq!(reason(judged(&spec, &config())), Some(Reason::RoleNotSupported));
}

#[test]
fn a_rate_below_the_price_is_refused() {
    let mut spec = spec();
    spec.rate = "1.249999999999999999".parse().unwrap();
    assert_eq!(reason(judged(&spec, &config())), Some(Reason::PriceMismatch));
    spec.rate = "0".parse().unwrap();
    assert_eq!(reason(judged(&spec, &config())), Some(Reason::PriceMismatch));
    spec.rate = "2".parse().unwrap();
    assert_eq!(judged(&spec, &config()), Verdict::Admit);
    // GPU work can't be had at the price of a core.
    spec.class = "cpu".to_owned();
    assert_eq!(reason(judged(&spec, &config())), Some(Reason::PriceMismatch));
}

#[test]
fn what_is_not_offered_cannot_be_had_at_any_price() {
    let mut config = config();
    config.prices.retain(|price| price.class != "cpu");
    let mut spec = spec_with(json!({ "accelerator": null }));
    spec.rate = "1000000".parse().unwrap();
    assert_eq!(reason(judged(&spec, &config)), Some(Reason::ResourceNotOffered));
}

#[test]
fn no_network_needs_a_sandbox_that_is_proven() {
    let (mut config, in_use, spec) = (config(), Demand::default(), spec());
    let with = |config: &Config, sandbox| {
        let probes = Probes { sandbox, internet_isolated: Some(true) };
        judge(NAME, &spec, Terms { config, probes, highest_generation: 0, in_use: &in_use })
    };
    assert_eq!(with(&config, Some(true)), Verdict::Admit);
    assert_eq!(with(&config, None), Verdict::AwaitProbes);
    assert_eq!(reason(with(&config, Some(false))), Some(Reason::NoSandbox));
    config.runtime_class = String::new();
    // Whatever a probe may have said of another configuration.
    assert_eq!(reason(with(&config, Some(true))), Some(Reason::NoSandbox));
    assert_eq!(reason(with(&config, None)), Some(Reason::NoSandbox));
}

#[test]
fn the_internet_needs_leave_and_proof() {
    let (mut config, in_use, spec) = (config(), Demand::default(), spec_with(json!({ "network": "Internet" })));
    let with = |config: &Config, internet_isolated| {
        let probes = Probes { sandbox: Some(true), internet_isolated };
        judge(NAME, &spec, Terms { config, probes, highest_generation: 0, in_use: &in_use })
    };
    assert_eq!(reason(with(&config, Some(true))), Some(Reason::InternetNotAllowed));
    config.limits.allow_internet = true;
    assert_eq!(with(&config, Some(true)), Verdict::Admit);
    assert_eq!(with(&config, None), Verdict::AwaitProbes);
    assert_eq!(reason(with(&config, Some(false))), Some(Reason::InternetNotIsolated));
}

#[test]
fn a_refusal_comes_before_waiting_for_probes() {
    let (config, in_use) = (config(), Demand::default());
    let spec = spec_with(json!({ "image": format!("evil.org/x@{DIGEST}") }));
    let terms = Terms { config: &config, probes: Probes::default(), highest_generation: 0, in_use: &in_use };
    assert_eq!(reason(judge(NAME, &spec, terms)), Some(Reason::RegistryNotAllowed));
}

fn sealed(plain: &str, context: &str, purpose: Purpose) -> (AssignmentSpec, KeyPair) {
    let keys = KeyPair::generate();
    let mut spec = spec();
    spec.workload.sealed_env = Some(seal(&keys.public(), purpose, context, plain.as_bytes()).unwrap());
    (spec, keys)
}

#[test]
fn secrets_sealed_to_this_member_and_job_are_opened() {
    let (spec, keys) = sealed(r#"{"TOKEN":"s3cret"}"#, UID, Purpose::JobSecrets);
    let secrets = open_secrets(&spec, &keys).unwrap().unwrap();
    assert_eq!(secrets["TOKEN"].as_str(), "s3cret");
    assert_eq!(open_secrets(&self::spec(), &keys).unwrap(), None);
}

#[test]
fn secrets_of_another_job_purpose_or_member_are_refused() {
    let reason = |spec: &AssignmentSpec, keys: &KeyPair| open_secrets(spec, keys).unwrap_err().reason;
    let (spec, keys) = sealed(r#"{"TOKEN":"x"}"#, "another-job", Purpose::JobSecrets);
    assert_eq!(reason(&spec, &keys), Reason::SecretsNotForUs);
    let (spec, keys) = sealed(r#"{"TOKEN":"x"}"#, UID, Purpose::MemberToken);
    assert_eq!(reason(&spec, &keys), Reason::SecretsNotForUs);
    let (spec, _) = sealed(r#"{"TOKEN":"x"}"#, UID, Purpose::JobSecrets);
    assert_eq!(reason(&spec, &KeyPair::generate()), Reason::SecretsNotForUs);
}

#[test]
fn secrets_that_cannot_be_variables_are_refused_without_showing_them() {
    for plain in [
        "not json",
        r#"["a"]"#,
        r#"{"A":1}"#,
        r#"{"EAI_OUTPUT_DIR":"hunter2"}"#,
        r#"{"1":"hunter2"}"#,
        r#"{"EPOCHS":"hunter2"}"#,
        r#"{"A":"hunter2\u0000"}"#,
    ] {
        let (spec, keys) = sealed(plain, UID, Purpose::JobSecrets);
        let refusal = open_secrets(&spec, &keys).unwrap_err();
        assert_eq!(refusal.reason, Reason::BadEnvironment, "{plain}");
        assert!(!refusal.message.contains("hunter2"), "{}", refusal.message);
    }
    let large = format!(r#"{{"A":"{}"}}"#, "x".repeat(300 << 10));
    let (spec, keys) = sealed(&large, UID, Purpose::JobSecrets);
    assert_eq!(open_secrets(&spec, &keys).unwrap_err().reason, Reason::BadEnvironment);
}

proptest! {
    /// Whatever a stolen hub key asks for, what is admitted is within every one of the owner's limits.
    #[test]
    fn nothing_beyond_the_limits_is_ever_admitted(
        cpu in prop_oneof![0u64..10_000, any::<u64>()],
        memory in prop_oneof![0u64..(16 << 30), any::<u64>()],
        completions in prop_oneof![0u32..20, any::<u32>()],
        parallelism in prop_oneof![0u32..20, any::<u32>()],
        count in prop_oneof![Just(None), (0u32..5).prop_map(Some), any::<u32>().prop_map(Some)],
        duration in prop_oneof![0u64..20_000, any::<u64>()],
        used_cpu in 0u64..6_000,
        used_gpus in 0u64..4,
    ) {
        let mut spec = spec_with(json!({
            "cpuMillis": cpu, "memoryBytes": memory, "completions": completions, "parallelism": parallelism,
            "maxDurationSeconds": duration,
            "accelerator": count.map(|count| json!({ "resource": "nvidia.com/gpu", "count": count })),
        }));
        spec.rate = "2".parse().unwrap();
        let config = config();
        let accelerators = [("nvidia.com/gpu".to_owned(), used_gpus)].into();
        let in_use = Demand { cpu_millis: used_cpu, accelerators, ..Demand::default() };
        let terms = Terms { config: &config, probes: PROVEN, highest_generation: 0, in_use: &in_use };
        if judge(NAME, &spec, terms) == Verdict::Admit {
            let pods = u128::from(parallelism);
            prop_assert!((1..=8).contains(&parallelism) && parallelism <= completions && completions <= 1000);
            prop_assert!(u128::from(used_cpu) + pods * u128::from(cpu) <= 4_000);
            prop_assert!(pods * u128::from(memory) <= 8 << 30);
            prop_assert!(u128::from(used_gpus) + pods * u128::from(count.unwrap_or(0)) <= 2);
            prop_assert!((1..=7_200).contains(&duration));
        }
    }

    /// No text is taken for an image but one under an allowed prefix, by digest.
    #[test]
    fn no_odd_image_slips_through(text in "[a-z./:@-]{0,40}(@sha256:[0-9a-f]{64})?") {
        if refused(json!({ "image": text })).is_none() {
            prop_assert!(text.starts_with("registry.example.com/team/"));
            prop_assert!(text.contains("@sha256:"));
        }
    }
}
