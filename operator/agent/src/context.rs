//! What every part of the running agent shares.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eai_api::{
    Assignment, AssignmentStatus,
    assignment::{AssignmentPhase, Grant},
};
use eai_core::{
    fencing::{BootMs, Term},
    seal::KeyPair,
};
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Node, Pod},
    },
    jiff::Timestamp,
};
use kube::{
    Client,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::{sync::watch, time::Instant};

use crate::{
    artifacts::Artifacts,
    config::Config,
    demand::Demand,
    fence::Pulse,
    identity::Identity,
    metrics::Metrics,
    refusal::Probes,
    report::build::silent_since,
    work::snapshot::{Hold, JobFact},
};

/// The name under which this agent writes.
pub const FIELD_MANAGER: &str = "eai-agent";

/// What every part of the running agent shares.
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The member's cluster.
    pub member: Client,
    /// The hub.
    pub hub: Client,
    /// The member's namespace on the hub.
    pub hub_namespace: String,
    /// The member's keys.
    pub keys: Arc<KeyPair>,
    /// What grants are judged by.
    pub pulse: Arc<Pulse>,
    /// Where what must survive is kept.
    pub identity: Identity,
    /// What is watched.
    pub stores: Stores,
    /// Logs and outputs on their way.
    pub artifacts: Artifacts,
    /// What the probes found.
    pub probes: watch::Receiver<Probes>,
    /// Figures.
    pub metrics: Metrics,
    /// What is known of Assignments beyond what is watched.
    pub tracks: Tracks,
    /// Held while an Assignment is judged and its place taken, so that two don't take the same.
    pub admission: tokio::sync::Mutex<()>,
}

/// What is watched.
pub struct Stores {
    /// Assignments on the hub.
    pub assignments: Store<Assignment>,
    /// Their Jobs in the member's cluster.
    pub jobs: Store<Job>,
    /// Their pods.
    pub pods: Store<Pod>,
    /// Nodes.
    pub nodes: Store<Node>,
}

/// What is known of Assignments beyond what is watched, by name.
#[derive(Default)]
pub struct Tracks(Mutex<HashMap<String, Track>>);

/// What is known of one Assignment.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// The Assignment's UID: another one of the same name is another.
    pub uid: String,
    /// When it was first seen.
    pub seen: Option<Instant>,
    /// The Job, from its creation until the watch shows it.
    pub created: Option<Arc<Job>>,
    /// When it was created.
    pub created_at: Option<Instant>,
    /// What it asks for, from its admission until the watch shows its Job.
    pub reserved: Option<Demand>,
    /// The last status written: the watch shows it only later.
    pub written: Option<AssignmentStatus>,
    /// When it was written.
    pub told: Option<Instant>,
    /// Failures in a row.
    pub failures: u32,
    /// Until when it may run, as far as this process knows.
    pub term: Option<Term>,
    /// The last grant that wasn't taken.
    pub untaken: Option<Grant>,
    /// From when on it must not run, if anything of it may; 0 if it is to end now.
    pub fence_at: Option<BootMs>,
}

impl Tracks {
    /// The track of the Assignment `name` with UID `uid`; a new one if there is none.
    pub fn with<R>(&self, name: &str, uid: &str, action: impl FnOnce(&mut Track) -> R) -> R {
        let mut tracks = self.lock();
        let track = tracks.entry(name.to_owned()).or_default();
        if track.uid != uid {
            *track = Track { uid: uid.to_owned(), ..Track::default() };
        }
        action(track)
    }

    /// The names of those that must not run at `now`, and may.
    pub fn due(&self, now: BootMs) -> Vec<String> {
        let tracks = self.lock();
        let due = tracks.iter().filter(|(_, track)| track.fence_at.is_some_and(|at| at <= now));
        due.map(|(name, _)| name.clone()).collect()
    }

    /// Forgets all but those to `keep`.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|name, _| keep(name));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Track>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context {
    /// The Job called `name`, as watched or as just created.
    pub fn job(&self, name: &str) -> Option<Arc<Job>> {
        let key = ObjectRef::new(name).within(&self.config.work_namespace);
        self.stores.jobs.get(&key).or_else(|| self.tracks.lock().get(name).and_then(|track| track.created.clone()))
    }

    /// What work on this member asks for, that of `except` left out.
    pub fn in_use(&self, except: Option<&str>) -> Demand {
        let mut sum = Demand::default();
        let jobs = self.stores.jobs.state();
        for job in &jobs {
            let fact = JobFact::read(job);
            let name = job.metadata.name.as_deref().unwrap_or_default();
            // The Job controller's word comes seconds after an end that the hub was told already.
            let over = fact.over() || fact.hold == Hold::Done || self.has_ended(name);
            if Some(name) != except && !over {
                sum.add(&Demand::of_job(job));
            }
        }
        for (name, track) in self.tracks.lock().iter() {
            let watched = jobs.iter().any(|job| job.metadata.name.as_deref() == Some(name));
            if let Some(reserved) = track.reserved.as_ref().filter(|_| !watched && except != Some(name)) {
                sum.add(reserved);
            }
        }
        sum
    }

    /// Whether the hub was told that the attempt called `name` has ended.
    fn has_ended(&self, name: &str) -> bool {
        let written = self.tracks.lock().get(name).and_then(|track| track.written.as_ref().map(|s| s.phase));
        let key = ObjectRef::new(name).within(&self.hub_namespace);
        let watched = || self.stores.assignments.get(&key).and_then(|a| a.status.as_ref().map(|s| s.phase));
        written.or_else(watched).is_some_and(AssignmentPhase::is_final)
    }

    /// Nodes that nothing is heard of, and since when.
    pub fn silent_nodes(&self) -> BTreeMap<String, Timestamp> {
        let silent = |node: &Arc<Node>| Some((node.metadata.name.clone()?, silent_since(node)?));
        self.stores.nodes.state().iter().filter_map(silent).collect()
    }
}
