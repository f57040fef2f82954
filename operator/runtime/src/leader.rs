//! One leader among replicas, by a coordination.k8s.io Lease as client-go does it.
//!
//! A holder that can't renew steps down before anyone else may take over, as each measures the other's silence on its
//! own clock. That keeps two leaders apart while clocks run at about the same rate; what must hold even when it fails
//! (one attempt of a job) rests on conditional updates, not on this.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long a lease lasts without renewal.
const DURATION: Duration = Duration::from_secs(15);
/// How long the holder tries to renew before it steps down.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between tries.
const RETRY: Duration = Duration::from_secs(2);

/// Who leads: a Lease and this replica's name in it.
pub struct Election {
    api: Api<Lease>,
    lease: String,
    identity: String,
}

/// The last holder seen, and since when by this process's clock.
struct Seen {
    record: (Option<String>, Option<MicroTime>),
    at: Instant,
}

impl Election {
    /// Takes part, as `identity` (the pod's name), in the election over `lease` in `namespace`.
    pub fn new(client: Client, namespace: &str, lease: &str, identity: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), lease: lease.to_owned(), identity: identity.to_owned() }
    }

    /// Waits until this replica leads; then returns a token that is cancelled when it no longer does. `None` if
    /// `shutdown` came first. On shutdown the lease is given back, so that another takes over at once.
    pub async fn acquire(self, shutdown: CancellationToken) -> Option<CancellationToken> {
        let mut seen = None;
        loop {
            match self.try_take(&mut seen).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, lease = self.lease, "can't reach the leader lease"),
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                () = shutdown.cancelled() => return None,
            }
        }
        tracing::info!(identity = self.identity, "leading");
        let leading = shutdown.child_token();
        tokio::spawn(self.hold(leading.clone(), shutdown));
        Some(leading)
    }

    /// Renews until it fails for too long or `shutdown` comes.
    async fn hold(self, leading: CancellationToken, shutdown: CancellationToken) {
        let mut seen = None;
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = sleep(RETRY) => {}
                () = shutdown.cancelled() => return self.release().await,
            }
            let attempt = Instant::now();
            match tokio::time::timeout(RENEW_DEADLINE, self.try_take(&mut seen)).await {
                Ok(Ok(true)) => renewed = attempt,
                Ok(Ok(false)) => break tracing::error!("another replica holds the leader lease; stepping down"),
                Ok(Err(error)) => tracing::warn!(%error, "can't renew the leader lease"),
                Err(_) => tracing::warn!("renewing the leader lease timed out"),
            }
            if renewed.elapsed() >= RENEW_DEADLINE {
                break tracing::error!("couldn't renew the leader lease in time; stepping down");
            }
        }
        leading.cancel();
    }

    /// Takes or renews the lease if it is free, ours, or silent for longer than it lasts. A lost race is `Ok(false)`.
    async fn try_take(&self, seen: &mut Option<Seen>) -> Result<bool, kube::Error> {
        let result = match self.api.get_opt(&self.lease).await? {
            None => self.api.create(&PostParams::default(), &self.record(None)).await,
            Some(current) if self.may_take(&current, seen) => {
                self.api.replace(&self.lease, &PostParams::default(), &self.record(Some(&current))).await
            }
            Some(_) => return Ok(false),
        };
        match result {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn may_take(&self, current: &Lease, seen: &mut Option<Seen>) -> bool {
        let spec = current.spec.clone().unwrap_or_default();
        let record = (spec.holder_identity, spec.renew_time);
        match &record.0 {
            None => return true,
            Some(holder) if holder.is_empty() || *holder == self.identity => return true,
            Some(_) => {}
        }
        match seen {
            Some(last) if last.record == record => last.at.elapsed() > DURATION,
            _ => {
                *seen = Some(Seen { record, at: Instant::now() });
                false
            }
        }
    }

    fn record(&self, current: Option<&Lease>) -> Lease {
        let before = current.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = before.holder_identity.as_deref() == Some(&self.identity);
        let now = MicroTime(crate::clock::now());
        Lease {
            metadata: ObjectMeta {
                name: Some(self.lease.clone()),
                // Carried over, so that the update holds only if nobody else came between.
                resource_version: current.and_then(|lease| lease.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: if ours { before.acquire_time } else { Some(now.clone()) },
                renew_time: Some(now),
                lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(current.is_some() && !ours)),
                ..LeaseSpec::default()
            }),
        }
    }

    async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.lease).await else { return };
        let Some(spec) = lease.spec.as_mut().filter(|s| s.holder_identity.as_deref() == Some(&self.identity)) else {
            return;
        };
        spec.holder_identity = None;
        if let Err(error) = self.api.replace(&self.lease, &PostParams::default(), &lease).await {
            tracing::warn!(%error, "couldn't give the leader lease back; it runs out by itself");
        }
    }
}
