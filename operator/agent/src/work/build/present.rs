//! An Assignment whose Job exists.

use std::{collections::BTreeSet, time::Duration};

use eai_api::{
    AssignmentStatus,
    assignment::{AssignmentPhase, Desired},
};

use super::{Plan, Step, job::UNATTENDED_SECONDS, report};
use crate::{
    artifacts::LogState,
    ledger::{Ledger, Run},
    work::{
        USAGE_EVERY,
        pods::{Outputs, PodFact, UNTOLD_EXIT, Work},
        snapshot::{Hold, JobFact, Outcome, Snapshot, Words},
    },
};

/// How long a pod that isn't the attempt's first may fail to start.
const LATER_START: Duration = Duration::from_mins(10);
/// An unattended Job's end is moved on when less than this is left of it.
const EXTEND_BELOW: u64 = 900;
/// For how long a pod whose work has succeeded keeps its attempt from being suspended: suspending would throw its
/// outputs away, and run its index again after.
const COLLECT_FIRST: Duration = Duration::from_secs(20);
/// How often an attempt that is to be held and isn't yet is looked at.
const HOLD_CHECK: Duration = Duration::from_secs(2);
/// What a note of outputs not kept may hold.
const MAX_NOTE: usize = 2_000;

/// What is wanted of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Run,
    Pause,
    Stop,
}

/// The view that every part of the decision shares.
struct View<'a> {
    snapshot: &'a Snapshot,
    job: &'a JobFact,
    wanted: Wanted,
    /// The record with what is new in it.
    ledger: Ledger,
}

/// Decides for a Job that exists.
pub(super) fn decide(snapshot: &Snapshot, job: &JobFact) -> Plan {
    let mut status = report::base(snapshot);
    if !job.ours {
        status.phase = AssignmentPhase::Refused;
        report::say(&mut status, "NameTaken", "a Job of that name is there and isn't this Assignment's");
        return Plan { steps: vec![], status, again: None };
    }
    status.job_uid = Some(job.uid.clone());
    let recorded = match &job.ledger {
        Ok(ledger) => ledger,
        Err(error) => {
            report::say(&mut status, "RecordUnreadable", error.to_string());
            return Plan { steps: vec![], status, again: Some(report::STUCK_CHECK) };
        }
    };
    let view = View { snapshot, job, wanted: wanted(snapshot, job), ledger: with_new_runs(snapshot, recorded) };
    let mut steps = view.meter(recorded);
    let given_up = view.job.given_up.clone().or_else(|| view.hopeless());
    steps.extend(view.control(given_up.as_ref()));
    steps.extend(view.artifacts());
    report::measure(snapshot, &view.ledger, &mut status);
    report::artifacts(snapshot, &mut status);
    view.phase(given_up.as_ref(), &mut status);
    Plan { steps, again: view.again(&status), status }
}

fn wanted(snapshot: &Snapshot, job: &JobFact) -> Wanted {
    let spec = &snapshot.assignment.spec;
    match spec.desired {
        _ if spec.acknowledged.finished || job.given_up.is_some() => Wanted::Stop,
        Desired::Run => Wanted::Run,
        Desired::Pause => Wanted::Pause,
        Desired::Stop => Wanted::Stop,
    }
}

/// The record with the runs that are over and not in it yet.
fn with_new_runs(snapshot: &Snapshot, recorded: &Ledger) -> Ledger {
    let mut ledger = recorded.clone();
    for pod in &snapshot.pods {
        // Nothing more will be heard of a pod whose node is gone; nothing is billed for what can't be known.
        let lost = Run { index: pod.index, start_ms: 0, finish_ms: 0, exit: UNTOLD_EXIT };
        let run = pod.run().or_else(|| report::is_stuck(pod, snapshot.now).then_some(lost));
        if let Some(run) = run {
            ledger.record(&pod.uid, run);
        }
    }
    let there: BTreeSet<&str> = snapshot.pods.iter().map(|pod| pod.uid.as_str()).collect();
    ledger.fold(|uid| !there.contains(uid));
    ledger
}

