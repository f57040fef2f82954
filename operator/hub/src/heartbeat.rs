//! Liveness: when the hub itself saw a member's Lease change. The member's clock is never asked.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_api::names::HEARTBEAT_ANNOTATION;
use eai_core::fencing::Heartbeat;
use eai_runtime::clock;
use k8s_openapi::{
    api::coordination::v1::Lease,
    jiff::{SignedDuration, Timestamp},
};
use tokio::sync::Notify;

/// Silence after which a member gets no new work.
pub const SILENCE: Duration = Duration::from_secs(40);
/// [`SILENCE`] in calendar time.
const SILENCE_SPAN: SignedDuration = SignedDuration::from_secs(40);

/// A moment on both of the hub's clocks: one that never steps, one to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For measuring.
    pub steady: Instant,
    /// For showing.
    pub wall: Timestamp,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { steady: Instant::now(), wall: clock::now() }
    }
}

/// What the hub knows of a member's heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Whether it is fresh.
    pub alive: bool,
    /// When the Lease was last seen to change, by the hub's clock.
    pub last_seen: Option<Timestamp>,
    /// Until when it stays fresh if nothing more is seen; `None` if it isn't.
    pub fresh_for: Option<Duration>,
}

/// What is heard of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Nothing, for as long as silence is allowed, or by this process.
    Silent,
    /// Heartbeats without a number: its agent is of an earlier version, which takes no grants.
    Unnumbered,
    /// This heartbeat, lately.
    Heard(Heartbeat),
}

/// The last state of one member's Lease.
#[derive(Clone, Debug, PartialEq)]
struct Beat {
    /// UID and renew time of the Lease, only compared and never read as a time.
    mark: (Option<String>, Option<String>),
    /// When it was seen to change.
    seen: Option<Moment>,
    /// The number that the Lease bears, and whether it changed with the last heartbeat: what an agent of an earlier version
    /// leaves standing there isn't its own.
    number: Option<Heartbeat>,
    numbered: bool,
}

/// Every member's heartbeat.
pub struct Heartbeats {
    started: Instant,
    beats: Mutex<HashMap<String, Beat>>,
    /// Members that came back from silence, and nobody was told yet.
    back: Mutex<BTreeSet<String>>,
    some_back: Notify,
}

impl Heartbeats {
    /// Knows nothing yet; `now` is when this hub began to look.
    pub fn new(now: Instant) -> Self {
        Self { started: now, beats: Mutex::default(), back: Mutex::default(), some_back: Notify::new() }
    }

    fn beats(&self) -> MutexGuard<'_, HashMap<String, Beat>> {
        // A panic elsewhere leaves the map whole: each change is one insert.
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of `member`'s Lease as it is at `now`. True if this brought the member back from silence, so that
    /// somebody should look. The first sight of a Lease is no heartbeat: it may be old.
    pub fn observe(&self, member: &str, lease: &Lease, now: Moment) -> bool {
        let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0.to_string());
        let mark = (lease.metadata.uid.clone(), renewed);
        let annotations = lease.metadata.annotations.as_ref();
        let number = annotations.and_then(|all| all.get(HEARTBEAT_ANNOTATION)?.parse().ok());
        let mut beats = self.beats();
        let Some(beat) = beats.get_mut(member) else {
            beats.insert(member.to_owned(), Beat { mark, seen: None, number, numbered: false });
            return false;
        };
        let changed = beat.mark != mark && beat.mark.0 == mark.0 && mark.1.is_some();
        let was_alive = beat.seen.is_some_and(|seen| now.steady.duration_since(seen.steady) <= SILENCE);
        if beat.mark.0 != mark.0 {
            // Another Lease of the same name: what was seen of the first says nothing of it.
            beat.seen = None;
        }
        if changed {
            beat.numbered = beat.number != number;
        }
        (beat.mark, beat.number) = (mark, number);
        if changed {
            beat.seen = Some(now);
        }
        drop(beats);
        let is_back = changed && !was_alive;
        if is_back {
            self.lock_back().insert(member.to_owned());
            self.some_back.notify_one();
        }
        is_back
    }

    /// Waits until members come back from silence, or are first heard; each is told of once.
    pub async fn heard_again(&self) -> BTreeSet<String> {
        loop {
            let back = std::mem::take(&mut *self.lock_back());
            if !back.is_empty() {
                return back;
            }
            self.some_back.notified().await;
        }
    }

    fn lock_back(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Each change is one insert or one take.
        self.back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a member that left.
    pub fn forget(&self, member: &str) {
        self.beats().remove(member);
    }

    /// What is heard of `member` at `now`. Only what was seen to change counts: the first sight of a Lease may be old.
    pub fn voice(&self, member: &str, now: Instant) -> Voice {
        let beats = self.beats();
        let Some(beat) = beats.get(member) else { return Voice::Silent };
        match (beat.seen, beat.number.filter(|_| beat.numbered)) {
            (Some(seen), number) if now.saturating_duration_since(seen.steady) <= SILENCE => {
                number.map_or(Voice::Unnumbered, Voice::Heard)
            }
            _ => Voice::Silent,
        }
    }

    /// Since when `member` is silent; `None` while it is heard. One that was never heard counts from when this hub began
    /// to look.
    pub fn silent_since(&self, member: &str, now: Instant) -> Option<Instant> {
        let seen = self.beats().get(member).and_then(|beat| beat.seen);
        let since = seen.map_or(self.started, |seen| seen.steady) + SILENCE;
        (since < now).then_some(since)
    }

    /// Whether `member` is alive at `now`. `before` is what the ComputeNode's status says: when it was last seen, and
    /// whether it was alive then. A hub that has just started has seen nothing change yet, and lets that stand for as
    /// long as silence is allowed.
    pub fn pulse(&self, member: &str, before: (Option<Timestamp>, bool), now: Moment) -> Pulse {
        let seen = self.beats().get(member).and_then(|beat| beat.seen);
        let (last_seen, was_alive) = before;
        let left = |since: Instant| SILENCE.checked_sub(now.steady.duration_since(since));
        if let Some(moment) = seen {
            let fresh_for = left(moment.steady);
            return Pulse { alive: fresh_for.is_some(), last_seen: Some(moment.wall), fresh_for };
        }
        let recent = last_seen.is_some_and(|seen| now.wall.duration_since(seen) <= SILENCE_SPAN * 3);
        let fresh_for = left(self.started).filter(|_| was_alive && recent);
        Pulse { alive: fresh_for.is_some(), last_seen, fresh_for }
    }
}
