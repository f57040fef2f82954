//! Telling the hub.

use eai_api::{Assignment, AssignmentStatus};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{context::Context, link::with_timeout};

/// Fields that a merge patch must clear by name when they aren't there any more.
const OPTIONAL: [&str; 6] = ["observedGeneration", "jobUid", "startedAt", "finishedAt", "usageRoot", "exitCode"];

/// Writes `status` to `assignment` unless the hub has it already.
pub async fn write(
    context: &Context,
    assignment: &Assignment,
    previous: &AssignmentStatus,
    status: &AssignmentStatus,
) -> Result<(), kube::Error> {
    let name = assignment.metadata.name.as_deref().unwrap_or_default();
    let uid = assignment.metadata.uid.as_deref().unwrap_or_default();
    if previous == status && assignment.status.is_some() {
        return Ok(());
    }
    let api: Api<Assignment> = Api::namespaced(context.hub.clone(), &context.hub_namespace);
    let patch = patch(uid, status)?;
    with_timeout(api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))).await?;
    context.tracks.with(name, uid, |track| track.written = Some(status.clone()));
    Ok(())
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
