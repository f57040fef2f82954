//! What keeps the protocol safe, guard by guard, each of which a test can take away.

/// The guards. All are up in the protocol that ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each can be taken away by itself")]
pub struct Guards {
    /// A grant counts from the sending of the heartbeat that it echoes, not from its arrival.
    pub from_sending: bool,
    /// A heartbeat's sequence counts only for the process that sent it.
    pub same_instance: bool,
    /// The hub's wait allows for clocks that are off.
    pub skew: bool,
    /// The hub's wait allows for the grace that work has to end in.
    pub grace: bool,
    /// A hub counts what it didn't write from its own first sight.
    pub first_sight: bool,
    /// A claim is written only on top of the record that was read.
    pub conditional_claim: bool,
    /// A grant is written only on top of the Assignment that was read.
    pub conditional_grant: bool,
    /// An attempt is ended only once its Assignment says Stop.
    pub stop_first: bool,
    /// Also one whose Assignment isn't there: it is made, stopped, so that nobody else can make it.
    pub tombstone: bool,
    /// The agent ends work whose grant has run out.
    pub self_fence: bool,
    /// The Job's own deadline ends work whose agent is dead.
    pub deadline: bool,
    /// That deadline counts from the Job's present start, not from the one before its suspension.
    pub fresh_start: bool,
    /// That deadline is rounded down.
    pub round_down: bool,
    /// Work begins only under a grant.
    pub granted_start: bool,
    /// Suspended work is resumed only under a grant.
    pub granted_resume: bool,
    /// An agent that began anew leaves the Job's deadline as it is until it has a grant.
    pub leave: bool,
    /// A restored hub begins nothing until what it doesn't know has run out.
    pub restored_waits: bool,
    /// That it still waits is written in what was restored, so that its next process knows.
    pub restore_is_marked: bool,
    /// Work that continues without the hub is given to nobody else.
    pub continue_waits: bool,
    /// Only the current epoch settles.
    pub current_epoch: bool,
    /// Readings are cumulative: one that comes twice counts once.
    pub cumulative: bool,
    /// What has settled never falls.
    pub never_falls: bool,
}

impl Guards {
    /// All up.
    pub const ALL: Self = Self {
        from_sending: true,
        same_instance: true,
        skew: true,
        grace: true,
        first_sight: true,
        conditional_claim: true,
        conditional_grant: true,
        stop_first: true,
        tombstone: true,
        self_fence: true,
        deadline: true,
        fresh_start: true,
        round_down: true,
        granted_start: true,
        granted_resume: true,
        leave: true,
        restored_waits: true,
        restore_is_marked: true,
        continue_waits: true,
        current_epoch: true,
        cumulative: true,
        never_falls: true,
    };
}
