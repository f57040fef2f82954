//! What nobody asks for any more: Jobs whose Assignment is gone, and what is left of them.
//!
//! A missing Assignment is no order to stop: it may have been deleted by mistake, or the hub be restored, and the hub
//! makes it again. So its work goes on, within the time that it was given at first ([`orphans`]), and what it used is
//! billed once its Assignment is back. A hub that answers for ten minutes on end that there is none is believed: then
//! the work ends, and nobody pays for it. While the hub doesn't answer, nothing of this counts; the Job's own deadline
//! bounds the work then.

mod orphans;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use eai_api::names::{ASSIGNMENT_LABEL, METERING_FINALIZER};
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::orphans::Orphans;
use crate::context::Context;

/// Between sweeps, at most.
const EVERY: Duration = Duration::from_secs(15);
/// Between sweeps, at least.
const PAUSE: Duration = Duration::from_secs(1);
/// Between sweeps of Secrets, and how old one must be.
const SECRETS_EVERY: Duration = Duration::from_mins(10);

/// Sweeps until `shutdown`.
pub struct Sweeper {
    context: Arc<Context>,
    orphans: Orphans,
    secrets_at: Option<Instant>,
}

impl Sweeper {
    /// Nothing missing yet.
    pub fn new(context: Arc<Context>) -> Self {
        Self { orphans: Orphans::new(Arc::clone(&context)), context, secrets_at: None }
    }

    /// Sweeps until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let mut wait = EVERY;
            // Also while it isn't known what the hub wants: work has its end whatever the hub says.
            match self.orphans.end_overdue(&self.known(), self.context.pulse.wall()).await {
                Ok(next) => wait = next.map_or(EVERY, |next| next.clamp(PAUSE, EVERY)),
                Err(error) => tracing::warn!(%error, "ending work that ran too long"),
            }
            // Nobody else waits for this store: of several who do, only the last is woken.
            let listed = self.context.stores.assignments.wait_until_ready().now_or_never().is_some();
            if listed && let Err(error) = self.sweep().await {
                tracing::warn!(%error, "sweeping");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn known(&self) -> BTreeSet<String> {
        self.context.stores.assignments.state().iter().map(|a| a.name_any()).collect()
    }

    async fn sweep(&mut self) -> Result<(), kube::Error> {
        let known = self.known();
        self.context.tracks.retain(|name| known.contains(name));
        self.context.artifacts.retain(|name| known.contains(name) || self.context.job(name).is_some());
        self.count_phases();
        self.orphans.sweep(&known).await?;
        if self.secrets_at.is_none_or(|at| at.elapsed() > SECRETS_EVERY) {
            self.sweep_secrets(&known).await?;
            self.secrets_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Secrets of attempts that never got their Job: those with one go with it.
    async fn sweep_secrets(&self, known: &BTreeSet<String>) -> Result<(), kube::Error> {
        let namespace = &self.context.config.work_namespace;
        let secrets: Api<Secret> = Api::namespaced(self.context.member.clone(), namespace);
        let old = |secret: &kube::core::PartialObjectMeta<Secret>| {
            let created = secret.metadata.creation_timestamp.as_ref().map(|time| time.0);
            created.is_some_and(|at| self.context.pulse.wall().duration_since(at).unsigned_abs() > SECRETS_EVERY)
        };
        for secret in secrets.list_metadata(&ListParams::default().labels(ASSIGNMENT_LABEL)).await? {
            let name = secret.name_any();
            if old(&secret) && !known.contains(&name) && self.context.job(&name).is_none() {
                ignore_gone(secrets.delete(&name, &DeleteParams::default()).await)?;
            }
        }
        Ok(())
    }

    fn count_phases(&self) {
        self.context.metrics.assignments.reset();
        for assignment in self.context.stores.assignments.state() {
            let phase = assignment.status.clone().unwrap_or_default().phase;
            self.context.metrics.assignments.with_label_values(&[&format!("{phase:?}")]).inc();
        }
    }
}

/// Removes the metering finalizer of `pod`, if it has one.
pub async fn release(pods: &Api<Pod>, pod: &Pod) -> Result<(), kube::Error> {
    let Some(at) = pod.finalizers().iter().position(|finalizer| finalizer == METERING_FINALIZER) else {
        return Ok(());
    };
    let finalizer = format!("/metadata/finalizers/{at}");
    let operations = json!([
        { "op": "test", "path": finalizer, "value": METERING_FINALIZER },
        { "op": "remove", "path": finalizer },
    ]);
    let patch = Patch::Json::<()>(serde_json::from_value(operations).map_err(kube::Error::SerdeError)?);
    ignore_gone(pods.patch(&pod.name_any(), &PatchParams::default(), &patch).await)
}

/// What is gone need not be removed.
pub fn ignore_gone<T>(result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop),
    }
}
