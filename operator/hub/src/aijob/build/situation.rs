//! All that a decision about one job looks at.

use eai_api::{
    AIJob, AIJobStatus, Assignment, aijob::Attempt, artifact::CheckpointArtifact, assignment::AssignmentPhase,
};
use eai_chain::{LeaseView, OpenOutcome, SettleOutcome, TopUpOutcome};
use eai_core::{money::Amount, placement::Shortage};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::rules::Rules;
use crate::fencing::Tether;

/// One job, and everything outside it that matters to it, at one moment.
pub struct Situation<'a> {
    /// The job as last written or seen.
    pub job: &'a AIJob,
    /// The Assignment of the job's current attempt.
    pub assignment: Option<&'a Assignment>,
    /// What this process saw of that Assignment before.
    pub sight: Sight,
    /// Whether the attempt's member is still enrolled.
    pub member_enrolled: bool,
    /// Whether nothing was heard of the member for some time, so that it can't have heard what is wanted.
    pub member_silent: bool,
    /// What fencing says of the attempt.
    pub tether: Tether,
    /// The job that its attempt gives way to, while that still waits.
    pub gives_way_to: Option<String>,
    /// Until when work that runs on the member is waited for, if that is being emptied.
    pub drain: Option<Timestamp>,
    /// What the member lacks to resume work that is paused, if anything.
    pub no_room: Option<Shortage>,
    /// Checkpoints that its member reports, that the job's record doesn't have yet, and that the hub has.
    pub stored: Vec<CheckpointArtifact>,
    /// What is known from the chain.
    pub chain: ChainNews,
    /// The hub's own rules.
    pub rules: &'a Rules,
    /// Now, in whole milliseconds.
    pub now: Timestamp,
}

/// What this process saw of an Assignment before, which tells how far its first sight of the work can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// It was seen before any work had started, so that a first sight of running is the start.
    pub watched: bool,
    /// When the present report came in, in Unix milliseconds.
    pub reported_ms: u64,
}

/// Where something that was asked of the chain stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asked<T> {
    /// Nothing was asked, as far as this process knows.
    #[default]
    No,
    /// Asked; no answer yet.
    Waiting,
    /// The answer.
    Answered(T),
    /// The chain can't do it, as a sentence; asking the same again is no use.
    Impossible(String),
}

/// What a look at a lease found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The chain's time at the look, in Unix seconds.
    pub at: u64,
    /// The lease; `None` if it was never opened.
    pub lease: Option<LeaseView>,
}

/// What is known from the chain about a job's current lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainNews {
    /// Time of the latest block, in Unix seconds; `None` if the chain hasn't answered yet.
    pub time: Option<u64>,
    /// The opening of the lease.
    pub open: Asked<OpenOutcome>,
    /// The latest look at the lease.
    pub look: Option<Look>,
    /// The latest top-up.
    pub top_up: Asked<TopUpOutcome>,
    /// The latest voucher.
    pub settle: Asked<SettleOutcome>,
    /// What the payer could add to the lease now; `None` if that isn't known.
    pub addable: Option<Amount>,
    /// Why the chain can't be used now, as a sentence.
    pub trouble: Option<String>,
}

/// Why a job is to end before its work does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The vendor cancelled or deleted it.
    Cancelled,
    /// Its deadline passed.
    Deadline,
}

impl Situation<'_> {
    /// The status as last written.
    pub fn status(&self) -> AIJobStatus {
        self.job.status.clone().unwrap_or_default()
    }

    /// Now in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        unix_ms(self.now)
    }

    /// Now, as it is kept in objects: whole seconds.
    pub fn now_time(&self) -> Time {
        whole_seconds(self.now)
    }

    /// Whether the job is to end, whatever its work does.
    pub fn ending(&self) -> Option<Ending> {
        ending(self.job, self.now)
    }

    /// The member's word on where the attempt is.
    pub fn reported(&self) -> AssignmentPhase {
        self.assignment.and_then(|a| a.status.as_ref()).map(|s| s.phase).unwrap_or_default()
    }

    /// Whether the lease was found closed, or on the way there, by somebody else's doing.
    pub fn lease_is_closing(&self) -> bool {
        use eai_chain::LeaseState::{Closed, Closing};
        let view = self.chain.look.as_ref().and_then(|look| look.lease.as_ref());
        view.is_some_and(|lease| matches!(lease.state, Closing | Closed))
    }
}

/// Whether a job is to end, whatever its work does.
pub fn ending(job: &AIJob, now: Timestamp) -> Option<Ending> {
    if job.spec.cancel || job.metadata.deletion_timestamp.is_some() {
        return Some(Ending::Cancelled);
    }
    let late = job.spec.deadline.as_ref().is_some_and(|deadline| deadline.0 <= now);
    late.then_some(Ending::Deadline)
}

/// Whether work of this attempt was ever seen.
pub fn ever_ran(attempt: &Attempt) -> bool {
    attempt.observed.intervals > 0
}

/// A moment as Unix milliseconds; 0 before 1970.
pub fn unix_ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// A moment as Unix seconds; 0 before 1970.
pub fn unix_seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

/// A moment as objects keep it, in whole seconds, so that what is written equals what is read back.
pub fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// The moment so many seconds after the Unix epoch; the epoch itself if that is out of range.
pub fn from_unix(seconds: u64) -> Time {
    Time(i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or_default())
}
