//! Doing what was decided.

use std::sync::Arc;

use eai_api::names::METERING_FINALIZER;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, Secret},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    build::{
        Step,
        grant::{self, End},
        job,
        pod::GRACE_SECONDS,
    },
    pods::TRACKING_FINALIZER,
    snapshot::{GIVEN_UP, Snapshot, Words},
};
use crate::{
    artifacts::PodRef,
    context::Context,
    ledger::{self, Ledger},
    link::with_timeout,
    refusal::Secrets,
};

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A cluster says no, or nothing. Tried again with backoff.
    #[error("{step}: {source}")]
    Kube {
        /// What was done.
        step: &'static str,
        /// What came of it.
        source: kube::Error,
    },
    /// Something changed since it was read. Its event comes, and is looked at then.
    #[error("{step}: it changed meanwhile")]
    Stale {
        /// What was done.
        step: &'static str,
    },
}

/// Writes to one cluster's objects of one Assignment.
pub struct Applier<'a> {
    context: &'a Context,
    name: &'a str,
    jobs: Api<Job>,
    pods: Api<Pod>,
    secrets: Api<Secret>,
}

impl<'a> Applier<'a> {
    /// For the Assignment called `name`.
    pub fn new(context: &'a Context, name: &'a str) -> Self {
        let namespace = &context.config.work_namespace;
        let member = || context.member.clone();
        Self {
            context,
            name,
            jobs: Api::namespaced(member(), namespace),
            pods: Api::namespaced(member(), namespace),
            secrets: Api::namespaced(member(), namespace),
        }
    }

    /// Does one step.
    pub async fn step(&self, step: &Step, snapshot: &Snapshot) -> Result<(), ApplyError> {
        match step {
            // Judging needs what only the reconcile has.
            Step::Admit | Step::Judge => Ok(()),
            Step::Adopt { from } => self.adopt(from, snapshot.uid()).await,
            Step::Record { before, ledger } => self.record(before.as_deref(), ledger, snapshot).await,
            Step::Release { pod, at } => self.release(pod, *at).await,
            Step::Suspend(suspend) => self.patch_job("suspending", json!({ "spec": { "suspend": suspend } })).await,
            Step::GiveUp(words) => self.give_up(words).await,
            Step::Extend(seconds) => {
                self.patch_job("extending", json!({ "spec": { "activeDeadlineSeconds": seconds } })).await
            }
            Step::Resume(end) => {
                self.lend("resuming", json!({ "suspend": false, "activeDeadlineSeconds": end.seconds }), *end).await
            }
            Step::Deadline(end) => self.lend("lending", json!({ "activeDeadlineSeconds": end.seconds }), *end).await,
            Step::End { pod } => self.end(pod).await,
            Step::Interrupt { pod, at } => self.interrupt(pod, *at).await,
            Step::Note(note) => {
                self.patch_job("noting", json!({ "metadata": { "annotations": { job::NOTES: note } } })).await
            }
            Step::Follow { pod, uid, index } => {
                self.context.artifacts.follow(&self.pod_ref(pod, uid, *index));
                Ok(())
            }
            Step::Restore { pod, uid, index } => {
                self.context.artifacts.restore(&self.pod_ref(pod, uid, *index));
                Ok(())
            }
            Step::Save { pod, uid, index } => {
                self.save(&self.pod_ref(pod, uid, *index), snapshot);
                Ok(())
            }
            Step::Collect { pod, uid, index, anew } => {
                let outputs = &snapshot.assignment.spec.workload.outputs;
                let known = if *anew { &[] } else { snapshot.previous.outputs.as_slice() };
                self.context.artifacts.collect(&self.pod_ref(pod, uid, *index), outputs, known);
                Ok(())
            }
            Step::Done { pod, uid } => {
                self.context.artifacts.let_go(&self.pod_ref(pod, uid, 0));
                Ok(())
            }
            Step::Delete => self.delete().await,
            Step::Forget => {
                self.context.artifacts.forget(self.name);
                Ok(())
            }
        }
    }

    fn save(&self, pod: &PodRef, snapshot: &Snapshot) {
        let known = snapshot.previous.checkpoints.iter().find(|known| known.index == pod.index);
        if let Some(wanted) = &snapshot.assignment.spec.workload.checkpoint {
            self.context.artifacts.save(pod, wanted, known);
        }
    }

    fn pod_ref(&self, pod: &str, uid: &str, index: u32) -> PodRef {
        PodRef { assignment: self.name.to_owned(), pod: pod.to_owned(), uid: uid.to_owned(), index }
    }

