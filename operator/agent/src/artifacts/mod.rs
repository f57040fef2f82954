//! What work leaves behind, on its way to the hub: logs while they grow, outputs when the work is over.
//!
//! Nothing here decides. A reconcile asks for a log to be followed or outputs to be collected, as often as it likes; a
//! task does it once, retries for as long as the hub is away, and wakes the reconcile when it is done.

mod exec;
mod log;
mod output;
mod registry;
mod seam;
mod spool;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::BTreeMap;

use eai_api::artifact::{LogArtifact, OutputArtifact};

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
