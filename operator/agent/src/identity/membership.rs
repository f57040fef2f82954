//! Being a member for as long as the agent runs: joining, renewing, and being let in again.

use std::{sync::Arc, time::Duration};

use eai_runtime::clock;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Applicant, Identity, Membership, Renewal, join, join::JoinError};
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
        let mut ran_out = None;
        while !shutdown.is_cancelled() {
            let usable = known.take().filter(|membership| {
                ran_out = Some(membership.expires_at);
                membership.expires_at > clock::now()
            });
            let membership = if let Some(membership) = usable {
                membership
            } else {
                tokio::select! {
                    membership = self.join(&applicant, ran_out) => membership,
                    () = shutdown.cancelled() => return,
                }
            };
            if !self.bearer.set(&membership.token) {
                tracing::error!("the token for the hub isn't one; joining again");
                continue;
            }
            applicant.health.clear();
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
            ran_out = Some(renewal.run(membership, shutdown.clone()).await);
        }
    }

    /// Joins, however long it takes. The last token that this member had was good until `ran_out`.
    async fn join(&self, applicant: &Applicant, ran_out: Option<Timestamp>) -> Membership {
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
                Err(error) => {
                    let trouble = advice(&error, &applicant.config.member, ran_out);
                    // Once is enough: it is tried again every minute, perhaps for days.
                    if applicant.health.say(&trouble) {
                        tracing::warn!("{trouble}; it is tried again");
                    }
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(most);
        }
    }
}

/// What is wrong, and what the member's owner does about it. A token lasts an hour at most, and a member that was away for
/// longer needs somebody's word again.
fn advice(error: &JoinError, member: &str, ran_out: Option<Timestamp>) -> String {
    match (ran_out, error.no_invite()) {
        (Some(at), Some(why)) => format!(
            "the hub doesn't take this member's token any more, which was good until {at}, and there is no invite that it \
             takes ({why}): have the hub's admin run `kubectl eai invite {member} --out {member}.yaml`, then join again \
             with that file: `helm upgrade eai-agent charts/eai-agent -n eai-agent -f {member}.yaml -f YOUR-VALUES`"
        ),
        _ => format!("not a member of the hub: {error}"),
    }
}
