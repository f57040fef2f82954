//! The status that the hub is told.

use std::{collections::BTreeMap, time::Duration};

use eai_api::{
    AssignmentStatus,
    artifact::{CheckpointArtifact, LogArtifact, OutputArtifact},
    assignment::Workload,
};
use eai_core::metering::{MilliUnits, UsageMs, usage};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use crate::{
    artifacts::LogState,
    ledger::Ledger,
    work::{
        pods::{PodFact, Work},
        snapshot::Snapshot,
    },
};

/// How long a pod may be ending before its node is taken for gone.
const STUCK_AFTER: Duration = Duration::from_mins(10);
/// How often a pod that is ending is looked at.
pub(super) const STUCK_CHECK: Duration = Duration::from_mins(1);
/// While work runs its usage is counted to a little before now, because news of its end takes a moment: what is told
/// then never exceeds what the recorded end will show.
const RUNNING_MARGIN_MS: u64 = 2_000;
/// The most that a status can say.
const MAX_USAGE: u64 = 9_007_199_254_740_991;
const MAX_DISRUPTIONS: u32 = 1_000_000;
/// What a reason and a message may hold.
const MAX_REASON: usize = 120;
const MAX_MESSAGE: usize = 4_000;

/// The last status, brought to the spec's generation.
pub(super) fn base(snapshot: &Snapshot) -> AssignmentStatus {
    AssignmentStatus {
        observed_generation: snapshot.assignment.metadata.generation,
        running: 0,
        reason: String::new(),
        message: String::new(),
        ..snapshot.previous.clone()
    }
}

/// Gives the reason, in a word and a sentence.
pub fn say(status: &mut AssignmentStatus, reason: &str, message: impl Into<String>) {
    status.reason = cut(reason, MAX_REASON);
    status.message = cut(&message.into(), MAX_MESSAGE);
}

/// Says that it begins only under a grant.
pub fn await_grant(status: &mut AssignmentStatus) {
    say(status, "AwaitingGrant", "it begins once the hub has lent it the right to run, for long enough to begin with");
}

/// At most `limit` bytes of `text`, at a character's border.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// Whether `pod` has been ending for so long that its node must be gone.
pub(super) fn is_stuck(pod: &PodFact, now: Timestamp) -> bool {
    !pod.ended() && pod.deleted_at.is_some_and(|at| now.duration_since(at).unsigned_abs() > STUCK_AFTER && now > at)
}

/// What a pod of `workload` is billed in.
pub fn milli_units(workload: &Workload) -> MilliUnits {
    match &workload.accelerator {
        Some(accelerator) => MilliUnits(u64::from(accelerator.count) * 1000),
        None => MilliUnits(workload.cpu_millis),
    }
}

/// Since when, in Unix milliseconds, and until when the work of `pod` is counted while it runs. Of a pod that was asked
/// to go its node tells nothing until all its containers have ended, so that its work may be over for long: what it ran
/// since it was asked is counted once its end is known.
fn running(pod: &PodFact, snapshot: &Snapshot) -> Option<(u64, u64)> {
    let Work::Running { start_ms } = pod.work else { return None };
    // It is being taken away: it is billed if it is done by then.
    if pod.disrupted {
        return None;
    }
    let silent = pod.node.as_ref().and_then(|node| snapshot.lost_nodes.get(node));
    let until = [silent.copied(), pod.asked_at].into_iter().flatten().fold(snapshot.now, Timestamp::min);
    Some((start_ms, u64::try_from(until.as_millisecond()).unwrap_or(0)))
}

/// Whether the work of `pod` runs, on a node that answers.
pub(super) fn is_running(pod: &PodFact, snapshot: &Snapshot) -> bool {
    let lost = pod.node.as_ref().is_some_and(|node| snapshot.lost_nodes.contains_key(node));
    matches!(pod.work, Work::Running { .. }) && !lost
}

/// Times and usage, from the record and from what runs now.
pub(super) fn measure(snapshot: &Snapshot, ledger: &Ledger, status: &mut AssignmentStatus) {
    let spec = &snapshot.assignment.spec;
    let running: Vec<(u64, u64)> = snapshot.pods.iter().filter_map(|pod| running(pod, snapshot)).collect();
    let running_ms = running
        .iter()
        .filter(|(start, _)| *start > 0)
        .map(|(start, until)| until.saturating_sub(*start).saturating_sub(RUNNING_MARGIN_MS));
    let run_ms = running_ms.fold(ledger.run_ms(), u64::saturating_add);
    let used = usage(milli_units(&spec.workload), run_ms);
    // The hub has recorded this much already, so a reading below it would mean nothing to it.
    status.usage_ms = used.max(UsageMs(spec.acknowledged.usage_ms)).0.min(MAX_USAGE);
    status.usage_root = ledger.root();
    status.disruptions = u32::try_from(ledger.lost()).unwrap_or(u32::MAX).min(MAX_DISRUPTIONS);
    status.running = u32::try_from(snapshot.pods.iter().filter(|pod| is_running(pod, snapshot)).count()).unwrap_or(0);
    let starts = running.iter().map(|(start, _)| *start).filter(|&start| start > 0);
    let first = starts.chain(ledger.first_start_ms()).min();
    status.started_at = earlier(status.started_at.take(), first.and_then(to_time));
    status.finished_at =
        if status.running == 0 { ledger.last_finish_ms().filter(|&ms| ms > 0).and_then(to_time) } else { None };
}

fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    match (one, other) {
        (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
        (one, other) => one.or(other),
    }
}

fn to_time(ms: u64) -> Option<Time> {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).map(Time)
}

/// Usage when the Job and its record are gone: what was told last, or what the pods that are left show if it is more.
pub(super) fn usage_without_job(snapshot: &Snapshot, status: &mut AssignmentStatus) {
    let told = status.usage_ms;
    let root = status.usage_root.take();
    let mut ledger = Ledger::default();
    for pod in &snapshot.pods {
        if let Some(run) = pod.run() {
            ledger.record(&pod.uid, run);
        }
    }
    measure(snapshot, &ledger, status);
    status.usage_ms = status.usage_ms.max(told);
    status.usage_root = status.usage_root.take().or(root);
}

/// Logs, outputs and checkpoints that the hub has.
pub(super) fn artifacts(snapshot: &Snapshot, status: &mut AssignmentStatus) {
    let mut logs: BTreeMap<u32, LogArtifact> = status.logs.drain(..).map(|log| (log.index, log)).collect();
    for (index, state) in &snapshot.artifacts.logs {
        if let LogState::Kept { log, .. } = state {
            logs.insert(*index, log.clone());
        }
    }
    status.logs = logs.into_values().collect();
    let mut outputs: BTreeMap<(u32, String), OutputArtifact> =
        status.outputs.drain(..).map(|output| ((output.index, output.name.clone()), output)).collect();
    for collected in snapshot.artifacts.outputs.values() {
        for output in &collected.kept {
            outputs.insert((output.index, output.name.clone()), output.clone());
        }
    }
    status.outputs = outputs.into_values().collect();
    let mut checkpoints: BTreeMap<u32, CheckpointArtifact> =
        status.checkpoints.drain(..).map(|checkpoint| (checkpoint.index, checkpoint)).collect();
    checkpoints.extend(snapshot.artifacts.checkpoints.clone());
    status.checkpoints = checkpoints.into_values().collect();
}
