//! Why work is to stop, and how an attempt has ended.

use eai_api::{
    aijob::{Attempt, AttemptResult, Outcome},
    assignment::{AssignmentPhase, Desired},
};
use eai_core::metering::affordable;

use super::{
    super::{
        checkpoints, drain, keep, meter,
        money::longest_run_ms,
        plan::Plan,
        rules::MOST_DISRUPTIONS,
        situation::{Ending, Situation, ever_ran},
    },
    told_time,
};
use crate::{aijob::words::reason, fencing::Ends, heartbeat::Voice};

/// Why the work is to stop for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody or something ends the job.
    Ending(Ending),
    /// The work didn't run in time.
    NotStarted,
    /// It ran, and then didn't run again in time.
    NotGoingOn,
    /// Nothing was heard of its member until its grant had run out.
    Lapsed,
    /// Its member is being emptied.
    Drained,
    /// It runs longer than it may.
    Overdue,
    /// Somebody began to close the lease.
    LeaseClosing,
    /// It was asked to stop before, for a reason that no longer shows.
    AskedBefore,
}

/// Why the work is to stop, if it is.
pub(super) fn stop(s: &Situation<'_>, attempt: &Attempt) -> Option<Stop> {
    if let Some(ending) = s.ending() {
        return Some(Stop::Ending(ending));
    }
    if s.lease_is_closing() {
        return Some(Stop::LeaseClosing);
    }
    if attempt.lapsed_at.is_some() || lapsed(s, attempt) {
        return Some(Stop::Lapsed);
    }
    if drain::ends(s, attempt) {
        return Some(Stop::Drained);
    }
    let late = attempt.start_by.as_ref().is_some_and(|by| by.0 <= s.now);
    if late && attempt.observed.running_since_ms.is_none() {
        return Some(if ever_ran(attempt) { Stop::NotGoingOn } else { Stop::NotStarted });
    }
    if run_left_ms(s, attempt).is_some_and(|left| left == 0) {
        return Some(Stop::Overdue);
    }
    let asked = s.assignment.is_some_and(|a| a.spec.desired == Desired::Stop);
    asked.then_some(Stop::AskedBefore)
}

/// Whether nothing is heard of the member, and nothing that it was lent holds any more. Work that is paused waits for it.
fn lapsed(s: &Situation<'_>, attempt: &Attempt) -> bool {
    let silent = s.tether.voice == Voice::Silent && s.member_enrolled;
    let to_run = attempt.held_since.is_none() && !s.job.spec.suspend;
    attempt.fenced_for_seconds.is_some() && silent && to_run && s.tether.ends == Ends::Passed
}

/// For how many milliseconds more work that runs may be reported running; `None` while it doesn't run.
///
/// Bounds the run since its start, and all runs together by how often the hub had the work start, so that a member that
/// says of itself that it stopped and started again isn't paid for longer. One that says that its cluster took pods away
/// gets the time to run them again, a few times, and no money for it.
pub(super) fn run_left_ms(s: &Situation<'_>, attempt: &Attempt) -> Option<u64> {
    let since = attempt.observed.running_since_ms?;
    let told = s.assignment.and_then(|a| a.status.as_ref()).map_or(0, |report| report.disruptions);
    let again = u64::from(told.min(MOST_DISRUPTIONS));
    let grace = s.rules.overdue_seconds.saturating_mul(1000);
    let once = longest_run_ms(&s.job.spec).saturating_mul(again + 1).saturating_add(grace);
    let this = once.saturating_sub(s.now_ms().saturating_sub(since));
    Some(this.min(all_runs_ms(s, attempt, again).saturating_sub(attempt.observed.run_ms(s.now_ms()))))
}

/// Milliseconds that all runs of an attempt may take together, if its pods were taken away `again` times.
pub(super) fn all_runs_ms(s: &Situation<'_>, attempt: &Attempt, again: u64) -> u64 {
    let times = u64::from(attempt.pauses).saturating_add(again).saturating_add(1);
    let grace = s.rules.overdue_seconds.saturating_mul(1000);
    longest_run_ms(&s.job.spec).saturating_mul(times).saturating_add(grace)
}

/// How the attempt ended, if it did.
pub(super) fn ended(s: &Situation<'_>, attempt: &Attempt, stop: Option<Stop>) -> Option<Outcome> {
    use AttemptResult::{Failed, Lost, Succeeded};
    let said = |result, fallback: &str| {
        let report = s.assignment.and_then(|a| a.status.as_ref());
        let word = report.map_or("", |r| r.reason.as_str());
        let message = report.map_or("", |r| r.message.as_str());
        Some(outcome(result, if word.is_empty() { fallback } else { word }, message))
    };
    match s.reported() {
        AssignmentPhase::Succeeded => said(Succeeded, reason::COMPLETED),
        AssignmentPhase::Failed => {
            let word = s.assignment.and_then(|a| a.status.as_ref()).map_or("", |r| r.reason.as_str());
            said(if reason::is_the_members(word) { Lost } else { Failed }, reason::WORK_FAILED)
        }
        AssignmentPhase::Lost => said(Lost, reason::WORK_LOST),
        AssignmentPhase::Refused => {
            let report = s.assignment.and_then(|a| a.status.as_ref());
            let (word, why) = report.map_or(("", ""), |r| (r.reason.as_str(), r.message.as_str()));
            let kind = match word {
                // What was seen running there may run on, so it isn't a start that failed.
                _ if ever_ran(attempt) => reason::DISOWNED,
                reason::NO_ROOM => reason::NO_ROOM,
                _ => reason::REFUSED,
            };
            Some(outcome(Lost, kind, &format!("{} refused the work ({word}): {why}", attempt.member)))
        }
        AssignmentPhase::Stopped => Some(stopped(stop.unwrap_or(Stop::AskedBefore))),
        _ => without_word(s, attempt, stop),
    }
}

