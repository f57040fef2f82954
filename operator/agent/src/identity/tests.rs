#![allow(clippy::unwrap_used, clippy::panic)]
use std::{path::PathBuf, sync::Arc, time::Duration};

use eai_api::{ComputeNode, ComputeNodeSpec, ComputeNodeStatus, compute_node::SealedToken};
use eai_core::seal::{KeyPair, Purpose, seal};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::json;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{
    join::{JoinError, open},
    renew::{request, two_thirds},
    *,
};
use crate::{
    clients::Bearer,
    health::Health,
    metrics::Metrics,
    testing::{api::Api, config, world::IDENTITY},
};

const NODE: &str = "/apis/eai.network/v1alpha1/computenodes/home-1";
const NODES: &str = "/apis/eai.network/v1alpha1/computenodes";

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

/// A ComputeNode with this sealing key.
fn node(sealing_key: &str) -> ComputeNode {
    let spec: ComputeNodeSpec = serde_json::from_value(json!({
        "owner": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "sealingKey": sealing_key,
    }))
    .unwrap();
    let mut node = ComputeNode::new("home-1", spec);
    node.metadata.uid = Some("node-uid".to_owned());
    node
}

/// The same with a token handed over.
fn with_token(keys: &KeyPair, context: &str, expires_at: Timestamp) -> ComputeNode {
    let plain = br#"{"token":"first","secretUid":"secret-uid"}"#;
    let sealed = seal(&keys.public(), Purpose::MemberToken, context, plain).unwrap();
    let token = SealedToken { sealed, expires_at: Time(expires_at) };
    ComputeNode { status: Some(ComputeNodeStatus { token: Some(token), ..Default::default() }), ..node(&keys.public()) }
}

/// A file with an invite's token, gone with the test.
struct Invite(PathBuf);

impl Invite {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("eai-invite-{name}-{}", std::process::id()));
        std::fs::write(&path, "invite-token\n").unwrap();
        Self(path)
    }
}

