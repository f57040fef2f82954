//! The connection to the hub: a heartbeat, and what its coming back means for everything else.

use std::{sync::Arc, time::Duration};

use eai_api::names::HEARTBEAT_LEASE;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};
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

use crate::metrics::Metrics;

/// Between heartbeats. The hub takes a member for gone after 40 s without.
const EVERY: Duration = Duration::from_secs(10);
/// How long a short request to the hub may take.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A request that takes too long counts as one that failed: a dead connection says nothing.
pub async fn with_timeout<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = || kube::Error::Service("the request took too long".into());
    tokio::time::timeout(TIMEOUT, request).await.unwrap_or_else(|_| Err(late()))
}

/// Beats until `shutdown`.
pub struct Heartbeat {
    /// The hub.
    pub hub: Client,
    /// The member's namespace there.
    pub namespace: String,
    /// This agent's name: its pod's.
    pub holder: String,
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
            match with_timeout(self.beat(&leases)).await {
                Ok(()) => {
                    self.metrics.hub_connected.set(1);
                    self.reached.send_replace(Timestamp::now().as_second());
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

    async fn beat(&self, leases: &Api<Lease>) -> Result<(), kube::Error> {
        let patch = json!({ "spec": { "holderIdentity": self.holder, "renewTime": MicroTime(Timestamp::now()) } });
        leases.patch(HEARTBEAT_LEASE, &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop)
    }
}
