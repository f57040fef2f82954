//! What came of it all: a row for each fault, and the figures of docs/chaos.md.

use std::fmt;

use eai_core::money::Amount;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    fleet::Fleet,
    verdict::{self, Killed, Outcome, Run, Runs, judge, percentile, stood_ms},
};
use crate::{
    error::{Error, Result},
    run,
    stage::Stage,
};

/// For how long before the end of a run a fault explains it, in milliseconds: what is lent for 60 s and not renewed has
/// run out, and the fault's own end may have been 30 s before that, while what it broke came back.
const EXPLAINS_MS: i64 = 90_000;

/// One fault, as it went.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What broke, and at which moment.
    pub fault: String,
    /// For how many seconds.
    pub seconds: u64,
    /// When.
    pub began: String,
    /// Whether it broke what docs/fencing.md assumes: then work may run twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub assumptions_broken: bool,
    /// The same as `began`, in milliseconds since 1970.
    #[serde(skip)]
    pub from_ms: i64,
    /// When it was mended.
    #[serde(skip)]
    pub to_ms: i64,
    /// How many jobs ran when it struck.
    pub running: usize,
    /// Which.
    #[serde(skip)]
    pub jobs: Vec<String>,
    /// Seconds from its mending until each of them ran again, by the hub's word and by containerd's, or had ended; `None`
    /// if that took too long.
    pub recovery_s: Option<f64>,
    /// What couldn't be done to inflict or mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// The figures.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    seed: u64,
    faults: usize,
    jobs: usize,
    jobs_lost: Vec<String>,
    double_billed_ms: i64,
    /// What the vendor's money went down by beyond what the jobs' records say they cost, in wei.
    unaccounted_wei: i128,
    overlap_ms: i64,
    /// Of what ran twice, that during and after faults which break what is assumed.
    overlap_assumptions_broken_ms: i64,
    runs_killed: Vec<Killed>,
    runs_killed_unexplained: usize,
    work_lost_s: i64,
    containers_left: Vec<String>,
    recovery_p50_s: f64,
    recovery_p99_s: f64,
    not_recovered: usize,
    rows: Vec<Row>,
}

impl Figures {
    /// What `rows` did to the jobs of `fleet`, for which the vendor's money went down by `spent`.
    pub fn of(stage: &Stage, fleet: &Fleet<'_>, seed: u64, rows: Vec<Row>, spent: Amount) -> Result<Self> {
        let (runs, left) = runs(stage)?;
        let jobs = run::wait("the jobs' record", 60, || fleet.look().ok_or_else(|| "no answer".to_owned()))?;
        let mut figures =
            Self { seed, faults: rows.len(), jobs: fleet.wanted.len(), containers_left: left, rows, ..Self::default() };
        let none = Vec::new();
        let of_job = |job: &Value| job["metadata"]["uid"].as_str().and_then(|uid| runs.get(uid)).unwrap_or(&none);
        for (name, &wanted) in &fleet.wanted {
            match jobs.get(name) {
                Some(job) => figures.count(name, judge(job, wanted, of_job(job)), of_job(job)),
                None => figures.jobs_lost.push(format!("{name}: its record is gone")),
            }
        }
        let cost = |job: &Value| job["status"]["cost"].as_str().and_then(|cost| cost.parse::<Amount>().ok());
        let told = jobs.values().filter_map(cost).fold(Amount::default(), Amount::saturating_add);
        figures.unaccounted_wei = difference(spent, told);
        figures.runs_killed_unexplained = figures.runs_killed.iter().filter(|killed| killed.faults.is_empty()).count();
        for row in &mut figures.rows {
            let stood = row.jobs.iter().filter_map(|name| jobs.get(name)).map(|job| stood_ms(of_job(job), row.to_ms));
            let stood_s = seconds(stood.max().unwrap_or(0));
            row.recovery_s = row.recovery_s.map(|seconds| seconds.max(stood_s));
        }
        let recoveries: Vec<f64> = figures.rows.iter().filter_map(|row| row.recovery_s).collect();
        figures.not_recovered = figures.rows.len() - recoveries.len();
        figures.recovery_p50_s = percentile(&recoveries, 50);
        figures.recovery_p99_s = percentile(&recoveries, 99);
        Ok(figures)
    }

