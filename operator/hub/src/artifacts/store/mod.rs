//! Logs, outputs and checkpoints on disk: `jobs/UID/EPOCH/INDEX/log/`, `…/out-NAME/` and `…/checkpoint/`, each with one file named by the digest of
//! what is in it, and at most one part of an upload.
//!
//! Nothing of a path is ever somebody's text: the UID, the epoch and the output's name are checked for what they are. A
//! file appears under its digest only once all of it is on the disk and hashes to that; a reader that has the former one
//! open keeps it.

mod read;
mod sweep;
mod upload;

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eai_core::{digest::Digest, epoch::Epoch};

use super::path::{What, is_label};

pub use read::Stored;
pub use upload::{Chunk, UploadError};

/// The files.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    busy: Arc<Mutex<HashSet<PathBuf>>>,
    /// How long a frame of an upload may take to come.
    pub patience: Duration,
}

/// Which artifact: one job's, one attempt's, one completion's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    job_uid: String,
    epoch: Epoch,
    index: u32,
    what: What,
}

impl Key {
    /// Names an artifact; `None` if the UID or the output's name isn't one.
    pub fn new(job_uid: &str, epoch: Epoch, index: u32, what: What) -> Option<Self> {
        let named = match &what {
            What::Log | What::Checkpoint => true,
            What::Output(name) => is_label(name),
        };
        (is_label(job_uid) && named).then(|| Self { job_uid: job_uid.to_owned(), epoch, index, what })
    }
}

impl Store {
    /// Opens the store at `root`, making the directory if it isn't there.
    pub async fn open(root: &Path) -> io::Result<Self> {
        let root = root.join("jobs");
        tokio::fs::create_dir_all(&root).await?;
        Ok(Self { root, busy: Arc::default(), patience: Duration::from_secs(20) })
    }

    /// Whether all of what hashes to `digest` is stored under `key`, in the store at `root`.
    pub fn has(root: &Path, key: &Key, digest: Digest, size: u64) -> bool {
        let store = Self { root: root.join("jobs"), busy: Arc::default(), patience: Duration::ZERO };
        let file = store.directory(key).join(file_name(digest));
        std::fs::metadata(file).is_ok_and(|about| about.is_file() && about.len() == size)
    }

    fn job(&self, uid: &str) -> PathBuf {
        self.root.join(uid)
    }

    /// The directory of one artifact.
    fn directory(&self, key: &Key) -> PathBuf {
        let last = match &key.what {
            What::Log => "log".to_owned(),
            What::Checkpoint => "checkpoint".to_owned(),
            What::Output(name) => format!("out-{name}"),
        };
        self.job(&key.job_uid).join(key.epoch.to_string()).join(key.index.to_string()).join(last)
    }

    /// Takes `directory` for writing, unless somebody writes there now.
    fn lock(&self, directory: &Path) -> Option<Busy> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(directory.to_owned()).then(|| Busy { set: self.busy.clone(), directory: directory.to_owned() })
    }
}

/// Held while somebody writes into a directory.
struct Busy {
    set: Arc<Mutex<HashSet<PathBuf>>>,
    directory: PathBuf,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.directory);
    }
}

/// The file of what hashes to `digest`, within its directory.
fn file_name(digest: Digest) -> String {
    digest.to_string().replace(':', "-")
}

/// The digest that a file is named by, if it is.
fn digest_of(name: &str) -> Option<Digest> {
    name.replacen('-', ":", 1).parse().ok()
}
