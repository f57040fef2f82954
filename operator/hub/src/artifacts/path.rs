//! What a request is about. Only paths made of names that need no escaping are known; nothing is unescaped, so no name
//! can be written in two ways.

use eai_api::names::{ARTIFACTS_GROUP, VERSION};
use serde::Deserialize;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whether the server is well.
    Health,
    /// `/apis`.
    Groups,
    /// `/apis/artifacts.eai.network`.
    Group,
    /// `/apis/artifacts.eai.network/v1alpha1`.
    Resources,
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`.
    OpenApiV3,
    /// A log, an output or a checkpoint.
    Artifact(Artifact),
    /// Quotes for jobs of a namespace.
    Quotes(String),
    /// Something that a vendor does with a running job.
    Live(Live),
    /// A stream of an agent's, of the member whose namespace it is: the standing one, or a session's.
    Session {
        /// The member's namespace.
        namespace: String,
        /// The session.
        name: String,
    },
}

/// Something that a vendor does with a running job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The job's namespace.
    pub namespace: String,
    /// The job.
    pub name: String,
    /// What.
    pub deed: Deed,
}

/// What a vendor does with a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Follow its log.
    Log,
    /// Look at its events.
    Events,
    /// Run a command.
    Exec,
    /// Reach a port.
    PortForward,
}

/// A log, an output or a checkpoint of a job or an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The namespace.
    pub namespace: String,
    /// Whose it is.
    pub owner: Owner,
    /// The owner's name.
    pub name: String,
    /// Which of its artifacts.
    pub what: What,
}

/// Whose an artifact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A vendor's AIJob: read.
    AIJob,
    /// A member's Assignment: written; of a checkpoint also read, to go on from it.
    Assignment,
}

/// Which artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The log of one completion.
    Log,
    /// A named output of one completion.
    Output(String),
    /// The last checkpoint of one completion.
    Checkpoint,
}

/// The query of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ReadQuery {
    /// The completion index.
    #[serde(default)]
    pub index: u32,
    /// The attempt, as `gGENERATION-aATTEMPT`; the current or last one if it isn't given.
    pub epoch: Option<String>,
}

/// The query of a write.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WriteQuery {
    /// The completion index.
    #[serde(default)]
    pub index: u32,
    /// What the whole hashes to.
    pub digest: String,
    /// Where this part begins in the whole.
    #[serde(default)]
    pub offset: u64,
    /// The length of the whole; the length of this part if it isn't given.
    pub total: Option<u64>,
}

/// What `path` is about; `None` if nothing.
pub fn parse(path: &str) -> Option<Target> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    match parts.as_slice() {
        ["healthz" | "livez" | "readyz"] => Some(Target::Health),
        ["apis"] => Some(Target::Groups),
        ["openapi", "v2"] => Some(Target::OpenApiV2),
        ["openapi", "v3"] => Some(Target::OpenApiV3),
        ["apis", ARTIFACTS_GROUP] => Some(Target::Group),
        ["apis", ARTIFACTS_GROUP, VERSION] => Some(Target::Resources),
        ["apis", ARTIFACTS_GROUP, VERSION, "namespaces", namespace, "quotes"] => {
            is_label(namespace).then(|| Target::Quotes((*namespace).to_owned()))
        }
        ["apis", ARTIFACTS_GROUP, VERSION, "namespaces", namespace, "sessions", name, "attach"] => {
            let (namespace, name) = ((*namespace).to_owned(), (*name).to_owned());
            (is_label(&namespace) && is_label(&name)).then_some(Target::Session { namespace, name })
        }
        [
            "apis",
            ARTIFACTS_GROUP,
            VERSION,
            "namespaces",
            namespace,
            "aijobs",
            name,
            deed @ ("events" | "exec" | "portforward"),
        ] => {
            let deed = match *deed {
                "events" => Deed::Events,
                "exec" => Deed::Exec,
                _ => Deed::PortForward,
            };
            let (namespace, name) = ((*namespace).to_owned(), (*name).to_owned());
            (is_label(&namespace) && is_subdomain(&name)).then_some(Target::Live(Live { namespace, name, deed }))
        }
        ["apis", ARTIFACTS_GROUP, VERSION, "namespaces", namespace, owner, name, rest @ ..] => {
            let owner = match *owner {
                "aijobs" => Owner::AIJob,
                "assignments" => Owner::Assignment,
                _ => return None,
            };
            let what = match rest {
                ["log"] => What::Log,
                ["checkpoint"] => What::Checkpoint,
                ["outputs", output] if is_label(output) => What::Output((*output).to_owned()),
                _ => return None,
            };
            let valid = is_label(namespace) && is_subdomain(name);
            let (namespace, name) = ((*namespace).to_owned(), (*name).to_owned());
            valid.then_some(Target::Artifact(Artifact { namespace, owner, name, what }))
        }
        _ => None,
    }
}

/// Whether `text` is a DNS label: what namespaces and outputs are named by.
pub fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 63 && text.bytes().all(inner) && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether `text` is a DNS subdomain: what most objects are named by.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| !part.is_empty() && is_label_of_any_length(part))
}

fn is_label_of_any_length(part: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
}
