//! Renewing the hub's token by itself, long before it runs out.

use std::{sync::Arc, time::Duration};

use eai_api::names::{AGENT_ACCOUNT, TOKEN_SECRET};
use eai_runtime::clock;
use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::ServiceAccount,
    },
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{Identity, Membership};
use crate::{clients::Bearer, link::with_timeout, metrics::Metrics};

/// The longest life that the hub allows.
const LIFE_SECONDS: i64 = 3600;
/// Between looks: a machine that slept wakes with a clock that has moved on, which no timer knows.
pub const LOOK: Duration = Duration::from_secs(20);

/// Renews a membership.
pub struct Renewal {
    /// The hub.
    pub hub: Client,
    /// The member's namespace there.
    pub namespace: String,
    /// What requests to it carry.
    pub bearer: Bearer,
    /// Where the token is kept.
    pub identity: Identity,
    /// Between looks at the clock: [`LOOK`].
    pub look: Duration,
    /// Told when the hub doesn't know the token any more.
    pub refused: Arc<Notify>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

impl Renewal {
    /// Renews at two thirds of each token's life, until `shutdown` or until a token has run out or was revoked: then the
    /// member has to be let in again. Returns when the last token runs out.
    pub async fn run(self, mut membership: Membership, shutdown: CancellationToken) -> Timestamp {
        let mut renew_at = two_thirds(clock::now(), membership.expires_at);
        loop {
            self.metrics.token_expiry.set(membership.expires_at.as_second());
            let refused = tokio::select! {
                () = shutdown.cancelled() => return membership.expires_at,
                () = self.refused.notified() => true,
                () = tokio::time::sleep(self.look) => false,
            };
            let now = clock::now();
            if now < renew_at && !refused {
                continue;
            }
            if now >= membership.expires_at {
                tracing::error!("the token for the hub has run out before it could be renewed");
                return membership.expires_at;
            }
            match self.renew(&membership).await {
                Ok(renewed) => {
                    renew_at = two_thirds(now, renewed.expires_at);
                    membership = renewed;
                    tracing::info!(expires = %membership.expires_at, "renewed the token for the hub");
                    if let Err(error) = self.identity.save(&membership).await {
                        tracing::warn!(%error, "the renewed token isn't kept for the next start");
                    }
                }
                Err(kube::Error::Api(status)) if status.code == 401 => {
                    tracing::error!("the hub has revoked this member's token");
                    return membership.expires_at;
                }
                Err(error) => tracing::warn!(%error, "can't renew the token for the hub"),
            }
        }
    }

    async fn renew(&self, membership: &Membership) -> Result<Membership, kube::Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.hub.clone(), &self.namespace);
        let request = request(&membership.secret_uid);
        let params = PostParams::default();
        let granted = with_timeout(accounts.create_token_request(AGENT_ACCOUNT, &params, &request)).await?;
        let unusable = || kube::Error::Service("the hub granted no usable token".into());
        let status = granted.status.ok_or_else(unusable)?;
        let token = Zeroizing::new(status.token.ok_or_else(unusable)?);
        let expires_at = status.expiration_timestamp.ok_or_else(unusable)?.0;
        if !self.bearer.set(&token) {
            return Err(unusable());
        }
        Ok(Membership { token, expires_at, secret_uid: membership.secret_uid.clone() })
    }
}

/// A token for the hub's API server, bound to the Secret with this UID: it dies with it.
pub(super) fn request(secret_uid: &str) -> TokenRequest {
    TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: Some(Vec::new()),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: Some(TOKEN_SECRET.to_owned()),
                uid: Some(secret_uid.to_owned()),
            }),
            expiration_seconds: Some(LIFE_SECONDS),
        }),
        ..TokenRequest::default()
    }
}

/// The moment when two thirds of the time from `now` to `end` are over.
pub(super) fn two_thirds(now: Timestamp, end: Timestamp) -> Timestamp {
    let life = end.as_second().saturating_sub(now.as_second());
    Timestamp::from_second(now.as_second().saturating_add(life * 2 / 3)).unwrap_or(end)
}
