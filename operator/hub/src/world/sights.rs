//! What this process saw of Assignments: when each report came in, and whether it was watching when work began.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use eai_api::{Assignment, assignment::AssignmentPhase};

use crate::aijob::build::Sight;

/// What was seen of each Assignment, by UID.
#[derive(Debug, Default)]
pub struct Sights(Mutex<HashMap<String, Seen>>);

#[derive(Clone, Debug)]
struct Seen {
    report: (AssignmentPhase, u64, u32),
    sight: Sight,
}

impl Sights {
    /// Takes note of an Assignment as it is at `now_ms`.
    pub fn saw(&self, assignment: &Assignment, now_ms: u64) {
        let Some(uid) = assignment.metadata.uid.clone() else { return };
        let status = assignment.status.as_ref();
        let report = status.map(|s| (s.phase, s.usage_ms, s.running)).unwrap_or_default();
        let before_work = matches!(report.0, AssignmentPhase::Pending | AssignmentPhase::Starting);
        let mut seen = self.lock();
        let entry =
            seen.entry(uid).or_insert(Seen { report, sight: Sight { watched: before_work, reported_ms: now_ms } });
        entry.sight.watched |= before_work;
        if entry.report != report {
            entry.report = report;
            entry.sight.reported_ms = now_ms;
        }
    }

    /// Forgets an Assignment that is gone.
    pub fn gone(&self, assignment: &Assignment) {
        if let Some(uid) = &assignment.metadata.uid {
            self.lock().remove(uid);
        }
    }

    /// What was seen of an Assignment. One that was never seen was never watched.
    pub fn of(&self, assignment: &Assignment, now_ms: u64) -> Sight {
        let uid = assignment.metadata.uid.as_deref().unwrap_or_default();
        self.lock().get(uid).map_or(Sight { watched: false, reported_ms: now_ms }, |seen| seen.sight)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
