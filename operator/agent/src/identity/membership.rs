//! Being a member for as long as the agent runs: joining, renewing, and being let in again.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Applicant, Identity, Membership, Renewal, join};
use crate::{clients::Bearer, metrics::Metrics};

/// Between tries to join: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// Keeps the member a member.
pub struct Keeper {
    /// Where the token is kept.
    pub identity: Identity,
    /// What requests to the hub carry.
    pub bearer: Bearer,
    /// The member's namespace on the hub.
    pub namespace: String,
    /// Between looks at the clock.
    pub look: Duration,
    /// Told when the hub doesn't know the token any more.
    pub refused: Arc<Notify>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

impl Keeper {
    /// Runs until `shutdown`. `known` is the membership of the last run; `ready` is told when the first one is in force.
    pub async fn run(
        self,
        applicant: Applicant,
        mut known: Option<Membership>,
        ready: oneshot::Sender<()>,
        shutdown: CancellationToken,
    ) {
        let mut ready = Some(ready);
        while !shutdown.is_cancelled() {
            let usable = known.take().filter(|membership| membership.expires_at > Timestamp::now());
            let membership = if let Some(membership) = usable {
                membership
            } else {
                tokio::select! {
                    membership = self.join(&applicant) => membership,
                    () = shutdown.cancelled() => return,
                }
            };
            if !self.bearer.set(&membership.token) {
                tracing::error!("the token for the hub isn't one; joining again");
                continue;
            }
            if let Some(ready) = ready.take() {
                // An error only says that the agent is stopping.
                let _ = ready.send(());
            }
            let renewal = Renewal {
                hub: applicant.hub.clone(),
                namespace: self.namespace.clone(),
                bearer: self.bearer.clone(),
                identity: self.identity.clone(),
                look: self.look,
                refused: Arc::clone(&self.refused),
                metrics: Arc::clone(&self.metrics),
            };
            renewal.run(membership, shutdown.clone()).await;
        }
    }

    /// Joins, however long it takes.
    async fn join(&self, applicant: &Applicant) -> Membership {
        let (mut wait, most) = RETRY;
        loop {
            match join(applicant).await {
                Ok(membership) => {
                    tracing::info!(expires = %membership.expires_at, "the hub has let this member in");
                    if let Err(error) = self.identity.save(&membership).await {
                        tracing::warn!(%error, "the token isn't kept for the next start");
                    }
                    return membership;
                }
                Err(error) => tracing::warn!(%error, "not a member of the hub; will be tried again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(most);
        }
    }
}
