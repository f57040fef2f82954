//! What can go wrong, with enough of it to act on.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program failed.
    #[error("{command}\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// What it printed.
        output: String,
    },
    /// A program couldn't be started.
    #[error("{command}: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file couldn't be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something answered what it shouldn't.
    #[error("{what}: {why}")]
    Unexpected {
        /// What was looked at.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something took too long.
    #[error("{what} took over {seconds} s; last seen: {last}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// The last that was seen of it.
        last: String,
    },
    /// The testbed failed.
    #[error(transparent)]
    Testbed(#[from] eai_testbed::Error),
    /// A promise doesn't hold.
    #[error("{} of the demo's checks failed:\n  {}", .0.len(), .0.join("\n  "))]
    Checks(Vec<String>),
}

impl Error {
    /// Something answered what it shouldn't.
    #[allow(clippy::needless_pass_by_value, reason = "it is called with errors, by name in map_err")]
    pub fn unexpected(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Unexpected { what: what.into(), why: why.to_string() }
    }
}
