#![allow(clippy::unwrap_used)]
use super::*;

const GOOD: &str = "
member: home-1
hub: { url: 'https://hub.example.com:6443', caFile: /etc/eai/hub-ca/ca.crt, inviteTokenFile: /etc/eai/invite/token }
ownerKeyFile: /etc/eai/owner-key/key
chain: { id: 31337, escrow: '0x5FbDB2315678afecb367f032d93F642f64180aa3' }
form: Business
site: Enterprise
region: eu-west
prices:
  - { class: nvidia.com/gpu, rate: '1.25' }
  - { class: cpu, rate: '0.05' }
limits:
  registries: [registry.example.com/team]
  maxCpu: 4
  maxMemory: 8Gi
  maxDurationSeconds: 7200
  accelerators: { nvidia.com/gpu: 2 }
runtimeClass: gvisor
outputsImage: registry.example.com/eai/eai-agent@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
";

fn problems(text: &str) -> Vec<String> {
    match Config::parse(text).unwrap_err() {
        ConfigError::Invalid(problems) => problems,
        other => vec![other.to_string()],
    }
}

#[test]
fn reads_a_whole_file_and_fills_in_the_rest() {
    let config = Config::parse(GOOD).unwrap();
    assert_eq!(config.mode, Mode::Pull);
    assert_eq!(config.limits.max_cpu, Some(4000));
    assert_eq!(config.limits.max_memory, Some(8 << 30));
    assert_eq!(config.limits.max_pods, 100);
    assert!(!config.limits.allow_internet);
    assert_eq!(config.work_namespace, "eai-work");
    assert_eq!(config.price("cpu"), Some("0.05".parse().unwrap()));
    assert_eq!(config.price("xilinx.com/fpga"), None);
}

#[test]
fn work_may_run_on_without_the_hub_only_if_its_owner_says_so() {
    assert!(!Config::parse(GOOD).unwrap().limits.allow_continue);
    let allowed = GOOD.replace("limits:\n", "limits:\n  allowContinue: true\n");
    assert!(Config::parse(&allowed).unwrap().limits.allow_continue);
}

#[test]
fn an_owner_says_by_when_the_member_is_to_be_empty() {
    assert_eq!(Config::parse(GOOD).unwrap().drain_by, None);
    let drained = |by: &str| Config::parse(&format!("{GOOD}drainBy: {by}\n"));
    let by = drained("\"2026-03-01T18:00:00Z\"").unwrap().drain_by.unwrap();
    assert_eq!(by.0.as_second(), 1_772_388_000);
    assert!(drained("tomorrow").is_err());
}

#[test]
fn an_empty_quantity_is_no_limit() {
    let config =
        Config::parse(&GOOD.replace("maxCpu: 4", "maxCpu: ''").replace("maxMemory: 8Gi", "maxMemory:")).unwrap();
    assert_eq!((config.limits.max_cpu, config.limits.max_memory), (None, None));
}

#[test]
fn an_unknown_field_is_an_error_wherever_it_is() {
    for (from, to) in [
        ("member: home-1", "member: home-1\nmembre: x"),
        ("maxCpu: 4", "maxCpus: 4"),
        ("id: 31337,", "id: 31337, name: x,"),
        ("hub: { ", "hub: { insecure: true, "),
        ("{ class: cpu,", "{ class: cpu, per: hour,"),
    ] {
        let text = problems(&GOOD.replace(from, to)).concat();
        assert!(text.contains("unknown field"), "{to}: {text}");
    }
}

#[test]
fn names_the_path_of_every_problem() {
    for (from, to, path) in [
        ("member: home-1", "member: Home_1", "member"),
        ("https://hub", "http://hub", "hub.url"),
        ("@sha256:", ":v1-", "outputsImage"),
        ("{ nvidia.com/gpu: 2 }", "{}", "prices[0].class"),
        ("{ nvidia.com/gpu: 2 }", "{ nvidia.com/gpu: 2, gpu: 1 }", "limits.accelerators"),
        ("class: cpu,", "class: nvidia.com/gpu,", "prices[1].class"),
        ("[registry.example.com/team]", "['/']", "limits.registries[0]"),
        ("[registry.example.com/team]", "['https://registry.example.com']", "limits.registries[0]"),
        ("maxDurationSeconds: 7200", "maxDurationSeconds: 0", "limits.maxDurationSeconds"),
        ("region: eu-west", "offerValidSeconds: 5", "offerValidSeconds"),
        ("region: eu-west", "workNamespace: eai-agent", "workNamespace"),
        ("region: eu-west", "mode: Push", "hub"),
        ("region: eu-west", "memberKubeconfig: /a", "memberKubeconfig"),
        ("region: eu-west", "dnsServers: [dns.example.com]", "dnsServers[0]"),
        ("region: eu-west", "agentBinary: eai-agent", "agentBinary"),
    ] {
        let found = problems(&GOOD.replace(from, to));
        assert!(found.iter().any(|p| p.starts_with(&format!("{path}: "))), "{to}: {found:?}");
    }
}

#[test]
fn several_problems_are_told_at_once() {
    let text = GOOD.replace("member: home-1", "member: X_").replace("https://hub", "ftp://hub");
    assert_eq!(problems(&text).len(), 2);
}

#[test]
fn money_and_quantities_can_not_be_negative() {
    for (from, to) in [("'1.25'", "'-1'"), ("'1.25'", "1e3"), ("maxCpu: 4", "maxCpu: -4"), ("8Gi", "'-8Gi'")] {
        assert!(matches!(Config::parse(&GOOD.replace(from, to)), Err(ConfigError::Malformed(_))), "{to}");
    }
}

#[test]
fn push_needs_a_kubeconfig_and_no_hub() {
    let hub = GOOD.lines().find(|l| l.starts_with("hub:")).unwrap();
    let push = GOOD.replace(hub, "mode: Push\nmemberKubeconfig: /etc/eai/member/kubeconfig");
    assert_eq!(Config::parse(&push).unwrap().mode, Mode::Push);
    assert!(problems(&GOOD.replace(hub, "mode: Push")).concat().contains("memberKubeconfig"));
    assert!(problems(&GOOD.replace(hub, "")).concat().contains("hub: mode Pull"));
}
