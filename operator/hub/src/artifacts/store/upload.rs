//! Taking an upload, part by part, without ever holding more of it than one frame.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use axum::body::Bytes;
use eai_core::digest::Digest;
use futures::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::{self, File, OpenOptions},
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{Key, Store, digest_of, file_name};

/// How much of a finished upload is read at a time to hash it.
const HASH_BUFFER: usize = 64 << 10;

/// One part of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What the whole hashes to.
    pub digest: Digest,
    /// The length of the whole.
    pub total: u64,
    /// Where this part begins.
    pub offset: u64,
    /// The most this part may hold.
    pub limit: u64,
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there.
    pub received: u64,
    /// Whether that is all, and it hashes to what was said.
    pub complete: bool,
}

/// Why a part of an upload wasn't taken. What was there before is there still, but after [`UploadError::WrongDigest`].
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Somebody else uploads the same now.
    #[error("another upload of this is under way; try again")]
    Busy,
    /// The upload stands elsewhere.
    #[error("the upload stands at {0} bytes")]
    WrongOffset(u64),
    /// The part is longer than allowed, or than what was left of the whole.
    #[error("this part is longer than {0} bytes")]
    TooLong(u64),
    /// The body broke off or took too long.
    #[error("the body broke off: {0}")]
    BrokenOff(String),
    /// All is there, and it hashes to something else. It was dropped.
    #[error("the content hashes to {found}, not to {expected}")]
    WrongDigest {
        /// What was said.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// The disk is full.
    #[error("no space left")]
    Full,
    /// The disk failed.
    #[error("the store failed: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

impl Store {
    /// Takes one part of an upload from `body`. What is stored under the digest already is taken as done.
    pub async fn write<S, E>(&self, key: &Key, chunk: Chunk, body: S) -> Result<Progress, UploadError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display,
    {
        let directory = self.directory(key);
        let _busy = self.lock(&directory).ok_or(UploadError::Busy)?;
        let whole = directory.join(file_name(chunk.digest));
        if fs::metadata(&whole).await.is_ok_and(|about| about.len() == chunk.total) {
            return Ok(Progress { received: chunk.total, complete: true });
        }
        fs::create_dir_all(&directory).await?;
        let part = directory.join(format!("part-{}-{}", chunk.total, file_name(chunk.digest)));
        let mut file = open_part(&directory, &part, chunk.offset).await?;
        let received = match append(&mut file, chunk, body, self.patience).await {
            Ok(received) => received,
            Err(error) => {
                // As if this part had never come.
                file.set_len(chunk.offset).await?;
                return Err(error);
            }
        };
        if received < chunk.total {
            return Ok(Progress { received, complete: false });
        }
        file.sync_all().await?;
        drop(file);
        finish(&directory, &part, &whole, chunk.digest).await?;
        Ok(Progress { received, complete: true })
    }
}

/// Opens the part at `offset`. At 0 it begins anew, and other uploads' parts are dropped.
async fn open_part(directory: &Path, part: &Path, offset: u64) -> Result<File, UploadError> {
    if offset == 0 {
        remove_others(directory, part, |name| name.starts_with("part-")).await?;
        return Ok(OpenOptions::new().create(true).write(true).truncate(true).open(part).await?);
    }
    let file = match OpenOptions::new().append(true).open(part).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(UploadError::WrongOffset(0)),
        file => file?,
    };
    match file.metadata().await?.len() {
        length if length == offset => Ok(file),
        length => Err(UploadError::WrongOffset(length)),
    }
}

/// Appends the body to the part, frame by frame. Returns how much there is then.
async fn append<S, E>(file: &mut File, chunk: Chunk, body: S, patience: Duration) -> Result<u64, UploadError>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: std::fmt::Display,
{
    let most = chunk.limit.min(chunk.total.saturating_sub(chunk.offset));
    let mut written = 0u64;
    let mut body = pin!(body);
    loop {
        let frame =
            timeout(patience, body.next()).await.map_err(|_| UploadError::BrokenOff("it took too long".to_owned()))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| UploadError::BrokenOff(error.to_string()))?;
        written = written.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        if written > most {
            return Err(UploadError::TooLong(most));
        }
        file.write_all(&frame).await?;
    }
    file.flush().await?;
    Ok(chunk.offset + written)
}

/// Checks a whole upload and puts it in place of what was there.
async fn finish(directory: &Path, part: &Path, whole: &Path, expected: Digest) -> Result<(), UploadError> {
    let found = hash(part).await?;
    if found != expected {
        fs::remove_file(part).await?;
        return Err(UploadError::WrongDigest { expected, found });
    }
    fs::rename(part, whole).await?;
    File::open(directory).await?.sync_all().await?;
    remove_others(directory, whole, |name| name.starts_with("part-") || digest_of(name).is_some()).await
}

async fn hash(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path).await?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; HASH_BUFFER];
    loop {
        let read = file.read(&mut buffer).await?;
        match buffer.get(..read) {
            None | Some([]) => return Ok(Digest::from_bytes(hasher.finalize().into())),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

/// Removes the files in `directory` that are `of_kind`, but `keep`.
async fn remove_others(directory: &Path, keep: &Path, of_kind: impl Fn(&str) -> bool) -> Result<(), UploadError> {
    let mut entries = fs::read_dir(directory).await?;
    let mut others: Vec<PathBuf> = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        if entry.path() != keep && entry.file_name().to_str().is_some_and(&of_kind) {
            others.push(entry.path());
        }
    }
    for other in others {
        match fs::remove_file(&other).await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
