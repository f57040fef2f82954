//! `AgentRelease`: offered to members whose owners take updates, wave by wave, until one of them isn't well.
//!
//! What the operator's `ServiceAccount` needs for it: agentreleases list, agentreleases/status update,
//! memberreports/status patch.

mod apply;
mod gather;
mod status;
#[cfg(test)]
mod tests;
mod waves;

use std::time::Duration;

use eai_api::{AgentRelease, agent_release::ReleasePhase};
use eai_runtime::clock;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;

use self::{
    apply::{Offers, apply},
    gather::Snapshot,
    waves::decide,
};
use crate::hub::Hub;

/// Between looks.
const EVERY: Duration = Duration::from_secs(5);
/// Between looks while the API server doesn't serve the kind.
const RETRY: Duration = Duration::from_secs(30);

/// Runs until `shutdown`.
pub async fn run(hub: &Hub, shutdown: CancellationToken) {
    let mut offers = Offers::default();
    loop {
        let wait = match look(hub, &mut offers, clock::now()).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "agents' releases can't be seen to; it is tried again");
                RETRY
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// gather, decide, status, apply. The status comes first: what stopped a release must be on record before the offers are
/// gone that show it.
async fn look(hub: &Hub, offers: &mut Offers, now: Timestamp) -> Result<(), kube::Error> {
    let api: Api<AgentRelease> = Api::all(hub.ctx.client.clone());
    let Snapshot { releases, members } = gather::gather(hub, &api, offers).await?;
    let newest = gather::newest(&releases).map(ResourceExt::name_any);
    for object in &releases {
        let course = status::course(object);
        let is_newest = newest.as_deref() == Some(&object.name_any());
        let Some(release) = gather::read(object) else {
            status::write(&api, object, status::unreadable(object, now)).await?;
            continue;
        };
        if !is_newest {
            // One that is complete has nothing left to say.
            if course.phase != ReleasePhase::Complete {
                status::write(&api, object, status::superseded(object, newest.as_deref(), now)).await?;
            }
            continue;
        }
        let decision = decide(&release, &course, &members, now);
        status::write(&api, object, status::build(object, &release, &decision, now)).await?;
        apply(hub, offers, object, &members, &decision, now).await?;
    }
    apply::clear_stale(hub, offers, newest.as_deref(), &members).await
}
