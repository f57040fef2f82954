//! target/bench/e2e.json.

use std::{collections::BTreeMap, fs, thread};

use eai_testbed::BLOCK_SECONDS;
use serde::Serialize;

use super::{
    calls::PerJob,
    figures::{Times, spread},
    resources::{Peak, Peaks},
    spread::{Spread, millis},
};

/// What was measured.
pub struct Measured {
    /// The job before all others, which found no image on the node and a hub that knew nothing of its payer.
    pub first: Option<Times>,
    /// The jobs that ended well.
    pub jobs: Vec<Times>,
    /// Jobs that didn't.
    pub failed: usize,
    /// From the first submission until the last was settled and cleared away.
    pub seconds: u64,
    /// Between two submissions.
    pub pace_ms: u64,
    /// How often a watch broke.
    pub watch_errors: u64,
    /// How busy the machine was, with everything that ran on it.
    pub busy_percent: u64,
    /// The same before, without jobs.
    pub busy_percent_without_jobs: u64,
    /// API calls.
    pub calls: PerJob,
    /// Memory and processor time.
    pub peaks: Peaks,
}

/// The figures. Times are milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    submit_to_job_p50_ms: Option<u64>,
    submit_to_job_p99_ms: Option<u64>,
    lease_confirm_p50_ms: Option<u64>,
    lease_confirm_p99_ms: Option<u64>,
    beyond_confirmation_p50_ms: Option<u64>,
    beyond_confirmation_p99_ms: Option<u64>,
    hub_rss_mib: f64,
    agent_rss_mib: f64,
    /// The operator's and the agents', to the hub's API server.
    api_calls_per_job: f64,
    jobs: usize,
    failed: usize,
    seconds: u64,
    pace_ms: u64,
    block_seconds: u64,
    machine: Machine,
    /// Where the time goes, step by step.
    steps: BTreeMap<&'static str, Percentiles>,
    /// The first job, with its image to pull and nothing known yet.
    first_job_ms: Option<u64>,
    hub_cpu_ms_per_job: u64,
    agent_cpu_ms_per_job: u64,
    hub_processes: usize,
    agent_processes: usize,
    api_calls: PerJob,
    watch_errors: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Percentiles {
    p50_ms: Option<u64>,
    p99_ms: Option<u64>,
}

/// What it was measured on.
#[derive(Clone, Debug, Serialize)]
struct Machine {
    cores: usize,
    cpu: String,
    /// The profile that everything is built with.
    build: &'static str,
    /// How much of its processors' time was used during the run, and before it.
    busy_percent: u64,
    busy_percent_without_jobs: u64,
}

impl From<Spread> for Percentiles {
    fn from(spread: Spread) -> Self {
        Self { p50_ms: spread.percentile_ms(50), p99_ms: spread.percentile_ms(99) }
    }
}

impl Measured {
    /// Puts it into figures.
    pub fn report(self) -> Report {
        let jobs = &self.jobs;
        let whole = spread(jobs, |t| Some(t.submit_to_job));
        let confirm = spread(jobs, |t| Some(t.confirm));
        let beyond = spread(jobs, |t| Some(t.beyond_confirmation()));
        let count = self.jobs.len() + self.failed;
        let per_job = |peak: &Peak| peak.cpu_ms / u64::try_from(count).unwrap_or(u64::MAX).max(1);
        Report {
            submit_to_job_p50_ms: whole.percentile_ms(50),
            submit_to_job_p99_ms: whole.percentile_ms(99),
            lease_confirm_p50_ms: confirm.percentile_ms(50),
            lease_confirm_p99_ms: confirm.percentile_ms(99),
            beyond_confirmation_p50_ms: beyond.percentile_ms(50),
            beyond_confirmation_p99_ms: beyond.percentile_ms(99),
            hub_rss_mib: mib(self.peaks.hub.rss_kib),
            agent_rss_mib: mib(self.peaks.agent.rss_kib),
            api_calls_per_job: self.calls.hub,
            jobs: self.jobs.len(),
            failed: self.failed,
            seconds: self.seconds,
            pace_ms: self.pace_ms,
            block_seconds: BLOCK_SECONDS,
            machine: Machine::here(self.busy_percent, self.busy_percent_without_jobs),
            steps: steps(jobs),
            first_job_ms: self.first.map(|times| millis(times.submit_to_job)),
            hub_cpu_ms_per_job: per_job(&self.peaks.hub),
            agent_cpu_ms_per_job: per_job(&self.peaks.agent),
            hub_processes: self.peaks.hub.processes,
            agent_processes: self.peaks.agent.processes,
            api_calls: self.calls,
            watch_errors: self.watch_errors,
        }
    }
}

