//! The output folder: each file appears there whole, under its name, or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Why an output can't be written or read back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refuses.
    #[error("{path}: {source}; the job needs a writable folder there (EAI_OUTPUT_DIR names it)")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A value has no JSON form.
    #[error("{name} has no JSON form: {source}")]
    Json {
        /// The file's name.
        name: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// The folder that the job's outputs are collected from.
#[derive(Clone, Debug)]
pub struct Output {
    folder: PathBuf,
}

impl Output {
    /// Opens the folder and makes it if it is missing.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|source| Error::File { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes a file; returns its SHA-256 in hex.
    pub fn write(&self, name: &'static str, bytes: &[u8]) -> Result<String, Error> {
        let path = self.folder.join(name);
        let unfinished = self.folder.join(format!(".{name}.part"));
        fs::write(&unfinished, bytes)
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(|source| Error::File { path, source })?;
        Ok(hex::encode(Sha256::digest(bytes)))
    }

    /// Writes a value as indented JSON and a final newline; returns the file's bytes.
    pub fn write_json(&self, name: &'static str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
        let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| Error::Json { name, source })?;
        bytes.push(b'\n');
        self.write(name, &bytes)?;
        Ok(bytes)
    }

    /// Reads a file back.
    pub fn read(&self, name: &'static str) -> Result<Vec<u8>, Error> {
        let path = self.folder.join(name);
        fs::read(&path).map_err(|source| Error::File { path, source })
    }

    /// Where the files are, for people.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
