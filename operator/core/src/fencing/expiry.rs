//! The hub's side: when an attempt of a member that doesn't answer may be given to another.

use super::{
    clock::SteadyMs,
    grant::Grant,
    policy::{OnLoss, Policy},
};

/// What this process of the hub knows of the last grant that an attempt was given, and since when.
///
/// The moment is when this process came to know of the grant, by writing it or by seeing it first. The heartbeat that the
/// grant echoes was sent before that. A hub that has just begun knows no moment of anything that was written before, and
/// so counts from its own first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    /// The last grant; `None` if none was seen, which is no proof that none was given.
    pub grant: Option<Grant>,
    /// Since when this process knows it.
    pub at: SteadyMs,
}

impl Known {
    /// Takes note of an attempt whose record bears `grant` at `now`. What was known already keeps its moment.
    #[must_use]
    pub fn saw(before: Option<Self>, grant: Option<Grant>, now: SteadyMs) -> Self {
        match before {
            Some(known) if known.grant == grant || grant.is_none() => known,
            _ => Self { grant, at: now },
        }
    }
}

/// When an attempt of a silent member may be given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Not before its member answers or its vendor gives it up.
    Never,
    /// Not before this moment.
    At(SteadyMs),
    /// Now: nothing of it can run any more.
    Passed,
}

/// When an attempt may be given to another although its member says nothing. `frozen_until` is the end of a pause after
/// a mass silence.
///
/// The caller must know that no later grant can be written: it has written, on top of the very version that bears this
/// grant, that the attempt is to stop.
pub fn expiry(
    policy: &Policy,
    on_loss: OnLoss,
    known: &Known,
    frozen_until: Option<SteadyMs>,
    now: SteadyMs,
) -> Expiry {
    if on_loss == OnLoss::Continue {
        return Expiry::Never;
    }
    let valid_for_ms = known.grant.map_or(0, |grant| grant.valid_for_ms).max(policy.valid_for_ms);
    let at = known.at.after(policy.fence_after_ms(valid_for_ms));
    let at = frozen_until.map_or(at, |until| at.max(until));
    if now >= at { Expiry::Passed } else { Expiry::At(at) }
}

/// Since when this process has led, and whether what it found may be older than what was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    /// When it began.
    pub since: SteadyMs,
    /// Whether the record was restored from a backup: attempts that the record doesn't know may be running.
    pub restored: bool,
}

impl Tenure {
    /// Whether work may begin that the record says isn't running anywhere. After a restore that is only so once every
    /// grant that the lost part of the record can have held has run out.
    pub fn may_begin(&self, policy: &Policy, now: SteadyMs) -> bool {
        !self.restored || now >= self.since.after(policy.fence_after_ms(policy.valid_for_ms))
    }
}