impl Drop for Invite {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn applicant(hub: &Api, keys: Arc<KeyPair>, invite: Option<&Invite>) -> Applicant {
    let mut config = config();
    config.hub.as_mut().unwrap().invite_token_file = invite.map(|invite| invite.0.clone());
    Applicant {
        config,
        hub: hub.client(),
        bearer: Bearer::default(),
        keys,
        owner: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266".parse().unwrap(),
        cluster_uid: "cluster".to_owned(),
        poll: Duration::from_millis(20),
        health: Health::default(),
    }
}

#[tokio::test]
async fn keys_are_made_once_and_kept() {
    let member = Api::default();
    let (first, membership) = Identity::load(member.client(), "eai-agent").await.unwrap();
    assert!(membership.is_none());
    let (second, _) = Identity::load(member.client(), "eai-agent").await.unwrap();
    assert_eq!(first.keys.public(), second.keys.public());
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_not_replaced() {
    let member = Api::default();
    member.put(IDENTITY, json!({ "metadata": { "name": "eai-agent-identity" }, "data": { "sealingKey": "eA==" } }));
    assert!(matches!(Identity::load(member.client(), "eai-agent").await, Err(IdentityError::Key(_))));
    member.put(IDENTITY, json!({ "metadata": { "name": "eai-agent-identity" } }));
    assert!(Identity::load(member.client(), "eai-agent").await.is_err());
    assert!(!member.calls().iter().any(|call| !call.starts_with("GET")));
}

#[tokio::test]
async fn a_membership_survives_a_restart() {
    let member = Api::default();
    let (identity, _) = Identity::load(member.client(), "eai-agent").await.unwrap();
    let membership = Membership {
        token: Zeroizing::new("token".to_owned()),
        expires_at: later(3600),
        secret_uid: "secret-uid".to_owned(),
    };
    identity.save(&membership).await.unwrap();
    identity.raise_generation(7).await.unwrap();
    let (identity, again) = Identity::load(member.client(), "eai-agent").await.unwrap();
    let again = again.unwrap();
    assert_eq!((again.token.as_str(), again.secret_uid.as_str()), ("token", "secret-uid"));
    assert_eq!(again.expires_at, membership.expires_at);
    assert_eq!(identity.generation(), 7);
    assert!(!format!("{again:?}").contains("\"token\""), "{again:?}");
}

#[tokio::test]
async fn the_generation_never_goes_back() {
    let member = Api::default();
    let (identity, _) = Identity::load(member.client(), "eai-agent").await.unwrap();
    identity.raise_generation(7).await.unwrap();
    member.calls();
    identity.raise_generation(3).await.unwrap();
    identity.raise_generation(7).await.unwrap();
    assert_eq!((identity.generation(), member.calls().len()), (7, 0));
    member.put(
        IDENTITY,
        json!({ "data": { "sealingKey": serde_json::to_value(k8s_openapi::ByteString(
        identity.keys.private().as_bytes().to_vec())).unwrap(), "hubGeneration": "eA==" } }),
    );
    assert!(matches!(Identity::load(member.client(), "eai-agent").await, Err(IdentityError::Malformed(_))));
}

#[tokio::test]
async fn joining_asks_once_and_waits_until_it_is_accepted() {
    let (hub, keys, invite) = (Api::default(), Arc::new(KeyPair::generate()), Invite::new("joins"));
    let applicant = applicant(&hub, Arc::clone(&keys), Some(&invite));
    let admin = hub.clone();
    let accepted = with_token(&keys, "node-uid", later(3600));
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(70)).await;
        let asked = admin.get(NODE).unwrap();
        assert_eq!((&asked["spec"]["accepted"], &asked["spec"]["connection"]), (&json!(false), &json!("Pull")));
        assert_eq!(
            (&asked["spec"]["clusterUid"], &asked["spec"]["sealingKey"]),
            (&json!("cluster"), &json!(accepted.spec.sealing_key))
        );
        admin.put(NODE, &accepted);
    });
    let membership = join(&applicant).await.unwrap();
    assert_eq!((membership.token.as_str(), membership.secret_uid.as_str()), ("first", "secret-uid"));
    let calls = hub.calls();
    assert_eq!(calls.iter().filter(|call| **call == format!("POST {NODES}")).count(), 1);
    assert!(calls.iter().all(|call| *call == format!("GET {NODE}") || *call == format!("POST {NODES}")), "{calls:?}");
}

#[tokio::test]
async fn one_that_asked_before_does_not_ask_again() {
    let (hub, keys, invite) = (Api::default(), Arc::new(KeyPair::generate()), Invite::new("asked"));
    hub.put(NODE, with_token(&keys, "node-uid", later(3600)));
    join(&applicant(&hub, keys, Some(&invite))).await.unwrap();
    assert!(!hub.calls().iter().any(|call| call.starts_with("POST")));
}

#[tokio::test]
async fn a_name_that_is_anothers_is_not_joined() {
    let (hub, keys, invite) = (Api::default(), Arc::new(KeyPair::generate()), Invite::new("taken"));
    hub.put(NODE, node(&KeyPair::generate().public()));
    let error = join(&applicant(&hub, keys, Some(&invite))).await.unwrap_err();
    assert!(matches!(error, JoinError::NameTaken(_)), "{error}");
    assert!(error.to_string().contains("kubectl eai leave home-1"));
}

#[tokio::test]
async fn an_invite_that_is_not_taken_says_what_to_do() {
    let (hub, keys, invite) = (Api::default(), Arc::new(KeyPair::generate()), Invite::new("refused"));
    hub.fail(|_, _| Some(403));
    let error = join(&applicant(&hub, Arc::clone(&keys), Some(&invite))).await.unwrap_err();
    assert!(matches!(error, JoinError::InviteRefused(..)), "{error}");
    assert!(error.to_string().contains("kubectl eai invite home-1"));
    let error = join(&applicant(&hub, keys, None)).await.unwrap_err();
    assert!(matches!(error, JoinError::NoInvite { .. }), "{error}");
}

