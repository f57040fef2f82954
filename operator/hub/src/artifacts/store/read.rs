//! Finding and opening what is stored.

use std::{
    io::{self, ErrorKind},
    time::SystemTime,
};

use eai_core::digest::Digest;
use tokio::fs::{self, File};

use super::{Key, Store, digest_of};

/// Something stored, open for reading.
#[derive(Debug)]
pub struct Stored {
    /// What it hashes to.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Its content.
    pub file: File,
}

impl Store {
    /// Opens what is stored under `key`, the newest if a crash left two; `None` if nothing is.
    pub async fn read(&self, key: &Key) -> io::Result<Option<Stored>> {
        let directory = self.directory(key);
        let mut entries = match fs::read_dir(&directory).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        let mut newest: Option<(SystemTime, Stored)> = None;
        while let Some(entry) = entries.next_entry().await? {
            let Some(digest) = entry.file_name().to_str().and_then(digest_of) else { continue };
            let file = match File::open(entry.path()).await {
                // Replaced by a newer one since the directory was read, which comes up later or was there already.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                file => file?,
            };
            let about = file.metadata().await?;
            let modified = about.modified()?;
            if newest.as_ref().is_none_or(|(before, _)| modified > *before) {
                newest = Some((modified, Stored { digest, size: about.len(), file }));
            }
        }
        Ok(newest.map(|(_, stored)| stored))
    }
}
