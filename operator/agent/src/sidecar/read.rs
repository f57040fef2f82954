//! Reading what the work wrote, without being led anywhere else by it.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use eai_core::digest::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What an output is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stat {
    /// A file that can be fetched.
    File {
        /// Its length in bytes.
        size: u64,
        /// What it hashes to.
        digest: Digest,
    },
    /// Nothing that can be.
    Problem(StatProblem),
}

/// Why an output can't be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatProblem {
    /// There is nothing of that name.
    Missing,
    /// It, or a directory on the way, is a link, a device, a pipe or the like.
    NotAFile,
    /// It is larger than asked for; its length in bytes.
    TooLarge(u64),
    /// The operating system doesn't let it be read.
    Unreadable,
}

/// What `path` below `root` is. Files of up to `max_bytes` are read and hashed.
pub(super) fn stat(root: &Path, path: &str, max_bytes: u64) -> Stat {
    let open = |path: PathBuf| File::open(path).map_err(|_| StatProblem::Unreadable);
    let hashed = resolve(root, path).and_then(open).and_then(|file| hash(file, max_bytes));
    hashed.map_or_else(Stat::Problem, |(size, digest)| Stat::File { size, digest })
}

/// Writes `path` below `root`, from `offset`, to standard output.
pub(super) fn copy(root: &Path, path: &str, offset: u64) -> io::Result<()> {
    let file = resolve(root, path).map_err(|problem| io::Error::other(format!("{problem:?}")))?;
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut output = io::stdout().lock();
    io::copy(&mut file, &mut output)?;
    output.flush()
}

/// Writes `stat` to standard output.
pub(super) fn print(stat: &Stat) -> io::Result<()> {
    let text = serde_json::to_string(stat).map_err(io::Error::other)?;
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// The file that `path` names below `root`. The work may have put anything there: links that lead elsewhere, pipes that
/// never end. It is over, so nothing changes between this look and the reading.
fn resolve(root: &Path, path: &str) -> Result<PathBuf, StatProblem> {
    let mut at = root.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if matches!(part, "" | "." | "..") {
            return Err(StatProblem::NotAFile);
        }
        at.push(part);
        let kind = match fs::symlink_metadata(&at) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StatProblem::Missing),
            Err(_) => return Err(StatProblem::Unreadable),
        };
        let fits = if parts.peek().is_some() { kind.is_dir() } else { kind.is_file() };
        if !fits {
            return Err(StatProblem::NotAFile);
        }
    }
    Ok(at)
}

/// The length and digest of what `file` holds, if that is at most `max_bytes`.
pub(super) fn hash(mut file: File, max_bytes: u64) -> Result<(u64, Digest), StatProblem> {
    let unreadable = |_: io::Error| StatProblem::Unreadable;
    let size = file.metadata().map_err(unreadable)?.len();
    if size > max_bytes {
        return Err(StatProblem::TooLarge(size));
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut read = 0;
    loop {
        let count = file.read(&mut buffer).map_err(unreadable)?;
        if count == 0 {
            break;
        }
        read += count as u64;
        // It grew since.
        if read > max_bytes {
            return Err(StatProblem::TooLarge(read));
        }
        hash.update(&buffer[..count]);
    }
    Ok((read, Digest::from_bytes(hash.finalize().into())))
}
