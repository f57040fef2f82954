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

/// The last part of a log: at least its last [`LOG_LIMIT_BYTES`], at most twice that. It only grows at its end, so that a
/// place in it can be named by how many bytes came before: its offset.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    file: File,
    /// The offset of the file's first byte.
    start: u64,
    /// Bytes in the file.
    length: u64,
    /// The offset at which the log that is written now begins; some of that may have been dropped.
    own_start: u64,
    /// Whether earlier bytes were dropped.
    dropped: bool,
    /// Whether bytes in between may be missing.
    broken: bool,
    /// What is read of this log while it is read from its start again.
    again: Option<Box<Self>>,
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The offset of its first byte.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
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
    /// The spool at `path`. What is in it already stays, from offset `start` on, and the log that is written now comes
    /// behind.
    pub fn open(path: &Path, start: u64) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        let (path, own_start) = (path.to_owned(), start + length);
        let dropped = start > 0 || length >= LOG_LIMIT_BYTES;
        Ok(Self { path, file, start, length, own_start, dropped, broken: false, again: None })
    }

    /// The offset of the first byte that is kept.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The offset behind the last byte.
    pub const fn end(&self) -> u64 {
        self.start + self.length
    }

    /// At most `most` bytes from `offset` on, or from the first that is kept.
    pub fn read(&mut self, offset: u64, most: u64) -> io::Result<Piece> {
        let offset = offset.clamp(self.start, self.end());
        let bytes = self.bytes(offset - self.start, most)?;
        Ok(Piece { offset, bytes })
    }

    /// The log is about to be read from its start again, or from where its node has it from now.
    pub fn begin_again(&mut self) -> io::Result<()> {
        self.finish()?;
        if self.own_len() > 0 || self.start > self.own_start {
            self.again = Some(Box::new(self.beside()?));
        }
        Ok(())
    }

    /// Whether the log is being read again, and hasn't come to what is new.
    pub const fn is_behind(&self) -> bool {
        self.again.is_some()
    }

    /// If reading again has come to what is new, goes on from there. To be called when the node sends nothing for a
    /// moment. Who isn't `patient` takes it that the node has dropped what was read before.
    pub fn catch_up(&mut self, patient: bool) -> io::Result<()> {
        let (read, known) = match &self.again {
            Some(again) => (again.end(), self.end() - self.own_start),
            None => return Ok(()),
        };
        // So far it may be no more than what was read before.
        let before = if self.is_whole() { self.own()?.starts_with(&self.again_own()?) } else { patient };
        if read < known && before { Ok(()) } else { self.finish() }
    }

    /// Reading is over for now: what was read again and isn't known comes behind what is.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(mut again) = self.again.take() else { return Ok(()) };
        if self.is_whole() && again.end() < self.end() - self.own_start && self.own()?.starts_with(&again.own()?) {
            return Ok(());
        }
        self.end_with(&mut again)
    }

    /// Whether all of the log that is written now is kept.
    const fn is_whole(&self) -> bool {
        self.start <= self.own_start && self.end() - self.own_start <= LOG_LIMIT_BYTES
    }

    fn again_own(&mut self) -> io::Result<Vec<u8>> {
        self.again.as_mut().map_or_else(|| Ok(Vec::new()), |again| again.own())
    }

    /// An empty spool beside this one, gone with its owner.
    pub fn beside(&self) -> io::Result<Self> {
        let path = self.path.with_extension("end");
        let mut spool = Self::open(&path, 0)?;
        std::fs::remove_file(&path)?;
        (spool.own_start, spool.dropped) = (0, false);
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
            // Nothing before it will be kept anyway; that there was something shows in the offsets.
            Seam::Open if last.len() as u64 >= LOG_LIMIT_BYTES => {
                self.skip()?;
                &last[..]
            }
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
        self.end() - self.own_start.max(self.start)
    }

    /// Whether what is kept doesn't begin where the log did.
    fn is_cut(&self) -> bool {
        self.dropped || self.length > LOG_LIMIT_BYTES
    }

    /// Drops everything, as if more had come that nobody read.
    fn skip(&mut self) -> io::Result<()> {
        (self.dropped, self.start) = (true, self.end() + 1);
        (self.length, self.own_start) = (0, self.start);
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }

    /// Drops what was written of this log.
    pub fn reset(&mut self) -> io::Result<()> {
        self.length = self.own_start.saturating_sub(self.start);
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::End(0))?;
        self.broken = false;
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

    /// Adds `bytes`, as they were read, at the end.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(again) = &mut self.again {
            return again.append(bytes);
        }
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        if self.length > 2 * LOG_LIMIT_BYTES {
            let tail = self.last(LOG_LIMIT_BYTES)?;
            (self.dropped, self.start) = (true, self.end() - tail.len() as u64);
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
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
        self.bytes(self.length.saturating_sub(count), count)
    }

    /// At most `count` bytes of the file, from its byte `at` on.
    fn bytes(&mut self, at: u64, count: u64) -> io::Result<Vec<u8>> {
        let count = count.min(self.length.saturating_sub(at));
        let mut bytes = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        self.file.seek(SeekFrom::Start(at))?;
        (&mut self.file).take(count).read_to_end(&mut bytes)?;
        self.file.seek(SeekFrom::End(0))?;
        Ok(bytes)
    }
}
