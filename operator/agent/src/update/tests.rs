#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eai_api::{
    agent_release::ReleaseSignature,
    member_report::{UpdateOffer, UpdateResult, Updates},
};
use eai_core::{digest::Digest, release::ReleaseKey};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    Updater,
    decide::{Rules, State, Step, decide},
    own::state,
    standby::{Standby, acts_before},
};
use crate::{
    clients::Bearer,
    config::{Config, Update},
    health::Health,
    testing::api::Api,
};

const POD: &str = "/api/v1/namespaces/eai-agent/pods/eai-agent-1";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/eai-agent/deployments/eai-agent";

struct Engineer {
    pair: EcdsaKeyPair,
    pem: String,
}

impl Engineer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let mut der = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        der.extend_from_slice(pair.public_key().as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        Self { pair, pem }
    }

    /// What the hub offers of a version that this engineer signed.
    fn offer(&self, version: &str) -> UpdateOffer {
        let image = image(version);
        let (_, digest) = image.split_once('@').unwrap();
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": "registry.example.com/eai/eai-agent" },
                "image": { "docker-manifest-digest": digest },
                "type": "cosign container image signature",
            },
            "optional": { "eai.network/version": version },
        })
        .to_string();
        let signature = self.pair.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        let (payload, signature) = (STANDARD.encode(payload), STANDARD.encode(signature));
        UpdateOffer {
            release: format!("v{version}"),
            version: version.to_owned(),
            image,
            signature: ReleaseSignature { payload, signature },
            wave: 1,
            since: Time(Timestamp::UNIX_EPOCH),
            lost_before: 0,
            degraded_before: None,
        }
    }

    fn says(&self, state: &State, offer: Option<&UpdateOffer>) -> Step {
        self.allows(state, offer, &[])
    }

    fn allows(&self, state: &State, offer: Option<&UpdateOffer>, registries: &[String]) -> Step {
        let key = ReleaseKey::from_pem(&self.pem).unwrap();
        decide(state, offer, &Rules { key: &key, registries })
    }
}

fn image(version: &str) -> String {
    format!("registry.example.com/eai/eai-agent@{}", Digest::of(version.as_bytes()))
}

fn pod(version: &str) -> Value {
    json!({
        "metadata": {
            "name": "eai-agent-1", "namespace": "eai-agent", "uid": "own", "creationTimestamp": "2026-01-01T00:00:10Z",
            "labels": { "app.kubernetes.io/name": "eai-agent", "app.kubernetes.io/instance": "eai-agent" },
        },
        "spec": { "containers": [{ "name": "agent", "image": image(version) }] },
    })
}

fn deployment(version: &str, annotations: &Value) -> Value {
    json!({
        "metadata": { "name": "eai-agent", "namespace": "eai-agent", "generation": 3, "resourceVersion": "7",
            "annotations": annotations },
        "spec": {
            "selector": {},
            "template": { "spec": { "containers": [{ "name": "agent", "image": image(version) }] } },
        },
        "status": { "observedGeneration": 3 },
    })
}

fn read(pod: Value, deployment: Value) -> State {
    let (pod, deployment): (Pod, Deployment) =
        (serde_json::from_value(pod).unwrap(), serde_json::from_value(deployment).unwrap());
    state(&pod, &deployment).unwrap()
}

fn settled() -> State {
    read(pod("0.1.0"), deployment("0.1.0", &json!({})))
}

