//! What a member says of an attempt although it can't be. It isn't paid for it ([`super::meter`]); here it is told from what
//! slow networks, restarts and clocks that are off do to honest members.

use eai_api::{Assignment, aijob::Attempt};
use eai_core::metering::{MilliUnits, affordable, usage};

use super::situation::unix_ms;

/// How much longer than it can have run work may be said to have: seconds are whole, and pods end a while after they are
/// asked to.
const SLACK_MS: u64 = 60_000;
/// How far a member's clock may be off.
const CLOCK_MS: u64 = 3_600_000;

/// What of `assignment`'s report on `attempt` can't be at `now_ms`, in words that stay the same.
pub fn doubt(attempt: &Attempt, assignment: &Assignment, now_ms: u64) -> Option<String> {
    let report = assignment.status.as_ref()?;
    let made = unix_ms(assignment.metadata.creation_timestamp.as_ref()?.0);
    let units = MilliUnits(attempt.milli_units);
    let slack = usage(units, SLACK_MS).0;
    let most = usage(units, now_ms.saturating_sub(made)).0.saturating_add(slack);
    let paid = affordable(attempt.rate, attempt.lease.paid).0.min(attempt.usage_ms);
    let times = [&report.started_at, &report.finished_at].map(|at| at.as_ref().map(|at| unix_ms(at.0)));
    let cannot = |at: u64| at.saturating_add(CLOCK_MS) < made || at > now_ms.saturating_add(CLOCK_MS);
    let what = if report.usage_ms > most {
        "more usage than can have run since it was given it"
    } else if report.usage_ms.saturating_add(slack) < paid {
        "less usage than it reported before, and was paid for"
    } else if times.into_iter().flatten().any(cannot) {
        "times at which it can't have run"
    } else {
        return None;
    };
    let job = &assignment.spec.job;
    Some(format!("for attempt {} of {}/{} {what}", attempt.epoch.attempt, job.namespace, job.name))
}
