//! `eai-agent outputs checkpoint`: reading the checkpoint of work that runs, and putting one back before it does.
//!
//! The work puts a checkpoint in place by renaming it to [`CHECKPOINT_FILE`], so what is there is whole; it may be replaced
//! at any moment, and a reading that spans two of them doesn't hash to either. The work may also have put a link or a pipe
//! there: neither is followed or waited for.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use clap::Subcommand;
use eai_api::names::CHECKPOINT_FILE;
use eai_core::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::read::{Stat, StatProblem, hash};

/// What is being put back, until all of it is there.
const PARTIAL: &str = ".restoring";

/// What is asked about a checkpoint.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Write what tells one checkpoint from another, at no cost; nothing if there is none.
    Mark,
    /// Write its size and digest, as JSON.
    Stat {
        /// A larger one isn't read.
        #[arg(long)]
        max_bytes: u64,
    },
    /// Write it to standard output.
    Read {
        /// Begin this many bytes into it.
        #[arg(long, default_value_t = 0)]
        offset: u64,
    },
    /// Put one back that comes on standard input.
    Store {
        /// Its length in bytes.
        #[arg(long)]
        size: u64,
        /// What it hashes to.
        #[arg(long)]
        digest: Digest,
    },
    /// Wait until a checkpoint is put back, or it is said that there is none.
    Await,
}

/// The checkpoint below `root`, if it is a plain file.
fn open(root: &Path) -> Result<File, StatProblem> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(root.join(CHECKPOINT_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StatProblem::Missing),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(StatProblem::NotAFile),
        Err(_) => return Err(StatProblem::Unreadable),
    };
    match file.metadata() {
        Ok(about) if about.is_file() => Ok(file),
        Ok(_) => Err(StatProblem::NotAFile),
        Err(_) => Err(StatProblem::Unreadable),
    }
}

/// What tells the checkpoint below `root` from others; empty if there is none.
pub(super) fn mark(root: &Path) -> String {
    let about = open(root).ok().and_then(|file| file.metadata().ok());
    about.map(|a| format!("{}-{}-{}.{:09}", a.ino(), a.len(), a.mtime(), a.mtime_nsec())).unwrap_or_default()
}

/// What the checkpoint below `root` is, if it holds at most `max_bytes`.
pub(super) fn stat(root: &Path, max_bytes: u64) -> Stat {
    let hashed = open(root).and_then(|file| hash(file, max_bytes));
    hashed.map_or_else(Stat::Problem, |(size, digest)| Stat::File { size, digest })
}

/// Writes the checkpoint below `root`, from `offset`, to `output`.
pub(super) fn copy(root: &Path, offset: u64, output: &mut impl io::Write) -> io::Result<()> {
    let mut file = open(root).map_err(|problem| io::Error::other(format!("{problem:?}")))?;
    file.seek(SeekFrom::Start(offset))?;
    io::copy(&mut file, output)?;
    output.flush()
}

/// Puts `size` bytes of `input` back as the checkpoint below `root`, if they hash to `digest`.
pub(super) fn store(root: &Path, input: &mut impl io::Read, size: u64, digest: Digest) -> io::Result<()> {
    let partial = root.join(PARTIAL);
    let mut file = File::create(&partial)?;
    let mut sum = Sha256::new();
    let mut left = size;
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let part = match input.read(&mut buffer[..most])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => &buffer[..count],
        };
        sum.update(part);
        file.write_all(part)?;
        left -= part.len() as u64;
    }
    let found = Digest::from_bytes(sum.finalize().into());
    if found != digest {
        fs::remove_file(&partial)?;
        return Err(io::Error::other(format!("it hashes to {found}, not to {digest}")));
    }
    file.sync_all()?;
    fs::rename(partial, root.join(CHECKPOINT_FILE))
}