impl View<'_> {
    /// Records what is over, then lets it go.
    fn meter(&self, recorded: &Ledger) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.ledger != *recorded {
            steps.push(Step::Record { before: self.job.ledger_text.clone(), ledger: self.ledger.clone() });
        }
        steps.extend(
            self.snapshot
                .pods
                .iter()
                .filter(|pod| self.ledger.has(&pod.uid))
                .filter_map(|pod| pod.finalizer_at.map(|at| Step::Release { pod: pod.name.clone(), at })),
        );
        steps
    }

    /// Suspends, resumes, ends what ran too long, and keeps the Job from ending while this agent looks after it.
    fn control(&self, given_up: Option<&Words>) -> Vec<Step> {
        if self.job.over() {
            return Vec::new();
        }
        let mut steps = Vec::new();
        match given_up {
            Some(words) if self.job.given_up.is_none() => steps.push(Step::GiveUp(words.clone())),
            _ if self.hold() != self.job.suspended() => steps.push(Step::Suspend(self.hold())),
            _ => {}
        }
        let overdue =
            self.snapshot.pods.iter().filter(|pod| pod.deleted_at.is_none() && self.time_left(pod) == Some(0));
        steps.extend(overdue.map(|pod| Step::End { pod: pod.name.clone() }));
        if let (Some(started), Some(deadline), false) = (self.job.started, self.job.deadline, self.job.suspended()) {
            let elapsed = self.snapshot.now.duration_since(started).unsigned_abs().as_secs();
            if deadline < elapsed.saturating_add(EXTEND_BELOW) {
                steps.push(Step::Extend(elapsed.saturating_add(UNATTENDED_SECONDS)));
            }
        }
        steps
    }

    /// Whether the Job is to be suspended now.
    fn hold(&self) -> bool {
        let collecting = |pod: &PodFact| {
            let finish_ms = pod.run().filter(|run| run.exit == 0).map(|run| run.finish_ms);
            let since = finish_ms.map(|ms| Duration::from_millis(self.snapshot.now_ms().saturating_sub(ms)));
            !pod.terminal && pod.deleted_at.is_none() && since.is_some_and(|since| since < COLLECT_FIRST)
        };
        match self.wanted {
            Wanted::Run => false,
            _ if self.job.suspended() || self.job.given_up.is_some() => true,
            // It is as good as done, and nothing of it is billed any more.
            _ if self.work_over() => false,
            Wanted::Stop => true,
            Wanted::Pause => !self.snapshot.pods.iter().any(collecting),
        }
    }

    /// Milliseconds that the work of `pod` may still run; `None` if it isn't running.
    fn time_left(&self, pod: &PodFact) -> Option<u64> {
        let Work::Running { start_ms } = pod.work else { return None };
        let most = self.snapshot.assignment.spec.workload.max_duration_seconds.saturating_mul(1000);
        Some(start_ms.saturating_add(most).saturating_sub(self.snapshot.now_ms()))
    }

    /// Why the attempt is to be given up, if it is: a pod that can't be started for too long, or whose node is gone.
    fn hopeless(&self) -> Option<Words> {
        if self.job.outcome != Outcome::Open {
            return None;
        }
        self.snapshot.pods.iter().find_map(|pod| {
            if report::is_stuck(pod, self.snapshot.now) {
                return Some(Words::new("NodeLost", format!("index {}: its node doesn't answer any more", pod.index)));
            }
            let Work::Waiting { reason, message } = &pod.work else { return None };
            let overdue = self.wanted == Wanted::Run && is_problem(reason) && self.start_left(pod)?.is_zero();
            overdue.then(|| Words::new("StartFailed", format!("index {} can't start: {reason}: {message}", pod.index)))
        })
    }

    /// How long `pod` may still fail to start.
    fn start_left(&self, pod: &PodFact) -> Option<Duration> {
        let begun = self.ledger.first_start_ms().is_some() || self.snapshot.previous.started_at.is_some();
        let bound = if begun { LATER_START } else { Duration::from_secs(self.snapshot.start_within) };
        let waited = self.snapshot.now.duration_since(pod.created?);
        Some(bound.saturating_sub(waited.try_into().unwrap_or_default()))
    }

    /// Logs, outputs, and letting pods go once these are with the hub.
    fn artifacts(&self) -> Vec<Step> {
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
            if pod.outputs != Outputs::Running || !pod.ended() {
                continue;
            }
            let collected = self.snapshot.artifacts.outputs.get(&index).filter(|c| c.pod_uid == uid);
            match collected {
                _ if self.interrupted(pod) => steps.push(Step::Done { pod: name, uid }),
                None => steps.push(Step::Collect { pod: name, uid, index }),
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

    /// What couldn't be kept, with what is new.
    fn notes(&self) -> String {
        let mut all = self.job.notes.clone();
        for note in self.snapshot.artifacts.outputs.values().flat_map(|collected| &collected.notes) {
            if !all.contains(note.as_str()) && all.len() + note.len() < MAX_NOTE {
                all = if all.is_empty() { note.clone() } else { format!("{all}; {note}") };
            }
        }
        all
    }

    /// Whether the log of `pod` is to be read: its work has started, and its index has no newer pod.
    fn log_wanted(&self, pod: &PodFact) -> bool {
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

    /// Whether the work of `pod` was ended because the attempt is held, so that what it left isn't a result.
    fn interrupted(&self, pod: &PodFact) -> bool {
        pod.deleted_at.is_some() && (self.wanted != Wanted::Run || self.job.suspended())
    }

    /// Whether all that will ever run has run.
    fn work_over(&self) -> bool {
        let completions = self.snapshot.assignment.spec.workload.completions as usize;
        // A pod that was asked to go has failed only if the Job controller says so: it may have been paused.
        let failed =
            self.snapshot.pods.iter().any(|pod| pod.deleted_at.is_none() && pod.run().is_some_and(|run| run.exit != 0));
        let succeeded: BTreeSet<u32> = self.ledger.runs().filter(|(_, r)| r.exit == 0).map(|(_, r)| r.index).collect();
        self.job.outcome != Outcome::Open || failed || succeeded.len() >= completions
    }

    /// Whether nothing of it runs or could still run, and all is recorded.
    fn quiet(&self) -> bool {
        let halted = self.job.over() || self.job.hold == Hold::Done;
        halted && self.snapshot.pods.iter().all(|pod| self.ledger.has(&pod.uid))
    }

    /// Whether logs and outputs are with the hub or lost for good.
    fn artifacts_settled(&self) -> bool {
        let following = |state: &LogState| matches!(state, LogState::Following { .. });
        !self.snapshot.artifacts.logs.values().any(following)
            && self.snapshot.pods.iter().all(|pod| !self.log_wanted(pod) && pod.outputs != Outputs::Running)
    }

    fn phase(&self, given_up: Option<&Words>, status: &mut AssignmentStatus) {
        let settled = self.quiet() && self.artifacts_settled();
        let failed = matches!(self.job.outcome, Outcome::Failed(_)) || given_up.is_some();
        status.phase = match self.job.outcome {
            Outcome::Complete if settled => AssignmentPhase::Succeeded,
            _ if failed && settled => AssignmentPhase::Failed,
            Outcome::Complete | Outcome::Failed(_) => AssignmentPhase::Finishing,
            _ if status.running > 0 => AssignmentPhase::Running,
            _ if failed || self.work_over() => AssignmentPhase::Finishing,
            _ if self.wanted == Wanted::Stop && settled => AssignmentPhase::Stopped,
            _ if self.wanted == Wanted::Stop => AssignmentPhase::Finishing,
            _ if self.wanted == Wanted::Pause && self.quiet() => AssignmentPhase::Paused,
            // Between two of its pods an attempt goes on; after a pause, and at first, it is starting.
            _ if status.phase == AssignmentPhase::Running => AssignmentPhase::Running,
            _ => AssignmentPhase::Starting,
        };
        self.words(given_up, status);
    }

    fn words(&self, given_up: Option<&Words>, status: &mut AssignmentStatus) {
        let words = match status.phase {
            AssignmentPhase::Succeeded if self.job.notes.is_empty() => Words::new("Completed", ""),
            AssignmentPhase::Succeeded => Words::new("OutputsIncomplete", self.job.notes.clone()),
            AssignmentPhase::Failed => given_up.cloned().unwrap_or_else(|| self.why_failed()),
            AssignmentPhase::Stopped => Words::new("Stopped", "the hub asked for it"),
            AssignmentPhase::Paused => Words::new("Paused", "the hub asked for it"),
            AssignmentPhase::Finishing => {
                Words::new("Finishing", "its work is over; logs and outputs are on their way")
            }
            AssignmentPhase::Starting => self.waiting_for().unwrap_or_default(),
            _ => Words::default(),
        };
        report::say(status, &words.reason, words.message);
        if status.phase == AssignmentPhase::Succeeded {
            status.exit_code = Some(0);
        } else if self.work_over() {
            status.exit_code = self.bad_run().map(|run| run.exit).filter(|&exit| exit != UNTOLD_EXIT);
        }
    }

    /// The run that decided that the attempt failed: the last that didn't succeed.
    fn bad_run(&self) -> Option<Run> {
        self.ledger.runs().map(|(_, run)| *run).filter(|run| run.exit != 0).max_by_key(|run| run.finish_ms)
    }

    fn why_failed(&self) -> Words {
        let bad = self.bad_run();
        if matches!(&self.job.outcome, Outcome::Failed(words) if words.reason == "DeadlineExceeded") {
            return Words::new("AgentAway", "its agent didn't look after it, so the member's cluster ended it");
        }
        let most = self.snapshot.assignment.spec.workload.max_duration_seconds;
        if bad.is_some_and(|run| run.ms() >= most.saturating_mul(1000)) {
            return Words::new("DeadlineExceeded", format!("it ran for maxDurationSeconds ({most}) and was ended"));
        }
        if let Some(pod) = self.snapshot.pods.iter().find(|pod| !pod.reason.is_empty()) {
            return Words::new(&pod.reason, format!("index {}: {}", pod.index, pod.message));
        }
        if let Some(run) = bad.filter(|run| run.exit != UNTOLD_EXIT) {
            let cause = self.snapshot.pods.iter().find_map(|pod| match &pod.work {
                Work::Ended { run: of, reason } if *of == run && reason != "Error" => Some(format!(" ({reason})")),
                _ => None,
            });
            let cause = cause.unwrap_or_default();
            return Words::new("ExitCode", format!("index {} ended with exit code {}{cause}", run.index, run.exit));
        }
        match &self.job.outcome {
            Outcome::Failed(words) => words.clone(),
            _ => Words::new("Failed", "its Job failed"),
        }
    }

    fn waiting_for(&self) -> Option<Words> {
        self.snapshot.pods.iter().find_map(|pod| match &pod.work {
            Work::Waiting { reason, message } if !reason.is_empty() => Some(Words::new(reason, message.clone())),
            _ => None,
        })
    }

    /// When something will be due that no event tells.
    fn again(&self, status: &AssignmentStatus) -> Option<Duration> {
        let pods = || self.snapshot.pods.iter();
        let tick = (status.running > 0).then_some(USAGE_EVERY);
        let ends = pods().filter_map(|pod| self.time_left(pod)).filter(|&left| left > 0).map(Duration::from_millis);
        let starts = pods().filter_map(|pod| match &pod.work {
            Work::Waiting { reason, .. } if is_problem(reason) => self.start_left(pod).filter(|left| !left.is_zero()),
            _ => None,
        });
        let stuck = pods().any(|pod| pod.deleted_at.is_some() && !pod.ended()).then_some(report::STUCK_CHECK);
        let hold = (self.wanted != Wanted::Run && !self.job.suspended() && !self.job.over()).then_some(HOLD_CHECK);
        let keep = (!status.phase.is_final()).then_some(Duration::from_secs(EXTEND_BELOW / 2));
        tick.into_iter().chain(ends).chain(starts).chain(stuck).chain(hold).chain(keep).min()
    }
}

/// Whether a container that waits for this reason isn't just being started.
fn is_problem(reason: &str) -> bool {
    !matches!(reason, "" | "ContainerCreating" | "PodInitializing")
}
