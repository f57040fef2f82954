//! What an `AgentRelease` says of itself. Pure but for the writing.

use eai_api::{
    AgentRelease, AgentReleaseStatus,
    agent_release::{FailedMember, ReleasePhase},
    condition::{self, READY, RECONCILING, STALLED, Status},
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{Api, ResourceExt as _, api::PostParams};

use super::waves::{Course, Decision, Release};

/// As many failed members are kept.
const KEPT: usize = 16;
/// As many members are named in a sentence.
const NAMED: usize = 3;

/// How far `release` has come, by its status.
pub fn course(release: &AgentRelease) -> Course {
    release.status.as_ref().map_or_else(Course::default, |status| Course {
        phase: status.phase,
        wave: status.wave,
        soaking_since: status.soaking_since.as_ref().map(|at| at.0),
    })
}

/// The status after `decision`.
pub fn build(object: &AgentRelease, release: &Release, decision: &Decision, now: Timestamp) -> AgentReleaseStatus {
    let before = object.status.clone().unwrap_or_default();
    let course = &decision.course;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).min(1_000_000);
    let newly = decision.failed.iter().take(KEPT).map(bounded).collect::<Vec<_>>();
    // What it stopped over stays, though those members are offered nothing any more.
    let failed = if newly.is_empty() { before.failed.clone() } else { newly };
    let waves = release.waves.len().max(usize::try_from(course.wave).unwrap_or(0));
    let mut status = AgentReleaseStatus {
        phase: course.phase,
        wave: course.wave,
        progress: (course.wave > 0).then(|| format!("{}/{waves}", course.wave)),
        members: count(decision.members),
        updated: count(decision.updated),
        soaking_since: course.soaking_since.map(|at| Time(Timestamp::from_second(at.as_second()).unwrap_or(at))),
        failed,
        ..before
    };
    if course.phase == ReleasePhase::Stopped && decision.failed.is_empty() {
        // It stopped earlier: what was said then holds.
        return status;
    }
    let (reason, message) = words(release, &status, decision);
    say(&mut status, object, &reason, message, now);
    status
}

fn words(release: &Release, status: &AgentReleaseStatus, decision: &Decision) -> (String, String) {
    let version = &release.version;
    let wave = format!("wave {}", status.progress.as_deref().unwrap_or("1").replace('/', " of "));
    if let Some(first) = status.failed.first().filter(|_| status.phase == ReleasePhase::Stopped) {
        let names: Vec<_> = status.failed.iter().map(|f| f.member.clone()).collect();
        let message = format!(
            "stopped in {wave} over {}: {}; it is offered to nobody any more. Mend it and create another AgentRelease, or \
             delete this one; members that have it keep it until their owners go back",
            named(&names),
            first.message
        );
        return (first.reason.clone(), message);
    }
    let (updated, members) = (decision.updated, decision.members);
    let (reason, message) = match status.phase {
        ReleasePhase::Complete => ("Complete", format!("{updated} of {members} members that take updates run {version}")),
        _ if release.paused => ("Paused", "spec.paused is set: it is offered to nobody more".to_owned()),
        _ if members == 0 => (
            "NobodyTakesIt",
            "no member that is heard takes updates and runs an older version; owners opt in with update.enabled in their \
             agent's chart values"
                .to_owned(),
        ),
        _ => match &status.soaking_since {
            Some(since) => {
                let until = since.0.checked_add(release.soak).unwrap_or(since.0);
                ("Soaking", format!("{wave} is over at {until} if its members stay well; {updated} of {members} run {version}"))
            }
            None if decision.awaited.is_empty() => ("Updating", format!("{wave}: it is being offered")),
            None => ("Updating", format!("{wave} waits for {} to run {version} and be well", named(&decision.awaited))),
        },
    };
    (reason.to_owned(), message)
}

/// The status of one that another has overtaken.
pub fn superseded(object: &AgentRelease, by: Option<&str>, now: Timestamp) -> AgentReleaseStatus {
    let before = object.status.clone().unwrap_or_default();
    if before.phase == ReleasePhase::Stopped {
        return before;
    }
    let mut status = AgentReleaseStatus { phase: ReleasePhase::Stopped, soaking_since: None, ..before };
    let message = format!("AgentRelease {} is newer; this one is offered to nobody any more", by.unwrap_or_default());
    say(&mut status, object, "Superseded", message, now);
    status
}

/// The status of one that can't be read.
pub fn unreadable(object: &AgentRelease, now: Timestamp) -> AgentReleaseStatus {
    let before = object.status.clone().unwrap_or_default();
    let mut status = AgentReleaseStatus { phase: ReleasePhase::Stopped, soaking_since: None, ..before };
    let message = "its version, image or waves can't be read; create another AgentRelease".to_owned();
    say(&mut status, object, "Unreadable", message, now);
    status
}

fn say(status: &mut AgentReleaseStatus, object: &AgentRelease, reason: &str, message: String, now: Timestamp) {
    let generation = object.metadata.generation;
    status.observed_generation = generation;
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let phase = status.phase;
    let ready = if phase == ReleasePhase::Complete { Status::True } else { Status::False };
    for (kind, holds) in [(RECONCILING, phase == ReleasePhase::Rolling), (STALLED, phase == ReleasePhase::Stopped)] {
        if holds {
            condition::set(&mut status.conditions, kind, Status::True, reason, message.clone(), generation, now);
        } else {
            condition::clear(&mut status.conditions, kind);
        }
    }
    condition::set(&mut status.conditions, READY, ready, reason, message, generation, now);
}

/// What a member says, as far as it fits.
fn bounded(failed: &FailedMember) -> FailedMember {
    let word: String = failed.reason.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    FailedMember {
        member: failed.member.clone(),
        reason: if word.starts_with(|c: char| c.is_ascii_alphabetic()) { word } else { "Refused".to_owned() },
        message: failed.message.chars().filter(|c| !c.is_control()).take(512).collect(),
    }
}

/// The first few, and how many more there are.
fn named(all: &[String]) -> String {
    let first = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Writes `status` if it says something new.
pub async fn write(
    api: &Api<AgentRelease>,
    object: &AgentRelease,
    status: AgentReleaseStatus,
) -> Result<(), kube::Error> {
    if object.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let changed = AgentRelease { status: Some(status), ..object.clone() };
    match api.replace_status(&object.name_any(), &PostParams::default(), &changed).await {
        // Deleted meanwhile.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        written => written.map(drop),
    }
}
