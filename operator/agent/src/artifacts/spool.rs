//! The tail of a log, on disk: memory would not do for a hundred pods.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use eai_api::artifact::LOG_LIMIT_BYTES;
use eai_core::digest::Digest;

/// How far into a cut tail a whole line is looked for.
const LINE_SEARCH: usize = 64 << 10;

/// The last part of a log: at least its last [`LOG_LIMIT_BYTES`], at most twice that.
#[derive(Debug)]
pub struct Spool {
    file: File,
    /// Bytes in the file.
    length: u64,
    /// Bytes at its beginning that are of an earlier log.
    base: u64,
    /// Whether earlier bytes were dropped.
    dropped: bool,
}

/// What is kept of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they hash to.
    pub digest: Digest,
    /// Whether earlier lines were dropped.
    pub truncated: bool,
}

impl Spool {
    /// The spool at `path`. What is in it already stays, and the log that is written now comes behind.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, length, base: length, dropped: length >= LOG_LIMIT_BYTES })
    }

    /// Begins anew: the log is about to be read from its start again.
    pub fn reset(&mut self) -> io::Result<()> {
        self.file.set_len(self.base)?;
        self.file.seek(SeekFrom::End(0))?;
        self.length = self.base;
        Ok(())
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.length == 0 && !self.dropped
    }

    /// Bytes in the file.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Adds `bytes` at the end.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        if self.length > 2 * LOG_LIMIT_BYTES {
            let tail = self.last(LOG_LIMIT_BYTES)?;
            (self.base, self.dropped) = (0, true);
            self.reset()?;
            self.file.write_all(&tail)?;
            self.length = tail.len() as u64;
        }
        Ok(())
    }

    /// What is kept of the log now: its last [`LOG_LIMIT_BYTES`], from the start of a line where there is one.
    pub fn tail(&mut self) -> io::Result<Tail> {
        let truncated = self.dropped || self.length > LOG_LIMIT_BYTES;
        let mut bytes = self.last(LOG_LIMIT_BYTES)?;
        if truncated {
            let line = bytes.iter().take(LINE_SEARCH).position(|&b| b == b'\n').map_or(0, |at| at + 1);
            bytes.drain(..line);
        }
        Ok(Tail { digest: Digest::of(&bytes), bytes, truncated })
    }

    fn last(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let start = self.length.saturating_sub(count);
        let mut bytes = Vec::with_capacity(usize::try_from(self.length - start).unwrap_or(0));
        self.file.seek(SeekFrom::Start(start))?;
        (&mut self.file).take(self.length - start).read_to_end(&mut bytes)?;
        self.file.seek(SeekFrom::End(0))?;
        Ok(bytes)
    }
}
