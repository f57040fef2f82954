//! Whole reconciles against an API server in memory.

use std::time::Instant;

use eai_api::{MemberReport, condition};
use eai_core::seal::Purpose;
use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::Namespace,
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, Time},
    jiff::SignedDuration,
};
use kube::runtime::events::{Recorder, Reporter};
use serde_json::{Value, json};

use crate::{
    heartbeat::{Heartbeats, Moment},
    tally::Tally,
};

use super::{
    super::{Members, going, memory::Memory, reconcile},
    api::FakeApi,
    *,
};

const NODE: &str = "/apis/eai.network/v1alpha1/computenodes/home-1";
const NAMESPACE: &str = "/api/v1/namespaces/cn-home-1";
const SECRET: &str = "/api/v1/namespaces/cn-home-1/secrets/agent-token";
const BINDING: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/cn-home-1/rolebindings/agent";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/cn-home-1/leases/agent";
const INVITE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/eai-invite-home-1";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/cn-home-1/deployments/eai-agent";

struct Hub {
    api: FakeApi,
    members: Arc<Members>,
}

impl Hub {
    fn new() -> Self {
        let api = FakeApi::default();
        let client = api.client();
        let recorder = Recorder::new(client.clone(), Reporter { controller: "test".to_owned(), instance: None });
        let memory = Memory::new(Arc::new(Heartbeats::new(Instant::now())), Arc::default(), Arc::default());
        Self { api, members: Arc::new(Members { client, recorder, settings: settings(), memory }) }
    }

    fn node(&self) -> ComputeNode {
        serde_json::from_value(self.api.get(NODE).unwrap()).unwrap()
    }

    /// Reconciles until nothing changes any more, as watch events would.
    async fn settle(&self) {
        for _ in 0..10 {
            let Some(before) = self.api.get(NODE) else { return };
            let _ = reconcile(Arc::new(self.node()), self.members.clone()).await;
            if self.api.get(NODE).as_ref() == Some(&before) {
                return;
            }
        }
        panic!("never settles: {:#}", self.api.get(NODE).unwrap());
    }

    fn beat(&self, renewed: i64) {
        let renew_time = Some(MicroTime(Timestamp::from_second(renewed).unwrap()));
        let lease = Lease { spec: Some(LeaseSpec { renew_time, ..LeaseSpec::default() }), ..Lease::default() };
        self.members.memory.heartbeats.observe("home-1", &lease, Moment::now());
    }

    fn reason(&self) -> String {
        let status = self.node().status.unwrap();
        status.conditions.iter().find(|c| c.type_ == condition::READY).unwrap().reason.clone()
    }

    fn writes(&self) -> Vec<String> {
        self.api.requests().into_iter().filter(|line| !line.starts_with("GET") && !line.contains("/events")).collect()
    }
}

fn secret(text: &str) -> Value {
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": { "kubeconfig": data } })
}

#[tokio::test]
async fn a_member_joins_and_its_agent_can_open_its_token_and_nobody_else_can() {
    let hub = Hub::new();
    let (node, keys) = node("home-1");
    hub.api.put(NODE, &node);
    hub.settle().await;

    assert_eq!(hub.reason(), "Joining");
    for path in [NAMESPACE, SECRET, BINDING, LEASE] {
        assert!(hub.api.get(path).is_some(), "{path}");
    }
    let after = hub.node();
    assert_eq!(after.metadata.finalizers.unwrap(), ["eai.network/member"]);
    let status = after.status.unwrap();
    assert_eq!(status.namespace.as_deref(), Some("cn-home-1"));
    let sealed = status.token.unwrap().sealed;
    let plain = keys.open(Purpose::MemberToken, "uid-home-1", &sealed).unwrap();
    let plain: Value = serde_json::from_slice(&plain).unwrap();
    let uid = hub.api.get(SECRET).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    assert_eq!(plain, json!({ "token": format!("token-bound-to-{uid}"), "secretUid": uid }));
    assert!(keys.open(Purpose::MemberToken, "uid-of-another", &sealed).is_err());
    assert!(keys.open(Purpose::JobSecrets, "uid-home-1", &sealed).is_err());
    assert!(!hub.api.get(NODE).unwrap().to_string().contains("token-bound-to"), "no token lies in clear");
}

