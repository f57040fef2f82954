//! Which artifacts are on their way, and how far they are.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use eai_api::{
    Assignment,
    aijob::{Checkpoint, Output},
    artifact::{CheckpointArtifact, OutputArtifact},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender, watch},
    task::JoinHandle,
};

use super::{
    LogState, View,
    checkpoint::{self, Keeper, Life},
    exec,
    log::{self, Live, Progress, Source},
    output::{self, Holder},
    spool::Spool,
    upload::Target,
};
use crate::work::pods::{Outputs, PodFact, Restore};

/// Files uploaded at once: each holds a part in memory.
const UPLOADS: usize = 2;

/// How long a pod that was let go may take to show it.
const LETTING_GO: Duration = Duration::from_secs(5);

/// What artifacts are moved with.
#[derive(Clone)]
pub struct Clients {
    /// The member's cluster.
    pub member: Client,
    /// The hub.
    pub hub: Client,
    /// Where work runs.
    pub work_namespace: String,
    /// The member's namespace on the hub.
    pub hub_namespace: String,
    /// Where the outputs image has this program.
    pub agent_binary: String,
    /// A directory for log tails.
    pub scratch: PathBuf,
}

/// All artifacts on their way. Cheap to clone.
#[derive(Clone)]
pub struct Artifacts(Arc<Inner>);

struct Inner {
    clients: Clients,
    pods: Store<Pod>,
    wake: UnboundedSender<ObjectRef<Assignment>>,
    entries: Mutex<HashMap<String, Entry>>,
    /// Pods being let go, by UID. They outlast their Assignment's entry.
    leaving: Mutex<HashSet<String>>,
    uploads: Arc<Semaphore>,
}

/// Those of one Assignment.
#[derive(Default)]
struct Entry {
    view: View,
    logs: HashMap<u32, Task>,
    /// Logs for whoever wants to read along, also those that are over.
    live: HashMap<u32, Live>,
    /// Pods whose outputs are being collected.
    collecting: HashMap<String, Task>,
    /// Pods whose checkpoints are being kept.
    saving: HashMap<String, Task>,
    /// Pods whose checkpoint is being put back.
    restoring: HashMap<String, Task>,
}

/// A task that ends with whoever holds it.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One pod of an Assignment.
#[derive(Clone, Debug)]
pub struct PodRef {
    /// The Assignment.
    pub assignment: String,
    /// The pod.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// Its completion index.
    pub index: u32,
}

impl Artifacts {
    /// `pods` are the work pods; `wake` asks for an Assignment to be looked at.
    pub fn new(clients: Clients, pods: Store<Pod>, wake: UnboundedSender<ObjectRef<Assignment>>) -> Self {
        let uploads = Arc::new(Semaphore::new(UPLOADS));
        Self(Arc::new(Inner { clients, pods, wake, entries: Mutex::default(), leaving: Mutex::default(), uploads }))
    }

    /// How far those of `assignment` are.
    pub fn view(&self, assignment: &str) -> View {
        self.entries().get(assignment).map(|entry| entry.view.clone()).unwrap_or_default()
    }

    /// The log of a completion, if it was ever read.
    pub fn live(&self, assignment: &str, index: u32) -> Option<Live> {
        self.entries().get(assignment)?.live.get(&index).cloned()
    }

    /// A log that somebody else reads.
    #[cfg(test)]
    pub fn put_live(&self, assignment: &str, index: u32, live: Live) {
        self.entries().entry(assignment.to_owned()).or_default().live.insert(index, live);
    }

