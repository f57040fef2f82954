//! What a work pod says about its work, read from the pod once.

use eai_api::names::{METERING_FINALIZER, WORK_CONTAINER};
use k8s_openapi::{
    api::core::v1::{ContainerState, ContainerStatus, Pod, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

use crate::ledger::Run;

/// The container that holds a finished pod's outputs until they are fetched.
pub const OUTPUTS_CONTAINER: &str = "outputs";
/// The container that puts a checkpoint back before the work begins.
pub const RESTORE_CONTAINER: &str = "restore";
/// The Job controller writes the completion index here.
const INDEX_ANNOTATION: &str = "batch.kubernetes.io/job-completion-index";
/// The Job controller writes here how often the index had failed, with failures that count, when it made the pod.
const FAILURES_ANNOTATION: &str = "batch.kubernetes.io/job-index-failure-count";
/// The condition of a pod that its cluster takes away: its node is lost, drained or full, or another pod goes first.
pub const DISRUPTION_TARGET: &str = "DisruptionTarget";
/// The Job controller's own, on pods that it has still to count.
pub const TRACKING_FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// A container that couldn't be started has the beginning of Unix time as its start. Nothing real is older than this.
const EARLIEST_START_MS: u64 = 86_400_000;

/// What a work pod says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFact {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its completion index.
    pub index: u32,
    /// The node it runs on, once it is scheduled.
    pub node: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it is to be gone: when it was asked to go, and its grace.
    pub deleted_at: Option<Timestamp>,
    /// When it was asked to go.
    pub asked_at: Option<Timestamp>,
    /// Whether its cluster takes or took it away, for no fault of its work, and it wasn't done by then.
    pub disrupted: bool,
    /// How often its index had failed before, with failures that count.
    pub failures_before: u32,
    /// Whether the Job controller has still to count it. One that it deletes for a pause or a stop it never counts: it
    /// takes its finalizer away before. Where that is in its list of finalizers.
    pub tracked_at: Option<usize>,
    /// Where the metering finalizer is in its list of finalizers.
    pub finalizer_at: Option<usize>,
    /// Whether no container of it will run any more.
    pub terminal: bool,
    /// The work container.
    pub work: Work,
    /// The outputs container.
    pub outputs: Outputs,
    /// The container that puts a checkpoint back.
    pub restore: Restore,
    /// Why the pod as a whole ended, such as `Evicted`; empty otherwise.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
}

/// The state of a pod's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Not started yet.
    Waiting {
        /// Why, such as `ImagePullBackOff` or `Unschedulable`; empty if nothing is wrong.
        reason: String,
        /// The same in a sentence.
        message: String,
    },
    /// Running since.
    Running {
        /// Its start, in Unix milliseconds.
        start_ms: u64,
    },
    /// Over.
    Ended {
        /// From when to when, and how it ended.
        run: Run,
        /// Why, such as `OOMKilled`.
        reason: String,
    },
    /// The pod is over and its work container's end was never told.
    Untold,
}

/// The state of a pod's outputs container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// It has none.
    None,
    /// Not started yet.
    Waiting,
    /// Holding the outputs.
    Running,
    /// Gone, and the outputs with it.
    Ended,
}

/// The state of a pod's container that puts a checkpoint back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// It has none, or that has done its work, or hasn't begun it.
    Idle,
    /// It waits for what it is to put back.
    Running,
}

impl PodFact {
    /// Reads `pod`; `None` if it isn't a pod of an Indexed Job, or incomplete.
    pub fn read(pod: &Pod) -> Option<Self> {
        let meta = &pod.metadata;
        let nothing = PodStatus::default();
        let status = pod.status.as_ref().unwrap_or(&nothing);
        let annotations = meta.annotations.as_ref()?;
        let index = annotations.get(INDEX_ANNOTATION)?.parse().ok()?;
        let terminal = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let spec = pod.spec.as_ref()?;
        let node = spec.node_name.clone();
        let deleted_at = meta.deletion_timestamp.as_ref().map(|t| t.0);
        // Nobody will ever report on a pod that was asked to go before a node had it.
        let over = terminal || (deleted_at.is_some() && node.is_none());
        let has_outputs = spec.containers.iter().any(|c| c.name == OUTPUTS_CONTAINER);
        let container =
            |name: &str| status.container_statuses.iter().flatten().find(|c: &&ContainerStatus| c.name == name);
        Some(Self {
            name: meta.name.clone()?,
            uid: meta.uid.clone()?,
            index,
            node,
            created: meta.creation_timestamp.as_ref().map(|t| t.0),
            deleted_at,
            asked_at: deleted_at.map(|at| asked_at(at, meta.deletion_grace_period_seconds)),
            tracked_at: meta.finalizers.iter().flatten().position(|f| f == TRACKING_FINALIZER),
            disrupted: status.phase.as_deref() != Some("Succeeded") && is_disrupted(status),
            failures_before: annotations.get(FAILURES_ANNOTATION).and_then(|count| count.parse().ok()).unwrap_or(0),
            finalizer_at: meta.finalizers.iter().flatten().position(|f| f == METERING_FINALIZER),
            terminal: over,
            work: work(container(WORK_CONTAINER), pod, index, over),
            outputs: if has_outputs { outputs(container(OUTPUTS_CONTAINER), over) } else { Outputs::None },
            restore: restore(status, over),
            reason: status.reason.clone().unwrap_or_default(),
            message: status.message.clone().unwrap_or_default(),
        })
    }

