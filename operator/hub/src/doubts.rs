//! What members were found to say of work that can't be. Nothing rests on it, but those concerned are told.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// For how long something is told after it was last said.
const KEPT: Duration = Duration::from_mins(10);
/// The most that is kept of one member: enough to see what is wrong with it.
const MOST: usize = 8;

/// What each member was last found to say, and when.
#[derive(Default)]
pub struct Doubts(Mutex<HashMap<String, Vec<(String, Instant)>>>);

impl Doubts {
    /// Takes note at `now` that `member` says `what`.
    pub fn note(&self, member: &str, what: String, now: Instant) {
        let mut all = self.lock();
        let said = all.entry(member.to_owned()).or_default();
        said.retain(|(_, at)| is_fresh(*at, now));
        if let Some((_, at)) = said.iter_mut().find(|(known, _)| *known == what) {
            *at = now;
        } else if said.len() < MOST {
            tracing::warn!(member, "a report isn't believed: {what}");
            said.push((what, now));
        }
    }

    /// What `member` was lately found to say at `now`, oldest first.
    pub fn of(&self, member: &str, now: Instant) -> Vec<String> {
        let all = self.lock();
        let said = all.get(member).map_or(&[][..], Vec::as_slice);
        said.iter().filter(|(_, at)| is_fresh(*at, now)).map(|(what, _)| what.clone()).collect()
    }

    /// Forgets a member that left.
    pub fn forget(&self, member: &str) {
        self.lock().remove(member);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<(String, Instant)>>> {
        // A panic elsewhere leaves it whole: each change is one insert or remove.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_told_for_a_while_and_only_so_much_of_it() {
        let (doubts, now) = (Doubts::default(), Instant::now());
        doubts.note("home", "a".to_owned(), now);
        doubts.note("home", "b".to_owned(), now + KEPT / 2);
        assert_eq!(doubts.of("home", now), ["a", "b"]);
        assert_eq!(doubts.of("home", now + KEPT), ["b"]);
        doubts.note("home", "b".to_owned(), now + KEPT);
        assert_eq!(doubts.of("home", now + KEPT * 3 / 2), ["b"], "it was said again");
        for number in 0..100 {
            doubts.note("home", number.to_string(), now + KEPT);
        }
        assert_eq!(doubts.of("home", now + KEPT).len(), MOST);
        assert_eq!(doubts.of("cloud", now), Vec::<String>::new());
        doubts.forget("home");
        assert_eq!(doubts.of("home", now + KEPT), Vec::<String>::new());
    }
}
