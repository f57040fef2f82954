//! Everything a decision about one Assignment looks at, read once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use eai_api::{
    Assignment, AssignmentStatus,
    names::{ASSIGNMENT_LABEL, JOB_UID_LABEL},
};
use eai_core::fencing::{BootMs, Term, Verdict};
use k8s_openapi::{
    api::batch::v1::{Job, JobCondition},
    jiff::Timestamp,
};

use super::{
    build::{grant, job},
    pods::PodFact,
};
use crate::{
    artifacts::View,
    context::FIELD_MANAGER,
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
    /// Until when it may run, as far as this process knows.
    pub term: Term,
    /// Now.
    pub now: Timestamp,
    /// Now, on the boot-time clock.
    pub boot: BootMs,
}

/// What a Job says.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFact {
    /// Its UID.
    pub uid: String,
    /// The marks of the agent that made it; `None` if it bears none.
    pub marks: Option<Marks>,
    /// The longest that a pod of it may run, in seconds, as its maker was told.
    pub max_duration: Option<u64>,
    /// Whether it is suspended.
    pub hold: Hold,
    /// What has become of it.
    pub outcome: Outcome,
    /// The indexes that its controller has counted as succeeded.
    pub completed: BTreeSet<u32>,
    /// The indexes that its controller has counted as failed for good.
    pub failed: BTreeSet<u32>,
    /// Why this agent gave it up, if it did.
    pub given_up: Option<Words>,
    /// When the Job controller began to count its deadline.
    pub started: Option<Timestamp>,
    /// Since when its controller is to make pods, if it is and counts none.
    pub podless: Option<Timestamp>,
    /// Seconds from its start until the member's control plane ends it.
    pub deadline: Option<u64>,
    /// Whether it is to go on and its controller hasn't seen that yet. Until then its start may be that of before.
    pub resuming: bool,
    /// Whether it runs under grants.
    pub lent: bool,
    /// Until when, in Unix milliseconds, as was written down with its end.
    pub lent_until_ms: Option<u64>,
    /// The metering record.
    pub ledger: Result<Ledger, Unreadable>,
    /// The same, as it stands in the annotation.
    pub ledger_text: Option<String>,
    /// Outputs that weren't kept, in words.
    pub notes: String,
}

/// What a Job made by an agent says of its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The Assignment that it is named after.
    pub assignment: String,
    /// That Assignment's UID.
    pub assignment_uid: String,
    /// The UID of the AIJob on the hub.
    pub job_uid: String,
}

/// Whose a Job of an Assignment's name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It was made for this very Assignment.
    Ours,
    /// It is this attempt's own work, begun for an Assignment that was deleted and that the hub has made again: epochs'
    /// names are never used twice.
    Adopted {
        /// The UID of the Assignment that it was made for.
        from: String,
    },
    /// It is somebody else's.
    Foreign,
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

impl Marks {
    fn read(job: &Job) -> Option<Self> {
        let (labels, annotations) = (job.metadata.labels.as_ref()?, job.metadata.annotations.as_ref()?);
        if labels.get(job::MANAGED_BY).is_none_or(|by| by != FIELD_MANAGER) {
            return None;
        }
        Some(Self {
            assignment: labels.get(ASSIGNMENT_LABEL)?.clone(),
            assignment_uid: annotations.get(job::ASSIGNMENT_UID)?.clone(),
            job_uid: labels.get(JOB_UID_LABEL)?.clone(),
        })
    }
}

