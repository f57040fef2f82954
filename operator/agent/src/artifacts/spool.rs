//! The tail of a log, on disk: memory would not do for a hundred pods.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use eai_api::artifact::LOG_LIMIT_BYTES;
use eai_core::digest::Digest;

use super::seam::{Seam, seam};

/// How far into a cut tail a whole line is looked for.
const LINE_SEARCH: usize = 64 << 10;
/// Stands where lines may be missing.
pub const GAP: &[u8] = b"\n[eai: the node moved its log file on here; lines may be missing]\n";

/// The last part of a log: at least its last [`LOG_LIMIT_BYTES`], at most twice that.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    file: File,
    /// Bytes in the file.
    length: u64,
    /// Bytes at its beginning that are of an earlier log.
    base: u64,
    /// Whether earlier bytes were dropped.
    dropped: bool,
    /// Whether bytes in between may be missing.
    broken: bool,
    /// What was read of this log before it was read from its start again.
    aside: Option<Box<Self>>,
}

/// How many lines end in `bytes`.
pub fn lines_in(bytes: &[u8]) -> usize {
    bytes.split(|&byte| byte == b'\n').count() - 1
}

/// What is kept of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they hash to.
    pub digest: Digest,
    /// Whether lines of it are missing.
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
        let path = path.to_owned();
        let dropped = length >= LOG_LIMIT_BYTES;
        Ok(Self { path, file, length, base: length, dropped, broken: false, aside: None })
    }

    /// Begins anew: the log is about to be read from its start again, or from where its node has it from now.
    pub fn begin_again(&mut self) -> io::Result<()> {
        let own = self.own()?;
        if !own.is_empty() {
            let aside = if let Some(mut aside) = self.aside.take() {
                aside.end_with(self)?;
                aside
            } else {
                let mut aside = self.beside()?;
                (aside.dropped, aside.broken) = (self.dropped, self.broken);
                aside.append(&own)?;
                Box::new(aside)
            };
            self.aside = Some(aside);
        }
        self.reset()
    }

    /// The log is over: what was read of it before it was read again, and isn't in what was read last, comes back.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(mut aside) = self.aside.take() else { return Ok(()) };
        if self.own_len() >= LOG_LIMIT_BYTES {
            return Ok(());
        }
        aside.end_with(self)?;
        self.reset()?;
        (self.dropped, self.broken) = (aside.is_cut(), aside.broken);
        self.append(&aside.own()?)
    }

    /// An empty spool beside this one, gone with its owner.
    pub fn beside(&self) -> io::Result<Self> {
        let path = self.path.with_extension("end");
        let mut spool = Self::open(&path)?;
        std::fs::remove_file(&path)?;
        (spool.base, spool.dropped) = (0, false);
        spool.reset()?;
        Ok(spool)
    }

    /// How many lines there are in what is kept of the log that is written now.
    pub fn lines(&mut self) -> io::Result<usize> {
        Ok(lines_in(&self.own()?))
    }

    /// Adds what is new in `end`, the log's last part, which was read on its own.
    pub fn end_with(&mut self, end: &mut Self) -> io::Result<()> {
        let (own, last) = (self.own()?, end.own()?);
        if own.is_empty() {
            self.dropped |= end.is_cut();
        }
        self.broken |= end.broken;
        let new = match seam(&own, &last) {
            Seam::At(new) => &last[new..],
            // Nothing before it will be kept anyway.
            Seam::Open if last.len() as u64 >= LOG_LIMIT_BYTES => &last[..],
            Seam::Open => {
                self.append(GAP)?;
                self.broken = true;
                &last[..]
            }
        };
        self.append(new)
    }

    /// The last part of the log that is written now.
    fn own(&mut self) -> io::Result<Vec<u8>> {
        self.last(self.own_len().min(LOG_LIMIT_BYTES))
    }

    fn own_len(&self) -> u64 {
        self.length - self.base
    }

    /// Whether what is kept doesn't begin where the log did.
    fn is_cut(&self) -> bool {
        self.dropped || self.length > LOG_LIMIT_BYTES
    }

    /// Drops what was written of this log.
    pub fn reset(&mut self) -> io::Result<()> {
        self.file.set_len(self.base)?;
        self.file.seek(SeekFrom::End(0))?;
        self.length = self.base;
        self.broken = false;
        Ok(())
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.length == 0 && !self.dropped && self.aside.is_none()
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
            let broken = self.broken;
            (self.base, self.dropped) = (0, true);
            self.reset()?;
            self.broken = broken;
            self.file.write_all(&tail)?;
            self.length = tail.len() as u64;
        }
        Ok(())
    }

    /// What is kept of the log now: its last [`LOG_LIMIT_BYTES`], from the start of a line where there is one.
    pub fn tail(&mut self) -> io::Result<Tail> {
        let cut = self.is_cut();
        let mut bytes = self.last(LOG_LIMIT_BYTES)?;
        if cut {
            let line = bytes.iter().take(LINE_SEARCH).position(|&b| b == b'\n').map_or(0, |at| at + 1);
            bytes.drain(..line);
        }
        Ok(Tail { digest: Digest::of(&bytes), bytes, truncated: cut || self.broken })
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