    /// Whether it ends because its Job was suspended: nothing of it counts, and its index runs again after.
    pub fn interrupted(&self) -> bool {
        self.deleted_at.is_some() && self.tracked_at.is_none()
    }

    /// Whether its work runs, or may begin, and nobody has asked it to go.
    pub fn live(&self) -> bool {
        self.deleted_at.is_none() && !self.terminal && !self.ended()
    }

    /// Whether its work is over, so that its run can be recorded.
    pub fn ended(&self) -> bool {
        matches!(self.work, Work::Ended { .. } | Work::Untold)
    }

    /// The run to record once the work is over.
    pub fn run(&self) -> Option<Run> {
        let run = match &self.work {
            Work::Ended { run, .. } => *run,
            // It is known to be over and not for how long it ran: nothing is billed for it.
            Work::Untold => Run { index: self.index, start_ms: 0, finish_ms: 0, exit: UNTOLD_EXIT, lost: false },
            Work::Waiting { .. } | Work::Running { .. } => return None,
        };
        Some(Run { lost: self.disrupted, ..run })
    }

    /// How its work ended, if that says anything: what becomes of a pod that was asked to go, or that its cluster took
    /// away, is the Job controller's to say.
    pub fn judged(&self) -> Option<Run> {
        self.run().filter(|_| self.deleted_at.is_none() && !self.disrupted)
    }
}

fn is_disrupted(status: &PodStatus) -> bool {
    status.conditions.iter().flatten().any(|c| c.type_ == DISRUPTION_TARGET && c.status == "True")
}

/// The exit code recorded for work whose end was never told: its node or its pod was lost.
pub const UNTOLD_EXIT: i32 = -1;

/// A deletion's time is that of its asking and the grace given.
fn asked_at(deleted_at: Timestamp, grace_seconds: Option<i64>) -> Timestamp {
    let grace = SignedDuration::from_secs(grace_seconds.unwrap_or(0).max(0));
    deleted_at.checked_sub(grace).unwrap_or(deleted_at)
}

fn work(status: Option<&ContainerStatus>, pod: &Pod, index: u32, terminal: bool) -> Work {
    let state = status.and_then(|s| s.state.clone()).unwrap_or_default();
    if let Some(ended) = state.terminated {
        let run = Run {
            index,
            start_ms: unix_ms(ended.started_at.as_ref()),
            finish_ms: unix_ms(ended.finished_at.as_ref()),
            exit: ended.exit_code,
            lost: false,
        };
        return Work::Ended { run, reason: ended.reason.unwrap_or_default() };
    }
    if terminal {
        return Work::Untold;
    }
    match state.running {
        Some(running) => Work::Running { start_ms: unix_ms(running.started_at.as_ref()) },
        None => waiting(&state, pod),
    }
}

fn waiting(state: &ContainerState, pod: &Pod) -> Work {
    let unschedulable = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten())
        .find(|c| c.type_ == "PodScheduled" && c.status == "False");
    let (reason, message) = match (&state.waiting, unschedulable) {
        (Some(waiting), _) => (waiting.reason.clone(), waiting.message.clone()),
        (None, Some(condition)) => (condition.reason.clone(), condition.message.clone()),
        (None, None) => (None, None),
    };
    Work::Waiting { reason: reason.unwrap_or_default(), message: message.unwrap_or_default() }
}

fn outputs(status: Option<&ContainerStatus>, terminal: bool) -> Outputs {
    let state = status.and_then(|s| s.state.as_ref());
    match state {
        Some(state) if state.terminated.is_some() => Outputs::Ended,
        _ if terminal => Outputs::Ended,
        Some(state) if state.running.is_some() => Outputs::Running,
        _ => Outputs::Waiting,
    }
}

fn restore(status: &PodStatus, terminal: bool) -> Restore {
    let of = status.init_container_statuses.iter().flatten().find(|c| c.name == RESTORE_CONTAINER);
    let runs = of.and_then(|c| c.state.as_ref()).is_some_and(|state| state.running.is_some());
    if runs && !terminal { Restore::Running } else { Restore::Idle }
}

/// A time in Unix milliseconds; 0 for none, and for what stands for none.
fn unix_ms(time: Option<&Time>) -> u64 {
    let ms = time.map_or(0, |t| u64::try_from(t.0.as_millisecond()).unwrap_or(0));
    if ms < EARLIEST_START_MS { 0 } else { ms }
}
