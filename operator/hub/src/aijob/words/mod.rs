//! What is said of a job, as data; in words, in one place.

pub mod reason;
mod unfunded;

use eai_api::{
    AIJobStatus,
    aijob::{Outcome, Phase},
    condition::{self, FUNDED, PLACED, READY, RECONCILING, SETTLED, STALLED, Status},
};
use eai_chain::Refusal;
use eai_core::{address::Address, money::Amount};
use k8s_openapi::jiff::Timestamp;

pub use self::unfunded::Unfunded;
use self::unfunded::refusal_reason;
use super::build::situation::whole_seconds;

/// What is said of a job.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say what they are; the words are in message()")]
pub enum Say {
    /// Suspended before it was placed.
    HeldBack,
    /// No member takes it.
    NoMember { refusals: Vec<String> },
    /// The payer must act first.
    Unfunded { why: Unfunded, payer: Address, namespace: String },
    /// The chain must answer first.
    ChainUnavailable(String),
    /// Every member that could take it has refused it.
    RefusedByAll { why: String },
    /// The hub was restored from a backup and waits.
    Recovering,
    /// A vendor or admin must act first.
    Blocked { reason: &'static str, message: String },
    /// A member is claimed, the lease asked for.
    Opening { member: String, trouble: Option<String> },
    /// The chain refused the lease.
    OpeningRefused { reason: Refusal, payer: Address },
    /// The lease can't be asked for.
    OpeningImpossible(String),
    /// The member prepares.
    Starting { member: String, trouble: String },
    /// It runs.
    Running { member: String, trouble: String },
    /// It runs on a member that is being emptied.
    Emptying { member: String, by: Timestamp },
    /// It has run; outputs are on their way.
    Finishing { member: String },
    /// It ran, and its member isn't heard any more.
    Unheard { member: String, until: Option<Timestamp> },
    /// Its member was removed; what that was lent runs out.
    MemberLeft { member: String },
    /// It is asked to stop.
    Stopping { member: String, why: String },
    /// Paused by the vendor.
    Suspended,
    /// Paused: the budget is spent.
    BudgetReached { budget: Amount },
    /// Paused: the account is.
    HoldEmpty { payer: Address, hold: Amount, trouble: Option<String> },
    /// Others give way to it.
    MakingRoom { member: String, jobs: Vec<String> },
    /// Paused: it gives way.
    GaveWay { to: String },
    /// Paused, with money, and the member is full.
    NoRoom { member: String, lacks: String },
    /// About to run again.
    Resuming { member: String },
    /// The bill is being settled.
    Settling { owed: Amount, outcome: Option<Outcome>, trouble: Option<String> },
    /// An attempt ended and another begins.
    TryingAgain { member: String, outcome: Outcome },
    /// All is over.
    Over { phase: Phase, outcome: Outcome, paid: Amount, refunded: Amount },
    /// Cancelled before anything ran.
    Cancelled,
    /// The deadline passed before a member took it.
    DeadlineWhileWaiting,
}

/// How a job stands for kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The hub is at work, or waits for a member.
    Working,
    /// Somebody must act.
    Stalled,
    /// It is as asked for.
    Done,
    /// Nothing more happens, and it isn't as asked for.
    Ended,
}

impl Say {
    /// One word.
    pub fn reason(&self) -> &str {
        match self {
            Self::HeldBack | Self::Suspended => "Suspended",
            Self::NoMember { .. } => "NoMemberFits",
            Self::Unfunded { why, .. } => why.reason(),
            Self::Blocked { reason, .. } => reason,
            Self::Opening { trouble: Some(_), .. } | Self::ChainUnavailable(_) => "ChainUnavailable",
            Self::Recovering => "HubRecovering",
            Self::RefusedByAll { .. } => reason::REFUSED,
            Self::Opening { .. } => "OpeningLease",
            Self::OpeningRefused { reason, .. } => refusal_reason(*reason),
            Self::OpeningImpossible(_) => "LeaseImpossible",
            Self::Starting { .. } => "Starting",
            Self::Running { .. } => "Running",
            Self::Emptying { .. } => "MemberDraining",
            Self::Finishing { .. } => "Finishing",
            Self::Unheard { .. } => "MemberUnreachable",
            Self::MemberLeft { .. } => "MemberLeft",
            Self::Stopping { .. } => "Stopping",
            Self::BudgetReached { .. } => "BudgetReached",
            Self::HoldEmpty { .. } => "HoldEmpty",
            Self::MakingRoom { .. } => "MakingRoom",
            Self::GaveWay { .. } => "GaveWay",
            Self::NoRoom { .. } => "MemberFull",
            Self::Resuming { .. } => "Resuming",
            Self::Settling { trouble: Some(_), .. } => "SettlingDelayed",
            Self::Settling { .. } => "Settling",
            Self::TryingAgain { .. } => "TryingAgain",
            Self::Over { outcome, .. } => &outcome.reason,
            Self::Cancelled => reason::CANCELLED,
            Self::DeadlineWhileWaiting => reason::DEADLINE_EXCEEDED,
        }
    }

