//! The lease is open and the attempt goes on: the member is told what is wanted, its usage is metered, its money
//! watched, and its end recorded.

use std::collections::BTreeMap;

use eai_api::{
    aijob::{Attempt, AttemptResult, Outcome, Phase, policy::MOST_BACKOFF_SECONDS},
    assignment::{Acknowledged, AssignmentPhase, Desired},
};
use eai_chain::SettleOutcome;
use eai_core::metering::{UsageMs, affordable};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

use super::{
    Said, checkpoints, drain, keep, meter,
    money::{longest_run_ms, most_runs, most_tries},
    plan::{Plan, Wish},
    rules::MOST_DISRUPTIONS,
    settling,
    situation::{Asked, Ending, Situation, ever_ran, unix_seconds},
    spending, tell,
};
use crate::{
    aijob::words::{Say, reason},
    fencing::Ends,
    heartbeat::Voice,
};

/// Between looks at whether a member has room again for work that is paused, in milliseconds.
const ROOM_RETRY_MS: u64 = 5_000;

/// Between looks at whether a member that was asked to pause or stop can hear it, in milliseconds.
const SILENT_RETRY_MS: u64 = 10_000;

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

/// What the hub wants of the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Run.
    Run,
    /// Pause, because the vendor says so.
    Suspend,
    /// Pause, because there is no more money.
    Short(spending::Short),
    /// Pause, because another job is to have the room.
    GiveWay,
    /// Stay paused, because the member has no room for it now.
    Full,
    /// Stop.
    Stop(Stop),
}

impl Course {
    const fn desired(self) -> Desired {
        match self {
            Self::Run => Desired::Run,
            Self::Suspend | Self::Short(_) | Self::GiveWay | Self::Full => Desired::Pause,
            Self::Stop(_) => Desired::Stop,
        }
    }
}

/// Meters, decides the course, and records the end when there is one.
pub fn step(s: &Situation<'_>, plan: &mut Plan) -> Said {
    let mut attempt = plan.status.attempt.clone()?;
    let unheard = s.member_silent && s.reported() != AssignmentPhase::Paused;
    if attempt.held_since.is_some() && unheard {
        // It goes on with what it last heard, as it must: its grace begins when it can hear again.
        attempt.held_since = Some(s.now_time());
    }
    let bounds = meter::Bounds { runs: most_runs(&s.job.spec), billed_ms: all_runs_ms(s, &attempt, 0) };
    let reading = meter::read(&attempt, s.assignment, s.sight, bounds, s.now_ms());
    attempt.observed = reading.observed;
    attempt.usage_ms = reading.usage.0;
    attempt.lease.hold = spending::hold_now(s, &attempt);
    record_paid(s, &mut attempt);
    record_report(s, plan);
    checkpoints::acknowledge(s, plan, &attempt);
    let stop = stop(s, &attempt);
    if let Some(outcome) = ended(s, &attempt, stop) {
        finish(s, plan, attempt, outcome);
        return None;
    }
    watch_fence(s, plan);
    if !s.member_enrolled {
        // Nothing is written to a member that leaves.
        let say = Say::MemberLeft { member: attempt.member.clone() };
        keep(plan, attempt);
        return Some(say);
    }
    let course = course(s, plan, &attempt, reading.at_most, stop);
    hold_to(s, plan, &mut attempt, course);
    if attempt.held_since.is_some() && unheard {
        plan.by(after_ms(s.now, SILENT_RETRY_MS));
    }
    present_interim(s, plan, &attempt);
    watch_lease(s, plan, &attempt);
    let say = progress(s, plan, &attempt, course);
    keep(plan, attempt);
    Some(say)
}

/// Looks again when a grant is due, or when nothing of the attempt can run any more.
fn watch_fence(s: &Situation<'_>, plan: &mut Plan) {
    let ends = if let Ends::In(ms) = s.tether.ends { Some(ms) } else { None };
    for ms in s.tether.again_ms.into_iter().chain(ends) {
        plan.by(after_ms(s.now, ms));
    }
}

