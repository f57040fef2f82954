//! Sessions: what a vendor does with a running job through its member's agent. The hub asks the agent for one on the
//! stream that the agent holds open; the agent opens another stream for it, and the hub joins that to the vendor's.

use serde::{Deserialize, Serialize};

/// The name under which an agent opens its standing stream, among its sessions.
pub const STANDING: &str = "standing";
/// How many bytes before its offset a reader of a log may show that it has.
pub const CHECK_BYTES: u64 = 1024;

/// What the hub asks an agent for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The session's name: the agent opens the stream of this name for it.
    pub session: String,
    /// The Assignment that it is about.
    pub assignment: String,
    /// What the vendor wants.
    pub wish: Wish,
}

/// What a vendor wants of a running job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Wish {
    /// Its log as it grows.
    Log {
        /// The completion.
        index: u32,
        /// Bytes of it that the vendor has.
        offset: u64,
        /// What the last [`CHECK_BYTES`] of those hash to, or all of them if they are fewer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        check: Option<String>,
    },
    /// What its member's cluster says of it.
    Events,
    /// A command in its container.
    Exec {
        /// The completion.
        index: u32,
        /// The command and its arguments.
        command: Vec<String>,
        /// Whether it is given input.
        #[serde(default)]
        stdin: bool,
    },
    /// A connection to one of its ports.
    PortForward {
        /// The completion.
        index: u32,
        /// The port.
        port: u16,
    },
}

/// The first message of a session's stream, from the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Answer {
    /// It begins.
    Begin {
        /// Of a log: where in it the bytes that follow begin. Beyond what was asked for, what is between is gone.
        #[serde(default)]
        offset: u64,
        /// Of a log: what the vendor has is of another reading of it, which can't be gone on with.
        #[serde(default)]
        anew: bool,
    },
    /// It can't be, and why: a sentence that says what to do.
    Refused {
        /// The sentence.
        message: String,
    },
}

/// One event of a job in its member's cluster; each is a message of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberEvent {
    /// When it was last seen, in Unix seconds.
    pub at: i64,
    /// How often.
    pub count: i32,
    /// Whether something is wrong.
    pub warning: bool,
    /// What happened, in one word.
    pub reason: String,
    /// The completion that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The same in a sentence, without the names of the member's machines.
    pub message: String,
}