    /// One sentence or two that a person can act on.
    pub fn message(&self) -> String {
        match self {
            Self::HeldBack => "The job is held back by spec.suspend; set it to false to have it placed.".to_owned(),
            Self::NoMember { refusals } if refusals.is_empty() => {
                "No member has joined this hub yet; the job waits for one.".to_owned()
            }
            Self::NoMember { refusals } => {
                format!("No member takes the job now; it waits. {}.", refusals.join("; "))
            }
            Self::Unfunded { why, payer, namespace } => why.words(*payer, namespace),
            Self::Blocked { message, .. } | Self::ChainUnavailable(message) => message.clone(),
            Self::Recovering => RECOVERING.to_owned(),
            Self::RefusedByAll { why } => {
                format!("Every member that could take the job has refused it; nothing is owed. {why}")
            }
            Self::Opening { member, trouble: None } => {
                format!("{member} is claimed; its lease is being opened. Nothing runs before it is confirmed.")
            }
            Self::Opening { member, trouble: Some(trouble) } => {
                format!("{member} is claimed; its lease can't be opened yet: {trouble}.")
            }
            Self::OpeningRefused { reason, payer } => {
                format!("The escrow didn't open the lease from {payer}: {reason}. The job waits and is tried again.")
            }
            Self::OpeningImpossible(why) => format!("The lease can't be opened: {why}. The job is tried again."),
            Self::Starting { member, trouble } if trouble.is_empty() => {
                format!("{member} prepares the work. Nothing is billed until it runs.")
            }
            Self::Starting { member, trouble } => {
                format!("{member} prepares the work ({trouble}). Nothing is billed until it runs.")
            }
            Self::Running { member, trouble } if trouble.is_empty() => format!("The work runs on {member}."),
            Self::Running { member, trouble } => {
                format!("The work runs on {member}, though not all of it: {}.", trouble.trim_end_matches('.'))
            }
            Self::Emptying { member, by } => format!(
                "The work runs on {member}, which is being emptied. Unless it ends by {by}, it is ended then and begun \
                 elsewhere."
            ),
            Self::Finishing { member } => {
                format!(
                    "The work on {member} has ended and isn't billed any more; its log and outputs are on their way."
                )
            }
            Self::Unheard { member, until } => unheard(member, *until),
            Self::MemberLeft { member } => {
                format!(
                    "{member} left the federation; once its right to run the work has run out the job goes on elsewhere."
                )
            }
            Self::Stopping { member, why } => format!("{member} is asked to stop the work. {why}"),
            Self::Suspended => "Paused by spec.suspend; set it to false to resume.".to_owned(),
            Self::BudgetReached { budget } => {
                format!("Paused: the budget of {budget} EAI is spent. Raise spec.budget to resume.")
            }
            Self::HoldEmpty { trouble: Some(trouble), hold, .. } => {
                format!("Paused: the {hold} EAI held are spent and no more can be had now: {trouble}.")
            }
            Self::HoldEmpty { payer, hold, .. } => format!(
                "Paused: the {hold} EAI held are spent and {payer} has no more free, or allows no more. Run `kubectl eai \
                 deposit` or `kubectl eai authorize` as {payer} to resume."
            ),
            Self::MakingRoom { member, jobs } => {
                format!("It fits nowhere now; on {member} jobs of lower priority give way to it: {}.", jobs.join(", "))
            }
            Self::GaveWay { to } => {
                format!(
                    "Paused: it gives way to {to}, which has a higher priority; it goes on when there is room again."
                )
            }
            Self::NoRoom { member, lacks } => {
                format!("Paused: the work can go on when {member} has room for it again ({lacks}).")
            }
            Self::Resuming { member } => format!("{member} is asked to start the work again."),
            Self::Settling { owed, trouble: None, .. } => {
                format!("The attempt is over; {owed} EAI are being paid and the rest refunded.")
            }
            Self::Settling { owed, trouble: Some(trouble), .. } => {
                format!("The attempt is over; {owed} EAI are owed, but the lease isn't closed yet: {trouble}.")
            }
            Self::TryingAgain { member, outcome } => {
                format!(
                    "The attempt on {member} ended ({}): {} Another attempt follows.",
                    outcome.reason, outcome.message
                )
            }
            Self::Over { phase: Phase::Succeeded, outcome, paid, refunded } => {
                let sums = format!("{paid} EAI paid, {refunded} EAI refunded.");
                if outcome.reason == reason::COMPLETED || outcome.message.is_empty() {
                    return format!("Done: {sums}");
                }
                format!("Done: {sums} {}.", outcome.message.trim_end_matches('.'))
            }
            Self::Over { outcome, paid, refunded, .. } => {
                let said = if outcome.message.is_empty() { "The work failed" } else { &outcome.message };
                format!("{}. {paid} EAI paid, {refunded} EAI refunded.", said.trim_end_matches('.'))
            }
            Self::Cancelled => "Cancelled before any work ran; nothing is owed.".to_owned(),
            Self::DeadlineWhileWaiting => "The deadline passed before a member could finish the job.".to_owned(),
        }
    }

