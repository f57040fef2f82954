//! How many sessions there may be at once, so that no vendor, job or member takes what others need.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Refusal;

/// How many sessions there may be at once. One holds two connections and some 100 KiB.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub total: usize,
    /// Of one user.
    pub user: usize,
    /// Of one job.
    pub job: usize,
    /// With one member.
    pub member: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: 256, user: 32, job: 16, member: 32 }
    }
}

/// The sessions that there are.
#[derive(Clone, Debug)]
pub struct Places {
    limits: Limits,
    taken: Arc<Mutex<HashMap<Share, usize>>>,
}

/// Whose part of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    All,
    User(String),
    Job(String),
    Member(String),
}

/// A session's place, given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    shares: [Share; 4],
}

impl Places {
    /// All free.
    pub fn new(limits: Limits) -> Self {
        Self { limits, taken: Arc::default() }
    }

    /// Takes a place for a session of `user` with the job `uid` on the member whose namespace this is.
    pub fn take(&self, user: &str, uid: &str, namespace: &str) -> Result<Place, Refusal> {
        let shares =
            [Share::User(user.to_owned()), Share::Job(uid.to_owned()), Share::Member(namespace.to_owned()), Share::All];
        let mut taken = self.taken();
        for share in &shares {
            let (most, whose) = match share {
                Share::User(_) => (self.limits.user, "you have"),
                Share::Job(_) => (self.limits.job, "the job has"),
                Share::Member(_) => (self.limits.member, "the job's member has"),
                Share::All => (self.limits.total, "the hub has"),
            };
            if taken.get(share).is_some_and(|count| *count >= most) {
                return Err(Refusal::too_many(format!("{whose} {most} streams open, which is the most; close some")));
            }
        }
        for share in &shares {
            *taken.entry(share.clone()).or_default() += 1;
        }
        drop(taken);
        Ok(Place { places: self.clone(), shares })
    }

    /// Whether no session has a place.
    #[cfg(test)]
    pub fn are_free(&self) -> bool {
        self.taken().is_empty()
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Share, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        for share in &self.shares {
            if let Some(count) = taken.get_mut(share) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    taken.remove(share);
                }
            }
        }
    }
}