    /// Adds one job's outcome.
    fn count(&mut self, name: &str, outcome: Outcome, runs: &[Run]) {
        let Outcome { lost, double_billed_ms, overlaps, killed } = outcome;
        self.jobs_lost.extend(lost.map(|why| format!("{name}: {why}")));
        self.double_billed_ms += double_billed_ms;
        for (from, to) in overlaps {
            let broken = self
                .rows
                .iter()
                .any(|row| row.assumptions_broken && from >= row.from_ms && from <= row.to_ms + EXPLAINS_MS);
            let sum = if broken { &mut self.overlap_assumptions_broken_ms } else { &mut self.overlap_ms };
            *sum += to - from;
        }
        for mut killed in killed {
            let of_attempt = runs.iter().filter(|run| run.attempt == killed.attempt);
            killed.faults = explains(&self.rows, &killed.member, of_attempt.map(|run| run.end_ms).max().unwrap_or(0));
            self.work_lost_s += killed.ran_ms / 1_000;
            self.runs_killed.push(killed);
        }
    }

    /// An error if a job was lost, anything was paid or ran twice, was left behind, or ended without a reason.
    pub fn verdict(&self) -> Result<()> {
        let good = self.jobs_lost.is_empty()
            && self.double_billed_ms == 0
            && self.unaccounted_wei == 0
            && self.overlap_ms == 0
            && self.containers_left.is_empty()
            && self.runs_killed_unexplained == 0
            && self.not_recovered == 0;
        if good {
            return Ok(());
        }
        let what = json!({"lost": self.jobs_lost, "paid_twice_ms": self.double_billed_ms,
            "unaccounted_wei": self.unaccounted_wei.to_string(), "ran_twice_ms": self.overlap_ms,
            "left": self.containers_left, "not_recovered": self.not_recovered,
            "unexplained": self.runs_killed_unexplained});
        Err(Error::unexpected("chaos", what))
    }
}

/// All that ran on the members, by the UID of its job, and the pods whose work still runs.
fn runs(stage: &Stage) -> Result<(Runs, Vec<String>)> {
    let testbed = stage.testbed.as_ref().ok_or_else(|| Error::unexpected("chaos", "it needs the testbed"))?;
    let mut containers = Vec::new();
    for member in &stage.members {
        if let Some((_, name)) = member.cluster.testbed() {
            containers.extend(testbed.container_runs(name)?);
        }
    }
    Ok(verdict::runs(&containers, Timestamp::now().as_millisecond()))
}

/// The faults that the end of a run on `member` at `ended_ms` may be the doing of: of that member, or of what all share.
fn explains(rows: &[Row], member: &str, ended_ms: i64) -> Vec<String> {
    let near = rows.iter().filter(|row| (row.from_ms - 2_000..=row.to_ms + EXPLAINS_MS).contains(&ended_ms));
    let concern = near.filter(|row| [member, "hub", "chain", "all"].iter().any(|place| row.fault.contains(place)));
    concern.map(|row| format!("{}, {} s", row.fault, row.seconds)).collect()
}

/// `one` less `other`, in wei. There is less EAI than would overflow.
fn difference(one: Amount, other: Amount) -> i128 {
    let wei = |amount: Amount| i128::try_from(amount.wei()).unwrap_or(i128::MAX);
    wei(one).saturating_sub(wei(other))
}

fn seconds(ms: i64) -> f64 {
    u32::try_from(ms).map_or(f64::INFINITY, |ms| f64::from(ms) / 1_000.0)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recovery = self.recovery_s.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"));
        write!(f, "{:52} {:4} s  {:2} ran  recovered after {recovery}", self.fault, self.seconds, self.running)?;
        self.trouble.as_deref().and_then(|trouble| trouble.lines().next()).map_or(Ok(()), |why| write!(f, "  ({why})"))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} faults, {} jobs: {} lost, {} ms paid twice, {} wei unaccounted for, {} ms ran twice (and {} ms where what \
             is assumed was broken), {} runs ended ({} s of work lost), {} containers left; recovery p50 {:.1} s, p99 \
             {:.1} s",
            self.faults,
            self.jobs,
            self.jobs_lost.len(),
            self.double_billed_ms,
            self.unaccounted_wei,
            self.overlap_ms,
            self.overlap_assumptions_broken_ms,
            self.runs_killed.len(),
            self.work_lost_s,
            self.containers_left.len(),
            self.recovery_p50_s,
            self.recovery_p99_s,
        )
    }
}
