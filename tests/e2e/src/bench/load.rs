//! The jobs: as small as they can be, so that what is around them is measured.

use std::time::{Duration, Instant, SystemTime};

use eai_api::AIJob;
use eai_core::address::Address;
use kube::{Api, ResourceExt as _, api::PostParams};
use serde_json::json;
use tokio::{task::JoinSet, time::interval};

use crate::error::{Error, Result};

/// What all jobs have in common.
#[derive(Clone)]
pub struct Load {
    /// Where they are created.
    pub jobs: Api<AIJob>,
    /// The only member that may take them.
    pub member: String,
    /// The examples' image, by digest.
    pub image: String,
    /// Who pays.
    pub payer: Address,
}

/// A job that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// When the call that created it began.
    pub at: Instant,
    /// When that call was answered.
    pub answered: Instant,
}

impl Load {
    /// Creates job number `number`.
    pub async fn submit(&self, number: u32) -> Result<Submission> {
        let job = self.job(&format!("bench-{}-{number}", unix_seconds()))?;
        let name = job.name_any();
        let at = Instant::now();
        let created = self.jobs.create(&PostParams::default(), &job).await;
        let answered = Instant::now();
        let created = created.map_err(|error| Error::unexpected(format!("creating {name}"), error))?;
        let uid = created.uid().ok_or_else(|| Error::unexpected(&name, "it has no UID"))?;
        Ok(Submission { name, uid, at, answered })
    }

    /// Creates jobs 1 to `count`, one every `pace`, whether or not the one before was answered.
    pub async fn pace(&self, count: u32, pace: Duration) -> Result<Vec<Submission>> {
        let (mut ticks, mut calls) = (interval(pace.max(Duration::from_millis(1))), JoinSet::new());
        for number in 1..=count {
            ticks.tick().await;
            let load = self.clone();
            calls.spawn(async move { load.submit(number).await });
        }
        let mut submissions = Vec::new();
        while let Some(call) = calls.join_next().await {
            submissions.push(call.map_err(|error| Error::unexpected("a submission", error))??);
        }
        submissions.sort_by_key(|submission| submission.at);
        Ok(submissions)
    }

    /// Two hundredths of a core for as long as it takes to print a help text.
    fn job(&self, name: &str) -> Result<AIJob> {
        let job = json!({
            "apiVersion": "eai.network/v1alpha1",
            "kind": "AIJob",
            "metadata": {"name": name},
            "spec": {
                "image": self.image,
                "args": ["--help"],
                "resources": {"cpu": "20m", "memory": "32Mi"},
                "network": "None",
                "maxPrice": "0.5",
                "maxDurationSeconds": 60,
                "placement": {"members": [self.member]},
                "payment": {"account": self.payer.to_string()},
            },
        });
        serde_json::from_value(job).map_err(|error| Error::unexpected("the bench's AIJob", error))
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