    /// Follows the log of a pod's work, unless that is done or being done. A newer pod's log comes behind that of its
    /// index's older ones: an attempt that was paused goes on.
    pub fn follow(&self, of: &PodRef) {
        let mut entries = self.entries();
        let entry = entries.entry(of.assignment.clone()).or_default();
        let same = entry.view.logs.get(&of.index).is_some_and(|state| state.pod_uid() == of.uid);
        if same {
            return;
        }
        let path = self.spool_path(&of.assignment, of.index);
        // Nobody else writes to it from now on.
        entry.logs.remove(&of.index);
        let start = entry.live.get(&of.index).map_or(0, |live| live.spool().start());
        let spool = match Spool::open(&path, start) {
            Ok(spool) => spool,
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "can't keep a log; see scratchDir");
                entry.view.logs.insert(of.index, LogState::Lost { pod_uid: of.uid.clone() });
                return;
            }
        };
        entry.view.logs.insert(of.index, LogState::Following { pod_uid: of.uid.clone() });
        let (live, progress) = Live::new(spool);
        entry.live.insert(of.index, live.clone());
        let task = tokio::spawn(self.clone().follow_task(of.clone(), live, progress));
        entry.logs.insert(of.index, Task(task));
    }

    async fn follow_task(self, of: PodRef, live: Live, progress: watch::Sender<Progress>) {
        let clients = &self.0.clients;
        let source = Source {
            pods: self.pods(),
            pod: of.pod.clone(),
            pod_uid: of.uid.clone(),
            index: of.index,
            over: self.fact_holds(&of, |fact| fact.is_none_or(|pod| pod.ended())),
        };
        let state = log::follow(source, live, progress, clients.hub.clone(), self.target(&of)).await;
        if let Some(entry) = self.entries().get_mut(&of.assignment) {
            entry.view.logs.insert(of.index, state);
        }
        self.wake(&of.assignment);
    }

    /// Fetches a pod's outputs, unless that is done or being done.
    pub fn collect(&self, of: &PodRef, outputs: &[Output], known: &[OutputArtifact]) {
        let mut entries = self.entries();
        let entry = entries.entry(of.assignment.clone()).or_default();
        let done = entry.view.outputs.get(&of.index).is_some_and(|collected| collected.pod_uid == of.uid);
        if done || entry.collecting.contains_key(&of.uid) {
            return;
        }
        let task = tokio::spawn(self.clone().collect_task(of.clone(), outputs.to_vec(), known.to_vec()));
        entry.collecting.insert(of.uid.clone(), Task(task));
    }

    async fn collect_task(self, of: PodRef, outputs: Vec<Output>, known: Vec<OutputArtifact>) {
        let clients = &self.0.clients;
        let holder = self.holder(&of);
        let uploads = Arc::clone(&self.0.uploads);
        let collected = output::collect(holder, outputs, known, clients.hub.clone(), self.target(&of), uploads).await;
        if let Some(entry) = self.entries().get_mut(&of.assignment) {
            entry.view.outputs.insert(of.index, collected);
        }
        self.wake(&of.assignment);
    }

    /// Keeps the checkpoints of a pod's work, until that is over; unless it is being done. Of `known` the hub has it.
    pub fn save(&self, of: &PodRef, wanted: &Checkpoint, known: Option<&CheckpointArtifact>) {
        let mut entries = self.entries();
        let entry = entries.entry(of.assignment.clone()).or_default();
        if entry.saving.contains_key(&of.uid) || entry.view.last_looked.contains(&of.uid) {
            return;
        }
        let task = tokio::spawn(self.clone().save_task(of.clone(), wanted.clone(), known.cloned()));
        entry.saving.insert(of.uid.clone(), Task(task));
    }

    async fn save_task(self, of: PodRef, wanted: Checkpoint, known: Option<CheckpointArtifact>) {
        let clients = &self.0.clients;
        let keeper = Keeper { holder: self.holder(&of), wanted, life: self.life(&of), known };
        let tell = |artifact: CheckpointArtifact| {
            if let Some(entry) = self.entries().get_mut(&of.assignment) {
                entry.view.checkpoints.insert(of.index, artifact);
            }
            self.wake(&of.assignment);
        };
        let uploads = Arc::clone(&self.0.uploads);
        checkpoint::save(keeper, clients.hub.clone(), self.target(&of), uploads, tell).await;
        if let Some(entry) = self.entries().get_mut(&of.assignment) {
            entry.view.last_looked.insert(of.uid.clone());
        }
        self.wake(&of.assignment);
    }

    /// Puts the checkpoint that a pod goes on from into it, if there is one, and lets its work begin; unless that is being
    /// done.
    pub fn restore(&self, of: &PodRef) {
        let mut entries = self.entries();
        let entry = entries.entry(of.assignment.clone()).or_default();
        if entry.restoring.get(&of.uid).is_none_or(|task| task.0.is_finished()) {
            let task = tokio::spawn(self.clone().restore_task(of.clone()));
            entry.restoring.insert(of.uid.clone(), Task(task));
        }
    }

    async fn restore_task(self, of: PodRef) {
        let gone = self.fact_holds(&of, |fact| fact.is_none_or(|pod| pod.restore != Restore::Running));
        let holder = Holder { gone, ..self.holder(&of) };
        checkpoint::restore(holder, self.0.clients.hub.clone(), self.target(&of)).await;
        // The news of the container's end takes a moment; then it is tried again if it hasn't ended.
        tokio::time::sleep(LETTING_GO).await;
        self.wake(&of.assignment);
    }

    /// How far the work of a pod is, to be asked later.
    fn life(&self, of: &PodRef) -> Arc<dyn Fn() -> Life + Send + Sync> {
        let fact = self.fact(of);
        Arc::new(move || match fact() {
            Some(pod) if pod.outputs != Outputs::Running => Life::Gone,
            None => Life::Gone,
            Some(pod) if pod.ended() => Life::Over,
            Some(pod) => pod.asked_at.map_or(Life::Running, |at| Life::Leaving(at.as_second())),
        })
    }

    fn holder(&self, of: &PodRef) -> Holder {
        Holder {
            pods: self.pods(),
            pod: of.pod.clone(),
            pod_uid: of.uid.clone(),
            index: of.index,
            binary: self.0.clients.agent_binary.clone(),
            gone: self.fact_holds(of, |fact| fact.is_none_or(|pod| pod.outputs != Outputs::Running)),
        }
    }

    /// Tells a pod's outputs container to end, so that the pod does.
    pub fn let_go(&self, of: &PodRef) {
        if self.leaving().insert(of.uid.clone()) {
            tokio::spawn(self.clone().let_go_task(of.clone()));
        }
    }

    async fn let_go_task(self, of: PodRef) {
        let command = [self.0.clients.agent_binary.as_str(), "outputs", "done"].map(str::to_owned);
        if let Err(error) = exec::answer(&self.pods(), &of.pod, &command).await {
            // The container may have ended before it could say so; the pod shows whether it did.
            tracing::debug!(pod = of.pod, %error, "letting a pod go");
        }
        // The news of the container's end takes a moment; then it is tried again if it hasn't ended.
        tokio::time::sleep(LETTING_GO).await;
        self.leaving().remove(&of.uid);
        self.wake(&of.assignment);
    }

    /// Drops all of an Assignment's, whatever is under way.
    pub fn forget(&self, assignment: &str) {
        let Some(entry) = self.entries().remove(assignment) else { return };
        for index in entry.view.logs.keys() {
            // One that isn't there needs no removing.
            let _ = std::fs::remove_file(self.spool_path(assignment, *index));
        }
    }

    /// Drops those of Assignments that aren't to be kept.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.entries().keys().filter(|name| !keep(name)).cloned().collect();
        for name in &gone {
            self.forget(name);
        }
    }

    fn spool_path(&self, assignment: &str, index: u32) -> PathBuf {
        self.0.clients.scratch.join(format!("{assignment}-{index}.log"))
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.0.clients.member.clone(), &self.0.clients.work_namespace)
    }

    fn target(&self, of: &PodRef) -> Target {
        Target { namespace: self.0.clients.hub_namespace.clone(), assignment: of.assignment.clone() }
    }

    /// A question about the pod that can be asked later.
    fn fact_holds(
        &self,
        of: &PodRef,
        holds: impl Fn(Option<PodFact>) -> bool + Send + Sync + 'static,
    ) -> Arc<dyn Fn() -> bool + Send + Sync> {
        let fact = self.fact(of);
        Arc::new(move || holds(fact()))
    }

    /// The pod as it is when asked for later; `None` once it is gone.
    fn fact(&self, of: &PodRef) -> impl Fn() -> Option<PodFact> + Send + Sync + use<> {
        let (store, uid) = (self.0.pods.clone(), of.uid.clone());
        let key = ObjectRef::new(&of.pod).within(&self.0.clients.work_namespace);
        move || {
            let pod = store.get(&key).filter(|pod| pod.metadata.uid.as_deref() == Some(&uid));
            pod.and_then(|pod| PodFact::read(&pod))
        }
    }

    fn wake(&self, assignment: &str) {
        // An error only says that the agent is stopping.
        let _ = self.0.wake.send(ObjectRef::new(assignment).within(&self.0.clients.hub_namespace));
    }

    fn leaving(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogState {
    /// The pod it speaks of.
    pub fn pod_uid(&self) -> &str {
        match self {
            Self::Following { pod_uid } | Self::Kept { pod_uid, .. } | Self::Lost { pod_uid } => pod_uid,
        }
    }
}
