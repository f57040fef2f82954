//! Reads what a look at the releases decides on, once.

use std::collections::HashMap;

use eai_api::{
    AIJob, AgentRelease, ComputeNode, MemberReport,
    aijob::{AttemptResult, Outcome},
    compute_node::Connection,
    condition::{self, AVAILABLE, DEGRADED},
};
use eai_core::image::ImageRef;
use k8s_openapi::jiff::SignedDuration;
use kube::{Api, ResourceExt as _, api::ListParams};

use super::{
    apply::Offers,
    waves::{Candidate, Release, Wave},
};
use crate::{aijob::words::reason, hub::Hub};

/// What is decided on.
pub struct Snapshot {
    /// All releases.
    pub releases: Vec<AgentRelease>,
    /// The members that a release could be offered to, or is.
    pub members: Vec<Candidate>,
}

/// Reads everything.
pub async fn gather(hub: &Hub, api: &Api<AgentRelease>, offers: &mut Offers) -> Result<Snapshot, kube::Error> {
    let releases = api.list(&ListParams::default()).await?.items;
    let lost = lost(hub.world.jobs.all().iter().map(AsRef::as_ref));
    let nodes = hub.world.nodes.state();
    let members = nodes.iter().filter_map(|node| {
        let report = hub.world.report(&node.name_any())?;
        let mut candidate = candidate(node, &report, lost.get(&node.name_any()).copied().unwrap_or(0))?;
        offers.correct(&mut candidate);
        Some(candidate)
    });
    let members = members.collect();
    Ok(Snapshot { releases, members })
}

/// A member that a release could be offered to, or is. One in push mode is updated with its hub.
pub fn candidate(node: &ComputeNode, report: &MemberReport, lost: u32) -> Option<Candidate> {
    let updates = report.spec.updates.as_ref()?;
    let offer = report.status.as_ref().and_then(|status| status.update.clone());
    let takes = node.spec.connection == Connection::Pull
        && node.spec.accepted
        && node.metadata.deletion_timestamp.is_none()
        && updates.accepts;
    if !takes && offer.is_none() {
        return None;
    }
    let conditions = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let degraded = conditions.iter().find(|c| c.type_ == DEGRADED && c.status == "True").map(|c| c.reason.clone());
    Some(Candidate {
        name: node.name_any(),
        alive: condition::is_true(conditions, AVAILABLE),
        digest: updates.digest.clone(),
        version: updates.version.parse().ok()?,
        degraded,
        lost,
        last: updates.last.clone(),
        offer,
    })
}

/// How many attempts on record each member has lost through its own fault. One that was moved on purpose isn't lost.
pub fn lost<'a>(jobs: impl Iterator<Item = &'a AIJob>) -> HashMap<String, u32> {
    let mut lost = HashMap::new();
    let mut count = |member: &str, outcome: &Outcome| {
        let own = [reason::MEMBER_LOST, reason::MEMBER_SILENT].contains(&outcome.reason.as_str())
            || reason::is_the_members(&outcome.reason);
        if outcome.result == AttemptResult::Lost && own {
            *lost.entry(member.to_owned()).or_insert(0) += 1;
        }
    };
    for status in jobs.filter_map(|job| job.status.as_ref()) {
        let current = status.attempt.iter().filter_map(|a| Some((&a.member, a.outcome.as_ref()?, a.epoch)));
        for (member, outcome, epoch) in current {
            // Once it is among the past ones it is counted there.
            if !status.past_attempts.iter().any(|past| past.epoch == epoch) {
                count(member, outcome);
            }
        }
        for past in &status.past_attempts {
            count(&past.member, &past.outcome);
        }
    }
    lost
}

/// The release that counts: the one that was made last.
pub fn newest(releases: &[AgentRelease]) -> Option<&AgentRelease> {
    let made = |release: &AgentRelease| release.metadata.creation_timestamp.as_ref().map(|at| at.0);
    releases.iter().max_by_key(|release| (made(release), release.name_any()))
}

/// A release as it is decided on; `None` if it can't be read, although its schema holds.
pub fn read(object: &AgentRelease) -> Option<Release> {
    let spec = &object.spec;
    Some(Release {
        name: object.name_any(),
        version: spec.version.parse().ok()?,
        digest: spec.image.parse::<ImageRef>().ok()?.digest().to_string(),
        waves: spec.waves.iter().map(|wave| Wave::parse(wave)).collect::<Option<_>>()?,
        soak: SignedDuration::from_secs(i64::from(spec.soak_seconds)),
        deadline: SignedDuration::from_secs(i64::from(spec.progress_deadline_seconds)),
        paused: spec.paused,
    })
}
