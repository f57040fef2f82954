//! Conditions (kstatus): each has a type, a status, a reason in one word and one sentence a person can act on.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

/// kstatus: the object is as asked for.
pub const READY: &str = "Ready";
/// kstatus: the controller is at work.
pub const RECONCILING: &str = "Reconciling";
/// kstatus: nothing goes on until somebody acts.
pub const STALLED: &str = "Stalled";
/// ComputeNode: an admin accepted the member.
pub const ACCEPTED: &str = "Accepted";
/// ComputeNode: the member's heartbeat is fresh; it can be given work.
pub const AVAILABLE: &str = "Available";
/// ComputeNode: nothing is heard of the member.
pub const UNREACHABLE: &str = "Unreachable";
/// ComputeNode: the member works, but not with all it has.
pub const DEGRADED: &str = "Degraded";
/// ComputeNode: the member is being emptied.
pub const DRAINING: &str = "Draining";
/// AIJob: a member was chosen.
pub const PLACED: &str = "Placed";
/// AIJob: a lease is open and holds the money.
pub const FUNDED: &str = "Funded";
/// AIJob: paid and refunded to the wei.
pub const SETTLED: &str = "Settled";

/// A condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It doesn't.
    False,
    /// It can't be told now.
    Unknown,
}

impl Status {
    const fn text(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Sets a condition, keeping its transition time while the status stays the same.
pub fn set(
    conditions: &mut Vec<Condition>,
    kind: &str,
    status: Status,
    reason: &str,
    message: impl Into<String>,
    observed_generation: Option<i64>,
    now: Timestamp,
) {
    let before = conditions.iter().find(|c| c.type_ == kind && c.status == status.text());
    let condition = Condition {
        type_: kind.to_owned(),
        status: status.text().to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
        observed_generation,
        last_transition_time: before.map_or(Time(now), |c| c.last_transition_time.clone()),
    };
    match conditions.iter_mut().find(|c| c.type_ == kind) {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
}

/// Removes a condition that no longer says anything.
pub fn clear(conditions: &mut Vec<Condition>, kind: &str) {
    conditions.retain(|c| c.type_ != kind);
}

/// Whether a condition is there and true.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|c| c.type_ == kind && c.status == "True")
}