#[tokio::test]
async fn a_member_without_an_invite_comes_back_where_the_hub_lets_it_read() {
    let (hub, keys) = (Api::default(), Arc::new(KeyPair::generate()));
    hub.put(NODE, with_token(&keys, "node-uid", later(3600)));
    assert_eq!(join(&applicant(&hub, keys, None)).await.unwrap().token.as_str(), "first");
}

#[tokio::test]
async fn a_computenode_removed_while_waiting_is_told() {
    let (hub, keys, invite) = (Api::default(), Arc::new(KeyPair::generate()), Invite::new("removed"));
    hub.put(NODE, node(&keys.public()));
    let admin = hub.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        admin.remove(NODE);
    });
    assert!(matches!(join(&applicant(&hub, keys, Some(&invite))).await, Err(JoinError::Removed(_))));
}

#[test]
fn only_a_token_for_this_member_and_this_node_is_opened() {
    let (keys, now) = (KeyPair::generate(), Timestamp::now());
    assert!(open(&with_token(&keys, "node-uid", later(600)), &keys, now).is_some());
    assert!(open(&with_token(&keys, "another-node", later(600)), &keys, now).is_none());
    assert!(open(&with_token(&KeyPair::generate(), "node-uid", later(600)), &keys, now).is_none());
    assert!(open(&node(&keys.public()), &keys, now).is_none());
    // Nor one that has run out, or is about to.
    assert!(open(&with_token(&keys, "node-uid", later(-1)), &keys, now).is_none());
    assert!(open(&with_token(&keys, "node-uid", later(10)), &keys, now).is_none());
}

#[test]
fn renewed_tokens_are_bound_to_the_secret_that_revokes_them() {
    let spec = serde_json::to_value(request("secret-uid")).unwrap()["spec"].clone();
    assert_eq!(
        spec,
        json!({ "audiences": [], "expirationSeconds": 3600, "boundObjectRef": {
            "apiVersion": "v1", "kind": "Secret", "name": "agent-token", "uid": "secret-uid" } })
    );
    let (now, end) = (Timestamp::from_second(1000).unwrap(), Timestamp::from_second(4600).unwrap());
    assert_eq!(two_thirds(now, end).as_second(), 3400);
    assert_eq!(two_thirds(end, now).as_second(), 4600 - 2400);
}

/// A keeper over a hub and a member in memory.
async fn keeper(hub: &Api, member: &Api, invite: &Invite) -> (Keeper, Applicant, Arc<Notify>) {
    let (identity, _) = Identity::load(member.client(), "eai-agent").await.unwrap();
    let applicant = applicant(hub, Arc::clone(&identity.keys), Some(invite));
    let refused = Arc::new(Notify::new());
    let keeper = Keeper {
        identity,
        bearer: applicant.bearer.clone(),
        namespace: "cn-home-1".to_owned(),
        look: Duration::from_millis(20),
        refused: Arc::clone(&refused),
        metrics: Arc::new(Metrics::new().unwrap()),
    };
    (keeper, applicant, refused)
}

