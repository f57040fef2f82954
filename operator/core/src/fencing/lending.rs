//! The hub's side: what to grant now.

use super::{
    clock::SteadyMs,
    expiry::Known,
    grant::{Grant, Heartbeat},
    policy::Policy,
};

/// What to grant an attempt that is to run, given its member's `latest` heartbeat and what is `known` of its last grant.
/// `None` leaves what is there. The heartbeat should be one that came in lately: an old one makes a short grant, and the
/// next is a third of a validity away.
///
/// Renewed when a third of it is used up, and at once for an agent that began anew and so has forgotten the last one. A
/// grant never ends before the last one does: an attempt keeps the longest validity that it was ever given.
pub fn grant_now(policy: &Policy, known: Option<&Known>, latest: Option<Heartbeat>, now: SteadyMs) -> Option<Grant> {
    let heartbeat = latest?;
    let fresh = Grant { heartbeat, valid_for_ms: policy.valid_for_ms };
    let Some(last) = known.and_then(|known| known.grant.map(|grant| (grant, known.at))) else { return Some(fresh) };
    let (grant, at) = last;
    if grant.heartbeat == heartbeat {
        return None;
    }
    let due = now.since(at) >= policy.renew_after_ms().min(grant.valid_for_ms / 3);
    let anew = grant.heartbeat.instance != heartbeat.instance;
    let valid_for_ms = policy.valid_for_ms.max(grant.valid_for_ms);
    (due || anew).then_some(Grant { heartbeat, valid_for_ms })
}
