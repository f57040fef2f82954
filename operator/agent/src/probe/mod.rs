//! What the owner's cluster really enforces, tried out with pods like those that work runs in.
//!
//! A network plugin that ignores policies, or a RuntimeClass that isn't what its name says, looks fine on paper. So a
//! pod is run that tries what work must not be able to do.

mod inside;
mod pod;
#[cfg(test)]
mod tests;

use std::time::Duration;

use eai_api::aijob::Network;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
    runtime::wait::{Condition, await_condition},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use inside::{Args, run as run_inside};

use crate::{config::Config, refusal::Probes};

/// Between probes: what a cluster enforces changes with its upgrades.
const EVERY: Duration = Duration::from_hours(1);
/// After a probe that gave no answer.
const RETRY: Duration = Duration::from_secs(20);
/// How long a probe may take, images included.
const TIMEOUT: Duration = Duration::from_mins(3);

/// Why a probe gave no answer.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("the member's cluster: {0}")]
    Kube(#[from] kube::Error),
    #[error("waiting for the probe's pod: {0}")]
    Wait(#[from] kube::runtime::wait::Error),
    #[error("the probe's pod didn't end in time: {0}")]
    Slow(String),
    #[error("the probe's pod ended without an answer: {0}")]
    NoAnswer(String),
}

/// Probes until `shutdown`.
pub struct Prober {
    /// The configuration.
    pub config: Config,
    /// The member's cluster.
    pub member: kube::Client,
    /// Told what is found.
    pub found: watch::Sender<Probes>,
}

impl Prober {
    /// Probes at once and then every hour; a probe without an answer is tried again soon.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let sandbox =
                if self.config.runtime_class.is_empty() { Ok(false) } else { self.probe(Network::None).await };
            self.note("sandbox", &sandbox, |probes| &mut probes.sandbox);
            let internet =
                if self.config.limits.allow_internet { self.probe(Network::Internet).await } else { Ok(false) };
            self.note("internet", &internet, |probes| &mut probes.internet_isolated);
            let wait = if sandbox.is_ok() && internet.is_ok() { EVERY } else { RETRY };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn note(&self, name: &str, found: &Result<bool, ProbeError>, slot: fn(&mut Probes) -> &mut Option<bool>) {
        match found {
            Ok(isolated) => {
                let isolated = *isolated;
                self.found.send_if_modified(|probes| {
                    let changed = *slot(probes) != Some(isolated);
                    if changed {
                        tracing::info!(probe = name, isolated, "probed");
                        *slot(probes) = Some(isolated);
                    }
                    changed
                });
            }
            // What an earlier probe found stands until another finds otherwise.
            Err(error) => tracing::warn!(probe = name, %error, "a probe gave no answer"),
        }
    }

    /// Whether a pod with `network` is isolated as it must be.
    async fn probe(&self, network: Network) -> Result<bool, ProbeError> {
        let pods: Api<Pod> = Api::namespaced(self.member.clone(), &self.config.work_namespace);
        let nodes: Api<Node> = Api::all(self.member.clone());
        let targets = pod::targets(&nodes.list(&ListParams::default().limit(20)).await?.items, &self.config, network);
        // Those of an agent that was stopped halfway.
        pods.delete_collection(&DeleteParams::default(), &ListParams::default().labels(&pod::selector(network)))
            .await?;
        let created = pods.create(&PostParams::default(), &pod::pod(&self.config, network, &targets)).await?;
        let name = created.metadata.name.unwrap_or_default();
        let answer = self.answer(&pods, &name).await;
        if let Err(error) = pods.delete(&name, &DeleteParams::default().grace_period(0)).await {
            tracing::debug!(%error, pod = name, "the probe's pod is deleted later");
        }
        answer
    }

    async fn answer(&self, pods: &Api<Pod>, name: &str) -> Result<bool, ProbeError> {
        let ended = await_condition(pods.clone(), name, Ended);
        let Ok(pod) = tokio::time::timeout(TIMEOUT, ended).await else {
            let pod = pods.get_opt(name).await?;
            return Err(ProbeError::Slow(pod.as_ref().map(pod::describe).unwrap_or_default()));
        };
        let pod = pod?;
        let pod = pod.ok_or_else(|| ProbeError::NoAnswer("it was deleted".to_owned()))?;
        let isolated = pod::answer(&pod).ok_or_else(|| ProbeError::NoAnswer(pod::describe(&pod)))?;
        if !isolated {
            tracing::warn!(pod = name, found = pod::describe(&pod), "work would not be isolated here");
        }
        Ok(isolated)
    }
}

/// A pod that is over, or gone.
struct Ended;

impl Condition<Pod> for Ended {
    fn matches_object(&self, pod: Option<&Pod>) -> bool {
        let phase = pod.and_then(|pod| pod.status.as_ref()).and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    }
}
