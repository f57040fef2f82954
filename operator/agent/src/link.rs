//! The connection to the hub: a heartbeat, and what its coming back means for everything else.

use std::{sync::Arc, time::Duration};

use eai_api::names::{HEARTBEAT_ANNOTATION, HEARTBEAT_LEASE};
use eai_runtime::clock;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    sync::{Notify, watch},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{fence::Pulse, metrics::Metrics};

/// Between heartbeats. The hub takes a member for gone after 40 s without.
const EVERY: Duration = Duration::from_secs(10);
/// How long a short request to the hub may take.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A request that takes too long counts as one that failed: a dead connection says nothing.
pub async fn with_timeout<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = || kube::Error::Service("the request took too long".into());
    tokio::time::timeout(TIMEOUT, request).await.unwrap_or_else(|_| Err(late()))
}

/// How long the member's own cluster may take to answer before it counts as away.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(5);

/// Beats until `shutdown`, while the member's own cluster answers: where it doesn't, nothing there can be begun, lent or
/// ended, and the hub is to know.
pub struct Heartbeat {
    /// The member's cluster.
    pub member: Client,
    /// The hub.
    pub hub: Client,
    /// The member's namespace there.
    pub namespace: String,
    /// This agent's name: its pod's.
    pub holder: String,
    /// Numbers the heartbeats, and remembers when each was sent.
    pub pulse: Arc<Pulse>,
    /// Told how often the hub came back after it was away.
    pub reconnects: watch::Sender<u64>,
    /// Told when the last heartbeat got through, in Unix seconds; 0 for never.
    pub reached: watch::Sender<i64>,
    /// Told when the hub doesn't know the token.
    pub refused: Arc<Notify>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

impl Heartbeat {
    /// Beats until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let leases: Api<Lease> = Api::namespaced(self.hub.clone(), &self.namespace);
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = interval.tick() => {}
            }
            if let Err(error) = self.manages().await {
                tracing::warn!(%error, "the member's own cluster doesn't answer; no heartbeat is sent");
                continue;
            }
            match with_timeout(self.beat(&leases)).await {
                Ok(()) => {
                    self.metrics.hub_connected.set(1);
                    self.reached.send_replace(clock::now().as_second());
                    if std::mem::take(&mut away) {
                        tracing::info!("the hub answers again");
                        // Watches may hang on connections that died meanwhile.
                        self.reconnects.send_modify(|count| *count += 1);
                    }
                }
                Err(error) => {
                    self.metrics.hub_connected.set(0);
                    away = true;
                    if matches!(&error, kube::Error::Api(status) if status.code == 401) {
                        self.refused.notify_one();
                    }
                    tracing::warn!(%error, "the heartbeat doesn't reach the hub");
                }
            }
        }
    }

    /// Whether the member's own cluster answers.
    async fn manages(&self) -> Result<(), kube::Error> {
        let late = || kube::Error::Service("it takes too long".into());
        let asked = tokio::time::timeout(MEMBER_TIMEOUT, self.member.apiserver_version());
        asked.await.unwrap_or_else(|_| Err(late())).map(drop)
    }

    async fn beat(&self, leases: &Api<Lease>) -> Result<(), kube::Error> {
        // It counts from before it is sent: what it takes to arrive is the member's loss.
        let heartbeat = self.pulse.send();
        let patch = json!({
            "metadata": { "annotations": { HEARTBEAT_ANNOTATION: heartbeat.to_string() } },
            "spec": { "holderIdentity": self.holder, "renewTime": MicroTime(clock::now()) },
        });
        leases.patch(HEARTBEAT_LEASE, &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{api, clock::TestClock, world::INSTANCE};

    const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/cn-home-1/leases/agent";

    fn beating(member: &api::Api, hub: &api::Api) -> Heartbeat {
        hub.put(LEASE, json!({ "metadata": { "name": "agent" }, "spec": {} }));
        Heartbeat {
            member: member.client(),
            hub: hub.client(),
            namespace: "cn-home-1".to_owned(),
            holder: "pod-1".to_owned(),
            pulse: Arc::new(Pulse::new(INSTANCE, TestClock::default())),
            reconnects: watch::channel(0).0,
            reached: watch::channel(0).0,
            refused: Arc::new(Notify::new()),
            metrics: Arc::new(Metrics::new().unwrap()),
        }
    }

    #[tokio::test]
    async fn each_heartbeat_has_a_number_whether_or_not_it_arrives() {
        let hub = api::Api::default();
        let beating = beating(&api::Api::default(), &hub);
        let leases: Api<Lease> = Api::namespaced(hub.client(), "cn-home-1");
        beating.beat(&leases).await.unwrap();
        let lease = hub.get(LEASE).unwrap();
        assert_eq!(lease["metadata"]["annotations"][HEARTBEAT_ANNOTATION], "0000000000000ea1-1");
        assert!(lease["spec"]["renewTime"].is_string());
        assert_eq!(hub.calls().len(), 1);
        hub.fail(|_, _| Some(503));
        beating.beat(&leases).await.unwrap_err();
        hub.heal();
        beating.beat(&leases).await.unwrap();
        assert_eq!(hub.get(LEASE).unwrap()["metadata"]["annotations"][HEARTBEAT_ANNOTATION], "0000000000000ea1-3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_whose_own_cluster_does_not_answer_is_not_heard() {
        let (member, hub) = (api::Api::default(), api::Api::default());
        member.put(
            "/version",
            json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
        );
        member.fail(|_, _| Some(503));
        let beating = beating(&member, &hub);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(beating.run(shutdown.clone()));
        tokio::time::sleep(Duration::from_secs(35)).await;
        assert_eq!(hub.calls().len(), 0);
        member.heal();
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert!(hub.get(LEASE).unwrap()["spec"]["renewTime"].is_string());
        shutdown.cancel();
        task.await.unwrap();
    }
}
