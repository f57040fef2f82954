//! What the faults did to the jobs: from the record, from the bill, and from what containerd saw run.

use std::collections::BTreeMap;

use eai_testbed::ContainerRun;
use serde::Serialize;
use serde_json::Value;

use super::fleet::counted;
use crate::jobs;

/// One run of one attempt's work, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The attempt's number.
    pub attempt: u64,
    /// When it began.
    pub start_ms: i64,
    /// When it ended.
    pub end_ms: i64,
}

/// What ran, by the UID of its job.
pub type Runs = BTreeMap<String, Vec<Run>>;

/// An attempt that ended without success although its work had run.
#[derive(Clone, Debug, Serialize)]
pub struct Killed {
    /// The job.
    pub job: String,
    /// The attempt's number.
    pub attempt: u64,
    /// The member.
    pub member: String,
    /// Why it ended, as the hub says.
    pub reason: String,
    /// For how many milliseconds it had run.
    pub ran_ms: i64,
    /// The faults during which it ended, or shortly before: what explains it.
    pub faults: Vec<String>,
}

/// What became of one job.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Why it isn't done, if it isn't.
    pub lost: Option<String>,
    /// Milliseconds of accelerator time that were paid twice.
    pub double_billed_ms: i64,
    /// When two attempts ran at once: from and to, in milliseconds since 1970.
    pub overlaps: Vec<(i64, i64)>,
    /// Attempts that ran and were ended.
    pub killed: Vec<Killed>,
}

/// Judges a job as it ended. `wanted` is what it was to count, `runs` all that ran of it.
pub fn judge(job: &Value, wanted: u64, runs: &[Run]) -> Outcome {
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let status = &job["status"];
    let phase = jobs::phase(job);
    let lost = match phase {
        "Succeeded" if counted(job, wanted) => None,
        "Succeeded" => Some(format!("it didn't count {wanted} s")),
        _ => Some(format!("{phase}: {}", jobs::message(job))),
    };
    let past = status["pastAttempts"].as_array().into_iter().flatten();
    let current = (!status["attempt"].is_null()).then_some(&status["attempt"]);
    let attempts: Vec<&Value> = past.chain(current).collect();
    let ran_ms = |number: u64| runs.iter().filter(|r| r.attempt == number).map(|r| r.end_ms - r.start_ms).sum::<i64>();
    let killed = attempts.iter().filter(|a| a["outcome"]["result"] != "Succeeded" && ran_ms(number(a)) > 0);
    let killed = killed.map(|a| Killed {
        job: name.to_owned(),
        attempt: number(a),
        member: a["member"].as_str().unwrap_or_default().to_owned(),
        reason: a["outcome"]["reason"].as_str().unwrap_or_default().to_owned(),
        ran_ms: ran_ms(number(a)),
        faults: Vec::new(),
    });
    Outcome {
        lost,
        double_billed_ms: double_billed_ms(&attempts, runs),
        overlaps: overlaps(runs),
        killed: killed.collect(),
    }
}

fn number(attempt: &Value) -> u64 {
    attempt["epoch"]["attempt"].as_u64().unwrap_or(0)
}

/// The time that attempts were paid for while another attempt that was paid ran: at most what each was paid for, and at
/// most what ran twice.
fn double_billed_ms(attempts: &[&Value], runs: &[Run]) -> i64 {
    let paid: Vec<u64> =
        attempts.iter().filter(|a| a["usageMs"].as_u64().unwrap_or(0) > 0).map(|a| number(a)).collect();
    let of_paid: Vec<Run> = runs.iter().filter(|run| paid.contains(&run.attempt)).copied().collect();
    overlaps(&of_paid).iter().map(|(from, to)| to - from).sum()
}

/// When runs of different attempts ran at once.
fn overlaps(runs: &[Run]) -> Vec<(i64, i64)> {
    let pairs = runs.iter().enumerate().flat_map(|(at, one)| runs[at + 1..].iter().map(move |other| (one, other)));
    let apart = pairs.filter(|(one, other)| one.attempt != other.attempt);
    let shared = apart.map(|(one, other)| (one.start_ms.max(other.start_ms), one.end_ms.min(other.end_ms)));
    shared.filter(|(from, to)| to > from).collect()
}

/// For how many milliseconds after `at_ms` nothing of a job ran that began again later: 0 if it ran then, or never again.
pub fn stood_ms(runs: &[Run], at_ms: i64) -> i64 {
    if runs.iter().any(|run| (run.start_ms..run.end_ms).contains(&at_ms)) {
        return 0;
    }
    runs.iter().filter(|run| run.start_ms >= at_ms).map(|run| run.start_ms - at_ms).min().unwrap_or(0)
}

