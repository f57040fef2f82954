//! The agent's side: how long an attempt may run, and what to do when its time is up.

use super::{
    clock::BootMs,
    grant::{Grant, Heartbeat},
    heartbeats::Heartbeats,
    policy::OnLoss,
};
use crate::epoch::Epoch;

/// How long before the end of a grant the agent itself suspends the work. The Job's own deadline comes a moment later and
/// fails the Job for good, where suspended work can be resumed under a new grant.
pub const SUSPEND_LEAD_MS: u64 = 3_000;

/// Why a grant is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It echoes a heartbeat of another process of this agent, whose moment of sending is lost.
    #[error("it echoes a heartbeat of another run of this agent")]
    OtherInstance,
    /// It echoes a heartbeat that wasn't sent, or was sent too long ago to be remembered.
    #[error("it echoes a heartbeat that this agent doesn't know")]
    UnknownHeartbeat,
    /// It echoes an older heartbeat than the one taken last: it was overtaken on its way.
    #[error("it is older than the one taken last")]
    Overtaken,
    /// It is for another attempt.
    #[error("it is for epoch {given}, and this is {held}")]
    OtherEpoch {
        /// The grant's.
        given: Epoch,
        /// The attempt's.
        held: Epoch,
    },
}

/// Until when an attempt may run, as far as this process of the agent knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    epoch: Epoch,
    until: Option<BootMs>,
    taken: Option<Heartbeat>,
}

/// What becomes of an attempt's work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may run, begin and be resumed. Its Job is to end `remaining_ms` from now if nobody says more.
    Granted {
        /// What is left.
        remaining_ms: u64,
    },
    /// What runs may run on within the end that its Job has. Nothing begins and nothing is resumed.
    Leave,
    /// It is to end.
    Fence,
}

impl Term {
    /// Nothing granted yet, or nothing that this process remembers.
    pub const fn new(epoch: Epoch) -> Self {
        Self { epoch, until: None, taken: None }
    }

    /// Takes `grant`, which came with an attempt of `epoch`, given the `heartbeats` sent. Also where its hub was restored
    /// since and is of a later generation: what it inherited goes on. That nothing *begins* of an earlier generation is
    /// for whoever begins it to see to.
    ///
    /// It counts from the sending of the heartbeat that it echoes, so a late one is a short one. It never takes back what
    /// an earlier one gave: the hub counts with that one too.
    pub fn accept(self, epoch: Epoch, grant: Grant, heartbeats: &Heartbeats) -> Result<Self, Refused> {
        if epoch != self.epoch {
            return Err(Refused::OtherEpoch { given: epoch, held: self.epoch });
        }
        let sent = heartbeats.sent_at(grant.heartbeat)?;
        if self.taken.is_some_and(|taken| grant.heartbeat.sequence < taken.sequence) {
            return Err(Refused::Overtaken);
        }
        let until = sent.after(grant.valid_for_ms);
        let until = self.until.map_or(until, |before| before.max(until));
        Ok(Self { until: Some(until), taken: Some(grant.heartbeat), ..self })
    }

    /// What is left at `now`; `None` if this process knows of no grant.
    pub fn remaining_ms(&self, now: BootMs) -> Option<u64> {
        self.until.map(|until| until.since(now))
    }

    /// What becomes of the work at `now`. `job_left_ms` is what is left until the Job's own deadline, by the member's
    /// wall clock; `None` while no such deadline counts: the Job isn't there, doesn't run, or has none.
    ///
    /// An agent that has just begun remembers no grant. The Job does: its deadline was set from the last one.
    pub fn verdict(&self, on_loss: OnLoss, job_left_ms: Option<u64>, now: BootMs) -> Verdict {
        let remaining = self.remaining_ms(now);
        match (remaining, on_loss) {
            (Some(remaining_ms), _) if remaining_ms > SUSPEND_LEAD_MS => Verdict::Granted { remaining_ms },
            (_, OnLoss::Continue) => Verdict::Leave,
            (Some(_), OnLoss::SelfFence) => Verdict::Fence,
            (None, OnLoss::SelfFence) => match job_left_ms {
                Some(left) if left <= SUSPEND_LEAD_MS => Verdict::Fence,
                _ => Verdict::Leave,
            },
        }
    }
}

/// The `activeDeadlineSeconds` of a Job that has run for `elapsed_ms` since its start and may run for `remaining_ms`
/// more. Rounded down, so that the Job's end is never later than the grant's.
pub const fn deadline_seconds(elapsed_ms: u64, remaining_ms: u64) -> u64 {
    elapsed_ms.saturating_add(remaining_ms) / 1_000
}