/// The end of an attempt that the member says nothing about.
fn without_word(s: &Situation<'_>, attempt: &Attempt, stop: Option<Stop>) -> Option<Outcome> {
    let passed = s.tether.ends == Ends::Passed;
    if !s.member_enrolled {
        return removed(s, attempt);
    }
    let stop = stop?;
    // What was stopped gets no other grant, so nothing of it can run any more.
    if passed && s.assignment.is_some_and(|a| a.spec.desired == Desired::Stop) {
        return Some(stopped(stop));
    }
    if attempt.stop_by.as_ref().is_none_or(|by| by.0 > s.now) {
        return None;
    }
    match stop {
        Stop::Ending(Ending::Cancelled) => Some(stopped(stop)),
        // Nothing follows it, so only the money matters.
        Stop::Ending(_) | Stop::LeaseClosing => Some(silent(attempt)),
        // Nothing tells when it has ended, and no harm is done by waiting: the member takes no new work.
        Stop::Drained if s.tether.voice == Voice::Silent => None,
        _ => (s.tether.ends == Ends::Unknown).then(|| silent(attempt)),
    }
}

/// The end of an attempt that was asked to stop, in vain.
fn silent(attempt: &Attempt) -> Outcome {
    let text = format!("{} was asked to stop the work and didn't answer.", attempt.member);
    outcome(AttemptResult::Lost, reason::MEMBER_SILENT, &text)
}

/// The end of an attempt whose member was removed. Its Assignment went with its namespace, so no grant can follow; what
/// was lent before runs out by itself.
fn removed(s: &Situation<'_>, attempt: &Attempt) -> Option<Outcome> {
    let reason = match s.tether.ends {
        Ends::Passed => reason::MEMBER_LEFT,
        // What its member never heard of can't run there.
        _ if s.tether.unheard_of && !ever_ran(attempt) => reason::MEMBER_LEFT,
        Ends::Unknown => reason::MEMBER_REMOVED,
        Ends::In(_) => return None,
    };
    let text = format!("{} left the federation while it had the job.", attempt.member);
    Some(outcome(AttemptResult::Lost, reason, &text))
}

/// The end of work that was asked to stop.
pub(super) fn stopped(why: Stop) -> Outcome {
    use AttemptResult::{Cancelled, Failed, Lost};
    match why {
        Stop::Ending(Ending::Cancelled) => outcome(Cancelled, reason::CANCELLED, "The vendor ended the job."),
        Stop::Ending(Ending::Deadline) => {
            outcome(Failed, reason::DEADLINE_EXCEEDED, "The job's deadline passed before the work was done.")
        }
        Stop::NotStarted => outcome(
            Lost,
            reason::NOT_STARTED_IN_TIME,
            "The member didn't get the work running in the time it promised.",
        ),
        Stop::NotGoingOn => outcome(
            Lost,
            reason::NOT_GOING_ON,
            "The work ran, and then the member didn't get the rest of it running in time.",
        ),
        Stop::Lapsed => outcome(
            Lost,
            reason::MEMBER_LOST,
            "Nothing was heard of the member until its right to run the work had run out.",
        ),
        Stop::Drained => outcome(
            Lost,
            reason::DRAINED,
            "The member is being emptied, so the work was ended there to be begun elsewhere.",
        ),
        Stop::Overdue => {
            outcome(Failed, reason::OVERDUE, "The work ran on past maxDurationSeconds, so the hub had it stopped.")
        }
        Stop::LeaseClosing => {
            let text = "The lease was closed on the chain, by the payer or the provider, or by this hub before it was \
                        restored from a backup, so nothing will pay for the work.";
            outcome(Failed, reason::LEASE_CLOSED, text)
        }
        Stop::AskedBefore => outcome(Failed, reason::STOPPED, "The hub had the work stopped."),
    }
}

fn outcome(result: AttemptResult, reason: &str, message: &str) -> Outcome {
    Outcome { result, reason: reason::clean(reason), message: message.to_owned() }
}

/// Records the end: usage is fixed here, once and for all.
pub(super) fn finish(s: &Situation<'_>, plan: &mut Plan, mut attempt: Attempt, outcome: Outcome) {
    attempt.observed = attempt.observed.stopped(meter::until(&attempt, s.now_ms()));
    if outcome.result == AttemptResult::Lost {
        // The vendor has nothing to show for it but its last checkpoint, so it isn't charged beyond that, or beyond what
        // vouchers paid already.
        let saved = checkpoints::usage_saved(&plan.status, &attempt, s.job.spec.completions);
        attempt.usage_ms = attempt.usage_ms.min(affordable(attempt.rate, attempt.lease.paid).0.max(saved));
    }
    let report = s.assignment.and_then(|a| a.status.as_ref());
    plan.status.exit_code = report.and_then(|r| r.exit_code);
    plan.status.finished_at = report.and_then(|r| told_time(s, r.finished_at.as_ref())).or_else(|| Some(s.now_time()));
    attempt.outcome = Some(outcome);
    keep(plan, attempt);
}
