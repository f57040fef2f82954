//! Where a member stands, as data; turned into words here and nowhere else.

use eai_api::names::{AGENT_CONFIG_SECRET, KUBECONFIG_SECRET};

use super::offers::Refused;

/// What keeps a member from being given work, or that nothing does. The first that applies is the one that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The ComputeNode is being deleted.
    Leaving(Leaving),
    /// No admin has accepted it, or one has taken that back.
    AwaitingApproval,
    /// Its namespace's name belongs to something else.
    NamespaceTaken {
        /// The namespace.
        namespace: String,
        /// Whose it is.
        whose: String,
    },
    /// Its namespace, of a ComputeNode of the same name before it, is still going away.
    NamespaceTerminating(String),
    /// A pull member without a usable sealing key.
    NoSealingKey(String),
    /// A push member whose kubeconfig isn't there yet.
    KubeconfigAwaited(String),
    /// A push member whose kubeconfig isn't taken.
    KubeconfigRefused(String),
    /// A push member on a hub that wasn't told of an agent's image.
    NoAgentImage,
    /// Something couldn't be written; it is tried again.
    ApplyFailed(String),
    /// The agent hasn't been seen yet.
    Joining,
    /// The heartbeat stopped.
    Silent(String),
    /// The agent is there and has not reported yet.
    NotReported,
    /// No offer of it counts.
    NoOffer(Vec<Refused>),
    /// It is being emptied, as the admin or its owner wants.
    Draining,
    /// The admin wants no new work there.
    Cordoned,
    /// It can be given work.
    Ready,
}

/// What a leaving member waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Its tokens and rights are being taken away.
    Revoking,
    /// What it said of its work is being read and settled; how many attempts are left, once they are counted.
    Settling(Option<u32>),
    /// Its namespace is going away; what still holds it, in the namespace controller's words.
    Emptying(String),
    /// A step failed; it is tried again.
    Failed(String),
}

impl Standing {
    /// The reason, in one word.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Leaving(_) => "Leaving",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::NamespaceTaken { .. } => "NamespaceTaken",
            Self::NamespaceTerminating(_) => "NamespaceTerminating",
            Self::NoSealingKey(_) => "NoSealingKey",
            Self::KubeconfigAwaited(_) => "KubeconfigAwaited",
            Self::KubeconfigRefused(_) => "KubeconfigRefused",
            Self::NoAgentImage => "NoAgentImage",
            Self::ApplyFailed(_) => "ApplyFailed",
            Self::Joining => "Joining",
            Self::Silent(_) => "HeartbeatLost",
            Self::NotReported => "NotReported",
            Self::NoOffer(_) => "NoValidOffer",
            Self::Draining => "Draining",
            Self::Cordoned => "Cordoned",
            Self::Ready => "Ready",
        }
    }

    /// The reason, in a sentence a person can act on.
    pub fn message(&self, member: &str) -> String {
        match self {
            Self::Leaving(Leaving::Revoking) => "the member's tokens and rights are being taken away".to_owned(),
            Self::Leaving(Leaving::Settling(left)) => {
                let of = left.map_or(String::new(), |left| format!(" of {left} attempts"));
                format!("its tokens and rights are gone; what it said last{of} is settled before its namespace goes")
            }
            Self::Leaving(Leaving::Emptying(held)) if held.is_empty() => {
                format!("waiting until namespace cn-{member} is gone")
            }
            Self::Leaving(Leaving::Emptying(held)) => format!("waiting until namespace cn-{member} is gone: {held}"),
            Self::Leaving(Leaving::Failed(error)) => format!("leaving is tried again: {error}"),
            Self::AwaitingApproval => {
                format!("an admin must accept this member: kubectl eai approve {member}")
            }
            Self::NamespaceTaken { namespace, whose } => format!(
                "namespace {namespace} exists and {whose}; delete it, or remove this ComputeNode and join under another name"
            ),
            Self::NamespaceTerminating(namespace) => {
                format!("waiting until the former namespace {namespace} is gone")
            }
            Self::NoSealingKey(why) => {
                format!("spec.sealingKey {why}; remove this ComputeNode and let the agent join again")
            }
            Self::KubeconfigAwaited(namespace) => format!(
                "Secrets {KUBECONFIG_SECRET} and {AGENT_CONFIG_SECRET} are awaited in namespace {namespace}: run kubectl eai join {member} --push"
            ),
            Self::KubeconfigRefused(why) => format!(
                "the kubeconfig in Secret {KUBECONFIG_SECRET} isn't taken: {why}, and run kubectl eai join {member} --push again"
            ),
            Self::NoAgentImage => {
                "this hub runs no agents for push members: set agent.image in its chart's values".to_owned()
            }
            Self::ApplyFailed(error) => format!("it is tried again: {error}"),
            Self::Joining => "the agent's first heartbeat is awaited; see its log if it doesn't come".to_owned(),
            Self::Silent(since) => format!(
                "no heartbeat since {since}; see whether the agent runs and reaches the hub, or invite it again if it was away for over an hour"
            ),
            Self::NotReported => "the agent's report of capacity and prices is awaited".to_owned(),
            Self::NoOffer(refused) if refused.is_empty() => {
                "it offers nothing: set prices in the agent's chart values".to_owned()
            }
            Self::NoOffer(refused) => refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            Self::Draining => "it takes no new work, because it is being drained".to_owned(),
            Self::Cordoned => "it takes no new work, because spec.cordon is set".to_owned(),
            Self::Ready => "it can be given work".to_owned(),
        }
    }

    /// kstatus: the member is as asked for.
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready | Self::Cordoned | Self::Draining)
    }

    /// kstatus: nothing goes on until somebody acts.
    pub const fn is_stalled(&self) -> bool {
        matches!(
            self,
            Self::NamespaceTaken { .. } | Self::NoSealingKey(_) | Self::KubeconfigRefused(_) | Self::NoAgentImage
        )
    }

    /// kstatus: the hub is at work on it.
    pub const fn is_reconciling(&self) -> bool {
        matches!(self, Self::Leaving(_) | Self::NamespaceTerminating(_) | Self::ApplyFailed(_))
    }
}