#[tokio::test]
async fn a_settled_member_costs_no_writes() {
    let hub = Hub::new();
    hub.api.put(NODE, node("home-1").0);
    hub.settle().await;
    hub.api.requests();
    hub.settle().await;
    assert_eq!(hub.writes(), [""; 0]);
}

#[tokio::test]
async fn the_invite_goes_after_the_first_heartbeat_and_not_before() {
    let hub = Hub::new();
    hub.api.put(NODE, node("home-1").0);
    let labels = json!({ "eai.network/invite": "home-1" });
    hub.api.put(
        INVITE,
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "eai-invite-home-1", "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z" } }),
    );
    hub.settle().await;
    assert!(hub.api.get(INVITE).is_some());
    hub.beat(1);
    hub.settle().await;
    assert!(hub.api.get(INVITE).is_some(), "the first sight of the Lease is no heartbeat");
    hub.beat(2);
    hub.settle().await;
    assert!(hub.api.get(INVITE).is_none());
    assert_eq!(hub.reason(), "NotReported");
}

#[tokio::test]
async fn a_report_makes_it_ready_with_prices_and_capacity() {
    let hub = Hub::new();
    let mut spec = report();
    let until = u64::try_from(Timestamp::now().as_second()).unwrap() + 600;
    spec.offers = vec![offer("nvidia.com/gpu", "1.5")];
    spec.offers[0].valid_until = until;
    let signed = sign_offer(
        Offer {
            provider: owner().address(),
            member: "home-1".to_owned(),
            class: Class("nvidia.com/gpu".to_owned()),
            rate: amount("1.5"),
            start_within: 60,
            valid_until: until,
            nonce: 0,
        },
        domain(),
        &owner(),
    );
    spec.offers[0].signature = signed.unwrap().signature;
    hub.api.put(NODE, node("home-1").0);
    hub.settle().await;
    hub.beat(1);
    hub.beat(2);
    assert!(hub.members.memory.report("home-1", &MemberReport::new("agent", spec.clone())));
    hub.settle().await;
    let status = hub.node().status.unwrap();
    assert_eq!(hub.reason(), "Ready");
    assert!(condition::is_true(&status.conditions, condition::AVAILABLE));
    assert_eq!(status.prices[0].rate, amount("1.5"));
    assert_eq!(status.summary.as_deref(), Some("nvidia.com/gpu 3/4, xilinx.com/fpga 1/1"));
    spec.nodes[0].free_memory_bytes -= 1;
    assert!(!hub.members.memory.report("home-1", &MemberReport::new("agent", spec)), "nothing of it is shown");
}

#[tokio::test]
async fn somebody_elses_namespace_is_not_touched() {
    let others = [
        json!({ "metadata": { "name": "cn-home-1" } }),
        json!({ "metadata": { "name": "cn-home-1", "labels": { "eai.network/member": "home-1" } } }),
        json!({ "metadata": { "name": "cn-home-1", "labels": { "eai.network/member": "home-1" },
            "annotations": { "eai.network/compute-node-uid": "uid-of-an-earlier-one" } } }),
    ];
    for namespace in others {
        let hub = Hub::new();
        hub.api.put(NODE, node("home-1").0);
        hub.api.put(NAMESPACE, namespace);
        hub.settle().await;
        assert_eq!(hub.reason(), "NamespaceTaken");
        assert!(hub.writes().iter().all(|line| !line.contains("cn-home-1")));
        assert!(hub.node().status.unwrap().token.is_none());
    }
}

#[tokio::test]
async fn a_namespace_made_by_another_in_the_same_moment_is_not_taken_over() {
    let hub = Hub::new();
    let (mut node, _) = node("home-1");
    node.metadata.finalizers = Some(vec!["eai.network/member".to_owned()]);
    hub.api.put(NODE, &node);
    let snapshot =
        super::super::gather::gather(&hub.members.client, &hub.members.memory, Arc::new(hub.node()), Moment::now());
    let snapshot = snapshot.await.unwrap();
    let theirs = json!({ "metadata": { "name": "cn-home-1" }, "mine": true });
    hub.api.put(NAMESPACE, &theirs);
    let decision = super::super::build::decide(&snapshot, &settings());
    let super::super::build::Plan::Keep(keep) = &decision.plan else { panic!("{decision:?}") };
    let place = &snapshot.place;
    let done = super::super::apply::keep(&hub.members.client, &hub.members.memory, &node, place, keep).await;
    assert!(done.is_err());
    assert_eq!(hub.api.get(NAMESPACE).unwrap()["mine"], true);
    assert!(hub.api.get(SECRET).is_none(), "nothing was put into it");
}

