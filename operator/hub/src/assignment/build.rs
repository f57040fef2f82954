//! What is left to do about an Assignment that isn't its job's live attempt.
//!
//! A job's record only ever moves on, so an old copy of it can't mislead: an Assignment of a later epoch than the record
//! knows is one this process hasn't heard of yet, and is left alone.

use eai_api::{
    AIJob, Assignment,
    aijob::Lease,
    assignment::{Acknowledged, AssignmentPhase, Desired},
};

use crate::aijob::build::{Stage, stage};

/// What an Assignment's job says of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Its attempt goes on, or its bill is being settled, or this process is behind: leave it alone.
    Live,
    /// Its attempt is over.
    Over {
        /// What the job recorded of it: usage in unit-milliseconds and the lease; `None` if it was never recorded.
        ended: Option<(u64, Lease)>,
    },
    /// There is no such job any more.
    Orphan,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing.
    Leave,
    /// Say in its spec what is wanted and what was noted.
    Tell(Desired, Acknowledged),
    /// Nothing yet; it has been noted as finished and is deleted after a while.
    KeepAWhile,
}

/// What `job` says of `assignment`; `None` is a job that doesn't exist.
pub fn record(assignment: &Assignment, job: Option<&AIJob>) -> Record {
    let spec = &assignment.spec;
    let Some(job) = job.filter(|job| job.metadata.uid.as_deref() == Some(&spec.job.uid)) else { return Record::Orphan };
    let Some(status) = &job.status else { return Record::Live };
    if let Some(past) = status.past_attempts.iter().find(|p| p.epoch == spec.epoch) {
        return Record::Over { ended: Some((past.usage_ms, past.lease.clone())) };
    }
    let past = status.past_attempts.iter().map(|p| p.epoch).max();
    match &status.attempt {
        Some(attempt) if attempt.epoch == spec.epoch => match stage(status) {
            Stage::Over => Record::Over { ended: Some((attempt.usage_ms, attempt.lease.clone())) },
            _ => Record::Live,
        },
        Some(attempt) if attempt.epoch < spec.epoch => Record::Live,
        None if past.is_none_or(|past| past < spec.epoch) => Record::Live,
        Some(_) | None => Record::Over { ended: None },
    }
}

/// What to do about `assignment`, given its `record`.
pub fn build(assignment: &Assignment, record: &Record) -> Step {
    let ended = match record {
        Record::Live => return Step::Leave,
        Record::Over { ended } => ended.as_ref(),
        Record::Orphan => None,
    };
    let spec = &assignment.spec;
    let phase = assignment.status.as_ref().map(|s| s.phase).unwrap_or_default();
    let job_made = assignment.status.as_ref().is_some_and(|s| s.job_uid.is_some());
    // A member that hasn't looked at it yet has nothing to stop, but must not begin either.
    let quiet = phase.is_final() || (phase == AssignmentPhase::Pending && !job_made && spec.desired == Desired::Stop);
    let desired = if phase.is_final() { spec.desired } else { Desired::Stop };
    let before = &spec.acknowledged;
    let noted = Acknowledged {
        started: before.started,
        usage_ms: ended.map_or(before.usage_ms, |(usage, _)| *usage),
        finished: before.finished || quiet,
        paid: ended.map_or(before.paid, |(_, lease)| lease.paid),
    };
    if desired != spec.desired || noted != *before {
        return Step::Tell(desired, noted);
    }
    if before.finished { Step::KeepAWhile } else { Step::Leave }
}
