//! What can go wrong, in a sentence that says what to do, and the exit code that scripts see.

use std::{io, path::PathBuf};

use eai_chain::{KeyError, LedgerError};
use eai_core::digest::Digest;
use eai_runtime::kubeconfig::KubeconfigError;

/// A result of this program.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hub's API server said no.
    #[error("{}", describe(.0))]
    Hub(#[from] kube::Error),
    /// No kubeconfig, or not a usable one.
    #[error("no cluster to talk to: {0}; set KUBECONFIG or --context")]
    Kubeconfig(String),
    /// The chain said no, or nothing.
    #[error(transparent)]
    Chain(#[from] LedgerError),
    /// The caller's key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A kubeconfig that the hub must not be given.
    #[error("{path}: {source}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KubeconfigError,
    },
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What came isn't what was promised.
    #[error("{what}: got {got}, the hub promised {promised}; nothing was kept, try again")]
    WrongDigest {
        /// What was fetched.
        what: String,
        /// What it hashes to.
        got: Digest,
        /// What it should.
        promised: Digest,
    },
    /// Something isn't there.
    #[error("{0}")]
    NotFound(String),
    /// The arguments can't be meant so.
    #[error("{0}")]
    Usage(String),
    /// A command in a job ended with something else than 0.
    #[error("the command ended with {0}")]
    Exited(u8),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// 1 failed, 2 usage, 3 not found, 4 forbidden, 5 chain unreachable.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Exited(code) => *code,
            Self::NotFound(_) => 3,
            Self::Hub(kube::Error::Api(status)) if status.code == 404 => 3,
            Self::Hub(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => 4,
            Self::Chain(error) if error.is_transient() => 5,
            _ => 1,
        }
    }

    /// A file that can't be read or written.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}

fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => format!("the hub's API server can't be reached: {other}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use kube::core::Status;

    use super::*;

    fn api(code: u16) -> Error {
        Error::Hub(kube::Error::Api(Status { code, message: "said no".to_owned(), ..Status::default() }.boxed()))
    }

    #[test]
    fn scripts_can_tell_failures_apart() {
        assert_eq!(api(404).exit_code(), 3);
        assert_eq!(api(403).exit_code(), 4);
        assert_eq!(api(401).exit_code(), 4);
        assert_eq!(api(409).exit_code(), 1);
        assert_eq!(Error::Usage(String::new()).exit_code(), 2);
        assert_eq!(Error::Chain(LedgerError::Unreachable("refused".into())).exit_code(), 5);
        assert_eq!(Error::Chain(LedgerError::BadRequest("no".into())).exit_code(), 1);
    }

    #[test]
    fn an_api_servers_sentence_is_shown_as_it_is() {
        assert_eq!(api(403).to_string(), "said no");
    }
}
