//! Everything a decision about one Assignment looks at, read once.

use std::{collections::BTreeMap, sync::Arc};

use eai_api::{Assignment, AssignmentStatus};
use k8s_openapi::{
    api::batch::v1::{Job, JobCondition},
    jiff::Timestamp,
};

use super::{build::job, pods::PodFact};
use crate::{
    artifacts::View,
    ledger::{self, Ledger, Unreadable},
};

/// One Assignment and all that belongs to it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The Assignment, as the hub's API server last showed it.
    pub assignment: Arc<Assignment>,
    /// The last status that was written.
    pub previous: AssignmentStatus,
    /// Its Job in the member's cluster.
    pub job: Option<JobFact>,
    /// Its pods, also those without a Job.
    pub pods: Vec<PodFact>,
    /// How far logs and outputs are.
    pub artifacts: View,
    /// Nodes that aren't ready, and since when.
    pub lost_nodes: BTreeMap<String, Timestamp>,
    /// Seconds within which the owner promises that work starts.
    pub start_within: u64,
    /// Now.
    pub now: Timestamp,
}

/// What a Job says.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFact {
    /// Its UID.
    pub uid: String,
    /// Whether it was made for this very Assignment.
    pub ours: bool,
    /// Whether it is suspended.
    pub hold: Hold,
    /// What has become of it.
    pub outcome: Outcome,
    /// Why this agent gave it up, if it did.
    pub given_up: Option<Words>,
    /// When the Job controller began to count its deadline.
    pub started: Option<Timestamp>,
    /// Seconds from then until the member's control plane ends it.
    pub deadline: Option<u64>,
    /// The metering record.
    pub ledger: Result<Ledger, Unreadable>,
    /// The same, as it stands in the annotation.
    pub ledger_text: Option<String>,
    /// Outputs that weren't kept, in words.
    pub notes: String,
}

/// Whether a Job is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It isn't.
    None,
    /// It is asked to be.
    Asked,
    /// It is, and the Job controller has ended its pods.
    Done,
}

/// What has become of a Job, as its controller says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Open,
    /// Its end is decided; pods may still be ending.
    Ending,
    /// All completions succeeded.
    Complete,
    /// It failed, and why.
    Failed(Words),
}

/// A reason in one word and in a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// In one word.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

impl Words {
    /// The two.
    pub fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into() }
    }

    /// As one text, for an annotation.
    pub fn line(&self) -> String {
        format!("{}: {}", self.reason, self.message)
    }

    fn from_line(line: &str) -> Self {
        let (reason, message) = line.split_once(": ").unwrap_or((line, ""));
        Self::new(reason, message)
    }
}

/// Annotation of a Job that this agent gave up: why.
pub const GIVEN_UP: &str = "eai.network/given-up";

impl JobFact {
    /// Reads `job`, which may be the Job of the Assignment with UID `assignment_uid`.
    pub fn read(job: &Job, assignment_uid: &str) -> Self {
        let spec = job.spec.as_ref();
        let status = job.status.as_ref();
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let annotation = |key: &str| job.metadata.annotations.as_ref().and_then(|a| a.get(key)).cloned();
        let ledger_text = annotation(ledger::ANNOTATION);
        let active = status.and_then(|s| s.active).unwrap_or(0) > 0;
        let hold = match (spec.and_then(|s| s.suspend), holds(conditions, "Suspended")) {
            (Some(true), Some(_)) if !active => Hold::Done,
            (Some(true), _) => Hold::Asked,
            _ => Hold::None,
        };
        Self {
            uid: job.metadata.uid.clone().unwrap_or_default(),
            ours: annotation(job::ASSIGNMENT_UID).as_deref() == Some(assignment_uid),
            hold,
            outcome: outcome(conditions),
            given_up: annotation(GIVEN_UP).as_deref().map(Words::from_line),
            started: status.and_then(|s| s.start_time.as_ref()).map(|t| t.0),
            deadline: spec.and_then(|s| s.active_deadline_seconds).and_then(|s| u64::try_from(s).ok()),
            ledger: Ledger::read(ledger_text.as_deref()),
            ledger_text,
            notes: annotation(job::NOTES).unwrap_or_default(),
        }
    }

    /// Whether the Job controller is done with it.
    pub fn over(&self) -> bool {
        matches!(self.outcome, Outcome::Complete | Outcome::Failed(_))
    }

    /// Whether it is suspended or asked to be.
    pub fn suspended(&self) -> bool {
        self.hold != Hold::None
    }
}

fn holds<'a>(conditions: &'a [JobCondition], kind: &str) -> Option<&'a JobCondition> {
    conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")
}

fn outcome(conditions: &[JobCondition]) -> Outcome {
    if holds(conditions, "Complete").is_some() {
        return Outcome::Complete;
    }
    if let Some(failed) = holds(conditions, "Failed") {
        let (reason, message) = (failed.reason.clone(), failed.message.clone());
        return Outcome::Failed(Words::new(reason.as_deref().unwrap_or("Failed"), message.unwrap_or_default()));
    }
    let ending = ["FailureTarget", "SuccessCriteriaMet"].iter().any(|kind| holds(conditions, kind).is_some());
    if ending { Outcome::Ending } else { Outcome::Open }
}

impl Snapshot {
    /// The Assignment's name, and the Job's.
    pub fn name(&self) -> &str {
        self.assignment.metadata.name.as_deref().unwrap_or_default()
    }

    /// The Assignment's UID.
    pub fn uid(&self) -> &str {
        self.assignment.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Now, in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.now.as_millisecond()).unwrap_or(0)
    }
}