/// What was paid by vouchers so far.
fn record_paid(s: &Situation<'_>, attempt: &mut Attempt) {
    if let Asked::Answered(SettleOutcome::Settled(settled)) = &s.chain.settle {
        attempt.lease.paid = attempt.lease.paid.max(settled.paid);
    }
    if let Some(lease) = s.chain.look.as_ref().and_then(|look| look.lease.as_ref()) {
        attempt.lease.paid = attempt.lease.paid.max(lease.paid);
    }
}

/// What the member's report says of the job as people see it.
fn record_report(s: &Situation<'_>, plan: &mut Plan) {
    let Some(report) = s.assignment.and_then(|a| a.status.as_ref()) else { return };
    let status = &mut plan.status;
    status.started_at = status.started_at.take().or_else(|| report.started_at.clone());
    merge(&mut status.logs, &report.logs, |log| log.index);
    merge(&mut status.outputs, &report.outputs, |output| (output.index, output.name.clone()));
}

/// Adds what is `told` to what is `kept`, each by its `key` once. What was told once stays although a later report doesn't
/// name it: its agent may have lost its memory.
fn merge<T: Clone + PartialEq, K: Ord>(kept: &mut Vec<T>, told: &[T], key: impl Fn(&T) -> K) {
    if kept.as_slice() != told {
        let all = kept.iter().chain(told).map(|one| (key(one), one.clone()));
        *kept = all.collect::<BTreeMap<_, _>>().into_values().collect();
    }
}

/// Why the work is to stop, if it is.
fn stop(s: &Situation<'_>, attempt: &Attempt) -> Option<Stop> {
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
    attempt.fenced && silent && to_run && s.tether.ends == Ends::Passed
}

/// For how many milliseconds more work that runs may be reported running; `None` while it doesn't run.
///
/// Bounds the run since its start, and all runs together by how often the hub had the work start, so that a member that
/// says of itself that it stopped and started again isn't paid for longer. One that says that its cluster took pods away
/// gets the time to run them again, a few times, and no money for it.
fn run_left_ms(s: &Situation<'_>, attempt: &Attempt) -> Option<u64> {
    let since = attempt.observed.running_since_ms?;
    let told = s.assignment.and_then(|a| a.status.as_ref()).map_or(0, |report| report.disruptions);
    let again = u64::from(told.min(MOST_DISRUPTIONS));
    let grace = s.rules.overdue_seconds.saturating_mul(1000);
    let once = longest_run_ms(&s.job.spec).saturating_mul(again + 1).saturating_add(grace);
    let this = once.saturating_sub(s.now_ms().saturating_sub(since));
    Some(this.min(all_runs_ms(s, attempt, again).saturating_sub(attempt.observed.run_ms(s.now_ms()))))
}

/// Milliseconds that all runs of an attempt may take together, if its pods were taken away `again` times.
fn all_runs_ms(s: &Situation<'_>, attempt: &Attempt, again: u64) -> u64 {
    let times = u64::from(attempt.pauses).saturating_add(again).saturating_add(1);
    let grace = s.rules.overdue_seconds.saturating_mul(1000);
    longest_run_ms(&s.job.spec).saturating_mul(times).saturating_add(grace)
}

/// How the attempt ended, if it did.
fn ended(s: &Situation<'_>, attempt: &Attempt, stop: Option<Stop>) -> Option<Outcome> {
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
    let heard = matches!(s.tether.voice, Voice::Heard(_));
    let reason = match s.tether.ends {
        Ends::Passed => reason::MEMBER_LEFT,
        // Agents that take grants begin nothing without, and this one has none.
        _ if s.assignment.is_none() && !attempt.fenced && !ever_ran(attempt) && heard => reason::MEMBER_LEFT,
        Ends::Unknown => reason::MEMBER_REMOVED,
        Ends::In(_) => return None,
    };
    let text = format!("{} left the federation while it had the job.", attempt.member);
    Some(outcome(AttemptResult::Lost, reason, &text))
}