/// The membership that is kept, once there is one.
async fn kept(member: &Api) -> Membership {
    for _ in 0..500 {
        let (_, kept) = Identity::load(member.client(), "eai-agent").await.unwrap();
        if let Some(kept) = kept {
            return kept;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no membership was kept within ten seconds");
}

const TOKEN: &str = "POST /api/v1/namespaces/cn-home-1/serviceaccounts/agent/token";

#[tokio::test]
async fn a_known_membership_needs_no_joining_and_is_renewed_in_time() {
    let (hub, member, invite) = (Api::default(), Api::default(), Invite::new("known"));
    let (keeper, applicant, _) = keeper(&hub, &member, &invite).await;
    // Its last third begins in a second.
    let known = Membership {
        token: Zeroizing::new("known".to_owned()),
        expires_at: later(2),
        secret_uid: "secret-uid".to_owned(),
    };
    let (ready, is_ready) = oneshot::channel();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(keeper.run(applicant, Some(known), ready, shutdown.clone()));
    is_ready.await.unwrap();
    let kept = kept(&member).await;
    assert!(hub.calls().contains(&TOKEN.to_owned()));
    assert_eq!((kept.token.as_str(), kept.secret_uid.as_str()), ("renewed", "secret-uid"));
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_revoked_member_asks_to_be_let_in_again() {
    let (hub, member, invite) = (Api::default(), Api::default(), Invite::new("revoked"));
    let (keeper, applicant, refused) = keeper(&hub, &member, &invite).await;
    let keys = Arc::clone(&applicant.keys);
    let known = Membership {
        token: Zeroizing::new("known".to_owned()),
        expires_at: later(3600),
        secret_uid: "secret-uid".to_owned(),
    };
    hub.fail(|_, path| path.ends_with("/token").then_some(401));
    let (ready, is_ready) = oneshot::channel();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(keeper.run(applicant, Some(known), ready, shutdown.clone()));
    is_ready.await.unwrap();
    hub.put(NODE, with_token(&keys, "node-uid", later(3600)));
    refused.notify_one();
    assert_eq!(kept(&member).await.token.as_str(), "first");
    shutdown.cancel();
    running.await.unwrap();
}

/// A membership whose token ran out a minute ago.
fn run_out() -> Membership {
    Membership { token: Zeroizing::new("old".to_owned()), expires_at: later(-60), secret_uid: "secret-uid".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_away_too_long_comes_back_with_an_invite_that_is_still_good() {
    let (hub, member, invite) = (Api::default(), Api::default(), Invite::new("comes-back"));
    let (keeper, applicant, _) = keeper(&hub, &member, &invite).await;
    let health = applicant.health.clone();
    hub.put(NODE, with_token(&applicant.keys, "node-uid", later(3600)));
    let (ready, is_ready) = oneshot::channel();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(keeper.run(applicant, Some(run_out()), ready, shutdown.clone()));
    is_ready.await.unwrap();
    assert_eq!(kept(&member).await.token.as_str(), "first");
    assert!(hub.calls().iter().all(|call| *call == format!("GET {NODE}")), "it is a member already");
    health.set_heard(true);
    assert_eq!(health.trouble(), None);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_away_too_long_says_what_its_owner_must_do() {
    let (hub, member, invite) = (Api::default(), Api::default(), Invite::new("away"));
    let (keeper, applicant, _) = keeper(&hub, &member, &invite).await;
    let (health, keys) = (applicant.health.clone(), Arc::clone(&applicant.keys));
    hub.fail(|_, _| Some(401));
    let (ready, is_ready) = oneshot::channel();
    let shutdown = CancellationToken::new();
    let old = run_out();
    let until = old.expires_at.to_string();
    let running = tokio::spawn(keeper.run(applicant, Some(old), ready, shutdown.clone()));
    let asked = |hub: &Api| hub.calls().len() > 1;
    while !asked(&hub) || !health.trouble().is_some_and(|why| why.contains(&until)) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let why = health.trouble().unwrap();
    assert!(why.contains("`kubectl eai invite home-1 --out home-1.yaml`") && why.contains("helm upgrade"), "{why}");
    assert!(!why.contains("invite-token") && !why.contains("old"), "no secret is told: {why}");
    // The same words are said once, and the whole of it is over when the admin has made another invite.
    assert!(!health.say(&why));
    hub.put(NODE, with_token(&keys, "node-uid", later(3600)));
    hub.heal();
    is_ready.await.unwrap();
    health.set_heard(true);
    assert_eq!(health.trouble(), None);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn who_waits_to_be_accepted_says_so() {
    let (hub, keys, invite) = (Api::default(), Arc::new(KeyPair::generate()), Invite::new("waits"));
    let applicant = applicant(&hub, Arc::clone(&keys), Some(&invite));
    let health = applicant.health.clone();
    let joining = tokio::spawn(async move { join(&applicant).await });
    while !health.trouble().is_some_and(|why| why.contains("`kubectl eai approve home-1`")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    hub.put(NODE, with_token(&keys, "node-uid", later(3600)));
    joining.await.unwrap().unwrap();
}
