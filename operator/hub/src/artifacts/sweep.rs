//! Removes what belongs to AIJobs that are gone.

use std::{collections::HashSet, time::Duration};

use eai_api::AIJob;
use kube::{Api, Client, ResourceExt, api::ListParams};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::store::Store;

/// How often it is looked what is gone.
const EVERY: Duration = Duration::from_mins(5);
/// Jobs read at a time. Only their names matter, but annotations come with them.
const PAGE: u32 = 50;

/// Why a sweep ended early; nothing was removed that shouldn't be.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The jobs couldn't be listed.
    #[error("listing AIJobs failed: {0}")]
    List(#[from] kube::Error),
    /// The files couldn't be listed or removed.
    #[error("the store failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Sweeps now and then until `shutdown`.
pub async fn run(client: Client, store: Store, shutdown: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match sweep(&client, &store).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "artifacts of deleted AIJobs were removed"),
            Err(error) => tracing::warn!(%error, "artifacts of deleted AIJobs weren't all removed; it is tried again"),
        }
    }
}

/// Removes what belongs to no AIJob any more. Returns of how many jobs.
///
/// The files are listed before the jobs: what is there then belongs to a job that existed before, so that a job that
/// isn't found afterwards is gone for good.
pub async fn sweep(client: &Client, store: &Store) -> Result<usize, SweepError> {
    let stored = store.jobs().await?;
    if stored.is_empty() {
        return Ok(0);
    }
    let living = living(client).await?;
    let mut removed = 0;
    for uid in stored.difference(&living) {
        store.remove_job(uid).await?;
        removed += 1;
    }
    Ok(removed)
}

async fn living(client: &Client) -> Result<HashSet<String>, kube::Error> {
    let jobs: Api<AIJob> = Api::all(client.clone());
    let mut page = ListParams::default().limit(PAGE);
    let mut uids = HashSet::new();
    loop {
        let list = jobs.list_metadata(&page).await?;
        uids.extend(list.items.iter().filter_map(ResourceExt::uid));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok(uids),
        }
    }
}
