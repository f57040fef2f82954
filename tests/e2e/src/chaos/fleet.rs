//! Jobs that run while things break. What each does it writes down itself.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use alloy::primitives::hex;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::fault::Moment;
use crate::{
    error::Result,
    jobs::{self, Job},
    stage::Stage,
    vendor::Vendor,
};

/// The output in which a job leaves how many seconds it counted.
const COUNTED: &str = "counted";

/// How long a moment is waited for.
const MOMENT: Duration = Duration::from_mins(1);

/// Jobs of one vendor.
pub struct Fleet<'a> {
    stage: &'a Stage,
    vendor: &'a Vendor,
    image: String,
    random: fastrand::Rng,
    next: u32,
    /// The seconds that each job counts, by its name.
    pub wanted: BTreeMap<String, u64>,
}

/// The jobs as they are now, by name; `None` while the hub can't say.
pub type Seen = Option<BTreeMap<String, Value>>;

impl<'a> Fleet<'a> {
    /// No jobs yet. `image` has a shell.
    pub fn new(stage: &'a Stage, vendor: &'a Vendor, image: String, seed: u64) -> Self {
        Self {
            stage,
            vendor,
            image,
            random: fastrand::Rng::with_seed(seed ^ 0xF1EE7),
            next: 0,
            wanted: BTreeMap::new(),
        }
    }

    /// Submits jobs until `most` haven't ended. Errors are the faults' doing: it is tried again.
    pub fn keep(&mut self, most: usize) {
        let Some(seen) = self.look() else { return };
        let open = self.wanted.keys().filter(|name| seen.get(*name).is_none_or(|job| !has_ended(job))).count();
        for _ in open..most {
            if self.submit().is_err() {
                return;
            }
        }
    }

    /// All jobs.
    pub fn look(&self) -> Seen {
        let list = self.stage.hub.get(&["aijobs", "-n", &self.vendor.namespace, "--request-timeout=5s"]).ok()?;
        let items = list["items"].as_array()?.iter();
        Some(items.filter_map(|job| Some((job["metadata"]["name"].as_str()?.to_owned(), job.clone()))).collect())
    }

    /// The jobs that run now.
    pub fn running(&self) -> Vec<String> {
        let seen = self.look().unwrap_or_default();
        seen.iter().filter(|(_, job)| jobs::phase(job) == "Running").map(|(name, _)| name.clone()).collect()
    }