    /// Creates the Secret, if there are secrets, then the Job, then ties the one to the other. Whatever is there from a
    /// try that was cut short is taken over; a Job is never made twice, since its name is the attempt's.
    pub async fn create(&self, job: Job, secret: Option<Secret>) -> Result<Arc<Job>, ApplyError> {
        let params = PostParams::default();
        let has_secret = secret.is_some();
        if let Some(secret) = secret {
            match self.secrets.create(&params, &secret).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                created => drop(created.map_err(failed("creating the Secret"))?),
            }
        }
        // One that is made long after it was asked for would have an end that is as much too late.
        let created = match with_timeout(self.jobs.create(&params, &job)).await {
            Err(kube::Error::Api(status)) if status.code == 409 => self.jobs.get(self.name).await,
            created => created,
        };
        let created = Arc::new(created.map_err(failed("creating the Job"))?);
        if has_secret && let Some(owner) = job::owner(&created) {
            let patch = json!({ "metadata": { "ownerReferences": [owner] } });
            // Without an owner it is swept up later.
            if let Err(error) = self.secrets.patch(self.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                tracing::warn!(%error, secret = self.name, "can't give the Secret its owner");
            }
        }
        Ok(created)
    }

    /// Two agents can't adopt it for two Assignments: it must still belong to the one that was read.
    async fn adopt(&self, from: &str, uid: &str) -> Result<(), ApplyError> {
        let path = format!("/metadata/annotations/{}", job::ASSIGNMENT_UID.replace('/', "~1"));
        let operations = json!([
            { "op": "test", "path": path, "value": from },
            { "op": "add", "path": path, "value": uid },
        ]);
        self.json_patch(&self.jobs, self.name, operations, "adopting the Job").await?;
        tracing::warn!(assignment = self.name, from, uid, "the hub has made this Assignment again; its work goes on");
        Ok(())
    }

    /// Writes the record only if it still reads as when it was added to: two writers can't undo each other.
    async fn record(&self, before: Option<&str>, ledger: &Ledger, snapshot: &Snapshot) -> Result<(), ApplyError> {
        let key = ledger::ANNOTATION.replace('/', "~1");
        let path = format!("/metadata/annotations/{key}");
        let operations = json!([
            { "op": "test", "path": path, "value": before },
            { "op": "add", "path": path, "value": ledger.write() },
        ]);
        self.json_patch(&self.jobs, self.name, operations, "recording runs").await?;
        let old = snapshot.job.as_ref().and_then(|job| job.ledger.as_ref().ok()).map_or(0, Ledger::run_ms);
        self.context.metrics.recorded_ms.inc_by(ledger.run_ms().saturating_sub(old));
        Ok(())
    }

    async fn release(&self, pod: &str, at: usize) -> Result<(), ApplyError> {
        self.take_off(METERING_FINALIZER, pod, at, "releasing a pod").await
    }

    /// What the Job controller does to pods of a suspended Job, in its order: what it isn't to count it lets go of first.
    async fn interrupt(&self, pod: &str, at: usize) -> Result<(), ApplyError> {
        tracing::warn!(assignment = self.name, pod, "its right to run is over and nobody else ended it");
        self.take_off(TRACKING_FINALIZER, pod, at, "interrupting a pod").await?;
        self.end(pod).await
    }

    /// Removes `finalizer`, which is at `at` in the list of `pod`; fine if the pod is gone.
    async fn take_off(&self, finalizer: &str, pod: &str, at: usize, step: &'static str) -> Result<(), ApplyError> {
        let path = format!("/metadata/finalizers/{at}");
        let operations = json!([{ "op": "test", "path": path, "value": finalizer }, { "op": "remove", "path": path }]);
        match self.json_patch(&self.pods, pod, operations, step).await {
            Err(ApplyError::Kube { source: kube::Error::Api(status), .. }) if status.code == 404 => Ok(()),
            done => done,
        }
    }

    async fn json_patch<K>(
        &self,
        api: &Api<K>,
        name: &str,
        operations: Value,
        step: &'static str,
    ) -> Result<(), ApplyError>
    where
        K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let malformed = |error: serde_json::Error| ApplyError::Kube { step, source: kube::Error::SerdeError(error) };
        let patch = Patch::Json::<()>(serde_json::from_value(operations).map_err(malformed)?);
        match with_timeout(api.patch(name, &PatchParams::default(), &patch)).await {
            // A test in the patch that doesn't hold.
            Err(kube::Error::Api(status)) if status.code == 422 => Err(ApplyError::Stale { step }),
            done => done.map(drop).map_err(failed(step)),
        }
    }

    async fn give_up(&self, words: &Words) -> Result<(), ApplyError> {
        let patch = json!({
            "metadata": { "annotations": { GIVEN_UP: words.line() } },
            "spec": { "suspend": true },
        });
        self.patch_job("giving up", patch).await
    }

    /// Changes what its Job is to do, as one that runs under grants.
    async fn lend(&self, step: &'static str, spec: Value, end: End) -> Result<(), ApplyError> {
        let patch = json!({ "metadata": { "annotations": { grant::LENT: end.until_ms.to_string() } }, "spec": spec });
        self.patch_job(step, patch).await
    }

    async fn patch_job(&self, step: &'static str, patch: Value) -> Result<(), ApplyError> {
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        with_timeout(self.jobs.patch(self.name, &params, &patch)).await.map(drop).map_err(failed(step))
    }

    async fn end(&self, pod: &str) -> Result<(), ApplyError> {
        let params =
            DeleteParams { grace_period_seconds: u32::try_from(GRACE_SECONDS).ok(), ..DeleteParams::default() };
        gone_is_fine(with_timeout(self.pods.delete(pod, &params)).await, "ending a pod")
    }

    async fn delete(&self) -> Result<(), ApplyError> {
        gone_is_fine(self.jobs.delete(self.name, &DeleteParams::background()).await, "deleting the Job")
    }
}

fn failed(step: &'static str) -> impl Fn(kube::Error) -> ApplyError {
    move |source| ApplyError::Kube { step, source }
}

fn gone_is_fine<T>(result: Result<T, kube::Error>, step: &'static str) -> Result<(), ApplyError> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop).map_err(failed(step)),
    }
}

/// The names of secret variables, in order.
pub fn names(secrets: Option<&Secrets>) -> Vec<String> {
    secrets.map(|secrets| secrets.keys().cloned().collect()).unwrap_or_default()
}
