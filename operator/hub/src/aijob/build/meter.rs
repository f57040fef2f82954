//! From a member's report to usage that counts.

use eai_api::{Assignment, aijob::Attempt, assignment::AssignmentPhase};
use eai_core::metering::{MilliUnits, Observed, UsageMs, affordable, usage};

use super::{
    rules::POD_GRACE_MS,
    situation::{Sight, ever_ran, unix_ms},
};

/// The longest run that this process, while watching, can fail to see: agents report a start at once and usage every
/// 5 s, so work of which only the end was seen ran no longer than this.
const UNSEEN_RUN_MS: u64 = 10_000;

/// What counts of an attempt, as of one report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The hub's own measure.
    pub observed: Observed,
    /// Usage that counts, clamped; never less than was paid for.
    pub usage: UsageMs,
    /// The most that can have been used by now, for keeping within the hold.
    pub at_most: UsageMs,
}

/// What can be true of an attempt at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How often pods follow each other without the hub's doing.
    pub runs: u64,
    /// Milliseconds of running in all. Where its member's cluster took pods away the work may run for longer, and isn't
    /// billed for it.
    pub billed_ms: u64,
}

/// The time up to which work counts at `now_ms`, both in Unix milliseconds.
pub fn until(attempt: &Attempt, now_ms: u64) -> u64 {
    attempt.held_since.as_ref().map_or(now_ms, |since| now_ms.min(unix_ms(since.0).saturating_add(POD_GRACE_MS)))
}

/// Reads `assignment`'s report at `now_ms` on top of what `attempt` recorded, within `bounds`.
///
/// Work that was asked to pause or stop counts until its pods must have ended, whatever the member says.
pub fn read(attempt: &Attempt, assignment: Option<&Assignment>, sight: Sight, bounds: Bounds, now_ms: u64) -> Reading {
    let now_ms = until(attempt, now_ms);
    let units = MilliUnits(attempt.milli_units);
    let starts = u32::try_from(bounds.runs).unwrap_or(u32::MAX).saturating_add(attempt.pauses);
    let seen = |observed: Observed| observed.clamp(units, UsageMs(u64::MAX), starts, now_ms);
    let before = UsageMs(attempt.usage_ms);
    let Some((assignment, status)) = assignment.and_then(|a| a.status.as_ref().map(|s| (a, s))) else {
        // No word from the member: what was recorded stands, and work that ran is taken to run on.
        return Reading { observed: attempt.observed, usage: before, at_most: seen(attempt.observed) };
    };
    let running = status.phase == AssignmentPhase::Running && status.running > 0;
    let observed = observe(attempt, assignment, running, sight, now_ms);
    let reported = UsageMs(status.usage_ms);
    // A later report may say less: when the work really ended is known only some time after it did.
    let paid = affordable(attempt.rate, attempt.lease.paid).min(before);
    let most = usage(units, bounds.billed_ms);
    let counted = observed.clamp(units, reported, starts, now_ms).min(most).max(paid);
    let at_most = if running {
        let since = now_ms.saturating_sub(sight.reported_ms);
        let forecast = UsageMs(reported.0.saturating_add(usage(units, since).0));
        forecast.min(seen(observed)).max(counted)
    } else {
        counted
    };
    Reading { observed, usage: counted, at_most }
}

/// The hub's own measure with this report added.
///
/// It begins at the hub's first sight of the work running. Two cases have no such sight: this process began after the
/// work did, or the work was too short to be seen. Then the member's word counts, within what can be true: not before
/// the Assignment was made, by the API server's clock, and no longer than what a watching hub can miss.
fn observe(attempt: &Attempt, assignment: &Assignment, running: bool, sight: Sight, now_ms: u64) -> Observed {
    let before = attempt.observed;
    if running && before.running_since_ms.is_none() && attempt.held_since.is_some() && ever_ran(attempt) {
        // It was asked not to run: nothing begins.
        return before;
    }
    let said_start = assignment.status.as_ref().and_then(|s| s.started_at.as_ref()).map(|t| unix_ms(t.0));
    let (Some(start), true) = (said_start, before.intervals == 0) else {
        return if running { before.running(now_ms) } else { before.stopped(now_ms) };
    };
    if running && sight.watched {
        return before.running(now_ms);
    }
    let made = assignment.metadata.creation_timestamp.as_ref().map_or(now_ms, |t| unix_ms(t.0));
    let start = start.max(made).min(now_ms);
    if running {
        return before.running(start);
    }
    let said_end = assignment.status.as_ref().and_then(|s| s.finished_at.as_ref()).map(|t| unix_ms(t.0));
    let end = said_end.unwrap_or(now_ms).clamp(start, now_ms);
    let end = if sight.watched { end.min(start.saturating_add(UNSEEN_RUN_MS)) } else { end };
    before.running(start).stopped(end)
}
