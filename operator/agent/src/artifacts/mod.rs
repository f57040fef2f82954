//! What work leaves behind, on its way to the hub: logs while they grow, checkpoints as they come, outputs when the work is
//! over. And checkpoints on their way back.
//!
//! Nothing here decides. A reconcile asks for a log to be followed or outputs to be collected, as often as it likes; a
//! task does it once, retries for as long as the hub is away, and wakes the reconcile when it is done.

mod checkpoint;
mod download;
mod exec;
mod log;
mod output;
mod registry;
mod seam;
mod spool;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::{BTreeMap, BTreeSet};

use eai_api::artifact::{CheckpointArtifact, LogArtifact, OutputArtifact};

pub use log::Live;
#[cfg(test)]
pub use log::Progress;
pub use registry::{Artifacts, Clients, PodRef};
pub use spool::Piece;
#[cfg(test)]
pub use spool::Spool;
pub use upload::Backoff;

/// How far the artifacts of one Assignment are, by completion index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Logs.
    pub logs: BTreeMap<u32, LogState>,
    /// Outputs of pods whose work is over.
    pub outputs: BTreeMap<u32, Collected>,
    /// The last checkpoints that the hub has.
    pub checkpoints: BTreeMap<u32, CheckpointArtifact>,
    /// Pods, by UID, whose last checkpoint was looked for after their work was over.
    pub last_looked: BTreeSet<String>,
}

/// How far a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogState {
    /// It is being read and uploaded.
    Following {
        /// Of this pod.
        pod_uid: String,
    },
    /// The hub has all that is kept of it.
    Kept {
        /// Of this pod.
        pod_uid: String,
        /// What the hub has.
        log: LogArtifact,
    },
    /// It can't be read any more.
    Lost {
        /// Of this pod.
        pod_uid: String,
    },
}

/// A pod's outputs after all of them were tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The pod.
    pub pod_uid: String,
    /// What the hub has.
    pub kept: Vec<OutputArtifact>,
    /// What wasn't kept and why, a sentence each.
    pub notes: Vec<String>,
}
