//! The hub's own rules: how long things may take, how money is held, and whose share is how large.

use std::collections::BTreeMap;

/// How long things may take, and how money is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The hub's generation.
    pub generation: u64,
    /// Seconds of run that a lease holds money for at first, per wave of pods, and that a top-up adds.
    pub hold_seconds: u64,
    /// Seconds of run after which a voucher is presented for work that runs on.
    pub settle_seconds: u64,
    /// Seconds after a claim within which its lease must be open.
    pub open_seconds: u64,
    /// Seconds added to a member's own promise of how soon work runs: image pulls, and words travelling to and fro.
    pub start_grace_seconds: u64,
    /// Seconds within which work that ran must run again, when nothing keeps it from it.
    pub restart_seconds: u64,
    /// Seconds that a member has to stop work that it was asked to stop.
    pub stop_seconds: u64,
    /// Seconds beyond its longest run that work may be reported running.
    pub overdue_seconds: u64,
    /// Seconds for which the Assignment of an attempt that is over stays, so that the member sees what was noted.
    pub keep_seconds: u64,
    /// Seconds between looks at the lease of running work.
    pub look_seconds: u64,
    /// The weights of namespaces' queues; who isn't there has a weight of 1.
    pub queue_weights: BTreeMap<String, u32>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            generation: 1,
            hold_seconds: 3600,
            settle_seconds: 600,
            open_seconds: 120,
            start_grace_seconds: 120,
            restart_seconds: 900,
            stop_seconds: 600,
            overdue_seconds: 120,
            keep_seconds: 60,
            look_seconds: 60,
            queue_weights: BTreeMap::new(),
        }
    }
}

/// Pods end with this much grace, in milliseconds, so a pause begins that long before the money ends.
pub const POD_GRACE_MS: u64 = 32_000;
/// The least time before the end of the money at which a pause begins, in milliseconds.
pub const LEAST_MARGIN_MS: u64 = 2_000;
/// The least run that a lease is opened or topped up for, in milliseconds; all of it, if the job's longest is shorter.
pub const LEAST_RUN_MS: u64 = 10_000;
/// Milliseconds of run, beyond the pause's margin, that must be left when a top-up is asked for: a few blocks.
pub const TOP_UP_LEAD_MS: u64 = 30_000;
/// The most attempts that are remembered, and made.
pub const MOST_ATTEMPTS: usize = 20;
/// The most attempts that may end before any work ran.
pub const MOST_FALSE_STARTS: usize = 5;
/// The most attempts that members may lose: beyond that it seems to be the work that members don't survive.
pub const MOST_LOST: usize = 10;
/// How often work may be run again, for nothing, after its member's cluster took pods away. Its agent gives it up then.
pub const MOST_DISRUPTIONS: u32 = 5;
