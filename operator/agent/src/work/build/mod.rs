//! What should be done about an Assignment, and why. Pure: a snapshot in, a plan out.

mod absent;
pub mod grant;
pub mod job;
pub mod pod;
mod policies;
mod present;
mod report;
#[cfg(test)]
mod tests;

pub use report::{await_grant, say};

use std::time::Duration;

use eai_api::AssignmentStatus;

use self::grant::End;
use super::{
    pods::{Outputs, PodFact},
    snapshot::{Snapshot, Words},
};
use crate::ledger::Ledger;

/// What to do, in this order, and what to tell the hub.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The steps. A step that fails stops those after it, unless it was to end a pod.
    pub steps: Vec<Step>,
    /// The status, true once the steps are done.
    pub status: AssignmentStatus,
    /// When to look again though nothing has happened.
    pub again: Option<Duration>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Judge the Assignment and, if it is admitted, create its Job. The only step of its plan.
    Admit,
    /// Judge the Assignment: it is to be refused now if it ever would be. The only step of its plan.
    Judge,
    /// Write on the Job that it belongs to this Assignment from now on, if it still says that it belongs to `from`.
    Adopt {
        /// The UID of the Assignment that it was made for.
        from: String,
    },
    /// Write the metering record, if it still reads `before`.
    Record {
        /// The annotation as it was read.
        before: Option<String>,
        /// The new record.
        ledger: Ledger,
    },
    /// Remove the metering finalizer of a pod whose run is recorded.
    Release {
        /// The pod.
        pod: String,
        /// Where the finalizer is in its list.
        at: usize,
    },
    /// Suspend or resume the Job.
    Suspend(bool),
    /// Resume the Job under a grant, with an end that is counted from its new start.
    Resume(End),
    /// Put the Job's end at that of its grant.
    Deadline(End),
    /// Suspend the Job for good, and say why.
    GiveUp(Words),
    /// Move the end of an unattended Job on, to so many seconds after its start.
    Extend(u64),
    /// End a pod with grace.
    End {
        /// The pod.
        pod: String,
    },
    /// End a pod of a suspended Job with grace, as its controller would: it isn't counted, and its index runs again.
    Interrupt {
        /// The pod.
        pod: String,
        /// Where its controller's finalizer is in its list.
        at: usize,
    },
    /// Keep up with the log of a pod's work.
    Follow {
        /// The pod.
        pod: String,
        /// Its UID.
        uid: String,
        /// Its completion index.
        index: u32,
    },
    /// Put back what a pod goes on from, and let its work begin.
    Restore {
        /// The pod.
        pod: String,
        /// Its UID.
        uid: String,
        /// Its completion index.
        index: u32,
    },
    /// Keep up with the checkpoints of a pod's work.
    Save {
        /// The pod.
        pod: String,
        /// Its UID.
        uid: String,
        /// Its completion index.
        index: u32,
    },
    /// Fetch a pod's outputs.
    Collect {
        /// The pod.
        pod: String,
        /// Its UID.
        uid: String,
        /// Its completion index.
        index: u32,
        /// Whether its index ran before: what the hub has of that isn't this pod's.
        anew: bool,
    },
    /// Write down, on the Job, what couldn't be kept.
    Note(String),
    /// Let a pod go whose outputs are fetched.
    Done {
        /// The pod.
        pod: String,
        /// Its UID.
        uid: String,
    },
    /// Delete the Job and its Secret.
    Delete,
    /// Forget what is in memory and on disk.
    Forget,
}

/// Decides.
pub fn decide(snapshot: &Snapshot) -> Plan {
    match &snapshot.job {
        _ if snapshot.previous.phase.is_final() => finished(snapshot),
        None => absent::decide(snapshot),
        Some(job) => present::decide(snapshot, job),
    }
}

/// Nothing more happens but cleaning up, once the hub has taken note.
fn finished(snapshot: &Snapshot) -> Plan {
    let mut steps = Vec::new();
    // What was to be recorded is in the status that ended the attempt.
    steps.extend(snapshot.pods.iter().filter_map(|pod| {
        let over = pod.ended() || pod.deleted_at.is_some();
        pod.finalizer_at.filter(|_| over).map(|at| Step::Release { pod: pod.name.clone(), at })
    }));
    let holding = |pod: &&PodFact| pod.outputs == Outputs::Running && pod.ended();
    let done = |pod: &PodFact| Step::Done { pod: pod.name.clone(), uid: pod.uid.clone() };
    steps.extend(snapshot.pods.iter().filter(holding).map(done));
    let ours = snapshot.job.as_ref().is_some_and(|job| !snapshot.is_foreign(job));
    if snapshot.assignment.spec.acknowledged.finished {
        if ours {
            steps.push(Step::Delete);
        }
        steps.push(Step::Forget);
    }
    Plan { steps, status: snapshot.previous.clone(), again: None }
}
