//! Where the attempt is, and how it ended.

use std::collections::BTreeSet;

use eai_api::{AssignmentStatus, assignment::AssignmentPhase};

use super::{View, Wanted};
use crate::{
    ledger::Run,
    work::{
        build::report,
        pods::{UNTOLD_EXIT, Work},
        snapshot::{Hold, Outcome, Words},
    },
};

/// How an attempt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Succeeded,
    Failed,
}

impl View<'_> {
    /// Whether all that will ever run has run.
    pub(super) fn work_over(&self) -> bool {
        // A pod that was asked to go has failed only if the Job controller says so: it may have been paused.
        let failed =
            self.snapshot.pods.iter().any(|pod| pod.deleted_at.is_none() && pod.run().is_some_and(|run| run.exit != 0));
        self.job.outcome != Outcome::Open || failed || self.succeeded().len() >= self.completions()
    }

    fn completions(&self) -> usize {
        self.snapshot.assignment.spec.workload.completions as usize
    }

    /// The indexes that have succeeded. What a pod that was asked to go ended with is the Job controller's to judge: if
    /// it was for a pause, the index runs again, also after a program that saved its state and exited with 0.
    fn succeeded(&self) -> BTreeSet<u32> {
        let left = self.snapshot.pods.iter().filter(|pod| pod.deleted_at.is_none());
        let well = left.filter(|pod| pod.run().is_some_and(|run| run.exit == 0)).map(|pod| pod.index);
        well.chain(self.job.completed.iter().copied()).collect()
    }

    /// How the attempt has ended, if it has. The Job controller says so seconds after the last container has ended; what
    /// can be told from the containers alone is told at once.
    fn end(&self, given_up: bool) -> Option<End> {
        match &self.job.outcome {
            Outcome::Complete => return Some(End::Succeeded),
            Outcome::Failed(_) => return Some(End::Failed),
            Outcome::Open | Outcome::Ending if given_up => return Some(End::Failed),
            Outcome::Open | Outcome::Ending => {}
        }
        let succeeded = self.succeeded();
        let failed = self.snapshot.pods.iter().filter(|pod| {
            pod.deleted_at.is_none() && !succeeded.contains(&pod.index) && pod.run().is_some_and(|run| run.exit != 0)
        });
        let failed: BTreeSet<u32> = failed.map(|pod| pod.index).collect();
        // Every index has had its one try: nothing more will be made.
        let all = succeeded.len() + failed.len() >= self.completions();
        all.then_some(if failed.is_empty() { End::Succeeded } else { End::Failed })
    }

    /// Whether nothing of it runs any more, and all is recorded.
    pub(super) fn recorded(&self) -> bool {
        self.snapshot.pods.iter().all(|pod| self.ledger.has(&pod.uid))
    }

    /// Where the attempt is, and why.
    pub(super) fn phase(&self, given_up: Option<&Words>, status: &mut AssignmentStatus) {
        let held = self.recorded() && self.job.hold == Hold::Done;
        let settled = self.recorded() && self.artifacts_settled();
        // An attempt that is given up has ended when its pods have.
        let end = self.end(given_up.is_some()).filter(|_| given_up.is_none() || held || self.job.over());
        status.phase = match end {
            Some(End::Succeeded) if settled => AssignmentPhase::Succeeded,
            Some(End::Failed) if settled => AssignmentPhase::Failed,
            None if status.running > 0 => AssignmentPhase::Running,
            Some(_) => AssignmentPhase::Finishing,
            None if given_up.is_some() || self.work_over() => AssignmentPhase::Finishing,
            None if self.wanted == Wanted::Stop && held && settled => AssignmentPhase::Stopped,
            None if self.wanted == Wanted::Stop => AssignmentPhase::Finishing,
            None if self.wanted == Wanted::Pause && held || self.waits_for_grant() => AssignmentPhase::Paused,
            // Between two of its pods an attempt goes on; after a pause, and at first, it is starting.
            None if status.phase == AssignmentPhase::Running => AssignmentPhase::Running,
            None => AssignmentPhase::Starting,
        };
        self.words(given_up, status);
    }

    pub(super) fn words(&self, given_up: Option<&Words>, status: &mut AssignmentStatus) {
        let words = match status.phase {
            AssignmentPhase::Succeeded if self.notes().is_empty() => Words::new("Completed", ""),
            AssignmentPhase::Succeeded => Words::new("OutputsIncomplete", self.notes()),
            AssignmentPhase::Failed => given_up.cloned().unwrap_or_else(|| self.why_failed()),
            AssignmentPhase::Stopped => Words::new("Stopped", "the hub asked for it"),
            AssignmentPhase::Paused => self.why_paused(),
            AssignmentPhase::Finishing => {
                Words::new("Finishing", "its work is over; logs and outputs are on their way")
            }
            AssignmentPhase::Starting | AssignmentPhase::Running => self.waiting_for().unwrap_or_default(),
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
    pub(super) fn bad_run(&self) -> Option<Run> {
        self.ledger.runs().map(|(_, run)| *run).filter(|run| run.exit != 0).max_by_key(|run| run.finish_ms)
    }

    pub(super) fn why_failed(&self) -> Words {
        let bad = self.bad_run();
        if matches!(&self.job.outcome, Outcome::Failed(words) if words.reason == "DeadlineExceeded") {
            return self.why_expired();
        }
        let most = self.snapshot.longest_ms(self.job);
        if bad.is_some_and(|run| run.ms() >= most) {
            let text = format!("it ran for maxDurationSeconds ({}) and was ended", most / 1000);
            return Words::new("DeadlineExceeded", text);
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
}
