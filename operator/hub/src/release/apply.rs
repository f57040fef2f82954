//! Offers a release to members, and takes offers back.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use eai_api::{AgentRelease, MemberReport, member_report::UpdateOffer, names::member_namespace};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::waves::{Candidate, Decision};
use crate::hub::Hub;

/// For how long what was written is believed against what is watched.
const BELIEF: Duration = Duration::from_mins(1);

/// What was written and perhaps isn't watched yet: a wave that is decided on twice may not grow by that.
#[derive(Default)]
pub struct Offers(HashMap<String, (Option<UpdateOffer>, Instant)>);

impl Offers {
    /// Puts what was written into a member as it is watched.
    pub fn correct(&mut self, member: &mut Candidate) {
        let Some((written, at)) = self.0.get(&member.name) else { return };
        if member.offer == *written || at.elapsed() > BELIEF {
            self.0.remove(&member.name);
        } else {
            member.offer.clone_from(written);
        }
    }

    async fn write(&mut self, hub: &Hub, member: &str, offer: Option<UpdateOffer>) -> Result<(), kube::Error> {
        let api: Api<MemberReport> = Api::namespaced(hub.ctx.client.clone(), &member_namespace(member));
        let patch = Patch::Merge(json!({ "status": { "update": offer } }));
        match api.patch_status(member, &PatchParams::default(), &patch).await {
            // It left meanwhile.
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            written => written?,
        };
        self.0.insert(member.to_owned(), (offer, Instant::now()));
        Ok(())
    }
}

/// Does what was decided on `release`.
pub async fn apply(
    hub: &Hub,
    offers: &mut Offers,
    release: &AgentRelease,
    members: &[Candidate],
    decision: &Decision,
    now: Timestamp,
) -> Result<(), kube::Error> {
    for name in &decision.withdraw {
        offers.write(hub, name, None).await?;
    }
    for member in members.iter().filter(|m| decision.offer.contains(&m.name)) {
        tracing::info!(release = release.name_any(), member = member.name, "a new agent is offered");
        offers.write(hub, &member.name, Some(offer(release, member, decision.course.wave, now))).await?;
    }
    Ok(())
}

/// Takes back what is offered of any release but the newest.
pub async fn clear_stale(
    hub: &Hub,
    offers: &mut Offers,
    newest: Option<&str>,
    members: &[Candidate],
) -> Result<(), kube::Error> {
    let stale = |m: &&Candidate| m.offer.as_ref().is_some_and(|offer| Some(offer.release.as_str()) != newest);
    for member in members.iter().filter(stale) {
        // The newest may have been offered to it a moment ago.
        let fresh = offers.0.get(&member.name).is_some_and(|(written, _)| *written != member.offer);
        if !fresh {
            offers.write(hub, &member.name, None).await?;
        }
    }
    Ok(())
}

fn offer(release: &AgentRelease, member: &Candidate, wave: u32, now: Timestamp) -> UpdateOffer {
    UpdateOffer {
        release: release.name_any(),
        version: release.spec.version.clone(),
        image: release.spec.image.clone(),
        signature: release.spec.signature.clone(),
        wave,
        since: Time(Timestamp::from_second(now.as_second()).unwrap_or(now)),
        lost_before: member.lost,
        degraded_before: member.degraded.as_ref().map(|reason| reason.chars().take(64).collect()),
    }
}
