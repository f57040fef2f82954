//! Never two agents of one member at once, also while one takes over from the other.
//!
//! A Deployment that updates its pods one after the other starts the new agent while the old one is at work. The new one
//! does nothing then but show that it can: once it is ready, Kubernetes ends the old one, and only when that is gone does
//! the new one begin. An agent begins only if no agent's pod is as old as its own.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use eai_api::MemberReport;
use eai_runtime::clock;
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use tokio_util::sync::CancellationToken;

use crate::{clients::Bearer, config::Config, health::Health, identity::Identity, link::with_timeout};

/// Between looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long after its grace a pod that is being deleted counts: its node is gone then, and nobody will say so.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// By these labels an agent knows its like.
const LABELS: [&str; 2] = ["app.kubernetes.io/name", "app.kubernetes.io/instance"];

/// An agent that doesn't act yet.
pub struct Standby {
    /// The configuration.
    pub config: Config,
    /// The member's cluster.
    pub member: Client,
    /// The hub.
    pub hub: Client,
    /// What requests to it carry.
    pub bearer: Bearer,
    /// This agent's pod.
    pub pod: String,
    /// Told whether it could take over.
    pub health: Health,
}

impl Standby {
    /// Waits until no other agent is at work. False if it was told to stop first.
    pub async fn wait(self, shutdown: CancellationToken) -> bool {
        let mut ending = HashMap::new();
        loop {
            match self.others(&mut ending).await {
                Ok(false) => {
                    self.health.set_heard(false);
                    return true;
                }
                Ok(true) => self.show().await,
                Err(error) => {
                    self.health.say(&format!("stands by, and the member's own cluster doesn't answer: {error}"));
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return false,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn others(&self, ending: &mut HashMap<String, Instant>) -> Result<bool, kube::Error> {
        let pods: Api<Pod> = Api::namespaced(self.member.clone(), &self.config.agent_namespace);
        let own = with_timeout(pods.get(&self.pod)).await?;
        let labels: Vec<_> =
            LABELS.iter().filter_map(|key| Some(format!("{key}={}", own.labels().get(*key)?))).collect();
        let all = with_timeout(pods.list(&ListParams::default().labels(&labels.join(",")))).await?.items;
        Ok(all.iter().any(|pod| acts_before(&own, pod, ending, Instant::now())))
    }

    /// Ready if it could take over now.
    async fn show(&self) {
        match self.tried().await {
            Ok(()) => {
                self.health.clear();
                self.health.set_heard(true);
            }
            Err(error) => {
                self.health.say(&format!("stands by, and couldn't take over: {error}"));
            }
        }
    }

    /// Whether this agent can do what it needs: read the member's identity, and reach the hub with it. One that isn't let
    /// in has nothing to lose, and perhaps comes with the invite that mends it.
    async fn tried(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (_, membership) = Identity::load(self.member.clone(), &self.config.agent_namespace).await?;
        let Some(membership) = membership.filter(|m| m.expires_at > clock::now()) else { return Ok(()) };
        self.bearer.set(&membership.token);
        let namespace = eai_api::names::member_namespace(&self.config.member);
        let reports: Api<MemberReport> = Api::namespaced(self.hub.clone(), &namespace);
        match with_timeout(reports.get_opt(&self.config.member)).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => Ok(()),
            answer => Ok(answer.map(drop)?),
        }
    }
}

/// Whether the agent in `pod` is at work as far as the one in `own` can tell. `ending` is since when pods are seen to be
/// deleted, by this process's own clock.
pub fn acts_before(own: &Pod, pod: &Pod, ending: &mut HashMap<String, Instant>, now: Instant) -> bool {
    let over = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if pod.uid() == own.uid() || matches!(over, Some("Succeeded" | "Failed")) {
        return false;
    }
    // Kubernetes tells ages in whole seconds. Of two of the same second neither begins until one goes.
    if created(pod) > created(own) {
        return false;
    }
    if pod.metadata.deletion_timestamp.is_none() {
        return true;
    }
    let since = *ending.entry(pod.uid().unwrap_or_default()).or_insert(now);
    let grace = pod.metadata.deletion_grace_period_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(30);
    now.saturating_duration_since(since) <= Duration::from_secs(grace) + LOST_AFTER
}

fn created(pod: &Pod) -> Option<Timestamp> {
    pod.metadata.creation_timestamp.as_ref().map(|at| at.0)
}
