//! Where the attempt is, and how it ended.

use eai_api::{AssignmentStatus, aijob::policy::FAIL_JOB_REASON, assignment::AssignmentPhase};

use super::{View, Wanted, tries::Tally};
use crate::{
    ledger::Run,
    work::{
        build::report,
        pods::{PodFact, UNTOLD_EXIT, Work},
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
    /// Whether all that will ever run has run, or what failed ends it.
    pub(super) fn work_over(&self) -> bool {
        // A pod that was asked to go has failed only if the Job controller says so: it may have been paused.
        let tally = self.tally();
        self.job.outcome != Outcome::Open || tally.all_failed || self.all_ended(&tally)
    }

    fn all_ended(&self, tally: &Tally) -> bool {
        tally.succeeded.len() + tally.failed.len() >= self.snapshot.assignment.spec.workload.completions as usize
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
        let tally = self.tally();
        if !self.all_ended(&tally) {
            return None;
        }
        match tally.failed.is_empty() {
            true => Some(End::Succeeded),
            // Enough may have succeeded.
            false if self.snapshot.assignment.spec.workload.success_policy.is_some() => None,
            false => Some(End::Failed),
        }
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

    /// The run that decided that the attempt failed; the last that didn't succeed, if no pod shows which it was.
    pub(super) fn bad_run(&self) -> Option<Run> {
        let recorded = || self.ledger.runs().map(|(_, run)| *run).filter(|run| run.exit != 0 && !run.lost);
        self.decisive().map(|(_, run)| run).or_else(|| recorded().max_by_key(|run| run.finish_ms))
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
        if let Some(run) = bad.filter(|run| self.fails_the_job(*run)) {
            let text =
                format!("index {} ended with exit code {}, which fails the job (failurePolicy)", run.index, run.exit);
            return Words::new(FAIL_JOB_REASON, text);
        }
        let said = |pod: &&PodFact| !pod.reason.is_empty() && !pod.disrupted;
        let decisive = self.decisive().map(|(pod, _)| pod);
        if let Some(pod) = decisive.or_else(|| self.snapshot.pods.iter().find(said)).filter(said) {
            return Words::new(&pod.reason, format!("index {}: {}", pod.index, pod.message));
        }
        if let Some(run) = bad.filter(|run| run.exit != UNTOLD_EXIT) {
            return Words::new("ExitCode", self.exit_words(run));
        }
        if let Some(pod) = self.snapshot.pods.iter().find(|pod| pod.disrupted) {
            let text = format!("index {}: the member's cluster took its pod away {}", pod.index, pod.message);
            return Words::new("Disrupted", text.trim_end());
        }
        match &self.job.outcome {
            Outcome::Failed(words) => words.clone(),
            _ => Words::new("Failed", "its Job failed"),
        }
    }

    fn exit_words(&self, run: Run) -> String {
        let cause = self.snapshot.pods.iter().find_map(|pod| match &pod.work {
            Work::Ended { run: of, reason } if *of == run && reason != "Error" => Some(format!(" ({reason})")),
            _ => None,
        });
        let failed = self.tally().failed.len();
        let others = if failed > 1 { format!("; {failed} indexes failed") } else { String::new() };
        format!("index {} ended with exit code {}{}{others}", run.index, run.exit, cause.unwrap_or_default())
    }
}