#[tokio::test]
async fn a_failed_write_is_told_in_the_status_and_made_good_later() {
    let hub = Hub::new();
    hub.api.put(NODE, node("home-1").0);
    hub.api.fail("/rolebindings/agent", 500);
    let _ = reconcile(Arc::new(hub.node()), hub.members.clone()).await;
    assert!(reconcile(Arc::new(hub.node()), hub.members.clone()).await.is_err());
    assert_eq!(hub.reason(), "ApplyFailed");
    let conditions = hub.node().status.unwrap().conditions;
    assert!(conditions.iter().any(|c| c.type_ == condition::READY && c.message.contains("RoleBinding agent")));
    hub.api.heal();
    hub.settle().await;
    assert_eq!(hub.reason(), "Joining");
    assert!(hub.api.get(BINDING).is_some());
}

#[tokio::test]
async fn taking_acceptance_back_removes_rights_and_token_and_keeps_the_namespace() {
    let hub = Hub::new();
    hub.api.put(NODE, node("home-1").0);
    hub.settle().await;
    let mut node = hub.node();
    node.spec.accepted = false;
    hub.api.put(NODE, &node);
    hub.settle().await;
    assert_eq!(hub.reason(), "AwaitingApproval");
    assert!(hub.api.get(SECRET).is_none() && hub.api.get(BINDING).is_none());
    assert!(hub.api.get(NAMESPACE).is_some());
    assert!(hub.node().status.unwrap().token.is_none());

    let mut node = hub.node();
    node.spec.accepted = true;
    hub.api.put(NODE, &node);
    hub.settle().await;
    assert!(hub.api.get(SECRET).is_some() && hub.api.get(BINDING).is_some());
    assert!(hub.node().status.unwrap().token.is_some(), "bound to the new Secret");
}

#[tokio::test]
async fn leaving_says_so_first_then_revokes_then_empties_then_goes() {
    let hub = Hub::new();
    hub.api.put(NODE, node("home-1").0);
    hub.settle().await;
    let mut node = hub.node();
    node.metadata.deletion_timestamp = Some(Time(now()));
    hub.api.put(NODE, &node);
    hub.api.requests();

    reconcile(Arc::new(hub.node()), hub.members.clone()).await.unwrap();
    assert_eq!(hub.writes(), [format!("PUT {NODE}/status")], "whoever writes there can stop first");
    assert_eq!(hub.reason(), "Leaving");

    hub.settle().await;
    let writes = hub.writes();
    let place = |path: &str| writes.iter().position(|line| *line == format!("DELETE {path}")).unwrap();
    assert!(place(SECRET) < place(NAMESPACE) && place(BINDING) < place(NAMESPACE));
    assert!(hub.api.get(NODE).is_some(), "until the namespace is gone");
    assert!(hub.node().metadata.finalizers.unwrap().contains(&"eai.network/member".to_owned()));

    hub.api.remove(NAMESPACE);
    hub.settle().await;
    assert_eq!(hub.node().metadata.finalizers.unwrap_or_default(), [""; 0]);
}

#[tokio::test]
async fn what_a_leaving_member_said_last_is_settled_between_its_rights_and_its_namespace() {
    let hub = Hub::new();
    hub.api.put(NODE, node("home-1").0);
    hub.settle().await;
    let mut node = hub.node();
    node.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
    hub.api.put(NODE, &node);
    let message = || {
        let conditions = hub.node().status.unwrap().conditions;
        conditions.into_iter().find(|c| c.type_ == condition::READY).unwrap().message
    };
    hub.settle().await;
    assert!(hub.api.get(SECRET).is_none() && hub.api.get(BINDING).is_none(), "that doesn't wait");
    assert!(hub.api.get(NAMESPACE).is_some(), "nobody has counted yet");

    let tally = |tally| hub.members.memory.tallies.put([("home-1".to_owned(), tally)].into(), Instant::now());
    tally(Tally { attempts: 3, unread: 1, settling: 1, ..Tally::default() });
    hub.settle().await;
    assert!(hub.api.get(NAMESPACE).is_some());
    assert!(message().contains("what it said last of 2 attempts is settled"), "{}", message());

    tally(Tally { attempts: 2, ..Tally::default() });
    hub.settle().await;
    assert!(hub.writes().contains(&format!("DELETE {NAMESPACE}")), "the rest ends with its grants");
}

