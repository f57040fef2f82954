//! Everything that matters to a job, read once.

use std::{collections::HashSet, sync::Arc, time::Instant};

use eai_api::{
    AIJob, Assignment, ComputeNode,
    aijob::{Attempt, GaveWay, LeaseState},
    artifact::CheckpointArtifact,
    condition::{self, AVAILABLE},
};
use eai_chain::LeaseId;
use eai_core::placement::Shortage;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;

use super::{
    apply::current_assignment,
    build::{ChainNews, Sight, checkpoints},
};
use crate::{
    artifacts::has_checkpoint,
    drain,
    fencing::{Subject, Tether},
    heartbeat::Voice,
    hub::Hub,
    placement,
};

/// Checkpoints that are taken note of at a look.
const STORED_AT_ONCE: usize = 16;

/// Everything that matters to a job, at one moment.
pub struct Gathered {
    /// The Assignment of its current attempt.
    pub assignment: Option<Arc<Assignment>>,
    /// What was seen of that.
    pub sight: Sight,
    /// Whether its member is enrolled.
    pub member_enrolled: bool,
    /// The job that it gives way to, while that still waits.
    pub gives_way_to: Option<String>,
    /// What its member lacks to resume it, if it is paused.
    pub no_room: Option<Shortage>,
    /// Until when what runs on its member is waited for, if that is being emptied.
    pub drain: Option<Timestamp>,
    /// Whether its member can't hear what is wanted.
    pub member_silent: bool,
    /// What fencing says of it.
    pub tether: Tether,
    /// Checkpoints that the member reports, that aren't on record, and that this hub has.
    pub stored: Vec<CheckpointArtifact>,
    /// What is known from the chain.
    pub chain: ChainNews,
}

/// Reads it, from memory alone but for checkpoints that a member says are new: these are looked for on the disk.
pub fn gather(hub: &Hub, job: &AIJob, now: Timestamp) -> Gathered {
    let attempt = job.status.as_ref().and_then(|s| s.attempt.as_ref());
    let assignment = attempt.and_then(|attempt| current_assignment(hub, job, attempt));
    let now_ms = super::build::situation::unix_ms(now);
    Gathered {
        sight: assignment.as_ref().map(|a| hub.world.sights.of(a, now_ms)).unwrap_or_default(),
        member_enrolled: attempt.is_none_or(|attempt| hub.world.member(&attempt.member).is_some()),
        chain: chain(hub, job, attempt.and_then(|a| a.lease.id.parse().ok())),
        member_silent: attempt.and_then(|a| hub.world.member(&a.member)).is_some_and(|node| is_silent(&node)),
        drain: attempt.and_then(|attempt| drain_by(hub, &attempt.member)),
        gives_way_to: attempt.and_then(|attempt| claimant(hub, job, attempt, now)),
        tether: attempt.map_or_else(Tether::none, |attempt| tether(hub, job, attempt, assignment.as_deref())),
        stored: attempt.zip(assignment.as_deref()).map(|(a, of)| stored(hub, job, a, of)).unwrap_or_default(),
        // What a member that isn't heard reported last says nothing of the room there.
        no_room: attempt
            .filter(|a| a.held_since.is_some() && !silent(hub, a))
            .and_then(|a| placement::no_room(hub, job, &a.member)),
        assignment,
    }
}

fn silent(hub: &Hub, attempt: &Attempt) -> bool {
    hub.ctx.heartbeats.voice(&attempt.member, Instant::now()) == Voice::Silent
}

/// What fencing says of an attempt. One that is over isn't remembered.
pub fn tether(hub: &Hub, job: &AIJob, attempt: &Attempt, assignment: Option<&Assignment>) -> Tether {
    if attempt.outcome.is_some() || attempt.lease.state == LeaseState::Refused {
        return Tether::none();
    }
    let now = Instant::now();
    let subject = Subject {
        name: &attempt.epoch.name(job.metadata.uid.as_deref().unwrap_or_default()),
        generation: attempt.epoch.generation,
        opening: attempt.lease.state == LeaseState::Opening,
        fenced_for: attempt.fenced_for_seconds,
        assigned: assignment.is_some(),
        grant: assignment.and_then(|assignment| assignment.spec.grant.as_ref()),
        on_loss: job.spec.on_hub_loss.into(),
        voice: hub.ctx.heartbeats.voice(&attempt.member, now),
    };
    hub.fence.look(&subject, hub.rules.generation, now)
}

fn drain_by(hub: &Hub, member: &str) -> Option<Timestamp> {
    let report = hub.world.report(member);
    drain::by(hub.world.member(member)?.as_ref(), report.as_deref().map(|report| &report.spec))
}

/// Those of the checkpoints that `assignment` reports anew that this hub has. A member's word alone is worth nothing: it
/// would be paid for it.
fn stored(hub: &Hub, job: &AIJob, attempt: &Attempt, assignment: &Assignment) -> Vec<CheckpointArtifact> {
    let (Some(status), Some(report)) = (&job.status, &assignment.status) else { return Vec::new() };
    let uid = job.metadata.uid.as_deref().unwrap_or_default();
    let within = |told: &CheckpointArtifact| told.index < job.spec.completions;
    let root = &hub.ctx.config.artifacts_dir;
    let there = |told: &CheckpointArtifact| has_checkpoint(root, uid, attempt.epoch, told);
    let new = checkpoints::unknown(status, attempt, &report.checkpoints);
    // Looked for once for each index, however many its member names.
    let mut looked = HashSet::new();
    new.into_iter()
        .filter(|told| job.spec.checkpoint.is_some() && within(told) && looked.insert(told.index) && there(told))
        .take(STORED_AT_ONCE)
        .cloned()
        .collect()
}

/// The job that `attempt` gives way to, while that still waits and the room is kept for it.
fn claimant(hub: &Hub, job: &AIJob, attempt: &Attempt, now: Timestamp) -> Option<String> {
    let GaveWay { to, uid, since } = attempt.gave_way.as_ref()?;
    let claimant = hub.world.jobs.get(&ObjectRef::new(to).within(job.metadata.namespace.as_deref()?))?;
    let waits = claimant.metadata.uid.as_deref() == Some(uid) && placement::waits(&claimant, now);
    let kept = now.as_second().saturating_sub(since.0.as_second()) < placement::KEPT_SECONDS;
    (waits && kept).then(|| to.clone())
}

/// Whether nothing was heard of a member for some time.
fn is_silent(node: &ComputeNode) -> bool {
    let conditions = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
    !condition::is_true(conditions, AVAILABLE)
}

fn chain(hub: &Hub, job: &AIJob, lease: Option<LeaseId>) -> ChainNews {
    let time = hub.view.head().map(|head| head.time);
    let Some(lease) = lease else { return ChainNews { time, ..ChainNews::default() } };
    let answers = hub.desk.answers(lease);
    let purse = hub.parties(job).map(|parties| (job.spec.payment.account, parties.namespace));
    let addable = purse.zip(time).and_then(|(purse, time)| Some(hub.view.known(purse)?.addable(time)));
    ChainNews {
        time,
        open: answers.open,
        look: answers.look,
        top_up: answers.top_up,
        settle: answers.settle,
        addable,
        trouble: answers.trouble,
    }
}