fn refusal(step: &Step) -> String {
    match step {
        Step::Rest(Some(last)) if last.result == UpdateResult::Refused => last.reason.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_the_owners_key_signed_and_is_newer_is_taken() {
    let engineer = Engineer::new();
    let Step::Start { image: taken, version, attempt } = engineer.says(&settled(), Some(&engineer.offer("9.0.0")))
    else {
        panic!("not taken")
    };
    assert_eq!((taken.to_string(), version.to_string()), (image("9.0.0"), "9.0.0".to_owned()));
    assert_eq!(attempt.result, UpdateResult::Updating);
    assert_eq!(engineer.says(&settled(), None), Step::Rest(None));
    assert_eq!(engineer.says(&settled(), Some(&engineer.offer("0.1.0"))), Step::Rest(None), "it runs it already");
}

#[test]
fn everything_else_is_refused_with_its_reason() {
    let (engineer, other) = (Engineer::new(), Engineer::new());
    let good = engineer.offer("9.0.0");
    let says = |change: &dyn Fn(&mut UpdateOffer)| {
        let mut offer = good.clone();
        change(&mut offer);
        refusal(&engineer.says(&settled(), Some(&offer)))
    };
    assert_eq!(refusal(&engineer.says(&settled(), Some(&other.offer("9.0.0")))), "BadSignature");
    assert_eq!(says(&|o| o.image = image("8.0.0")), "WrongDigest");
    assert_eq!(says(&|o| o.image = "registry.example.com/eai/eai-agent:9.0.0".to_owned()), "BadImage");
    assert_eq!(says(&|o| o.version = "9.0.1".to_owned()), "WrongVersion");
    assert_eq!(says(&|o| o.signature.payload = "no base64".to_owned()), "BadEncoding");
    assert_eq!(says(&|o| o.signature.signature = "A".repeat(1 << 20)), "BadEncoding");
    assert_eq!(says(&|o| o.signature.payload = STANDARD.encode("{}")), "BadSignature");
    let elsewhere = |o: &mut UpdateOffer| o.image = o.image.replace("/eai/", "/else/");
    assert_eq!(says(&elsewhere), "OtherRepository");
    assert_eq!(refusal(&engineer.says(&settled(), Some(&engineer.offer("0.0.9")))), "NotNewer");
    let mut mirrored = good.clone();
    elsewhere(&mut mirrored);
    let allowed = ["registry.example.com/else".to_owned()];
    assert!(matches!(engineer.allows(&settled(), Some(&mirrored), &allowed), Step::Start { .. }));
}

/// Whoever has only the hub can offer again what was signed long ago: that isn't newer than what this one was signed as,
/// whatever its binary says of itself.
#[test]
fn the_version_it_was_signed_as_is_what_counts() {
    let engineer = Engineer::new();
    let marks = json!({ "eai.network/update-to": image("8.0.0"), "eai.network/update-from": image("0.1.0"),
        "eai.network/update-version": "8.0.0" });
    let updated = read(pod("8.0.0"), deployment("8.0.0", &marks));
    assert_eq!(updated.version.to_string(), "8.0.0");
    assert_eq!(refusal(&engineer.says(&updated, Some(&engineer.offer("7.0.0")))), "NotNewer");
    assert!(matches!(engineer.says(&updated, Some(&engineer.offer("9.0.0"))), Step::Start { .. }));
    let by_owner = read(pod("0.1.0"), deployment("0.1.0", &marks));
    assert_eq!(by_owner.version.to_string(), env!("CARGO_PKG_VERSION"), "the owner went back");
}

#[test]
fn an_update_under_way_is_seen_through_and_taken_back_if_it_is_given_up() {
    let engineer = Engineer::new();
    let offer = engineer.offer("9.0.0");
    let marks = json!({ "eai.network/update-to": image("9.0.0"), "eai.network/update-from": image("0.1.0") });
    let mut rolling = read(pod("0.1.0"), deployment("9.0.0", &marks));
    assert!(matches!(engineer.says(&rolling, Some(&offer)), Step::Wait(_)));
    assert!(matches!(engineer.says(&rolling, None), Step::Wait(_)), "also if it is offered no more");
    rolling.gave_up = true;
    let Step::RollBack { attempt } = engineer.says(&rolling, None) else { panic!("not taken back") };
    assert_eq!((attempt.result, attempt.reason.as_str()), (UpdateResult::RolledBack, "NeverReady"));
    let mut owners = read(pod("0.1.0"), deployment("9.0.0", &json!({})));
    owners.gave_up = true;
    assert_eq!(engineer.says(&owners, Some(&offer)), Step::Rest(None), "what the owner does is the owner's");
}

#[test]
fn what_never_got_ready_is_not_tried_again() {
    let engineer = Engineer::new();
    let failed = Digest::of(b"9.0.0").to_string();
    let state = read(pod("0.1.0"), deployment("0.1.0", &json!({ "eai.network/update-failed": failed })));
    let Step::Rest(Some(last)) = engineer.says(&state, Some(&engineer.offer("9.0.0"))) else { panic!("tried again") };
    assert_eq!((last.result, last.release.as_str()), (UpdateResult::RolledBack, "v9.0.0"));
    assert!(matches!(engineer.says(&state, Some(&engineer.offer("9.0.1"))), Step::Start { .. }));
}

#[test]
fn only_what_kubernetes_says_of_this_very_rollout_counts_as_given_up() {
    let late = |generation: i64, reason: &str| {
        let mut object = deployment("9.0.0", &json!({}));
        object["status"] = json!({ "observedGeneration": generation,
            "conditions": [{ "type": "Progressing", "status": "False", "reason": reason }] });
        read(pod("0.1.0"), object).gave_up
    };
    assert!(late(3, "ProgressDeadlineExceeded"));
    assert!(!late(2, "ProgressDeadlineExceeded"), "that was the rollout before");
    assert!(!late(3, "DeploymentPaused"));
    assert!(!settled().gave_up);
}

/// The usual configuration, with updates by this engineer.
fn config(engineer: &Engineer) -> Config {
    let update =
        Update { release_key: engineer.pem.clone(), registries: Vec::new(), deployment: "eai-agent".to_owned() };
    Config { update: Some(update), ..crate::testing::config() }
}

#[tokio::test]
async fn the_agent_changes_its_image_alone_and_takes_it_back_and_remembers() {
    let (engineer, member) = (Engineer::new(), Api::default());
    member.put(POD, pod("0.1.0"));
    member.put(DEPLOYMENT, deployment("0.1.0", &json!({ "owners": "own" })));
    let (offers, offered) = watch::channel(Some(engineer.offer("9.0.0")));
    let (told, says) = watch::channel(Updates::default());
    let updater =
        Updater { config: config(&engineer), member: member.client(), pod: "eai-agent-1".to_owned(), offered, told };
    updater.look().await.unwrap();
    let patch = member.bodies().into_iter().rfind(|body| !body.is_null()).unwrap();
    assert_eq!(
        patch["spec"],
        json!({ "template": { "spec": { "containers": [{ "name": "agent", "image": image("9.0.0") }] } } })
    );
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    let last = |says: &watch::Receiver<Updates>| says.borrow().last.clone().map(|last| last.result);
    assert_eq!(last(&says), Some(UpdateResult::Updating));
    assert!(says.borrow().accepts && says.borrow().digest == Digest::of(b"0.1.0").to_string());
    member.calls();
    updater.look().await.unwrap();
    assert!(member.calls().iter().all(|call| call.starts_with("GET")), "once is enough");

    let mut late = member.get(DEPLOYMENT).unwrap();
    late["status"]["conditions"] =
        json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }]);
    member.put(DEPLOYMENT, late);
    updater.look().await.unwrap();
    assert_eq!(last(&says), Some(UpdateResult::RolledBack));
    let mut back = member.get(DEPLOYMENT).unwrap();
    assert_eq!(back["spec"]["template"]["spec"]["containers"][0]["image"], image("0.1.0"));
    assert_eq!(back["metadata"]["annotations"]["owners"], "own");
    back["status"]["conditions"] = json!([]);
    member.put(DEPLOYMENT, back);
    member.calls();
    updater.look().await.unwrap();
    assert!(member.calls().iter().all(|call| call.starts_with("GET")), "it isn't tried again");
    assert_eq!(last(&says), Some(UpdateResult::RolledBack));
    offers.send_replace(None);
    updater.look().await.unwrap();
    assert_eq!(last(&says), None);
}