    /// Waits for a moment at which a fault is to strike; says whether it came in time.
    pub fn wait_for(&mut self, moment: Moment) -> bool {
        if moment == Moment::Grant && self.submit().is_err() {
            return false;
        }
        let since = Instant::now();
        while since.elapsed() < MOMENT {
            let seen = self.look().unwrap_or_default();
            let now = Timestamp::now().as_millisecond();
            if seen.iter().any(|(name, job)| self.is_at(moment, name, job, now)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }

    /// Whether a job is where `moment` is, at `now_ms`.
    fn is_at(&self, moment: Moment, name: &str, job: &Value, now_ms: i64) -> bool {
        match moment {
            Moment::Any => true,
            Moment::Grant => matches!(jobs::phase(job), "Opening" | "Starting"),
            Moment::Settlement => jobs::phase(job) == "Settling",
            Moment::Completion => {
                let started = job["status"]["startedAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
                let left = started.zip(self.wanted.get(name)).map(|(at, &seconds)| {
                    at.as_millisecond() + i64::try_from(seconds).unwrap_or(i64::MAX / 2_000) * 1_000 - now_ms
                });
                jobs::phase(job) == "Running" && left.is_some_and(|left| left < 1_500)
            }
        }
    }

    /// Waits until every one of `names` runs on a member that is heard, or has ended. Says for how long, in seconds;
    /// `None` if it took longer than `most`.
    pub fn recovered(&mut self, names: &[String], most: Duration, keep: usize) -> Option<f64> {
        let since = Instant::now();
        loop {
            let well = |seen: &BTreeMap<String, Value>| names.iter().all(|name| seen.get(name).is_some_and(is_well));
            if self.look().is_some_and(|seen| well(&seen)) {
                return Some(since.elapsed().as_secs_f64());
            }
            if since.elapsed() > most {
                return None;
            }
            self.keep(keep);
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Waits until all jobs have ended; those that haven't after `most`.
    pub fn end(&self, most: Duration) -> Vec<String> {
        let since = Instant::now();
        loop {
            let seen = self.look();
            let open = |seen: &BTreeMap<String, Value>| {
                let open = self.wanted.keys().filter(|name| seen.get(*name).is_none_or(|job| !has_ended(job)));
                open.cloned().collect::<Vec<_>>()
            };
            let open = seen.as_ref().map(open);
            if open.as_ref().is_some_and(Vec::is_empty) || since.elapsed() > most {
                return open.unwrap_or_else(|| self.wanted.keys().cloned().collect());
            }
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    fn submit(&mut self) -> Result<Job> {
        let name = format!("work-{:03}", self.next + 1);
        // Most end within a grant or two; some outlast every fault.
        let seconds = if self.random.u8(0..6) == 0 { self.random.u64(150..=240) } else { self.random.u64(25..=90) };
        let script = format!(
            "trap 'exit 143' TERM; i=0; while [ $i -lt {seconds} ]; do sleep 1 & wait $!; i=$((i+1)); done; \
             echo $i > /eai/output/{COUNTED}"
        );
        let job = json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "AIJob",
            "metadata": {"name": name, "namespace": self.vendor.namespace},
            "spec": {
                "image": self.image, "command": ["sh", "-c", script],
                "resources": {"cpu": "50m", "memory": "64Mi"},
                "outputs": [{"name": COUNTED, "path": COUNTED}],
                "maxPrice": "5", "maxDurationSeconds": 600,
                "retry": {"maxAttempts": 10},
                "payment": {"account": self.vendor.person.address},
            },
        });
        self.stage.hub.apply(&job.to_string())?;
        self.next += 1;
        self.wanted.insert(name.clone(), seconds);
        Ok(Job { namespace: self.vendor.namespace.clone(), name })
    }
}

fn has_ended(job: &Value) -> bool {
    matches!(jobs::phase(job), "Succeeded" | "Failed" | "Cancelled")
}

/// Whether a job runs on a member that is heard, or has ended.
fn is_well(job: &Value) -> bool {
    let reason = jobs::condition(job, "Ready").map_or("", |ready| ready["reason"].as_str().unwrap_or_default());
    match jobs::phase(job) {
        "Running" => reason != "MemberUnreachable",
        "Settling" => true,
        _ => has_ended(job),
    }
}

/// Whether a job left behind that it counted `seconds`: what it wrote itself, by its digest.
pub fn counted(job: &Value, seconds: u64) -> bool {
    let digest: String = hex::encode(Sha256::digest(format!("{seconds}\n")));
    let outputs = job["status"]["outputs"].as_array();
    outputs.into_iter().flatten().any(|output| output["digest"].as_str().is_some_and(|d| d.ends_with(&digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_counted_is_known_by_its_digest() {
        // printf '7\n' | sha256sum
        let digest = "sha256:10159baf262b43a92d95db59dae1f72c645127301661e0a3ce4e38b295a97c58";
        let job = json!({"status": {"outputs": [{"name": "counted", "digest": digest}]}});
        assert!(counted(&job, 7));
        assert!(!counted(&job, 8) && !counted(&json!({}), 7));
    }

    #[test]
    fn a_job_on_a_member_that_is_not_heard_is_not_well() {
        let job = |phase: &str, reason: &str| json!({"status": {"phase": phase, "conditions": [{"type": "Ready", "reason": reason}]}});
        assert!(is_well(&job("Running", "Running")) && is_well(&job("Succeeded", "Completed")));
        assert!(!is_well(&job("Running", "MemberUnreachable")) && !is_well(&job("Starting", "Starting")));
    }
}