/// The runs of all jobs' work, by the UID of the job, and the work that still runs, by its pod.
pub fn runs(containers: &[ContainerRun], now_ms: i64) -> (Runs, Vec<String>) {
    let mut runs: Runs = BTreeMap::new();
    let mut left = Vec::new();
    for container in containers.iter().filter(|c| c.container == "work" && c.started_at > 0) {
        let Some((uid, attempt)) = epoch_of(&container.pod) else { continue };
        let ended = container.finished_at > 0;
        if !ended {
            left.push(container.pod.clone());
        }
        let (start_ms, end_ms) = (container.started_at / 1_000_000, container.finished_at / 1_000_000);
        runs.entry(uid).or_default().push(Run { attempt, start_ms, end_ms: if ended { end_ms } else { now_ms } });
    }
    (runs, left)
}

/// The job's UID and the attempt, from the name of a pod: `UID-gGENERATION-aATTEMPT-INDEX-SUFFIX`.
fn epoch_of(pod: &str) -> Option<(String, u64)> {
    let (uid, rest) = pod.rsplit_once("-g")?;
    let (_, attempt) = rest.split_once("-a")?;
    Some((uid.to_owned(), attempt.split('-').next()?.parse().ok()?))
}

/// The value below which `percent` per cent of `values` are, by the nearest rank; 0 without values.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(attempt: u64, start_ms: i64, end_ms: i64) -> Run {
        Run { attempt, start_ms, end_ms }
    }

    fn job(phase: &str, usage: [u64; 2]) -> Value {
        let attempt = |number: u64, result: &str, usage: u64| {
            json!({"epoch": {"generation": 1, "attempt": number}, "member": "home", "usageMs": usage,
                "outcome": {"result": result, "reason": "MemberLost"}})
        };
        let digest = "sha256:10159baf262b43a92d95db59dae1f72c645127301661e0a3ce4e38b295a97c58";
        json!({"metadata": {"name": "work"}, "status": {"phase": phase, "outputs": [{"digest": digest}],
            "pastAttempts": [attempt(1, "Lost", usage[0])], "attempt": attempt(2, "Succeeded", usage[1])}})
    }

    #[test]
    fn what_ran_twice_is_counted_and_what_was_paid_of_it() {
        let runs = [run(1, 0, 5_000), run(2, 4_000, 11_000)];
        let unpaid = judge(&job("Succeeded", [0, 7_000]), 7, &runs);
        assert_eq!((unpaid.overlaps, unpaid.double_billed_ms, unpaid.lost), (vec![(4_000, 5_000)], 0, None));
        let paid = judge(&job("Succeeded", [5_000, 7_000]), 7, &runs);
        assert_eq!(paid.double_billed_ms, 1_000);
        assert_eq!(overlaps(&[run(1, 0, 5), run(1, 3, 9)]), [], "pods of one attempt may run at once");
        assert_eq!(overlaps(&[run(1, 0, 5), run(2, 5, 9)]), [], "one after the other");
    }

    #[test]
    fn work_stands_still_from_a_moment_until_it_runs_again() {
        let runs = [run(1, 0, 5_000), run(2, 9_000, 20_000)];
        assert_eq!(stood_ms(&runs, 4_000), 0, "it runs");
        assert_eq!(stood_ms(&runs, 6_000), 3_000);
        assert_eq!(stood_ms(&runs, 20_000), 0, "it is done");
    }

    #[test]
    fn a_job_that_is_not_done_or_did_not_count_is_lost() {
        assert!(judge(&job("Failed", [0, 0]), 7, &[]).lost.is_some());
        assert!(judge(&job("Succeeded", [0, 0]), 8, &[]).lost.is_some());
    }

    #[test]
    fn an_attempt_that_ran_and_was_ended_is_told_of() {
        let killed = judge(&job("Succeeded", [0, 0]), 7, &[run(1, 0, 5_000)]).killed;
        assert_eq!((killed.len(), killed[0].attempt, killed[0].ran_ms), (1, 1, 5_000));
        assert!(judge(&job("Succeeded", [0, 0]), 7, &[]).killed.is_empty(), "it never ran");
    }

    #[test]
    fn a_pods_name_says_whose_it_is() {
        let uid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(epoch_of(&format!("{uid}-g1-a12-0-x7k2p")), Some((uid.to_owned(), 12)));
        assert_eq!(epoch_of("coredns-5d78c9869d-abcde"), None);
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let of = |values: &[f64], percent| format!("{:.1}", percentile(values, percent));
        assert_eq!(of(&[], 50), "0.0");
        assert_eq!(of(&[3.0, 1.0, 2.0], 50), "2.0");
        assert_eq!(of(&[3.0, 1.0, 2.0], 99), "3.0");
    }
}
