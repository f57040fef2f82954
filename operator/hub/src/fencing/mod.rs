//! The hub's side of fencing: what was lent to which attempt, and since when nothing of it can run any more.
//!
//! What is decided, `eai_core::fencing` decides; here is what this process remembers for it. All of it may be lost: a
//! process that knows nothing of an attempt counts from its own first sight of it, and so only waits longer.

mod silence;
mod stakes;
mod tenure;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use eai_api::assignment::Grant;
use eai_core::fencing::{
    self, Expiry, Known, OnLoss, Policy, SteadyMs,
    expiry::expiry,
    lending::grant_now,
    silence::{Pauses, Voice as Weighed},
};

pub use silence::watch;
pub use stakes::{StakeBook, read as read_stakes};
pub use tenure::{SETTLED_IN, settle_in};

use crate::heartbeat::Voice;

/// How soon something that is due and couldn't be done is looked at again, in milliseconds.
const RETRY_MS: u64 = 5_000;

/// What this process of the hub knows of grants.
pub struct Fence {
    policy: Policy,
    began: Instant,
    settled_in: AtomicBool,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    attempts: HashMap<String, Memory>,
    pauses: Pauses,
}

/// What is remembered of one attempt.
#[derive(Clone, Copy, Debug)]
struct Memory {
    known: Known,
    /// The grant that this process last wanted it to have.
    wanted: Option<fencing::Grant>,
    /// Its lease wasn't open yet when this process first saw it, so nobody can have made its Assignment before.
    from_the_start: bool,
    /// This process made its Assignment, or saw it.
    assigned: bool,
    /// Its Assignment was made to stop it, by this process, and there was none before.
    void: bool,
}

/// One attempt, as fencing looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The name of its Assignment: no two attempts ever have the same.
    pub name: &'a str,
    /// The generation of the hub that made it.
    pub generation: u64,
    /// Whether its lease is being opened: nothing of it can run yet.
    pub opening: bool,
    /// The longest that a grant of it may hold, in seconds; `None` if its work doesn't run under grants.
    pub fenced_for: Option<u32>,
    /// Whether its Assignment is there.
    pub assigned: bool,
    /// The grant in that.
    pub grant: Option<&'a Grant>,
    /// What happens to the work when its grant runs out.
    pub on_loss: OnLoss,
    /// What is heard of its member.
    pub voice: Voice,
}

/// What fencing says of an attempt now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tether {
    /// What is heard of its member.
    pub voice: Voice,
    /// The grant that it is due.
    pub due: Option<Grant>,
    /// In how many milliseconds to look again.
    pub again_ms: Option<u64>,
    /// When nothing of it can run any more.
    pub ends: Ends,
    /// Whether its member can't have heard of it: no Assignment of it was ever made.
    pub unheard_of: bool,
}

/// When nothing of an attempt can run any more, though its member says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Nobody can tell: it isn't fenced, or is to run on.
    Unknown,
    /// In so many milliseconds, unless it is given another grant.
    In(u64),
    /// Now.
    Passed,
}

impl Tether {
    /// Of a job without an attempt that goes on.
    pub const fn none() -> Self {
        Self { voice: Voice::Silent, due: None, again_ms: None, ends: Ends::Unknown, unheard_of: false }
    }
}

impl Fence {
    /// Knows nothing yet.
    pub fn new(policy: Policy, began: Instant) -> Self {
        Self { policy, began, settled_in: AtomicBool::new(false), inside: Mutex::default() }
    }