#[tokio::test]
async fn a_leaving_member_is_not_kept_by_what_cannot_be_settled() {
    let hub = Hub::new();
    hub.api.put(NODE, node("home-1").0);
    hub.settle().await;
    let mut node = hub.node();
    node.metadata.deletion_timestamp = Some(Time(Timestamp::now() - SignedDuration::from_secs(31)));
    hub.api.put(NODE, &node);
    let tally = Tally { settling: 1, ..Tally::default() };
    hub.members.memory.tallies.put([("home-1".to_owned(), tally)].into(), Instant::now());
    hub.settle().await;
    assert!(hub.writes().contains(&format!("DELETE {NAMESPACE}")));
}

#[tokio::test]
async fn leaving_spares_a_namespace_that_was_never_the_members() {
    let hub = Hub::new();
    let (mut node, _) = node("home-1");
    node.metadata.finalizers = Some(vec!["eai.network/member".to_owned()]);
    node.metadata.deletion_timestamp = Some(Time(now()));
    hub.api.put(NODE, &node);
    hub.api.put(NAMESPACE, json!({ "metadata": { "name": "cn-home-1" } }));
    hub.settle().await;
    assert!(hub.writes().iter().all(|line| !line.contains("cn-home-1")));
    assert_eq!(hub.node().metadata.finalizers.unwrap_or_default(), [""; 0]);
}

#[tokio::test]
async fn a_namespace_that_somebody_deleted_is_made_again() {
    let hub = Hub::new();
    hub.api.put(NODE, node("home-1").0);
    hub.settle().await;
    let namespace = |deleted: bool| -> Namespace {
        let mut namespace: Namespace = serde_json::from_value(hub.api.get(NAMESPACE).unwrap()).unwrap();
        namespace.metadata.deletion_timestamp = deleted.then(|| Time(now()));
        namespace
    };
    assert_eq!(going(&hub.members.memory, &namespace(false)), None, "our own write is no news");
    assert_eq!(going(&hub.members.memory, &namespace(true)).as_deref(), Some("home-1"));
    for path in [NAMESPACE, SECRET, BINDING] {
        hub.api.remove(path);
    }
    hub.settle().await;
    for path in [NAMESPACE, SECRET, BINDING] {
        assert!(hub.api.get(path).is_some(), "{path}");
    }
}

fn push_node() -> ComputeNode {
    let (mut node, _) = node("home-1");
    node.spec.connection = Connection::Push;
    node.spec.sealing_key = String::new();
    node
}

#[tokio::test]
async fn a_push_members_agent_comes_and_goes_with_its_kubeconfig() {
    let hub = Hub::new();
    hub.api.put(NODE, push_node());
    hub.settle().await;
    assert_eq!(hub.reason(), "KubeconfigAwaited");
    assert!(hub.api.get(DEPLOYMENT).is_none());

    let path = "/api/v1/namespaces/cn-home-1/secrets/member-kubeconfig";
    hub.api.put(path, secret(KUBECONFIG));
    hub.settle().await;
    assert_eq!(hub.reason(), "Joining");
    let agent = hub.api.get(DEPLOYMENT).unwrap();
    assert_eq!(agent["spec"]["template"]["spec"]["serviceAccountName"], "agent");
    assert!(hub.node().status.unwrap().token.is_none(), "a pod has its own");

    let plugin = KUBECONFIG.replace("token: t", "exec: {apiVersion: v1, command: /bin/sh}");
    hub.api.put(path, secret(&plugin));
    hub.settle().await;
    assert_eq!(hub.reason(), "KubeconfigRefused");
    assert!(hub.api.get(DEPLOYMENT).is_none(), "no agent runs on a kubeconfig that runs programs");
}

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443', certificate-authority-data: Q0E=}}]
users: [{name: u, user: {token: t}}]
";
