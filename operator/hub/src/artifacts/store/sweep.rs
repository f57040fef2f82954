//! Removing what belongs to jobs that are gone.

use std::{
    collections::HashSet,
    io::{self, ErrorKind},
};

use tokio::fs;

use super::Store;
use crate::artifacts::path::is_label;

impl Store {
    /// The UIDs of the jobs that something is stored for.
    pub async fn jobs(&self) -> io::Result<HashSet<String>> {
        let mut entries = fs::read_dir(&self.root).await?;
        let mut jobs = HashSet::new();
        while let Some(entry) = entries.next_entry().await? {
            jobs.extend(entry.file_name().into_string().ok().filter(|name| is_label(name)));
        }
        Ok(jobs)
    }

    /// Removes everything of a job.
    pub async fn remove_job(&self, uid: &str) -> io::Result<()> {
        if !is_label(uid) {
            return Ok(());
        }
        match fs::remove_dir_all(self.job(uid)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
