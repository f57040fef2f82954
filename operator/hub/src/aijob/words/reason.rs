//! Reasons of outcomes, in one word each.

/// All completions succeeded.
pub const COMPLETED: &str = "Completed";
/// The work's own failure.
pub const WORK_FAILED: &str = "WorkFailed";
/// The member lost the work.
pub const WORK_LOST: &str = "WorkLost";
/// The member's owner doesn't allow the work.
pub const REFUSED: &str = "Refused";
/// The member's owner doesn't allow it beside what runs there now.
pub const NO_ROOM: &str = "NoRoom";
/// The member has the work no more, or says so, after it was seen running there.
pub const DISOWNED: &str = "Disowned";
/// The member didn't get work that ran going again.
pub const NOT_GOING_ON: &str = "NotGoingOn";
/// The node that ran the work doesn't answer.
pub const NODE_LOST: &str = "NodeLost";
/// The member broke its promise.
pub const NOT_STARTED_IN_TIME: &str = "NotStartedInTime";
/// Nothing was heard of the member until its right to run the work had run out.
pub const MEMBER_LOST: &str = "MemberLost";
/// The member was being emptied.
pub const DRAINED: &str = "Drained";
/// The member was removed, and its right to run the work had run out.
pub const MEMBER_LEFT: &str = "MemberLeft";
/// The member was removed, and its work isn't fenced.
pub const MEMBER_REMOVED: &str = "MemberRemoved";
/// The member didn't answer.
pub const MEMBER_SILENT: &str = "MemberSilent";
/// The vendor ended the job.
pub const CANCELLED: &str = "Cancelled";
/// The deadline passed.
pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
/// The work ran too long.
pub const OVERDUE: &str = "Overdue";
/// Somebody closed the lease.
pub const LEASE_CLOSED: &str = "LeaseClosed";
/// The hub had it stopped.
pub const STOPPED: &str = "Stopped";

/// Whether work that ended so may be started again elsewhere. Not where the old work may still run, because it isn't
/// fenced by grants: that could run it twice.
pub fn may_be_repeated(reason: &str) -> bool {
    ![MEMBER_REMOVED, MEMBER_SILENT, DISOWNED, LEASE_CLOSED, DEADLINE_EXCEEDED, CANCELLED].contains(&reason)
}

/// Whether the attempt was taken away from a member on purpose, which uses up none of the job's tries.
pub fn is_a_move(reason: &str) -> bool {
    [DRAINED, MEMBER_LEFT].contains(&reason)
}

/// Whether work that failed for this reason failed through its member rather than by itself: what its agent says, or
/// its kubelet of a pod.
pub fn is_the_members(reason: &str) -> bool {
    let by_agent = [NODE_LOST, NOT_GOING_ON, "AgentAway", "FenceExpired", "Disrupted", "NoPod", "Unschedulable"];
    let by_kubelet = ["Preempting", "Terminated", "NodeShutdown", "UnexpectedAdmissionError"];
    let words = [by_agent.as_slice(), &by_kubelet].concat();
    words.contains(&reason) || reason.starts_with("OutOf") || reason.starts_with("Outof")
}

/// A member's word for a reason, as a condition can hold it.
pub fn clean(said: &str) -> String {
    let word: String = said.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    if word.starts_with(|c: char| c.is_ascii_alphabetic()) { word } else { STOPPED.to_owned() }
}