fn agent(uid: &str, created: &str, ending: bool, phase: &str) -> Pod {
    let mut object = pod("0.1.0");
    object["metadata"]["uid"] = json!(uid);
    object["metadata"]["creationTimestamp"] = json!(created);
    if ending {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:01:00Z");
        object["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    }
    object["status"] = json!({ "phase": phase });
    serde_json::from_value(object).unwrap()
}

#[test]
fn an_agent_begins_only_when_all_before_it_are_gone() {
    let (own, now) = (agent("own", "2026-01-01T00:00:10Z", false, "Running"), Instant::now());
    let waits = |other: &Pod| acts_before(&own, other, &mut HashMap::new(), now);
    let older = "2026-01-01T00:00:00Z";
    assert!(!waits(&own));
    assert!(waits(&agent("a", older, false, "Running")));
    assert!(waits(&agent("a", older, false, "Pending")), "it may begin at any moment");
    assert!(waits(&agent("a", "2026-01-01T00:00:10Z", false, "Running")), "of the same second neither begins");
    assert!(!waits(&agent("a", "2026-01-01T00:00:11Z", false, "Running")), "that one waits for this one");
    assert!(waits(&agent("a", older, true, "Running")), "while it ends it may still act");
    assert!(!waits(&agent("a", older, true, "Succeeded")) && !waits(&agent("a", older, false, "Failed")));
}

/// Two agents of any ages: never do both think that the other isn't before them.
#[test]
fn of_two_agents_at_most_one_begins() {
    let times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"];
    for first in times {
        for second in times {
            let (a, b) = (agent("a", first, false, "Running"), agent("b", second, false, "Running"));
            let waits = |own: &Pod, other: &Pod| acts_before(own, other, &mut HashMap::new(), Instant::now());
            assert!(waits(&a, &b) || waits(&b, &a), "{first} and {second}");
        }
    }
}

#[test]
fn one_whose_node_is_lost_is_not_waited_for_for_good() {
    let (own, mut ending, now) =
        (agent("own", "2026-01-01T00:00:10Z", false, "Running"), HashMap::new(), Instant::now());
    let lost = agent("a", "2026-01-01T00:00:00Z", true, "Running");
    assert!(acts_before(&own, &lost, &mut ending, now), "counted from when this process saw it");
    assert!(acts_before(&own, &lost, &mut ending, now + Duration::from_mins(1)));
    assert!(!acts_before(&own, &lost, &mut ending, now + Duration::from_secs(61)));
}

#[tokio::test]
async fn an_agent_that_stands_by_is_ready_and_acts_once_it_is_alone() {
    let (engineer, member, hub) = (Engineer::new(), Api::default(), Api::default());
    let list = "/api/v1/namespaces/eai-agent/pods";
    let (own, old) = (pod("9.0.0"), agent("old", "2026-01-01T00:00:00Z", false, "Running"));
    member.put(POD, &own);
    member.put(list, json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [own, old] }));
    let health = Health::default();
    let standby = Standby {
        config: config(&engineer),
        member: member.client(),
        hub: hub.client(),
        bearer: Bearer::default(),
        pod: "eai-agent-1".to_owned(),
        health: health.clone(),
    };
    let waiting = tokio::spawn(standby.wait(tokio_util::sync::CancellationToken::new()));
    tokio::time::timeout(Duration::from_secs(5), async {
        while health.trouble().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert!(!waiting.is_finished());
    member.put(list, json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod("9.0.0")] }));
    assert!(tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap());
    assert!(health.trouble().is_some(), "from here on the hub has to hear it");
}