/// The end of work that was asked to stop.
fn stopped(why: Stop) -> Outcome {
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
            let text =
                "The payer or the provider closed the lease on the chain, so soon nothing will pay for the work.";
            outcome(Failed, reason::LEASE_CLOSED, text)
        }
        Stop::AskedBefore => outcome(Failed, reason::STOPPED, "The hub had the work stopped."),
    }
}

fn outcome(result: AttemptResult, reason: &str, message: &str) -> Outcome {
    Outcome { result, reason: reason::clean(reason), message: message.to_owned() }
}

/// Records the end: usage is fixed here, once and for all.
fn finish(s: &Situation<'_>, plan: &mut Plan, mut attempt: Attempt, outcome: Outcome) {
    attempt.observed = attempt.observed.stopped(meter::until(&attempt, s.now_ms()));
    if outcome.result == AttemptResult::Lost {
        // The vendor has nothing to show for it but its last checkpoint, so it isn't charged beyond that, or beyond what
        // vouchers paid already.
        let saved = checkpoints::usage_saved(&plan.status, &attempt, s.job.spec.completions);
        attempt.usage_ms = attempt.usage_ms.min(affordable(attempt.rate, attempt.lease.paid).0.max(saved));
    }
    let report = s.assignment.and_then(|a| a.status.as_ref());
    plan.status.exit_code = report.and_then(|r| r.exit_code);
    plan.status.finished_at = report.and_then(|r| r.finished_at.clone()).or_else(|| Some(s.now_time()));
    attempt.outcome = Some(outcome);
    keep(plan, attempt);
}

/// What the hub wants of the member, with the top-up that goes with it.
fn course(s: &Situation<'_>, plan: &mut Plan, attempt: &Attempt, used: UsageMs, stop: Option<Stop>) -> Course {
    if let Some(stop) = stop {
        return Course::Stop(stop);
    }
    if s.job.spec.suspend {
        return Course::Suspend;
    }
    if s.gives_way_to.is_some() {
        plan.by(after_ms(s.now, ROOM_RETRY_MS));
        return Course::GiveWay;
    }
    let held = s.assignment.is_some_and(|a| a.spec.desired == Desired::Pause);
    let money = spending::standing(s, attempt, used, held);
    if money.may_run && held && s.no_room.is_some() {
        plan.by(after_ms(s.now, ROOM_RETRY_MS));
        return Course::Full;
    }
    if let Some(total) = money.top_up {
        plan.wish(Wish::TopUp(total));
    }
    if money.needs_funds {
        plan.wish(Wish::LookAtFunds);
    }
    if let Some(ms) = money.again_ms {
        plan.by(after_ms(s.now, ms.max(100)));
    }
    if money.may_run { Course::Run } else { Course::Short(money.short) }
}

/// Has the Assignment made, or says in it what is wanted, and sets the times that the member is held to.
fn hold_to(s: &Situation<'_>, plan: &mut Plan, attempt: &mut Attempt, course: Course) {
    match course {
        Course::Stop(_) => {
            attempt.held_since.get_or_insert(s.now_time());
            let by = Time(after_ms(s.now_time().0, s.rules.stop_seconds.saturating_mul(1000)));
            let by = attempt.stop_by.get_or_insert(by);
            if by.0 > s.now {
                plan.by(by.0);
            }
            if course == Course::Stop(Stop::Drained) {
                attempt.drained_at.get_or_insert(s.now_time());
            }
            if course == Course::Stop(Stop::Lapsed) {
                attempt.lapsed_at.get_or_insert(s.now_time());
            }
        }
        Course::Suspend | Course::Short(_) | Course::GiveWay | Course::Full => {
            // A pause isn't the member's doing, so it is no longer held to the time it promised.
            attempt.start_by = None;
            if attempt.held_since.is_none() {
                attempt.held_since = Some(s.now_time());
                attempt.pauses = attempt.pauses.saturating_add(u32::from(ever_ran(attempt)));
            }
        }
        Course::Run => {
            attempt.held_since = None;
            expect_run(s, attempt);
            if let Some(by) = &attempt.start_by {
                plan.by(by.0);
            }
        }
    }
    let drain = s.drain.filter(|_| attempt.drained_at.is_none());
    for at in s.job.spec.deadline.as_ref().map(|at| at.0).into_iter().chain(drain) {
        plan.by(at);
    }
    if let Some(left) = run_left_ms(s, attempt) {
        plan.by(after_ms(s.now, left));
    }
    if s.assignment.is_none() {
        assign(s, plan, attempt, course);
    } else {
        attempt.fenced |= course == Course::Run && s.tether.due.is_some();
        tell(s, plan, course.desired(), &noted(s, attempt));
    }
}

