//! What members have of work, counted for whoever speaks of members: only of those that are silent, are being emptied or
//! leave. The others' is in their jobs.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_api::{ComputeNode, assignment::AssignmentPhase};
use eai_runtime::clock;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use crate::{
    aijob::{
        apply::current_assignment,
        build::{Stage, stage},
        gather::tether,
    },
    drain,
    fencing::Ends,
    hub::Hub,
};

/// Between counts.
const EVERY: Duration = Duration::from_secs(1);
/// For how long a member must have had nothing to count as empty: a claim that was decided on before it was closed may
/// still be written.
const STAYS_EMPTY: Duration = Duration::from_secs(5);

/// What one member has of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts that go on.
    pub attempts: u32,
    /// Of them, those whose last word from the member isn't on record yet.
    pub unread: u32,
    /// Of them, those that are given to nobody else however long the member is silent.
    pub waiting: u32,
    /// By when the others begin elsewhere if the member stays silent, to the minute.
    pub kept_until: Option<Timestamp>,
    /// Attempts that are over, and whose leases aren't closed yet.
    pub settling: u32,
    /// Nothing is left, for long enough to believe it.
    pub empty: bool,
}

/// One attempt, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Where its job is.
    pub stage: Stage,
    /// Whether the member said how it ended.
    pub ended: bool,
    /// When nothing of it can run any more, unless the member is heard.
    pub ends: Ends,
}

impl Tally {
    /// Counts an attempt at `now`.
    pub fn add(&mut self, attempt: Counted, now: Timestamp) {
        match attempt.stage {
            Stage::Idle | Stage::Over => return,
            Stage::Settling => {
                self.settling += 1;
                return;
            }
            Stage::Opening | Stage::Live => self.attempts += 1,
        }
        if attempt.stage == Stage::Opening {
            // Nothing of it was given to the member.
            return;
        }
        match attempt.ends {
            Ends::Unknown => self.waiting += 1,
            Ends::Passed => {}
            Ends::In(ms) => self.kept_until = self.kept_until.max(minute_after(now, ms)),
        }
        self.unread += u32::from(attempt.ended || !matches!(attempt.ends, Ends::In(_)));
    }

    const fn has_nothing(&self) -> bool {
        self.attempts == 0 && self.settling == 0
    }
}

/// The next whole minute after so many milliseconds, so that what is said of it stays the same.
fn minute_after(now: Timestamp, ms: u64) -> Option<Timestamp> {
    let at = now.checked_add(SignedDuration::from_millis(i64::try_from(ms).ok()?)).ok()?;
    Timestamp::from_second((at.as_second() / 60 + 1).saturating_mul(60)).ok()
}

/// What was last counted.
#[derive(Default)]
pub struct Tallies(Mutex<HashMap<String, (Tally, Option<Instant>)>>);

impl Tallies {
    /// What `member` has at `now`; `None` if that wasn't counted since it fell silent, or was to be emptied or to leave.
    pub fn of(&self, member: &str, now: Instant) -> Option<Tally> {
        let (tally, empty_since) = self.lock().get(member).copied()?;
        let empty = empty_since.is_some_and(|since| now.saturating_duration_since(since) >= STAYS_EMPTY);
        Some(Tally { empty, ..tally })
    }

    /// Takes note of what was counted at `now`. Who isn't counted any more is forgotten.
    pub fn put(&self, counted: HashMap<String, Tally>, now: Instant) {
        let mut all = self.lock();
        let since = |member: &str| all.get(member).and_then(|(_, since)| *since);
        let next = counted.into_iter().map(|(member, tally)| {
            let empty_since = tally.has_nothing().then(|| since(&member).unwrap_or(now));
            (member, (tally, empty_since))
        });
        *all = next.collect();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Tally, Option<Instant>)>> {
        // A panic elsewhere leaves it whole: it is replaced at once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts, until `shutdown`.
pub async fn watch(hub: &Hub, shutdown: CancellationToken) {
    loop {
        hub.ctx.tallies.put(count(hub, clock::now()), Instant::now());
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn count(hub: &Hub, now: Timestamp) -> HashMap<String, Tally> {
    let nodes = hub.world.nodes.state().into_iter().filter(|node| matters(hub, node));
    let mut tallies: HashMap<String, Tally> = nodes.map(|node| (node.name_any(), Tally::default())).collect();
    if tallies.is_empty() {
        return tallies;
    }
    for job in hub.world.jobs.all() {
        let Some(status) = &job.status else { continue };
        let Some(attempt) = &status.attempt else { continue };
        let Some(tally) = tallies.get_mut(&attempt.member) else { continue };
        let stage = stage(status);
        if matches!(stage, Stage::Idle | Stage::Over) {
            continue;
        }
        let assignment = current_assignment(hub, &job, attempt);
        let said = assignment.as_ref().and_then(|a| a.status.as_ref()).map(|said| said.phase);
        let ends = tether(hub, &job, attempt, assignment.as_deref()).ends;
        let ended = said.is_some_and(AssignmentPhase::is_final);
        tally.add(Counted { stage, ended, ends }, now);
    }
    tallies
}

/// Whether somebody wants to know what a member has.
fn matters(hub: &Hub, node: &ComputeNode) -> bool {
    let name = node.name_any();
    let report = hub.world.report(&name);
    node.metadata.deletion_timestamp.is_some()
        || drain::by(node, report.as_deref().map(|report| &report.spec)).is_some()
        || node.spec.accepted && hub.ctx.heartbeats.silent_since(&name, Instant::now()).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn counted(stage: Stage, ended: bool, ends: Ends) -> Counted {
        Counted { stage, ended, ends }
    }

    #[test]
    fn what_goes_on_what_waits_and_what_is_settled_are_told_apart() {
        let mut tally = Tally::default();
        for attempt in [
            counted(Stage::Idle, false, Ends::Unknown),
            counted(Stage::Over, true, Ends::Passed),
            counted(Stage::Settling, true, Ends::Unknown),
            counted(Stage::Opening, false, Ends::Unknown),
            counted(Stage::Live, false, Ends::In(90_000)),
            counted(Stage::Live, false, Ends::In(10_000)),
            counted(Stage::Live, true, Ends::In(10_000)),
            counted(Stage::Live, false, Ends::Unknown),
            counted(Stage::Live, false, Ends::Passed),
        ] {
            tally.add(attempt, at(0));
        }
        assert_eq!((tally.attempts, tally.settling, tally.waiting), (6, 1, 1));
        assert_eq!(tally.unread, 3, "said to have ended, not fenced, and with a grant that has run out");
        assert_eq!(tally.kept_until, Some(at(120)), "the latest, to the minute");
    }

    #[test]
    fn a_member_is_empty_once_it_was_so_for_a_while() {
        let (tallies, start) = (Tallies::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let put = |attempts, at| {
            let tally = Tally { attempts, ..Tally::default() };
            tallies.put([("home".to_owned(), tally)].into(), at);
        };
        assert_eq!(tallies.of("home", start), None);
        put(0, start);
        put(0, after(4));
        assert!(!tallies.of("home", after(4)).unwrap().empty);
        put(1, after(5));
        assert!(!tallies.of("home", after(6)).unwrap().empty, "a claim that was under way");
        put(0, after(7));
        put(0, after(12));
        assert!(tallies.of("home", after(12)).unwrap().empty);
        tallies.put(HashMap::new(), after(13));
        assert_eq!(tallies.of("home", after(13)), None);
    }
}