    /// Whether somebody should look at it.
    pub fn is_warning(&self) -> bool {
        self.standing() == Standing::Stalled || say_failed(self) || matches!(self, Self::NoMember { .. })
    }

    fn standing(&self) -> Standing {
        match self {
            Self::Unfunded { .. }
            | Self::Blocked { .. }
            | Self::OpeningImpossible(_)
            | Self::BudgetReached { .. }
            | Self::HoldEmpty { .. }
            | Self::Settling { trouble: Some(_), .. }
            | Self::HeldBack
            | Self::Suspended => Standing::Stalled,
            Self::OpeningRefused { reason, .. } if reason.is_about_funds() => Standing::Stalled,
            Self::Over { phase: Phase::Succeeded, .. } => Standing::Done,
            Self::Over { .. } | Self::Cancelled | Self::DeadlineWhileWaiting | Self::RefusedByAll { .. } => {
                Standing::Ended
            }
            _ => Standing::Working,
        }
    }
}

/// What is said while a restored hub waits.
const RECOVERING: &str = "The hub was restored from a backup. Nothing begins until work that the backup doesn't know has \
                          ended, a quarter of an hour by default; then the job is placed.";

/// What is said of work on a member that isn't heard.
fn unheard(member: &str, until: Option<Timestamp>) -> String {
    match until {
        Some(at) => {
            format!("{member} isn't heard any more. Unless it is, the work ends there and begins elsewhere by {at}.")
        }
        None => format!(
            "{member} isn't heard any more. The work runs on there, and begins nowhere else until {member} is heard or \
             the job is cancelled."
        ),
    }
}

/// Writes what is said into the conditions.
pub fn write(status: &mut AIJobStatus, say: &Say, generation: Option<i64>, now: Timestamp) {
    status.observed_generation = generation;
    let now = whole_seconds(now).0;
    let (reason, message) = (say.reason().to_owned(), say.message());
    let standing = say.standing();
    let conditions = &mut status.conditions;
    let ready = if standing == Standing::Done { Status::True } else { Status::False };
    condition::set(conditions, READY, ready, &reason, &message, generation, now);
    // kstatus: these two are there only while they hold.
    for (kind, holds) in
        [(RECONCILING, standing == Standing::Working), (STALLED, standing == Standing::Stalled || say_failed(say))]
    {
        if holds {
            condition::set(conditions, kind, Status::True, &reason, &message, generation, now);
        } else {
            condition::clear(conditions, kind);
        }
    }
    aspects(status, say, generation, now);
}

/// Says that a member is claimed, and at what price.
pub fn placed(status: &mut AIJobStatus, message: String, generation: Option<i64>, now: Timestamp) {
    let now = whole_seconds(now).0;
    condition::set(&mut status.conditions, PLACED, Status::True, "Claimed", message, generation, now);
}

fn say_failed(say: &Say) -> bool {
    matches!(say, Say::Over { phase: Phase::Failed, .. } | Say::DeadlineWhileWaiting | Say::RefusedByAll { .. })
}

/// Placed, Funded and Settled, as far as this says anything new of them.
fn aspects(status: &mut AIJobStatus, say: &Say, generation: Option<i64>, now: Timestamp) {
    let attempt = status.attempt.clone();
    let conditions = &mut status.conditions;
    let mut set = |kind: &str, status: Status, reason: &str, message: String| {
        condition::set(conditions, kind, status, reason, message, generation, now);
    };
    match say {
        Say::NoMember { .. } => set(PLACED, Status::False, say.reason(), say.message()),
        Say::TryingAgain { .. } => {
            set(PLACED, Status::False, say.reason(), say.message());
            set(FUNDED, Status::False, "LeaseClosed", "The last attempt's lease is closed.".to_owned());
        }
        Say::Unfunded { why, .. } => set(FUNDED, Status::False, why.reason(), say.message()),
        Say::OpeningRefused { .. } | Say::OpeningImpossible(_) => {
            set(FUNDED, Status::False, say.reason(), say.message());
            set(PLACED, Status::False, "ClaimGivenUp", "The claim was given up with its lease.".to_owned());
        }
        Say::Opening { .. } => set(FUNDED, Status::Unknown, say.reason(), say.message()),
        Say::HoldEmpty { .. } | Say::BudgetReached { .. } => set(FUNDED, Status::False, say.reason(), say.message()),
        Say::Starting { .. } | Say::Running { .. } | Say::Emptying { .. } | Say::Resuming { .. } => {
            if let Some(a) = &attempt {
                let text = format!("Lease {} holds {} EAI.", a.lease.id, a.lease.hold);
                set(FUNDED, Status::True, "LeaseOpen", text);
            }
        }
        Say::Settling { .. } => set(SETTLED, Status::False, say.reason(), say.message()),
        Say::Over { paid, refunded, .. } => {
            set(FUNDED, Status::False, "LeaseClosed", "The lease is closed: nothing is held any more.".to_owned());
            set(SETTLED, Status::True, "LeaseClosed", format!("{paid} EAI paid, {refunded} EAI refunded."));
        }
        _ => {}
    }
}
