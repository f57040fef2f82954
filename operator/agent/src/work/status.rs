//! Telling the hub.

use std::time::Duration;

use eai_api::{Assignment, AssignmentStatus};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{context::Context, link::with_timeout};

/// Fields that a merge patch must clear by name when they aren't there any more.
const OPTIONAL: [&str; 6] = ["observedGeneration", "jobUid", "startedAt", "finishedAt", "usageRoot", "exitCode"];

/// How often the usage of running work is told when nothing else changes.
pub const USAGE_EVERY: Duration = Duration::from_secs(5);
/// Timers are never quite on time; a tick a little early is a tick.
const EARLY: Duration = Duration::from_millis(250);
/// What was told longer ago than this is what the watch shows, unless the hub was restored and doesn't know it any more.
const SHOWN_AFTER: Duration = Duration::from_secs(30);

/// Writes `status` to `assignment` unless the hub has it already. Usage alone grows with every look, and each write is
/// an event that brings the next look: so by itself it is told only now and then.
pub async fn write(
    context: &Context,
    assignment: &Assignment,
    previous: &AssignmentStatus,
    status: &AssignmentStatus,
) -> Result<(), kube::Error> {
    let name = assignment.metadata.name.as_deref().unwrap_or_default();
    let uid = assignment.metadata.uid.as_deref().unwrap_or_default();
    let told = context.tracks.with(name, uid, |track| track.told);
    let recent = told.is_some_and(|at| at.elapsed() + EARLY < USAGE_EVERY);
    let any = told.is_some() || assignment.status.is_some();
    let shown = told.is_none_or(|at| at.elapsed() < SHOWN_AFTER) || assignment.status.as_ref() == Some(previous);
    if any && shown && !worth_telling(previous, status, recent) {
        return Ok(());
    }
    let api: Api<Assignment> = Api::namespaced(context.hub.clone(), &context.hub_namespace);
    let patch = patch(uid, status)?;
    with_timeout(api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))).await?;
    context.tracks.with(name, uid, |track| {
        (track.written, track.told) = (Some(status.clone()), Some(tokio::time::Instant::now()));
    });
    Ok(())
}

/// Whether the hub should be told `status` after `previous`; `recent` if it was told something just now.
fn worth_telling(previous: &AssignmentStatus, status: &AssignmentStatus, recent: bool) -> bool {
    if status.running == 0 || !recent {
        return previous != status;
    }
    let usage_apart = AssignmentStatus { usage_ms: previous.usage_ms, ..status.clone() };
    *previous != usage_apart
}

/// A merge patch that makes the status exactly `status`, on the object with this UID and on no successor of its name.
fn patch(uid: &str, status: &AssignmentStatus) -> Result<Value, kube::Error> {
    let mut fields = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
    if let Value::Object(fields) = &mut fields {
        for field in OPTIONAL {
            fields.entry(field).or_insert(Value::Null);
        }
    }
    Ok(json!({ "metadata": { "uid": uid }, "status": fields }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eai_api::assignment::AssignmentPhase;

    use super::*;

    #[test]
    fn usage_alone_is_told_now_and_then_and_everything_else_at_once() {
        let before = AssignmentStatus { running: 1, usage_ms: 1_000, ..Default::default() };
        let more = AssignmentStatus { usage_ms: 1_050, ..before.clone() };
        assert!(!worth_telling(&before, &before, false));
        assert!(!worth_telling(&before, &more, true));
        assert!(worth_telling(&before, &more, false));
        let other = AssignmentStatus { phase: AssignmentPhase::Running, ..more.clone() };
        assert!(worth_telling(&before, &other, true));
        // The end is told at once, its usage with it.
        let ended = AssignmentStatus { running: 0, usage_ms: 1_050, ..before.clone() };
        assert!(worth_telling(&ended, &AssignmentStatus { usage_ms: 1_100, ..ended.clone() }, true));
    }

    #[test]
    fn what_is_gone_is_cleared_by_name() {
        let status = AssignmentStatus { phase: AssignmentPhase::Running, exit_code: Some(0), ..Default::default() };
        let patch = patch("u", &status).unwrap();
        assert_eq!(patch["metadata"]["uid"], "u");
        assert_eq!(patch["status"]["exitCode"], 0);
        assert!(patch["status"]["finishedAt"].is_null());
        assert!(patch["status"].as_object().unwrap().contains_key("finishedAt"));
        assert_eq!(patch["status"]["logs"], json!([]));
    }
}
