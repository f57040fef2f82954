//! Why a job isn't running.

use eai_api::{AIJob, AIJobStatus};
use serde::Serialize;

use crate::{
    error::Result,
    hub::Hub,
    output::{self, Format},
};

/// What there is to say.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    phase: String,
    conditions: Vec<Said>,
    /// Why each member doesn't take it.
    refusals: Vec<String>,
    /// What became of earlier attempts.
    attempts: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

/// Explains a job.
pub async fn run(hub: &Hub, job: &str, format: Format) -> Result<()> {
    let status = hub.in_namespace::<AIJob>().get(job).await?.status.unwrap_or_default();
    output::print(format, &Explanation::of(status), Explanation::text)
}

impl Explanation {
    fn of(status: AIJobStatus) -> Self {
        let said = status.conditions.into_iter().map(|condition| Said {
            kind: condition.type_,
            status: condition.status,
            reason: condition.reason,
            message: condition.message,
        });
        let attempts = status.past_attempts.iter().map(|attempt| {
            format!("{} on {}: {}: {}", attempt.epoch, attempt.member, attempt.outcome.reason, attempt.outcome.message)
        });
        Self {
            phase: status.phase.to_string(),
            conditions: said.collect(),
            refusals: status.refusals.clone(),
            attempts: attempts.collect(),
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("The job is {}.", self.phase)];
        if self.conditions.is_empty() {
            lines.push("The hub hasn't looked at it yet. If that lasts: kubectl eai doctor".to_owned());
        }
        let said =
            self.conditions.iter().map(|c| format!("  {} is {} ({}): {}", c.kind, c.status, c.reason, c.message));
        lines.extend(said);
        for (title, list) in [("Members that don't take it:", &self.refusals), ("Earlier attempts:", &self.attempts)] {
            if !list.is_empty() {
                lines.push(title.to_owned());
                lines.extend(list.iter().map(|line| format!("  {line}")));
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_every_refusal() {
        let status = AIJobStatus {
            refusals: vec!["home: 2 of 4 nvidia.com/gpu free, 3 needed".to_owned()],
            ..AIJobStatus::default()
        };
        let text = Explanation::of(status).text();
        assert!(text.contains("The job is Pending."));
        assert!(text.contains("  home: 2 of 4 nvidia.com/gpu free, 3 needed"));
    }
}
