//! What the controller remembers between reconciles: nothing that can't be read again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_api::{MemberReport, MemberReportSpec};

use super::{agent, build::Objects, offers::summary};
use crate::{doubts::Doubts, heartbeat::Heartbeats, placement::unbelievable, tally::Tallies};

/// How long what was written is taken to be still there.
pub const RESYNC: Duration = Duration::from_mins(5);

/// What the controller remembers between reconciles.
pub struct Memory {
    /// Every member's heartbeat.
    pub heartbeats: Arc<Heartbeats>,
    /// What members have of work.
    pub tallies: Arc<Tallies>,
    /// What members were found to say of work.
    pub doubts: Arc<Doubts>,
    reports: Mutex<HashMap<String, Arc<MemberReportSpec>>>,
    written: Mutex<HashMap<String, Written>>,
}

/// What was last written for a member.
#[derive(Clone, Debug)]
pub struct Written {
    /// The objects.
    pub objects: Objects,
    /// The UID of the namespace they are in.
    pub namespace_uid: String,
    /// The UID of the Secret that tokens are bound to.
    pub secret_uid: String,
    /// When.
    pub at: Instant,
}

impl Memory {
    /// Remembers nothing yet but `heartbeats`, `tallies` and `doubts`.
    pub fn new(heartbeats: Arc<Heartbeats>, tallies: Arc<Tallies>, doubts: Arc<Doubts>) -> Self {
        Self { heartbeats, tallies, doubts, reports: Mutex::default(), written: Mutex::default() }
    }

    /// Takes note of `member`'s report. True if it changed in what is shown of it: each use of a core needn't be.
    pub fn report(&self, member: &str, report: &MemberReport) -> bool {
        let mut reports = lock(&self.reports);
        let before = reports.insert(member.to_owned(), Arc::new(report.spec.clone()));
        before.is_none_or(|before| differ(member, &before, &report.spec))
    }

    /// What `member` last reported.
    pub fn reported(&self, member: &str) -> Option<Arc<MemberReportSpec>> {
        lock(&self.reports).get(member).cloned()
    }

    /// What was written for `member` lately enough to be taken as still there.
    pub fn written(&self, member: &str, now: Instant) -> Option<Written> {
        lock(&self.written).get(member).filter(|w| now.duration_since(w.at) < RESYNC).cloned()
    }

    /// Takes note of what was written for `member`.
    pub fn wrote(&self, member: &str, written: Written) {
        lock(&self.written).insert(member.to_owned(), written);
    }

    /// No longer relies on what was written for `member`.
    pub fn doubt(&self, member: &str) {
        lock(&self.written).remove(member);
    }

    /// Forgets a member that left.
    pub fn forget(&self, member: &str) {
        self.heartbeats.forget(member);
        self.doubts.forget(member);
        lock(&self.reports).remove(member);
        self.doubt(member);
    }
}

/// Whether two reports of `member` differ in what is shown of them.
fn differ(member: &str, before: &MemberReportSpec, after: &MemberReportSpec) -> bool {
    let shown = |report: &MemberReportSpec| (report.probes.clone(), report.nodes_away.clone(), report.drain_by.clone());
    before.offers != after.offers
        || shown(before) != shown(after)
        || agent::shown(before) != agent::shown(after)
        || summary(before) != summary(after)
        || unbelievable(member, before) != unbelievable(member, after)
}

/// A panic elsewhere leaves these maps whole: each change is one insert or remove.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
