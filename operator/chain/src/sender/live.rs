//! The nonces of transactions that are being waited for.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// The nonces under way.
#[derive(Default)]
pub struct Live(Mutex<BTreeSet<u64>>);

/// One nonce under way, until dropped.
pub struct Entry<'a> {
    live: &'a Live,
    nonce: u64,
}

impl Live {
    /// The nonce to use next, when the chain's own count is `count`: the one after those under way. A transaction that
    /// nobody waits for any more is not counted, so its place is taken, and it can't hold up those after it for ever.
    pub fn next(&self, count: u64) -> u64 {
        self.with(|nonces| nonces.last().map_or(count, |last| count.max(last.saturating_add(1))))
    }

    /// Counts `nonce` as under way until the entry is dropped, be it that the transaction is confirmed, that the caller
    /// gave up, or that the call was cancelled.
    pub fn enter(&self, nonce: u64) -> Entry<'_> {
        self.with(|nonces| nonces.insert(nonce));
        Entry { live: self, nonce }
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeSet<u64>) -> T) -> T {
        // Nothing can panic while the lock is held, so a poisoned set is still whole.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.live.with(|nonces| nonces.remove(&self.nonce));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_follow_those_under_way_and_gaps_are_never_left_behind() {
        let live = Live::default();
        assert_eq!(live.next(5), 5);
        let five = live.enter(5);
        let six = live.enter(6);
        assert_eq!(live.next(5), 7);
        drop(five);
        // 5 is mined, or given up; 6 is still waited for either way.
        assert_eq!(live.next(6), 7);
        drop(six);
        assert_eq!((live.next(5), live.next(9)), (5, 9));
        let stale = live.enter(3);
        assert_eq!(live.next(9), 9);
        drop(stale);
    }
}
