//! Logs and outputs, and letting pods go once these are with the hub.

use super::View;
use crate::{
    artifacts::LogState,
    work::{
        build::Step,
        pods::{Outputs, PodFact, Restore, Work},
    },
};

/// What a note of outputs not kept may hold.
const MAX_NOTE: usize = 2_000;

impl View<'_> {
    /// Logs, outputs, and letting pods go once these are with the hub.
    pub(super) fn artifacts(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let notes = self.notes();
        if notes != self.job.notes {
            steps.push(Step::Note(notes.clone()));
        }
        for pod in &self.snapshot.pods {
            let (name, uid, index) = (pod.name.clone(), pod.uid.clone(), pod.index);
            if self.log_wanted(pod) {
                steps.push(Step::Follow { pod: name.clone(), uid: uid.clone(), index });
            }
            if pod.restore == Restore::Running && pod.deleted_at.is_none() {
                steps.push(Step::Restore { pod: name.clone(), uid: uid.clone(), index });
            }
            if self.unsaved(pod) {
                steps.push(Step::Save { pod: name.clone(), uid: uid.clone(), index });
                continue;
            }
            if pod.outputs != Outputs::Running {
                continue;
            }
            let collected = self.snapshot.artifacts.outputs.get(&index).filter(|c| c.pod_uid == uid);
            match collected {
                // What its work left isn't a result, and its node tells the end of its work only with that of the pod.
                _ if pod.interrupted() || self.runs_again(pod) => steps.push(Step::Done { pod: name, uid }),
                _ if !pod.ended() => {}
                None => {
                    let anew = self.ran_before(pod);
                    steps.push(Step::Collect { pod: name, uid, index, anew });
                }
                // Only what the hub and the Job have on record survives this agent: the pod is kept until then.
                Some(collected) => {
                    let told = collected.kept.iter().all(|output| self.snapshot.previous.outputs.contains(output));
                    if told && notes == self.job.notes {
                        steps.push(Step::Done { pod: name, uid });
                    }
                }
            }
        }
        steps
    }

    /// Whether the work of `pod` may leave checkpoints, or has left one that isn't with the hub. What it does well it has
    /// no more use for.
    fn unsaved(&self, pod: &PodFact) -> bool {
        let begun = match pod.work {
            Work::Running { .. } => true,
            Work::Ended { run, .. } => run.start_ms > 0 && (run.exit != 0 || pod.interrupted()),
            Work::Waiting { .. } | Work::Untold => false,
        };
        let keeps = self.snapshot.assignment.spec.workload.checkpoint.is_some();
        keeps && begun && pod.outputs == Outputs::Running && !self.snapshot.artifacts.last_looked.contains(&pod.uid)
    }

    /// What couldn't be kept, with what is new.
    pub(super) fn notes(&self) -> String {
        let mut all = self.job.notes.clone();
        for note in self.snapshot.artifacts.outputs.values().flat_map(|collected| &collected.notes) {
            if !all.contains(note.as_str()) && all.len() + note.len() < MAX_NOTE {
                all = if all.is_empty() { note.clone() } else { format!("{all}; {note}") };
            }
        }
        all
    }

    /// Whether the log of `pod` is to be read: its work has started, and its index has no newer pod.
    pub(super) fn log_wanted(&self, pod: &PodFact) -> bool {
        let started = match pod.work {
            Work::Running { .. } => true,
            Work::Ended { run, .. } => run.start_ms > 0,
            Work::Waiting { .. } | Work::Untold => false,
        };
        let newer = |other: &PodFact| other.index == pod.index && other.created > pod.created;
        let done = match self.snapshot.artifacts.logs.get(&pod.index) {
            Some(LogState::Kept { pod_uid, .. } | LogState::Lost { pod_uid, .. }) => *pod_uid == pod.uid,
            _ => false,
        };
        started && !done && !self.snapshot.pods.iter().any(newer)
    }

    /// Whether logs and outputs are with the hub, or are as soon as it is told this; or lost for good.
    pub(super) fn artifacts_settled(&self) -> bool {
        let following = |state: &LogState| matches!(state, LogState::Following { .. });
        let holding = |pod: &PodFact| {
            let collected = self.snapshot.artifacts.outputs.get(&pod.index).is_some_and(|c| c.pod_uid == pod.uid);
            pod.outputs == Outputs::Running && (self.unsaved(pod) || !collected && !pod.interrupted())
        };
        !self.snapshot.artifacts.logs.values().any(following)
            && !self.snapshot.pods.iter().any(|pod| self.log_wanted(pod) || holding(pod))
    }
}
