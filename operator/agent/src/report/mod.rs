//! The MemberReport: what this member has and asks for, written whenever it changes.

pub mod build;
mod counted;
mod offers;
pub mod pod;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use eai_api::{
    MemberReport, MemberReportSpec,
    member_report::{Probes as ProbesReport, UpdateOffer, Updates, Versions},
};
use eai_chain::Key;
use eai_runtime::clock;
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::reflector::Store,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{offers::Offers, pod::LightPod};
use crate::{
    context::{Context, FIELD_MANAGER},
    link::with_timeout,
};

/// Changes within this time go into one report.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// Nothing changes for longer than this without a look, and none is taken to stand for longer: a hub that was restored, or
/// somebody else with this member's token, may have put another in its place.
const AT_LEAST_EVERY: Duration = Duration::from_mins(1);
/// How long the first report waits until this agent's own image is known.
const KNOW_OWN: Duration = Duration::from_secs(10);
/// After a report that couldn't be written.
const RETRY: Duration = Duration::from_secs(3);

/// What reports are made from, beside the context.
pub struct Reporter {
    /// Shared with everything else.
    pub context: Arc<Context>,
    /// All nodes.
    pub nodes: Store<Node>,
    /// All pods that aren't over.
    pub pods: Store<LightPod>,
    /// Told of every change.
    pub changed: Arc<Notify>,
    /// The API server's version.
    pub kubernetes: String,
    /// This agent's own image, and what became of updates.
    pub updates: watch::Receiver<Updates>,
    /// Told what the hub offers: each report's answer says it, which saves asking.
    pub offered: watch::Sender<Option<UpdateOffer>>,
}

/// The report that was last written.
struct Written {
    spec: MemberReportSpec,
    at: Instant,
}

impl Written {
    /// Whether `spec` needn't be written at `now`.
    fn says(&self, spec: &MemberReportSpec, now: Instant) -> bool {
        self.spec == *spec && now.duration_since(self.at) < AT_LEAST_EVERY
    }
}

impl Reporter {
    /// Writes reports until `shutdown`.
    pub async fn run(mut self, key: Key, shutdown: CancellationToken) {
        let mut offers = Offers::new(key);
        let mut written = None;
        let _ = tokio::join!(self.nodes.wait_until_ready(), self.pods.wait_until_ready());
        self.know_own_image().await;
        loop {
            let started = Instant::now();
            let now = u64::try_from(clock::now().as_second()).unwrap_or(0);
            let failed = self.report(&mut offers, &mut written, now).await;
            let renew = Duration::from_secs(offers.renew_at().saturating_sub(now)).max(RETRY);
            let wait = if failed { RETRY } else { AT_LEAST_EVERY.min(renew) };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                () = self.changed.notified(), if !failed => {}
                Ok(()) = self.updates.changed(), if !failed => {}
            }
            tokio::time::sleep_until(started + AT_MOST_EVERY).await;
        }
    }

    /// A report that doesn't know the agent's image would look as if an update had been undone: what the last agent wrote
    /// stands for that moment.
    async fn know_own_image(&mut self) {
        let unknown = { self.updates.borrow().digest.is_empty() };
        if unknown {
            let _ = tokio::time::timeout(KNOW_OWN, self.updates.changed()).await;
        }
    }

    /// Writes a report if it says something new, or may not stand any more. True if that failed.
    async fn report(&self, offers: &mut Offers, written: &mut Option<Written>, now: u64) -> bool {
        let spec = match offers.current(&self.context.config, now) {
            Ok(offers) => self.spec(offers.to_vec()),
            Err(error) => {
                tracing::error!(%error, "can't sign offers");
                return true;
            }
        };
        let at = Instant::now();
        if written.as_ref().is_some_and(|written| written.says(&spec, at)) {
            return false;
        }
        match self.write(&spec).await {
            Ok(()) => {
                self.context.metrics.reports.inc();
                *written = Some(Written { spec, at });
                false
            }
            Err(error) => {
                tracing::warn!(%error, "can't write the MemberReport");
                true
            }
        }
    }

    fn spec(&self, offers: Vec<eai_api::member_report::OfferReport>) -> MemberReportSpec {
        let context = &self.context;
        let probes = *context.probes.borrow();
        let work: BTreeSet<String> = counted::assignments(context);
        MemberReportSpec {
            versions: Versions { agent: env!("CARGO_PKG_VERSION").to_owned(), kubernetes: self.kubernetes.clone() },
            nodes: build::nodes(&self.nodes.state(), &self.pods.state(), &context.config, &context.in_use(None)),
            images: build::images(&self.nodes.state(), &context.config),
            probes: ProbesReport {
                sandbox: probes.sandbox == Some(true),
                internet_isolated: context.config.limits.allow_internet && probes.internet_isolated == Some(true),
            },
            allows_continue: context.config.limits.allow_continue,
            drain_by: context.config.drain_by.as_ref().map(whole_seconds),
            nodes_away: build::away(&self.nodes.state(), &context.config),
            offers,
            counted: work.into_iter().collect(),
            sealing_key: context.keys.public(),
            updates: Some(self.updates.borrow().clone()),
        }
    }

    async fn write(&self, spec: &MemberReportSpec) -> Result<(), kube::Error> {
        let api: Api<MemberReport> = Api::namespaced(self.context.hub.clone(), &self.context.hub_namespace);
        let member = &self.context.config.member;
        let report = MemberReport::new(member, spec.clone());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let answer = with_timeout(api.patch(member, &params, &Patch::Apply(&report))).await?;
        let offer = answer.status.and_then(|status| status.update);
        self.offered.send_if_modified(|offered| {
            let changed = *offered != offer;
            *offered = offer;
            changed
        });
        Ok(())
    }
}

/// A moment as reports have it.
fn whole_seconds(at: &Time) -> Time {
    Time(Timestamp::from_second(at.0.as_second()).unwrap_or(at.0))
}
