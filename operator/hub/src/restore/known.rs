//! What the hub's jobs know of leases.

use std::collections::{HashMap, HashSet};

use eai_api::AIJob;
use eai_chain::{JobId, LeaseId};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Api, Client, Resource as _, api::ListParams};

/// Jobs asked for at once.
const PAGE: u32 = 500;

/// What is on record in all jobs.
#[derive(Default)]
pub struct Known {
    leases: HashSet<LeaseId>,
    jobs: HashMap<JobId, ObjectReference>,
}

impl Known {
    /// Asks the API server itself: no watch is behind it.
    pub async fn read(client: &Client) -> Result<Self, kube::Error> {
        let api: Api<AIJob> = Api::all(client.clone());
        let mut known = Self::default();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = api.list(&page).await?;
            list.items.iter().for_each(|job| known.note(job));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(known),
            }
        }
    }

    /// Takes down what a job says.
    fn note(&mut self, job: &AIJob) {
        if let Some(uid) = &job.metadata.uid {
            self.jobs.insert(JobId::of(uid), job.object_ref(&()));
        }
        let Some(status) = &job.status else { return };
        let past = status.past_attempts.iter().map(|past| &past.lease.id);
        let ids = past.chain(status.attempt.iter().map(|attempt| &attempt.lease.id));
        self.leases.extend(ids.filter_map(|id| id.parse::<LeaseId>().ok()));
    }

    /// Whether a job names this lease.
    pub fn has(&self, lease: LeaseId) -> bool {
        self.leases.contains(&lease)
    }

    /// The job that the chain calls so.
    pub fn job(&self, job: JobId) -> Option<&ObjectReference> {
        self.jobs.get(&job)
    }
}
