//! Where an attempt that goes on is, for people.

use eai_api::{
    aijob::{Attempt, Phase},
    assignment::AssignmentPhase,
};
use k8s_openapi::jiff::Timestamp;

use super::{
    super::{plan::Plan, situation::Situation, spending},
    Course, after_ms,
    ended::stopped,
};
use crate::{aijob::words::Say, fencing::Ends, heartbeat::Voice};

/// The phase, and what people are told.
pub(super) fn progress(s: &Situation<'_>, plan: &mut Plan, attempt: &Attempt, course: Course) -> Say {
    let before = plan.status.phase;
    let reported = s.reported();
    let member = attempt.member.clone();
    let (phase, say) = match (course, reported) {
        (Course::Stop(stop), _) => {
            let phase = if before == Phase::Opening { Phase::Starting } else { before };
            (phase, Say::Stopping { member, why: stopped(stop).message })
        }
        (_, AssignmentPhase::Finishing) => (Phase::Running, Say::Finishing { member }),
        (Course::Run, AssignmentPhase::Running)
            if attempt.fenced_for_seconds.is_some() && s.tether.voice == Voice::Silent =>
        {
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
