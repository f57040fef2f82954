//! Chaos: things break while jobs run, and what that did to the jobs is counted.
//!
//! Faults come one after another, from a seed. The jobs count seconds and leave behind how far they came; containerd says
//! what ran, and when. docs/chaos.md says what each figure in target/chaos.json is.

mod fault;
mod fleet;
mod inflict;
mod process;
mod verdict;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use self::{
    fault::Planned,
    fleet::Fleet,
    verdict::{Killed, Outcome, judge, percentile},
};
use crate::{
    balances::Contracts,
    deploy::HUB_NAMESPACE,
    error::{Error, Result},
    run,
    stage::Stage,
    vendor::Vendor,
};

/// Seconds for which grants hold meanwhile: the least that a hub takes, so that a lost member's work moves within two
/// minutes.
const VALID_FOR: u64 = 60;
/// How long recovery is waited for: the hub's wait, twice, and a start.
const RECOVERY: Duration = Duration::from_mins(5);
/// How long the last jobs may take once nothing breaks any more.
const END: Duration = Duration::from_mins(10);
/// How long a fault's doing may show after it is mended, in milliseconds: the hub's whole wait.
const AFTERMATH_MS: i64 = 150_000;

/// How much chaos.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Which faults, in which order, for how long: the same seed gives the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many.
    #[arg(long, default_value_t = 220)]
    faults: usize,
    /// No new fault begins after so many minutes.
    #[arg(long, default_value_t = 240)]
    minutes: u64,
    /// Jobs at once.
    #[arg(long, default_value_t = 6)]
    jobs: usize,
    /// The folder of a stage that is up: the demo's.
    #[arg(long, default_value = "target/demo")]
    stage: PathBuf,
    /// Where the figures go.
    #[arg(long, default_value = "target/chaos.json")]
    out: PathBuf,
}

