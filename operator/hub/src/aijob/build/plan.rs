//! What a decision comes to: the next status, and what is then to be done.

use eai_api::{
    AIJobStatus,
    assignment::{Acknowledged, Desired, Grant},
};
use eai_core::{metering::UsageMs, money::Amount};
use k8s_openapi::jiff::Timestamp;

/// What should be, and what is to be done about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The status to write, if it differs from what is there.
    pub status: AIJobStatus,
    /// What to do once the status is written; nothing of it if that fails.
    pub wishes: Vec<Wish>,
    /// When to look again even if nothing happens.
    pub again: Option<Timestamp>,
    /// What to tell people, as events.
    pub notes: Vec<Note>,
}

/// Something to be done. Each may be done twice without harm, and is asked for again until its effect shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Find the job a member: it is the placement pass's turn.
    Place,
    /// Open the attempt's lease.
    OpenLease,
    /// Look at the attempt's lease on the chain.
    LookAtLease,
    /// Find out what the payer could add to the lease.
    LookAtFunds,
    /// Raise what the lease has held in all to this.
    TopUp(Amount),
    /// Present a voucher.
    Settle(Bill),
    /// Make the attempt's Assignment, which asks for this under this grant.
    Assign(Desired, Option<Grant>),
    /// Tell the member what is wanted and what was noted, and lend it this grant if there is one.
    Tell(Desired, Acknowledged, Option<Grant>),
    /// Take the settlement finalizer off the job.
    Release,
}

/// What a voucher says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Used in all.
    pub usage: UsageMs,
    /// Owed in all; at most the hold.
    pub amount: Amount,
    /// Whether it closes the lease.
    pub is_final: bool,
}

/// An event on the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look at it.
    pub warning: bool,
    /// One word.
    pub reason: &'static str,
    /// One sentence.
    pub text: String,
}

impl Plan {
    /// Nothing to do beyond `status`.
    pub const fn new(status: AIJobStatus) -> Self {
        Self { status, wishes: Vec::new(), again: None, notes: Vec::new() }
    }

    /// Looks again at `at` at the latest.
    pub fn by(&mut self, at: Timestamp) {
        self.again = Some(self.again.map_or(at, |before| before.min(at)));
    }

    /// Adds a wish once.
    pub fn wish(&mut self, wish: Wish) {
        if !self.wishes.contains(&wish) {
            self.wishes.push(wish);
        }
    }

    /// Tells people that something went as it should.
    pub fn note(&mut self, reason: &'static str, text: impl Into<String>) {
        self.notes.push(Note { warning: false, reason, text: text.into() });
    }

    /// Tells people that something needs looking at.
    pub fn warn(&mut self, reason: &'static str, text: impl Into<String>) {
        self.notes.push(Note { warning: true, reason, text: text.into() });
    }
}