/// Has the Assignment made that isn't there.
fn assign(s: &Situation<'_>, plan: &mut Plan, attempt: &mut Attempt, course: Course) {
    let stop = matches!(course, Course::Stop(_));
    // Without an Assignment the member goes on with work that it began: it must hear what is wanted of that. And where
    // one was asked for that may still come to be, it must come to be stopped.
    let needed = stop || course == Course::Run || ever_ran(attempt);
    match (&s.tether.due, s.tether.voice) {
        _ if !needed => {}
        (Some(grant), _) if course == Course::Run => {
            attempt.fenced = true;
            plan.wish(Wish::Assign(Desired::Run, Some(grant.clone())));
        }
        // An agent of an earlier version takes no grants; of another nothing begins without.
        (None, Voice::Heard(_) | Voice::Silent) if course == Course::Run => plan.by(after_ms(s.now, SILENT_RETRY_MS)),
        _ => plan.wish(Wish::Assign(course.desired(), None)),
    }
}

/// Sets by when work that isn't running must run.
fn expect_run(s: &Situation<'_>, attempt: &mut Attempt) {
    let uploading = s.reported() == AssignmentPhase::Finishing;
    if attempt.observed.running_since_ms.is_some() || uploading {
        attempt.start_by = None;
    } else if attempt.start_by.is_none() {
        // Between two tries of an index its member's cluster may wait.
        let between = if most_tries(&s.job.spec) > 1 { MOST_BACKOFF_SECONDS } else { 0 };
        let fetch = checkpoints::fetch_seconds(&s.status());
        let seconds = s.rules.restart_seconds.saturating_add(between).saturating_add(fetch);
        attempt.start_by = Some(Time(after_ms(s.now_time().0, seconds.saturating_mul(1000))));
    }
}

/// What the hub has taken note of.
fn noted(s: &Situation<'_>, attempt: &Attempt) -> Acknowledged {
    let before = s.assignment.map(|a| a.spec.acknowledged.clone()).unwrap_or_default();
    let paid = attempt.lease.paid;
    // Usage is noted when it is paid for; the rest of the time it would be a write for each report.
    let usage_ms = if paid == before.paid { before.usage_ms } else { attempt.usage_ms };
    Acknowledged { started: before.started || ever_ran(attempt), usage_ms, finished: false, paid }
}

/// Presents a voucher when enough is owed.
fn present_interim(s: &Situation<'_>, plan: &mut Plan, attempt: &Attempt) {
    let due = settling::owed(attempt).saturating_sub(attempt.lease.paid);
    let step = spending::price(attempt).of_run(s.rules.settle_seconds.saturating_mul(1000));
    if !due.is_zero() && due >= step && s.chain.settle != Asked::Waiting {
        plan.wish(Wish::Settle(settling::bill(attempt, false)));
    }
}