fn steps(jobs: &[Times]) -> BTreeMap<&'static str, Percentiles> {
    BTreeMap::from([
        ("1_submit_to_created", spread(jobs, |t| Some(t.create)).into()),
        ("2_submit_to_claim", spread(jobs, |t| Some(t.placed)).into()),
        ("3_claim_to_block", spread(jobs, |t| t.to_block).into()),
        ("4_block_to_open", spread(jobs, |t| t.block_to_open).into()),
        ("5_open_to_assignment", spread(jobs, |t| Some(t.assigned)).into()),
        ("6_assignment_to_job", spread(jobs, |t| Some(t.created)).into()),
        ("7_submit_to_settled", spread(jobs, |t| Some(t.submit_to_end)).into()),
    ])
}

impl Machine {
    fn here(busy_percent: u64, busy_percent_without_jobs: u64) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cores: thread::available_parallelism().map_or(0, usize::from),
            cpu: model.map_or_else(String::new, |(_, name)| name.to_owned()),
            build: if cfg!(debug_assertions) { "dev" } else { "release" },
            busy_percent,
            busy_percent_without_jobs,
        }
    }
}

/// To one decimal.
fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib * 10 / 1024).unwrap_or(u32::MAX)) / 10.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use super::*;
    use crate::bench::figures::Seen;

    fn job(confirm_ms: u64, rest_ms: u64) -> Times {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let seen = Seen {
            submitted: start,
            opening: start,
            block: None,
            open: at(confirm_ms),
            assigned: at(confirm_ms),
            created: at(confirm_ms + rest_ms),
            ended: at(confirm_ms + rest_ms + 5000),
        };
        Times::new(start, &seen)
    }

    #[test]
    fn every_figure_has_its_name() {
        let calls = PerJob {
            hub: 13.0,
            operator: 8.0,
            agents: 5.0,
            member: 10.0,
            idle_per_minute: 12.0,
            by_request: BTreeMap::new(),
        };
        let peaks = Peaks {
            hub: Peak { rss_kib: 51_200, cpu_ms: 300, processes: 1 },
            agent: Peak { rss_kib: 30_771, cpu_ms: 150, processes: 1 },
        };
        let measured = Measured {
            first: None,
            jobs: vec![job(2000, 100), job(1000, 300)],
            failed: 1,
            seconds: 20,
            pace_ms: 1700,
            watch_errors: 0,
            busy_percent: 80,
            busy_percent_without_jobs: 20,
            calls,
            peaks,
        };
        let json = serde_json::to_value(measured.report()).unwrap();
        let figures = [
            ("submit_to_job_p50_ms", 1300),
            ("submit_to_job_p99_ms", 2100),
            ("lease_confirm_p50_ms", 1000),
            ("lease_confirm_p99_ms", 2000),
            ("beyond_confirmation_p50_ms", 100),
            ("beyond_confirmation_p99_ms", 300),
            ("jobs", 2),
            ("failed", 1),
            ("seconds", 20),
            ("block_seconds", 2),
            ("hub_cpu_ms_per_job", 100),
        ];
        for (name, value) in figures {
            assert_eq!(json[name], value, "{name}");
        }
        assert_eq!(json["hub_rss_mib"], 50.0);
        assert_eq!(json["agent_rss_mib"], 30.0);
        assert_eq!(json["api_calls_per_job"], 13.0);
        assert!(json["machine"]["cores"].as_u64().unwrap() > 0);
        assert!(json["steps"]["3_claim_to_block"]["p50_ms"].is_null(), "no block was seen");
    }
}
