//! `eai-agent outputs`: runs next to work that has outputs and keeps its pod until they are fetched.
//!
//! It shares with the work the directory of outputs, read-only, and nothing else. It waits on a socket of its own for
//! `outputs done`; the agent reads files through `outputs stat` and `outputs read`, which it runs in the same container.

mod checkpoint;
mod read;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    path::Path,
};

use clap::Subcommand;
use eai_api::names::{CHECKPOINT_DIR, OUTPUT_DIR};
use tokio::{
    net::{UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
};

pub use read::{Stat, StatProblem};

/// A directory that only the outputs container has.
pub const CONTROL_DIR: &str = "/eai/control";
const SOCKET: &str = "done.sock";

/// What is asked of the outputs container.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Write a file's size and digest to standard output, as JSON.
    Stat {
        /// The file, relative to the output directory.
        path: String,
        /// A larger file isn't read.
        #[arg(long)]
        max_bytes: u64,
    },
    /// Write a file to standard output.
    Read {
        /// The file, relative to the output directory.
        path: String,
        /// Begin this many bytes into it.
        #[arg(long, default_value_t = 0)]
        offset: u64,
    },
    /// Take a checkpoint from work that runs, or put one back before it does.
    Checkpoint {
        /// What about it.
        #[command(subcommand)]
        command: checkpoint::Command,
    },
    /// End the waiting `outputs`.
    Done,
}

/// Runs `command`, or waits until it is done if there is none.
pub async fn run(command: Option<Command>) -> io::Result<()> {
    match command {
        None => wait(Path::new(CONTROL_DIR)).await,
        Some(Command::Stat { path, max_bytes }) => {
            let stat = read::stat(Path::new(OUTPUT_DIR), &path, max_bytes);
            read::print(&stat)
        }
        Some(Command::Read { path, offset }) => read::copy(Path::new(OUTPUT_DIR), &path, offset),
        Some(Command::Checkpoint { command }) => about_checkpoint(command).await,
        Some(Command::Done) => done(Path::new(CONTROL_DIR)).await,
    }
}

async fn about_checkpoint(command: checkpoint::Command) -> io::Result<()> {
    let root = Path::new(CHECKPOINT_DIR);
    match command {
        checkpoint::Command::Mark => io::stdout().write_all(checkpoint::mark(root).as_bytes()),
        checkpoint::Command::Stat { max_bytes } => read::print(&checkpoint::stat(root, max_bytes)),
        checkpoint::Command::Read { offset } => checkpoint::copy(root, offset, &mut io::stdout().lock()),
        checkpoint::Command::Store { size, digest } => checkpoint::store(root, &mut io::stdin().lock(), size, digest),
        checkpoint::Command::Await => tokio::select! {
            waited = wait(Path::new(CONTROL_DIR)) => waited,
            // Nobody goes on from what was to be put back.
            () = terminated() => Err(io::ErrorKind::Interrupted.into()),
        },
    }
}

async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Waits for `done`. TERM doesn't end it: a pod that is ending still has outputs to give, for as long as its grace lasts.
async fn wait(control: &Path) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let socket = control.join(SOCKET);
    // One left by a container that was killed.
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    loop {
        tokio::select! {
            connection = listener.accept() => return connection.map(drop),
            _ = terminate.recv() => {}
        }
    }
}

async fn done(control: &Path) -> io::Result<()> {
    UnixStream::connect(control.join(SOCKET)).await.map(drop)
}
