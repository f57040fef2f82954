//! What is shown of a member's agent: what it says of itself. Pure.

use eai_api::{
    MemberReportSpec,
    compute_node::AgentShown,
    member_report::{UpdateAttempt, UpdateResult},
};

/// What is shown of the agent that wrote `report`.
pub fn shown(report: &MemberReportSpec) -> AgentShown {
    let Some(updates) = &report.updates else {
        let updates = "it is of a version that takes none".to_owned();
        return AgentShown { version: report.versions.agent.clone(), digest: String::new(), updates };
    };
    let takes = match (updates.accepts, &updates.last) {
        (false, _) => "its owner takes none (update.enabled in its chart's values)".to_owned(),
        (true, None) => "taken".to_owned(),
        (true, Some(last)) => said(last),
    };
    AgentShown { version: updates.version.clone(), digest: updates.digest.clone(), updates: takes }
}

fn said(last: &UpdateAttempt) -> String {
    let what = match last.result {
        UpdateResult::Updating => "being updated",
        UpdateResult::Refused => "refused",
        UpdateResult::RolledBack => "rolled back",
    };
    let message: String = last.message.chars().filter(|c| !c.is_control()).collect();
    format!("{what} ({}): {message}", last.reason)
}
