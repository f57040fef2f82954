//! What nobody asks for any more: Jobs whose Assignment is gone, and what is left of them.
//!
//! A missing Assignment is no order to stop: a cache may lag, a hub may be restored. Only a hub that has answered twice,
//! half a minute apart, that there is none, is believed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use eai_api::{
    Assignment,
    names::{ASSIGNMENT_LABEL, METERING_FINALIZER},
};
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Pod, Secret},
    },
    jiff::Timestamp,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{context::Context, link::with_timeout};

/// Between sweeps.
const EVERY: Duration = Duration::from_secs(15);
/// Between the two answers that make a missing Assignment a fact.
const CONFIRM_AFTER: Duration = Duration::from_secs(30);
/// Between sweeps of Secrets, and how old one must be.
const SECRETS_EVERY: Duration = Duration::from_mins(10);

/// Sweeps until `shutdown`.
pub struct Sweeper {
    context: Arc<Context>,
    missing: HashMap<String, Instant>,
    secrets_at: Option<Instant>,
}

impl Sweeper {
    /// Nothing missing yet.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context, missing: HashMap::new(), secrets_at: None }
    }

    /// Sweeps until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let _ = self.context.stores.assignments.wait_until_ready().await;
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = interval.tick() => {}
            }
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "sweeping");
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), kube::Error> {
        let known: BTreeSet<String> = self.context.stores.assignments.state().iter().map(|a| a.name_any()).collect();
        self.context.tracks.retain(|name| known.contains(name));
        self.context.artifacts.retain(|name| known.contains(name) || self.context.job(name).is_some());
        self.count_phases();
        let suspects = self.suspects(&known);
        self.missing.retain(|name, _| suspects.contains(name));
        for name in suspects {
            if self.is_gone(&name).await? {
                self.remove(&name).await?;
            }
        }
        if self.secrets_at.is_none_or(|at| at.elapsed() > SECRETS_EVERY) {
            self.sweep_secrets(&known).await?;
            self.secrets_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Assignments named by Jobs and pods here, and not known.
    fn suspects(&self, known: &BTreeSet<String>) -> BTreeSet<String> {
        let jobs = self.context.stores.jobs.state();
        let pods = self.context.stores.pods.state();
        let labels = jobs.iter().map(|job| job.labels()).chain(pods.iter().map(|pod| pod.labels()));
        let names = labels.filter_map(|labels| labels.get(ASSIGNMENT_LABEL).cloned());
        names.filter(|name| !known.contains(name)).collect()
    }

    /// Whether the hub has said twice that there is no such Assignment.
    async fn is_gone(&mut self, name: &str) -> Result<bool, kube::Error> {
        let api: Api<Assignment> = Api::namespaced(self.context.hub.clone(), &self.context.hub_namespace);
        if with_timeout(api.get_opt(name)).await?.is_some() {
            self.missing.remove(name);
            return Ok(false);
        }
        let first = *self.missing.entry(name.to_owned()).or_insert_with(Instant::now);
        if first.elapsed() < CONFIRM_AFTER {
            tracing::info!(assignment = name, "the hub has no such Assignment; its Job is kept until it says so again");
            return Ok(false);
        }
        Ok(true)
    }

    async fn remove(&self, name: &str) -> Result<(), kube::Error> {
        tracing::warn!(assignment = name, "the hub has no such Assignment; its Job is deleted");
        let namespace = &self.context.config.work_namespace;
        let jobs: Api<Job> = Api::namespaced(self.context.member.clone(), namespace);
        let pods: Api<Pod> = Api::namespaced(self.context.member.clone(), namespace);
        self.context.artifacts.forget(name);
        ignore_gone(jobs.delete(name, &DeleteParams::background()).await)?;
        let own = self.context.stores.pods.state();
        let own = own.iter().filter(|pod| pod.labels().get(ASSIGNMENT_LABEL).is_some_and(|label| label == name));
        for pod in own {
            release(&pods, pod).await?;
        }
        Ok(())
    }

    /// Secrets of attempts that never got their Job: those with one go with it.
    async fn sweep_secrets(&self, known: &BTreeSet<String>) -> Result<(), kube::Error> {
        let namespace = &self.context.config.work_namespace;
        let secrets: Api<Secret> = Api::namespaced(self.context.member.clone(), namespace);
        let old = |secret: &kube::core::PartialObjectMeta<Secret>| {
            let created = secret.metadata.creation_timestamp.as_ref().map(|time| time.0);
            created.is_some_and(|at| Timestamp::now().duration_since(at).unsigned_abs() > SECRETS_EVERY)
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