/// One fault, as it went.
#[derive(Clone, Debug, Serialize)]
struct Row {
    fault: String,
    seconds: u64,
    began: String,
    #[serde(skip)]
    from_ms: i64,
    #[serde(skip)]
    to_ms: i64,
    /// Jobs that ran when it struck.
    running: usize,
    /// Seconds from its mending until each of them ran again or had ended; `None` if that took too long.
    recovery_s: Option<f64>,
    /// What couldn't be done to inflict or mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// The figures.
#[derive(Debug, Default, Serialize)]
struct Figures {
    seed: u64,
    faults: usize,
    jobs: usize,
    jobs_lost: Vec<String>,
    double_billed_ms: i64,
    overlap_ms: i64,
    runs_killed: Vec<Killed>,
    runs_killed_unexplained: usize,
    work_lost_s: i64,
    containers_left: Vec<String>,
    recovery_p50_s: f64,
    recovery_p99_s: f64,
    not_recovered: usize,
    rows: Vec<Row>,
}

/// Breaks things on the stage that the demo left up, and writes what came of it. An error if a job was lost, anything was
/// paid twice, or something was left behind.
pub async fn run(arguments: &Arguments) -> Result<()> {
    let stage = Stage::on_testbed(&arguments.stage)?;
    let testbed = stage.testbed.as_ref().ok_or_else(|| Error::unexpected("chaos", "it needs the testbed"))?;
    let record = run::read(&arguments.stage.join("stage.json"))?;
    let record: serde_json::Value =
        serde_json::from_str(&record).map_err(|error| Error::unexpected("stage.json", error))?;
    let contracts: Contracts = serde_json::from_value(record["contracts"].clone())
        .map_err(|error| Error::unexpected("stage.json: contracts", error))?;
    shorten_grants(&stage, VALID_FOR)?;
    let image = testbed.push_image(&testbed.tools().busybox_image, "chaos-shell", "1")?;
    let amount = "200".parse().map_err(|error| Error::unexpected("an amount", error))?;
    let vendor = Vendor::new(&stage, &contracts, "chaos", amount).await?;
    vendor.deposit(&stage, "200")?;
    vendor.authorize(&stage, "1000", "5")?;
    let mut fleet = Fleet::new(&stage, &vendor, image, arguments.seed);
    let rows = break_things(&stage, &mut fleet, arguments);
    println!("nothing breaks any more; waiting for {} jobs to end", fleet.wanted.len());
    fleet.end(END);
    // Containers end after their jobs.
    std::thread::sleep(Duration::from_secs(15));
    let figures = figures(&stage, &fleet, arguments.seed, rows)?;
    let text = serde_json::to_string_pretty(&figures).map_err(|error| Error::unexpected("the figures", error))?;
    run::write(&arguments.out, &text)?;
    shorten_grants(&stage, 600)?;
    say(&figures, arguments)
}

/// One fault after another, with jobs kept going.
fn break_things(stage: &Stage, fleet: &mut Fleet<'_>, arguments: &Arguments) -> Vec<Row> {
    let end = Instant::now() + Duration::from_secs(arguments.minutes.saturating_mul(60));
    let mut rows = Vec::new();
    fleet.keep(arguments.jobs);
    for planned in fault::plan(arguments.seed, arguments.faults) {
        if Instant::now() >= end {
            break;
        }
        fleet.keep(arguments.jobs);
        let running = until_some_run(fleet, arguments.jobs);
        let row = one(stage, fleet, planned, &running, arguments.jobs);
        println!(
            "{:3}  {:42} {:4} s  {:2} ran  recovered after {}{}",
            rows.len() + 1,
            row.fault,
            row.seconds,
            row.running,
            row.recovery_s.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s")),
            row.trouble
                .as_deref()
                .map(|trouble| format!("  ({})", trouble.lines().next().unwrap_or_default()))
                .unwrap_or_default(),
        );
        rows.push(row);
    }
    rows
}

/// Waits a little until some jobs run, so that there is something to break.
fn until_some_run(fleet: &mut Fleet<'_>, jobs: usize) -> Vec<String> {
    for _ in 0..20 {
        let running = fleet.running();
        if running.len() * 2 >= jobs {
            return running;
        }
        fleet.keep(jobs);
        std::thread::sleep(Duration::from_secs(1));
    }
    fleet.running()
}

fn one(stage: &Stage, fleet: &mut Fleet<'_>, planned: Planned, running: &[String], jobs: usize) -> Row {
    let began = Timestamp::now();
    let inflicted = inflict::inflict(stage, planned.fault);
    std::thread::sleep(Duration::from_secs(planned.seconds));
    let mended = mend(stage, planned);
    let mended_at = Timestamp::now();
    let recovery_s = fleet.recovered(running, RECOVERY, jobs);
    let trouble = inflicted.and(mended).err().map(|error| error.to_string());
    Row {
        fault: planned.fault.to_string(),
        seconds: planned.seconds,
        began: began.to_string(),
        from_ms: began.as_millisecond(),
        to_ms: mended_at.as_millisecond(),
        running: running.len(),
        recovery_s,
        trouble,
    }
}

/// Mends what was broken; what doesn't come back at once is tried again, for all else rests on it.
fn mend(stage: &Stage, planned: Planned) -> Result<()> {
    let mut last = inflict::mend(stage, planned.fault);
    for _ in 0..5 {
        if last.is_ok() {
            return last;
        }
        std::thread::sleep(Duration::from_secs(3));
        last = inflict::mend(stage, planned.fault);
    }
    last
}

/// Has the hub lend for `seconds`.
fn shorten_grants(stage: &Stage, seconds: u64) -> Result<()> {
    let chart = stage.repository.join("charts/eai-hub").display().to_string();
    let value = format!("fencing.validForSeconds={seconds}");
    let upgrade = ["upgrade", "eai-hub", &chart, "-n", HUB_NAMESPACE, "--reuse-values", "--set", &value];
    stage.hub.helm(&[&upgrade[..], &["--wait", "--timeout", "180s"]].concat()).map(drop)
}

fn figures(stage: &Stage, fleet: &Fleet<'_>, seed: u64, rows: Vec<Row>) -> Result<Figures> {
    let testbed = stage.testbed.as_ref().ok_or_else(|| Error::unexpected("chaos", "it needs the testbed"))?;
    let mut containers = Vec::new();
    for member in &stage.members {
        if let Some((_, name)) = member.cluster.testbed() {
            containers.extend(testbed.container_runs(name)?);
        }
    }
    let (runs, left) = verdict::runs(&containers, Timestamp::now().as_millisecond());
    let jobs = run::wait("the jobs' record", 60, || fleet.look().ok_or_else(|| "no answer".to_owned()))?;
    let mut figures =
        Figures { seed, faults: rows.len(), jobs: fleet.wanted.len(), containers_left: left, ..Figures::default() };
    for (name, &wanted) in &fleet.wanted {
        let Some(job) = jobs.get(name) else {
            figures.jobs_lost.push(format!("{name}: its record is gone"));
            continue;
        };
        let none = Vec::new();
        let of_job = job["metadata"]["uid"].as_str().and_then(|uid| runs.get(uid)).unwrap_or(&none);
        let Outcome { lost, double_billed_ms, overlap_ms, killed } = judge(job, wanted, of_job);
        figures.jobs_lost.extend(lost.map(|why| format!("{name}: {why}")));
        figures.double_billed_ms += double_billed_ms;
        figures.overlap_ms += overlap_ms;
        for mut killed in killed {
            let ended =
                of_job.iter().filter(|run| run.attempt == killed.attempt).map(|run| run.end_ms).max().unwrap_or(0);
            killed.faults = explains(&rows, &killed.member, ended);
            figures.work_lost_s += killed.ran_ms / 1_000;
            figures.runs_killed.push(killed);
        }
    }
    figures.runs_killed_unexplained = figures.runs_killed.iter().filter(|killed| killed.faults.is_empty()).count();
    let recoveries: Vec<f64> = rows.iter().filter_map(|row| row.recovery_s).collect();
    figures.not_recovered = rows.len() - recoveries.len();
    (figures.recovery_p50_s, figures.recovery_p99_s) = (percentile(&recoveries, 50), percentile(&recoveries, 99));
    figures.rows = rows;
    Ok(figures)
}

/// The faults that the end of a run on `member` at `ended_ms` may be the doing of: of that member, or of what all share.
fn explains(rows: &[Row], member: &str, ended_ms: i64) -> Vec<String> {
    let near = rows.iter().filter(|row| (row.from_ms - 2_000..=row.to_ms + AFTERMATH_MS).contains(&ended_ms));
    let concern = near.filter(|row| [member, "hub", "chain", "all"].iter().any(|place| row.fault.contains(place)));
    concern.map(|row| row.fault.clone()).collect()
}

fn say(figures: &Figures, arguments: &Arguments) -> Result<()> {
    println!(
        "{} faults, {} jobs: {} lost, {} ms paid twice, {} ms ran twice, {} runs ended ({} s of work lost), {} containers \
         left; recovery p50 {:.1} s, p99 {:.1} s; in {}",
        figures.faults,
        figures.jobs,
        figures.jobs_lost.len(),
        figures.double_billed_ms,
        figures.overlap_ms,
        figures.runs_killed.len(),
        figures.work_lost_s,
        figures.containers_left.len(),
        figures.recovery_p50_s,
        figures.recovery_p99_s,
        arguments.out.display(),
    );
    let bad = !figures.jobs_lost.is_empty()
        || figures.double_billed_ms > 0
        || figures.overlap_ms > 0
        || !figures.containers_left.is_empty()
        || figures.runs_killed_unexplained > 0
        || figures.not_recovered > 0;
    if bad {
        let what = json!({"lost": figures.jobs_lost, "ran_twice_ms": figures.overlap_ms, "left": figures.containers_left, "not_recovered": figures.not_recovered,
            "unexplained": figures.runs_killed_unexplained});
        return Err(Error::unexpected("chaos", what));
    }
    Ok(())
}
