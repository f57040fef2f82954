//! Jobs that are left alone for a while: what they need didn't work out, and nothing will tell when it may.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const FIRST: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_mins(5);

/// Who is left alone until when, by job UID.
#[derive(Default)]
pub struct Backoffs(Mutex<HashMap<String, (Instant, Duration)>>);

impl Backoffs {
    /// Leaves a job alone, each time for longer.
    pub fn delay(&self, uid: &str) {
        let mut all = self.lock();
        let wait = all.get(uid).map_or(FIRST, |(_, last)| (*last * 2).min(LAST));
        all.insert(uid.to_owned(), (Instant::now() + wait, wait));
    }

    /// Starts over for a job: it got what it needed, or is gone.
    pub fn reset(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Whether a job is left alone now.
    pub fn holds(&self, uid: &str) -> bool {
        self.lock().get(uid).is_some_and(|(until, _)| *until > Instant::now())
    }

    /// When the next job isn't left alone any more.
    pub fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut all = self.lock();
        // Nothing went wrong for long: the next time is a first time. So jobs that are gone are forgotten, too.
        all.retain(|_, (until, _)| *until + 2 * LAST > now);
        all.values().map(|(until, _)| *until).filter(|until| *until > now).min()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
