//! How long grants hold, and how much longer the hub waits.

/// How long a grant holds unless the hub's owner says otherwise.
pub const DEFAULT_VALID_FOR_MS: u64 = 600_000;
/// The most grace that work has to end in once its time is up.
pub const GRACE_CAP_MS: u64 = 30_000;
/// What words take inside a member: its API server, its controllers, its kubelet; and how far the wall clocks of its
/// machines may be apart.
pub const SYNC_MS: u64 = 10_000;
/// By how many hundredths any clock may run fast or slow.
pub const RATE_SKEW_PERCENT: u64 = 10;

/// What happens to work whose grant runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnLoss {
    /// It ends with its grant, so that the hub can begin it elsewhere.
    #[default]
    SelfFence,
    /// It runs on, and is begun nowhere else until its member answers or its vendor gives it up.
    Continue,
}

/// How long grants hold, and how much longer the hub waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How long a grant holds, from the sending of the heartbeat that it echoes.
    pub valid_for_ms: u64,
    /// How long work has to end in.
    pub grace_ms: u64,
    /// What words take inside a member.
    pub sync_ms: u64,
    /// By how many hundredths any clock may run fast or slow.
    pub skew_percent: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(DEFAULT_VALID_FOR_MS)
    }
}

impl Policy {
    /// The usual policy with another validity.
    pub const fn new(valid_for_ms: u64) -> Self {
        Self { valid_for_ms, grace_ms: GRACE_CAP_MS, sync_ms: SYNC_MS, skew_percent: RATE_SKEW_PERCENT }
    }

    /// How long, by the hub's clock and from when the hub knew of a grant, until no work under it can run any more.
    ///
    /// The member's clock may be slow and the hub's fast, each by [`RATE_SKEW_PERCENT`]: `valid_for + grace` of a clock at
    /// 0.9 lasts as long as 1.1 / 0.9 of it at 1.1. Rounded up.
    pub const fn fence_after_ms(&self, valid_for_ms: u64) -> u64 {
        let grace = if self.grace_ms < GRACE_CAP_MS { self.grace_ms } else { GRACE_CAP_MS };
        let skew = if self.skew_percent < 100 { self.skew_percent } else { 99 };
        let slow = 100 - skew;
        let whole = valid_for_ms.saturating_add(grace);
        // In two halves, so that nothing overflows.
        let (times, rest) = (whole / slow, whole % slow);
        let stretched = times.saturating_mul(100 + skew).saturating_add((rest * (100 + skew)).div_ceil(slow));
        stretched.saturating_add(self.sync_ms)
    }

    /// The age at which a grant is renewed: a third of it is used up. A write for each attempt every few minutes.
    pub const fn renew_after_ms(&self) -> u64 {
        self.valid_for_ms / 3
    }
}
