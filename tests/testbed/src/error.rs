//! What can go wrong, and what the caller can do about it.

use std::io;
use std::path::PathBuf;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the testbed could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, socket or program could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        /// The program and its arguments.
        command: String,
        /// Its exit status.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// Only root can make network namespaces and run nodes.
    #[error("the testbed makes network namespaces and runs kubelets: run it as root")]
    NotRoot,
    /// Programs of the distribution are missing.
    #[error("missing Debian packages: {}; run `eai-testbed build --install` as root, or install them", .0.join(" "))]
    MissingPackages(Vec<&'static str>),
    /// A program that no Debian package of ours brings is missing.
    #[error("`{program}` is not on the PATH: {hint}")]
    MissingProgram {
        /// The program's name.
        program: &'static str,
        /// Where it comes from.
        hint: &'static str,
    },
    /// Addresses and names are fixed, so a machine holds one testbed.
    #[error("a testbed is already on this machine, kept in {0}: run `eai-testbed down` with EAI_TESTBED={0}")]
    Elsewhere(PathBuf),
    /// Another command holds the lock.
    #[error("another command is bringing this machine's testbed up or down: wait for it to end")]
    Busy,
    /// An earlier `up` did not finish, or a part has died.
    #[error("the testbed in {dir} is broken ({why}): run `eai-testbed down`, then `eai-testbed up`")]
    Broken {
        /// The state directory.
        dir: PathBuf,
        /// Which part is missing.
        why: String,
    },
    /// Nothing is up.
    #[error("no testbed is up in {0}: run `eai-testbed up`")]
    NotUp(PathBuf),
    /// Something did not come in time.
    #[error("waited {seconds} s for {what}; the end of {}:\n{tail}", log.display())]
    Timeout {
        /// What was awaited.
        what: String,
        /// For how long, in seconds.
        seconds: u64,
        /// The log that may say why.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A service ended instead of coming up.
    #[error("{service} ended before {what}; the end of {}:\n{tail}", log.display())]
    Ended {
        /// Which service.
        service: crate::Service,
        /// What was awaited of it.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A service was told to stop and still runs: the machine is too busy, or it waits for a disk.
    #[error("{0} was told to stop and still runs: try again")]
    StillRuns(crate::Service),
    /// A name that isn't one of ours.
    #[error("unknown {kind} {name:?}: one of {known}")]
    Unknown {
        /// The kind of name: cluster, component, tool.
        kind: &'static str,
        /// What was given.
        name: String,
        /// What could have been given.
        known: String,
    },
    /// This cluster isn't part of the testbed that is up.
    #[error("cluster {0} was not started: it was left out of `up --clusters`")]
    NotStarted(crate::ClusterName),
    /// A certificate could not be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A file of the testbed's state holds something else than expected.
    #[error("{what} is not readable: {source}")]
    Json {
        /// Which file or answer.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Something that `down` should have removed is still there.
    #[error("down left something behind: {}", .0.join("; "))]
    LeftOver(Vec<String>),
}

/// Names what was being done when a system call failed.
pub(crate) trait Context<T> {
    /// Turns the error into [`Error::Io`] with `what`.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}
