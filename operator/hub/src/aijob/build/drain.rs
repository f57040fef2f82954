//! A member that is being emptied: which of its attempts are ended, to be begun elsewhere.

use eai_api::{aijob::Attempt, assignment::AssignmentPhase as Report};

use super::situation::Situation;

/// Whether the attempt is ended for it. What was once asked for stays so, whatever becomes of the member.
pub fn ends(s: &Situation<'_>, attempt: &Attempt) -> bool {
    attempt.drained_at.is_some() || s.drain.is_some_and(|by| by <= s.now || may_move(s, attempt))
}

/// Whether nothing is lost by ending it now, or nothing that its vendor didn't put up with beforehand. What has run and
/// is on its way home is waited for.
fn may_move(s: &Situation<'_>, attempt: &Attempt) -> bool {
    let runs = attempt.observed.running_since_ms.is_some() || s.reported() == Report::Running;
    s.reported() != Report::Finishing && (s.job.spec.preemptible || !runs)
}
