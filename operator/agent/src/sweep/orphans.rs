//! Work whose Assignment is missing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use eai_api::{Assignment, names::ASSIGNMENT_LABEL};
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::Timestamp,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Preconditions},
};
use tokio::time::Instant;

use super::{ignore_gone, release};
use crate::{
    context::Context,
    link::with_timeout,
    work::{
        build::pod::GRACE_SECONDS,
        pods::{PodFact, Work},
        snapshot::{JobFact, unix_ms},
    },
};

/// For how long the hub must say that there is no such Assignment before its work is ended. A hub that is well makes it
/// again within seconds; one that was restored needs a person first, and then a few minutes.
pub(super) const GRACE: Duration = Duration::from_mins(10);
/// A hub that said nothing for longer was away, and what it said before doesn't count any more.
pub(super) const SILENCE: Duration = Duration::from_mins(1);

/// Work whose Assignment is missing, and since when.
pub(super) struct Orphans {
    context: Arc<Context>,
    missing: HashMap<String, Absence>,
}

/// How long the hub has said that there is no such Assignment.
struct Absence {
    /// When it first said so.
    since: Instant,
    /// When it last did.
    heard: Instant,
}

impl Orphans {
    /// Nothing missing yet.
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, missing: HashMap::new() }
    }

    /// Ends pods that run longer than they may while no Assignment says how long that is; says when the next is due.
    pub(super) async fn end_overdue(
        &self,
        known: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Option<Duration>, kube::Error> {
        let mut next = None;
        for pod in self.context.stores.pods.state() {
            let Some(name) = pod.labels().get(ASSIGNMENT_LABEL).filter(|name| !known.contains(*name)) else { continue };
            let Some(left) = self.time_left(name, &pod, now) else { continue };
            if !left.is_zero() {
                next = next.into_iter().chain([left]).min();
                continue;
            }
            let pod = pod.name_any();
            tracing::warn!(assignment = name, pod, "its work has run for as long as it may, so it is ended");
            let grace_period_seconds = u32::try_from(GRACE_SECONDS).ok();
            let params = DeleteParams { grace_period_seconds, ..DeleteParams::default() };
            ignore_gone(self.pods().delete(&pod, &params).await)?;
        }
        Ok(next)
    }

    /// How long `pod` may still run; `None` if it is over, or is ending, or nothing says how long it may. No grant reaches
    /// work whose Assignment is missing, so the end of its last one is the end of it, also where its controllers are down.
    fn time_left(&self, assignment: &str, pod: &Pod, now: Timestamp) -> Option<Duration> {
        let fact = PodFact::read(pod).filter(PodFact::live)?;
        let job = self.context.job(assignment).map(|job| JobFact::read(&job));
        let agreed = job.as_ref().and_then(|job| job.max_duration);
        let longest = agreed.or(self.context.config.limits.max_duration_seconds);
        let end_ms = match fact.work {
            Work::Running { start_ms } => longest.map(|longest| start_ms.saturating_add(longest.saturating_mul(1000))),
            _ => None,
        };
        let end_ms = end_ms.into_iter().chain(job.and_then(|job| job.lent_until_ms)).min()?;
        Some(Duration::from_millis(end_ms.saturating_sub(unix_ms(now))))
    }

    /// Asks the hub for what is missing, and ends what it has gone without for long enough.
    pub(super) async fn sweep(&mut self, known: &BTreeSet<String>) -> Result<(), kube::Error> {
        let suspects = self.suspects(known);
        self.missing.retain(|name, _| suspects.contains(name));
        for name in suspects {
            if self.is_gone(&name).await? {
                self.remove(&name).await?;
            }
        }
        self.context.metrics.orphans.set(i64::try_from(self.missing.len()).unwrap_or(i64::MAX));
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

    /// Whether the hub has said for [`GRACE`] that there is no such Assignment.
    async fn is_gone(&mut self, name: &str) -> Result<bool, kube::Error> {
        let api: Api<Assignment> = Api::namespaced(self.context.hub.clone(), &self.context.hub_namespace);
        if with_timeout(api.get_opt(name)).await?.is_some() {
            self.missing.remove(name);
            return Ok(false);
        }
        let now = Instant::now();
        let absence = self.missing.entry(name.to_owned()).or_insert_with(|| {
            let seconds = GRACE.as_secs();
            tracing::warn!(assignment = name, seconds, "the hub has no such Assignment; its work goes on for now");
            Absence { since: now, heard: now }
        });
        if now.duration_since(absence.heard) > SILENCE {
            absence.since = now;
        }
        absence.heard = now;
        Ok(now.duration_since(absence.since) >= GRACE)
    }

    async fn remove(&mut self, name: &str) -> Result<(), kube::Error> {
        let jobs: Api<Job> = Api::namespaced(self.context.member.clone(), &self.context.config.work_namespace);
        if let Some(job) = self.context.job(name) {
            // Whoever adopts it at this very moment is first.
            let (uid, resource_version) = (job.uid(), job.resource_version());
            let preconditions = Some(Preconditions { uid, resource_version });
            match jobs.delete(name, &DeleteParams { preconditions, ..DeleteParams::background() }).await {
                Err(kube::Error::Api(status)) if status.code == 409 => return Ok(()),
                done => ignore_gone(done)?,
            }
        }
        tracing::warn!(assignment = name, "the hub has had no such Assignment for too long; its work is ended");
        self.context.artifacts.forget(name);
        let own = self.context.stores.pods.state();
        let own = own.iter().filter(|pod| pod.labels().get(ASSIGNMENT_LABEL).is_some_and(|label| label == name));
        for pod in own {
            release(&self.pods(), pod).await?;
        }
        Ok(())
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.context.member.clone(), &self.context.config.work_namespace)
    }
}
