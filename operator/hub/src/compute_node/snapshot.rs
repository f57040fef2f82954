//! Everything a reconcile of a ComputeNode decides on, read once.

use std::sync::Arc;

use eai_api::{ComputeNode, MemberReportSpec};
use k8s_openapi::jiff::Timestamp;

use crate::{drain, heartbeat::Pulse, tally::Tally};

/// Everything a reconcile of a ComputeNode decides on.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The ComputeNode itself.
    pub node: Arc<ComputeNode>,
    /// What has the name of its namespace.
    pub place: Place,
    /// What its agent last reported.
    pub report: Option<Arc<MemberReportSpec>>,
    /// A push member's kubeconfig.
    pub kubeconfig: Kubeconfig,
    /// The invite that it came with, or that its agent was given anew.
    pub invite: Option<Invite>,
    /// Its heartbeat.
    pub pulse: Pulse,
    /// What it has of work, once that was counted.
    pub tally: Option<Tally>,
    /// What it was lately found to say of work although it can't be.
    pub doubts: Vec<String>,
    /// When this was read.
    pub now: Timestamp,
}

impl Snapshot {
    /// Until when work that runs on the member is waited for, if that is being emptied.
    pub fn drain_by(&self) -> Option<Timestamp> {
        drain::by(&self.node, self.report.as_deref())
    }
}

/// What has the name of a member's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Absent,
    /// The namespace made for this ComputeNode.
    Ours {
        /// Its UID.
        uid: String,
    },
    /// A namespace made for this ComputeNode, or for one of its name before it, that is going away.
    Terminating {
        /// What still holds it, in the namespace controller's words.
        held: String,
    },
    /// Somebody else's namespace.
    Foreign {
        /// Whose, in words.
        whose: String,
    },
}

/// The state of a push member's kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kubeconfig {
    /// There is none, or none is needed.
    Absent,
    /// It does more than name a server and a credential, or can't be read.
    Refused(String),
    /// It is as it should be.
    Fine {
        /// The Secret's version.
        version: String,
    },
}

/// An invite that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// The UID of its ClusterRole, which owns the rest of it.
    pub uid: String,
    /// When it was made.
    pub created: Timestamp,
}
