//! Updating this agent: an owner's opt-in, and only to what the owner's release key signed.
//!
//! The agent changes nothing but the image of its own Deployment, and then only waits: Kubernetes starts the new agent
//! beside it, which stands by until this one is gone (`standby`). If it never gets ready, this one takes the image back.
//! What was tried is kept in the Deployment's annotations, because it must survive both.

mod decide;
mod own;
pub mod standby;
#[cfg(test)]
mod tests;

use std::time::Duration;

use eai_api::member_report::{UpdateAttempt, UpdateOffer, UpdateResult, Updates};
use eai_core::{image::ImageRef, release::ReleaseKey};
use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::own::OwnError;
use self::{
    decide::{Rules, Step, decide},
    own::Own,
};
use crate::config::{Config, Mode};

/// Between looks at the own Deployment.
const EVERY: Duration = Duration::from_secs(10);

/// What an agent says of itself that isn't updated by itself, or doesn't know better yet.
pub fn unknown(config: &Config) -> Updates {
    let digest = config.outputs_image.parse::<ImageRef>().map(|image| image.digest().to_string());
    let accepts = enabled(config);
    Updates {
        accepts,
        digest: digest.ok().filter(|_| !accepts).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        last: None,
    }
}

/// Whether the owner lets this agent be updated. One in push mode is its hub's.
pub fn enabled(config: &Config) -> bool {
    config.update.is_some() && config.mode == Mode::Pull
}

/// Updates this agent.
pub struct Updater {
    /// The configuration.
    pub config: Config,
    /// The member's cluster.
    pub member: Client,
    /// This agent's pod.
    pub pod: String,
    /// What the hub offers.
    pub offered: watch::Receiver<Option<UpdateOffer>>,
    /// Told what the hub is to know.
    pub told: watch::Sender<Updates>,
}

impl Updater {
    /// Runs until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        if !enabled(&self.config) {
            return shutdown.cancelled().await;
        }
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "this agent's own Deployment can't be seen to; it is tried again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
                changed = self.offered.changed() => if changed.is_err() { return shutdown.cancelled().await },
            }
        }
    }

    /// gather, decide, apply, tell.
    async fn look(&self) -> Result<(), OwnError> {
        let Some(update) = &self.config.update else { return Ok(()) };
        let own = Own::read(&self.member, &self.config.agent_namespace, &update.deployment, &self.pod).await?;
        let offer = self.offered.borrow().clone();
        // The configuration was checked when it was read.
        let Ok(key) = ReleaseKey::from_pem(&update.release_key) else { return Ok(()) };
        let rules = Rules { key: &key, registries: &update.registries };
        let step = decide(&own.state, offer.as_ref(), &rules);
        let last = match &step {
            Step::Rest(last) => last.clone(),
            Step::Wait(attempt) | Step::Start { attempt, .. } | Step::RollBack { attempt, .. } => Some(attempt.clone()),
        };
        match &step {
            Step::Rest(_) | Step::Wait(_) => {}
            Step::Start { image, version, .. } => {
                tracing::info!(%image, %version, "this agent is being updated");
                own.start(image, version).await?;
            }
            Step::RollBack { attempt, .. } => {
                tracing::warn!(digest = attempt.digest, "{}", attempt.message);
                own.roll_back(&attempt.digest).await?;
            }
        }
        self.tell(&own, last);
        Ok(())
    }

    fn tell(&self, own: &Own, last: Option<UpdateAttempt>) {
        let now = Updates {
            accepts: true,
            digest: own.state.image.digest().to_string(),
            version: own.state.version.to_string(),
            last,
        };
        self.told.send_if_modified(|told| {
            let changed = *told != now;
            if let Some(last) = now.last.as_ref().filter(|last| changed && last.result == UpdateResult::Refused) {
                tracing::warn!(digest = last.digest, reason = last.reason, "an update is refused: {}", last.message);
            }
            *told = now.clone();
            changed
        });
    }
}