/// Looks at the lease now and then: payer and provider can close it without the hub.
fn watch_lease(s: &Situation<'_>, plan: &mut Plan, attempt: &Attempt) {
    let Some(time) = s.chain.time else { return };
    let every = s.rules.look_seconds;
    let opened = attempt.lease.opened_at.as_ref().map_or(0, |at| unix_seconds(at.0));
    let seen = s.chain.look.as_ref().map_or(opened, |look| look.at);
    if seen.saturating_add(every) <= time {
        plan.wish(Wish::LookAtLease);
    }
    plan.by(after_ms(s.now, every.saturating_mul(1000)));
}

/// The phase, and what people are told.
fn progress(s: &Situation<'_>, plan: &mut Plan, attempt: &Attempt, course: Course) -> Say {
    let before = plan.status.phase;
    let reported = s.reported();
    let member = attempt.member.clone();
    let (phase, say) = match (course, reported) {
        (Course::Stop(stop), _) => {
            let phase = if before == Phase::Opening { Phase::Starting } else { before };
            (phase, Say::Stopping { member, why: stopped(stop).message })
        }
        (_, AssignmentPhase::Finishing) => (Phase::Running, Say::Finishing { member }),
        (Course::Run, AssignmentPhase::Running) if attempt.fenced && s.tether.voice == Voice::Silent => {
            (Phase::Running, Say::Unheard { member, until: fence_ends(s) })
        }
        (Course::Run, AssignmentPhase::Running) if let Some(by) = s.drain => {
            (Phase::Running, Say::Emptying { member, by })
        }
        (Course::Run, AssignmentPhase::Running) => {
            (Phase::Running, Say::Running { member, trouble: report_message(s) })
        }
        (Course::Run, AssignmentPhase::Paused) => (Phase::Paused, Say::Resuming { member }),
        (Course::Run, _) => (Phase::Starting, Say::Starting { member, trouble: report_message(s) }),
        (paused, AssignmentPhase::Paused) => (Phase::Paused, paused_words(s, attempt, paused)),
        (paused, _) if s.assignment.is_none() => (Phase::Paused, paused_words(s, attempt, paused)),
        (paused, AssignmentPhase::Running) => (Phase::Running, paused_words(s, attempt, paused)),
        (paused, _) => (before, paused_words(s, attempt, paused)),
    };
    plan.status.phase = phase;
    if phase != before {
        match phase {
            Phase::Running if before == Phase::Paused => plan.note("Resumed", say.message()),
            Phase::Running => plan.note("Started", format!("The work runs on {}.", attempt.member)),
            Phase::Paused => plan.warn("Paused", say.message()),
            _ => {}
        }
    }
    say
}

/// By when the work is begun elsewhere unless its member is heard, to the minute; `None` if it isn't.
fn fence_ends(s: &Situation<'_>) -> Option<Timestamp> {
    let Ends::In(ms) = s.tether.ends else { return None };
    let minute = after_ms(s.now, ms).as_second() / 60 + 1;
    Timestamp::from_second(minute.saturating_mul(60)).ok()
}

fn report_message(s: &Situation<'_>) -> String {
    s.assignment.and_then(|a| a.status.as_ref()).map(|r| r.message.clone()).unwrap_or_default()
}

fn paused_words(s: &Situation<'_>, attempt: &Attempt, course: Course) -> Say {
    match course {
        Course::Short(spending::Short::Budget) => Say::BudgetReached { budget: s.job.spec.budget.unwrap_or_default() },
        Course::Short(spending::Short::Account) => Say::HoldEmpty {
            payer: s.job.spec.payment.account,
            hold: attempt.lease.hold,
            trouble: s.chain.trouble.clone(),
        },
        Course::GiveWay => Say::GaveWay { to: s.gives_way_to.clone().unwrap_or_default() },
        Course::Full => Say::NoRoom {
            member: attempt.member.clone(),
            lacks: s.no_room.as_ref().map(ToString::to_string).unwrap_or_default(),
        },
        _ => Say::Suspended,
    }
}

fn after_ms(from: Timestamp, ms: u64) -> Timestamp {
    from.checked_add(SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX)
}