    /// `at` on the clock that fencing counts by.
    pub fn steady(&self, at: Instant) -> SteadyMs {
        let since = at.saturating_duration_since(self.began);
        SteadyMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether work may begin, and inherited work be lent anything: not until what a restore may have lost has run out.
    pub fn settled_in(&self) -> bool {
        self.settled_in.load(Ordering::Acquire)
    }

    /// What fencing says of `subject` at `now`, to a hub of `generation`. Takes note of what it is shown.
    pub fn look(&self, subject: &Subject<'_>, generation: u64, now: Instant) -> Tether {
        let now = self.steady(now);
        let grant = subject.grant.and_then(|grant| grant.read().ok());
        let inherited = subject.generation < generation && !self.settled_in();
        let latest = if let (Voice::Heard(beat), false) = (subject.voice, inherited) { Some(beat) } else { None };
        let mut inside = self.lock();
        let pause = inside.pauses.frozen_until(&self.policy, now);
        let first = Memory {
            known: Known { grant, at: now },
            wanted: None,
            from_the_start: subject.opening,
            assigned: subject.assigned,
            void: false,
        };
        let memory = inside.attempts.entry(subject.name.to_owned()).or_insert(first);
        memory.known = Known::saw(Some(memory.known), grant, now);
        if memory.assigned && !subject.assigned && memory.known.grant.is_some() {
            // A grant whose answer was lost may have stood there at the last: it counts from now.
            (memory.known.at, memory.assigned) = (now, false);
        }
        memory.assigned |= subject.assigned;
        let due = self.due(memory, grant.is_some(), latest, now);
        memory.wanted = due.or(memory.wanted);
        let memory = *memory;
        drop(inside);
        let longest_ms = u64::from(subject.fenced_for.unwrap_or(0)).saturating_mul(1_000);
        let policy = Policy { valid_for_ms: self.policy.valid_for_ms.max(longest_ms), ..self.policy };
        let ends = match expiry(&policy, subject.on_loss, &memory.known, pause, now) {
            _ if memory.void => Ends::Passed,
            _ if subject.fenced_for.is_none() => Ends::Unknown,
            Expiry::Never => Ends::Unknown,
            Expiry::At(at) => Ends::In(at.since(now)),
            Expiry::Passed => Ends::Passed,
        };
        Tether {
            voice: subject.voice,
            due: due.map(written),
            again_ms: Some(self.next_due_ms(&memory.known, now)),
            ends,
            unheard_of: memory.from_the_start && !memory.assigned && memory.known.grant.is_none(),
        }
    }

    /// Takes note that the Assignment called `name` was made, and that this made it; `stopped` if it was made to stop.
    pub fn made(&self, name: &str, stopped: bool) {
        if let Some(memory) = self.lock().attempts.get_mut(name) {
            memory.void = stopped && memory.from_the_start && !memory.assigned && memory.known.grant.is_none();
            memory.assigned = true;
        }
    }

    /// Forgets an attempt that is over.
    pub fn forget(&self, name: &str) {
        self.lock().attempts.remove(name);
    }

    /// Weighs which members are silent.
    fn weigh(&self, members: &[Weighed], now: SteadyMs) {
        let mut inside = self.lock();
        let before = inside.pauses;
        inside.pauses = before.look(&self.policy, members, now);
        if inside.pauses != before {
            let seconds = self.policy.valid_for_ms / 1_000;
            tracing::warn!(seconds, "most members fell silent at once; nothing is given to others for now");
        }
    }

    /// The grant that is due. One that another process gave may be nearly used up, so it is renewed at once; so is one
    /// that isn't `shown`, because its Assignment has to be made again.
    fn due(
        &self,
        memory: &Memory,
        shown: bool,
        latest: Option<fencing::Heartbeat>,
        now: SteadyMs,
    ) -> Option<fencing::Grant> {
        let own = memory.known.grant == memory.wanted;
        let judged = if own { now } else { now.after(self.policy.valid_for_ms) };
        let due = grant_now(&self.policy, shown.then_some(&memory.known), latest, judged)?;
        // An attempt keeps the longest validity that it was ever given.
        let longest = memory.known.grant.map_or(0, |grant| grant.valid_for_ms).max(due.valid_for_ms);
        Some(fencing::Grant { valid_for_ms: longest, ..due })
    }

    /// Until the next grant is due.
    fn next_due_ms(&self, known: &Known, now: SteadyMs) -> u64 {
        let every = known.grant.map_or(0, |grant| self.policy.renew_after_ms().min(grant.valid_for_ms / 3));
        known.at.after(every).since(now).max(RETRY_MS)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // A panic elsewhere leaves it whole: each change is one insert, remove or assignment.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A grant as it is written in an Assignment.
fn written(grant: fencing::Grant) -> Grant {
    Grant {
        heartbeat: grant.heartbeat.to_string(),
        valid_for_seconds: u32::try_from(grant.valid_for_ms / 1_000).unwrap_or(u32::MAX),
    }
}
