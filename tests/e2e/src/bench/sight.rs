//! When each step of each job was first seen here, through watches on the hub and on the member.

use std::{
    collections::HashMap,
    future::ready,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use eai_api::{
    AIJob, Assignment,
    aijob::{LeaseState, Phase},
    names::member_namespace,
};
use eai_core::epoch::Epoch;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Resource, ResourceExt as _,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use tokio::{task::JoinSet, time::sleep};

use super::{
    client::Clients,
    figures::{Seen, Times},
    load::Submission,
};
use crate::error::{Error, Result};

/// A step in a job's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The AIJob says that a member is claimed and the lease asked for.
    Opening,
    /// The AIJob says that the lease is open on the chain.
    Open,
    /// The Assignment is in the member's namespace on the hub.
    Assigned,
    /// The batch/v1 Job is in the member's API.
    Created,
    /// The AIJob has ended and is settled.
    Ended,
    /// The Assignment is cleared away.
    Cleared,
}

#[derive(Default)]
struct Sights {
    first: Mutex<HashMap<(Step, String), Instant>>,
    failed: Mutex<HashMap<String, Phase>>,
    errors: AtomicU64,
}

/// What was seen; the watches end when it is dropped.
pub struct Board {
    sights: Arc<Sights>,
    _watches: JoinSet<()>,
}

impl Board {
    /// Watches the AIJobs of `namespace`, the Assignments of `member`, and the Jobs in its cluster.
    pub fn watching(clients: &Clients, namespace: &str, member: &str) -> Self {
        let (sights, mut watches) = (Arc::new(Sights::default()), JoinSet::new());
        let jobs = watcher::watcher(clients.jobs(namespace), watcher::Config::default());
        watches.spawn(follow(jobs, Arc::clone(&sights), |sights, job, _| aijob(sights, job)));
        let assignments: Api<PartialObjectMeta<Assignment>> =
            Api::namespaced(clients.hub.clone(), &member_namespace(member));
        let work: Api<PartialObjectMeta<Job>> = Api::all(clients.member.clone());
        let assigned = |sights: &Sights, of: &PartialObjectMeta<Assignment>, gone: bool| {
            named(sights, if gone { Step::Cleared } else { Step::Assigned }, &of.name_any());
        };
        let created = |sights: &Sights, of: &PartialObjectMeta<Job>, gone: bool| {
            if !gone {
                named(sights, Step::Created, &of.name_any());
            }
        };
        watches.spawn(follow(watcher::watcher(assignments, watcher::Config::default()), Arc::clone(&sights), assigned));
        watches.spawn(follow(watcher::watcher(work, watcher::Config::default()), Arc::clone(&sights), created));
        Self { sights, _watches: watches }
    }