impl JobFact {
    /// Reads `job`.
    pub fn read(job: &Job) -> Self {
        let spec = job.spec.as_ref();
        let status = job.status.as_ref();
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let annotation = |key: &str| job.metadata.annotations.as_ref().and_then(|a| a.get(key)).cloned();
        let ledger_text = annotation(ledger::ANNOTATION);
        let active = status.and_then(|s| s.active).unwrap_or(0) > 0;
        let ending = status.and_then(|s| s.terminating).unwrap_or(0) > 0;
        let started = status.and_then(|s| s.start_time.as_ref()).map(|t| t.0);
        let hold = match (spec.and_then(|s| s.suspend), holds(conditions, "Suspended")) {
            (Some(true), Some(_)) if !active => Hold::Done,
            (Some(true), _) => Hold::Asked,
            _ => Hold::None,
        };
        Self {
            uid: job.metadata.uid.clone().unwrap_or_default(),
            marks: Marks::read(job),
            max_duration: annotation(job::MAX_DURATION).and_then(|seconds| seconds.parse().ok()),
            hold,
            outcome: outcome(conditions),
            completed: listed(job, status.and_then(|s| s.completed_indexes.as_deref())),
            failed: listed(job, status.and_then(|s| s.failed_indexes.as_deref())),
            given_up: annotation(GIVEN_UP).as_deref().map(Words::from_line),
            started,
            // After a pause the old start stands there until the controller has seen that it is over.
            podless: started
                .filter(|_| hold == Hold::None && holds(conditions, "Suspended").is_none() && !active && !ending),
            resuming: hold == Hold::None && holds(conditions, "Suspended").is_some(),
            lent: annotation(grant::LENT).is_some(),
            lent_until_ms: annotation(grant::LENT).and_then(|until| until.parse().ok()),
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

    /// Milliseconds until its end, by the member's control plane while that counts, or as it was written down: that holds
    /// also for pods that are left of a Job which is suspended.
    pub fn left_ms(&self, now_ms: u64) -> Option<u64> {
        let counted = self.started.filter(|_| !self.resuming && !self.suspended()).zip(self.deadline);
        let counted = counted.map(|(start, seconds)| unix_ms(start).saturating_add(seconds.saturating_mul(1_000)));
        let end_ms = counted.into_iter().chain(self.lent_until_ms).min()?;
        Some(end_ms.saturating_sub(now_ms))
    }

    /// Whether it is suspended or asked to be.
    pub fn suspended(&self) -> bool {
        self.hold != Hold::None
    }
}

/// A moment in Unix milliseconds.
pub fn unix_ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
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

fn completions(job: &Job) -> u32 {
    job.spec.as_ref().and_then(|spec| spec.completions).and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn listed(job: &Job, text: Option<&str>) -> BTreeSet<u32> {
    text.map(|text| indexes(text, completions(job))).unwrap_or_default()
}

/// Indexes below `completions` as a Job's status lists them: single ones and ranges, such as `0-2,5`.
fn indexes(text: &str, completions: u32) -> BTreeSet<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    let ranges = text.split(',').filter_map(range);
    ranges.flat_map(|(first, last): (u32, u32)| first..last.saturating_add(1).min(completions)).collect()
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

    /// Whose `job` is, which bears this Assignment's name.
    pub fn claim(&self, job: &JobFact) -> Claim {
        let of = &self.assignment.spec;
        match &job.marks {
            Some(marks) if marks.assignment != self.name() || marks.job_uid != of.job.uid => Claim::Foreign,
            Some(marks) if marks.assignment_uid == self.uid() => Claim::Ours,
            Some(marks) if of.epoch.name(&of.job.uid) == self.name() => {
                Claim::Adopted { from: marks.assignment_uid.clone() }
            }
            _ => Claim::Foreign,
        }
    }

    /// Whether `job` only happens to bear this Assignment's name.
    pub fn is_foreign(&self, job: &JobFact) -> bool {
        self.claim(job) == Claim::Foreign
    }

    /// The longest that a pod of `job` may run, in milliseconds. An Assignment that is made again can't give the work
    /// more time than the owner once agreed to.
    pub fn longest_ms(&self, job: &JobFact) -> u64 {
        let given = self.assignment.spec.workload.max_duration_seconds;
        job.max_duration.map_or(given, |agreed| agreed.min(given)).saturating_mul(1000)
    }

    /// Now, in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        unix_ms(self.now)
    }

    /// Whether it runs under grants. Once its Job does it stays so, also if the Assignment is made again without one.
    pub fn is_lent(&self, job: Option<&JobFact>) -> bool {
        self.assignment.spec.grant.is_some() || job.is_some_and(|job| job.lent)
    }

    /// What its grant says of it now; `None` if it runs under none, for a hub of an earlier version.
    pub fn verdict(&self, job: Option<&JobFact>) -> Option<Verdict> {
        let left_ms = job.and_then(|job| job.left_ms(self.now_ms()));
        let on_loss = self.assignment.spec.on_hub_loss.into();
        self.is_lent(job).then(|| self.term.verdict(on_loss, left_ms, self.boot))
    }
}
