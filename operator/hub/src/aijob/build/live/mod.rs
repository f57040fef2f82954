//! The lease is open and the attempt goes on: the member is told what is wanted, its usage is metered, its money
//! watched, and its end recorded.

mod ended;
mod progress;

use std::collections::BTreeMap;

use eai_api::{
    aijob::{Attempt, policy::MOST_BACKOFF_SECONDS},
    artifact::OutputArtifact,
    assignment::{Acknowledged, AssignmentPhase, Desired},
};
use eai_chain::SettleOutcome;
use eai_core::metering::UsageMs;
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

pub use self::ended::Stop;
use self::{
    ended::{all_runs_ms, ended, finish, run_left_ms, stop},
    progress::progress,
};
use super::{
    Said, checkpoints, keep, meter,
    money::{most_runs, most_tries},
    plan::{Plan, Wish},
    settling,
    situation::{Asked, Situation, ever_ran, unix_seconds},
    spending, tell,
};
use crate::{aijob::words::Say, fencing::Ends, heartbeat::Voice};

/// Between looks at whether a member has room again for work that is paused, in milliseconds.
const ROOM_RETRY_MS: u64 = 5_000;

/// Between looks at whether a member that was asked to pause or stop can hear it, in milliseconds.
const SILENT_RETRY_MS: u64 = 10_000;

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
    // What is paused is lent nothing, nor is whoever isn't heard.
    let lends = s.assignment.is_none_or(|a| a.spec.desired == Desired::Run) && s.tether.voice != Voice::Silent;
    for ms in s.tether.again_ms.filter(|_| lends).into_iter().chain(ends) {
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
    let spec = &s.job.spec;
    status.started_at = status.started_at.take().or_else(|| told_time(s, report.started_at.as_ref()));
    // No more than there can be: whatever else a member tells would pile up here.
    let output = |told: &OutputArtifact| spec.outputs.iter().any(|output| output.name == told.name);
    let logs = report.logs.iter().filter(|log| log.index < spec.completions);
    let outputs = report.outputs.iter().filter(|told| told.index < spec.completions && output(told));
    merge(&mut status.logs, logs, |log| log.index);
    merge(&mut status.outputs, outputs, |output| (output.index, output.name.clone()));
}

/// A moment of the work as its member tells it, within what can be: since the attempt was claimed, and not yet to come.
fn told_time(s: &Situation<'_>, told: Option<&Time>) -> Option<Time> {
    let claimed = s.job.status.as_ref()?.attempt.as_ref()?.claimed_at.clone();
    let told = told?.clone().min(s.now_time());
    Some(claimed.map_or(told.clone(), |claimed| told.max(claimed)))
}

/// Adds what is `told` to what is `kept`, each by its `key` once. What was told once stays although a later report doesn't
/// name it: its agent may have lost its memory.
fn merge<'a, T: Clone + 'a, K: Ord>(kept: &mut Vec<T>, told: impl Iterator<Item = &'a T>, key: impl Fn(&T) -> K) {
    let mut all: BTreeMap<K, T> = kept.drain(..).map(|one| (key(&one), one)).collect();
    all.extend(told.map(|one| (key(one), one.clone())));
    *kept = all.into_values().collect();
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
        // Work that began without a grant may not have heard of one: it isn't taken for fenced by being lent one.
        if let (Some(longest), Some(grant)) = (&mut attempt.fenced_for_seconds, &s.tether.due) {
            *longest = (*longest).max(grant.valid_for_seconds);
        }
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
            let longest = attempt.fenced_for_seconds.unwrap_or(0).max(grant.valid_for_seconds);
            attempt.fenced_for_seconds = Some(longest);
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

fn after_ms(from: Timestamp, ms: u64) -> Timestamp {
    from.checked_add(SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX)
}