    /// Waits until all these jobs have come to `step`.
    pub async fn all(&self, step: Step, jobs: &[Submission], patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        loop {
            let missing: Vec<&str> =
                jobs.iter().filter(|job| self.when(step, job).is_none()).map(|job| job.name.as_str()).collect();
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() >= end {
                let (what, seconds) = (format!("{step:?} of all jobs"), patience.as_secs());
                let last = format!("{} haven't come to it: {}", missing.len(), missing.join(", "));
                return Err(Error::Timeout { what, seconds, last });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// When a job was first seen at a step.
    pub fn when(&self, step: Step, job: &Submission) -> Option<Instant> {
        lock(&self.sights.first).get(&(step, job.uid.clone())).copied()
    }

    /// A job's steps, counted from its submission; `None` if it skipped one.
    pub fn times(&self, job: &Submission, block: Option<Instant>) -> Option<Times> {
        let seen = Seen {
            submitted: job.at,
            opening: self.when(Step::Opening, job)?,
            block,
            open: self.when(Step::Open, job)?,
            assigned: self.when(Step::Assigned, job)?,
            created: self.when(Step::Created, job)?,
            ended: self.when(Step::Ended, job)?,
        };
        Some(Times::new(job.answered, &seen))
    }

    /// How a job ended if not well.
    pub fn failure(&self, job: &Submission) -> Option<Phase> {
        lock(&self.sights.failed).get(&job.uid).copied()
    }

    /// How often a watch broke: what happened meanwhile was seen late.
    pub fn errors(&self) -> u64 {
        self.sights.errors.load(Ordering::Relaxed)
    }
}

impl Sights {
    fn saw(&self, step: Step, uid: &str) {
        let now = Instant::now();
        lock(&self.first).entry((step, uid.to_owned())).or_insert(now);
    }
}

/// Tells `note` of every object that is new or changed, or gone, for as long as the program runs.
async fn follow<K>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send,
    sights: Arc<Sights>,
    note: impl Fn(&Sights, &K, bool),
) where
    K: Resource + Clone,
{
    let events = events.default_backoff();
    events
        .for_each(|event| {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => note(&sights, &object, false),
                Ok(Event::Delete(object)) => note(&sights, &object, true),
                Ok(Event::Init | Event::InitDone) => {}
                Err(_) => drop(sights.errors.fetch_add(1, Ordering::Relaxed)),
            }
            ready(())
        })
        .await;
}

/// The steps that an AIJob's status tells of.
fn aijob(sights: &Sights, job: &AIJob) {
    let (Some(uid), Some(status)) = (&job.metadata.uid, &job.status) else { return };
    if let Some(attempt) = &status.attempt {
        sights.saw(Step::Opening, uid);
        if matches!(attempt.lease.state, LeaseState::Open | LeaseState::Closed) {
            sights.saw(Step::Open, uid);
        }
    }
    if status.phase.is_final() {
        if status.phase != Phase::Succeeded {
            lock(&sights.failed).insert(uid.clone(), status.phase);
        }
        sights.saw(Step::Ended, uid);
    }
}

/// An object that bears an attempt's name.
fn named(sights: &Sights, step: Step, name: &str) {
    if let Ok((uid, _)) = Epoch::from_name(name) {
        sights.saw(step, uid);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn board() -> Board {
        Board { sights: Arc::default(), _watches: JoinSet::new() }
    }

    fn submission(uid: &str) -> Submission {
        let now = Instant::now();
        Submission { name: "bench-1".to_owned(), uid: uid.to_owned(), at: now, answered: now }
    }

    fn with_lease(uid: &str, phase: &str, lease: &str) -> AIJob {
        serde_json::from_value(json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "AIJob", "metadata": {"name": "bench-1", "uid": uid},
            "spec": {"image": "i", "maxPrice": "1", "payment": {"account": format!("0x{}", "1".repeat(40))}},
            "status": {"phase": phase, "attempt": {
                "epoch": {"generation": 1, "attempt": 1}, "member": "home", "class": "cpu", "rate": "0.04",
                "milliUnits": 20, "provider": format!("0x{}", "2".repeat(40)), "observed": {"settledMs": 0, "intervals": 0},
                "lease": {"id": format!("0x{}", "3".repeat(64)), "state": lease, "hold": "1"},
            }},
        }))
        .unwrap()
    }

    #[test]
    fn the_first_sight_of_a_step_counts() {
        let (board, job) = (board(), submission("u"));
        aijob(&board.sights, &with_lease("u", "Opening", "Opening"));
        let opening = board.when(Step::Opening, &job).unwrap();
        assert_eq!(board.when(Step::Open, &job), None);
        aijob(&board.sights, &with_lease("u", "Starting", "Open"));
        assert_eq!(board.when(Step::Opening, &job), Some(opening), "the first stays");
        assert!(board.when(Step::Open, &job).unwrap() >= opening);
        assert_eq!(board.when(Step::Ended, &job), None);
        assert_eq!(board.when(Step::Opening, &submission("other")), None);
    }

    #[test]
    fn an_end_that_isnt_success_is_told() {
        let board = board();
        aijob(&board.sights, &with_lease("good", "Succeeded", "Closed"));
        aijob(&board.sights, &with_lease("bad", "Failed", "Closed"));
        assert!(board.when(Step::Ended, &submission("good")).is_some());
        assert_eq!(board.failure(&submission("good")), None);
        assert_eq!(board.failure(&submission("bad")), Some(Phase::Failed));
    }

    #[test]
    fn only_attempts_names_count_as_steps() {
        let board = board();
        named(&board.sights, Step::Created, "some-cron-job");
        named(&board.sights, Step::Created, "u-g1-a1");
        assert!(board.when(Step::Created, &submission("u")).is_some());
        assert_eq!(lock(&board.sights.first).len(), 1);
    }

    #[tokio::test]
    async fn waiting_says_which_jobs_are_missing() {
        let board = board();
        named(&board.sights, Step::Assigned, "u-g1-a1");
        board.all(Step::Assigned, &[submission("u")], Duration::ZERO).await.unwrap();
        let error = board.all(Step::Created, &[submission("u")], Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.contains("Created of all jobs") && error.contains("bench-1"), "{error}");
    }

    #[test]
    fn a_job_that_skipped_a_step_has_no_times() {
        let (board, job) = (board(), submission("u"));
        aijob(&board.sights, &with_lease("u", "Succeeded", "Closed"));
        named(&board.sights, Step::Assigned, "u-g1-a1");
        assert_eq!(board.times(&job, None), None);
        named(&board.sights, Step::Created, "u-g1-a1");
        assert!(board.times(&job, None).is_some());
    }
}
