//! The bench: a hundred jobs to a member behind its router, and what they cost in time, memory and API calls.
//!
//! It measures from outside, with one clock: when this process began to create an AIJob, and when its watches told it of
//! each step after that. Figures only; nothing here fails on a time. docs/bench.md says what each figure is.

mod blocks;
mod calls;
mod client;
mod figures;
mod load;
mod prometheus;
mod report;
mod resources;
mod sight;
mod spread;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use eai_api::AIJob;
use eai_testbed::{Dirs, Testbed};
use kube::api::ListParams;
use serde_json::Value;

use self::{
    blocks::Blocks,
    calls::{Calls, Rates},
    client::Clients,
    figures::Times,
    load::{Load, Submission},
    report::{Measured, Report},
    resources::{Busy, Sampler},
    sight::{Board, Step},
};
use crate::{
    balances::Contracts,
    demo,
    deploy::Images,
    error::{Error, Result},
    join, run,
    stage::Stage,
};

/// The vendor's namespace.
const NAMESPACE: &str = "bench";
/// The member that takes the jobs: the one behind its router, in pull mode.
const MEMBER: &str = "home";
/// How long the last jobs may take to end once all are submitted.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long it is waited for ended jobs' Assignments to go, whose calls belong to the jobs too.
const CLEARING: Duration = Duration::from_mins(1);

/// How much to measure.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// How many jobs.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub jobs: u32,
    /// Milliseconds between two submissions. Not a multiple of the chain's block time, or every job would meet the
    /// block at the same moment.
    #[arg(long, default_value_t = 1700)]
    pub pace_ms: u64,
    /// Seconds without jobs for which what goes on anyway is counted, to be taken off.
    #[arg(long, default_value_t = 60)]
    pub idle_seconds: u64,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/e2e.json")]
    pub out: PathBuf,
    /// Where what is made goes. A stage that `run --keep` or `bench --keep` left there is used as it is.
    #[arg(long, default_value = "target/bench/stage")]
    pub dir: PathBuf,
    /// Leave everything up at the end.
    #[arg(long, env = "KEEP", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    pub keep: bool,
}

/// Measures and writes the figures. Cleans up after itself unless told to keep, also after a failure.
pub async fn run(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let dir =
        std::path::absolute(&arguments.dir).map_err(|source| Error::File { path: arguments.dir.clone(), source })?;
    // A chain that starts anew knows nothing of an earlier run's contracts.
    if Testbed::attach(&Dirs::from_env()).is_err() {
        let _ = fs::remove_dir_all(&dir);
    }
    let stage = Stage::on_testbed(&dir)?;
    let result = measure(&stage, arguments, start).await;
    if !arguments.keep {
        Testbed::remove(&Dirs::from_env(), false)?;
    }
    result
}

async fn measure(stage: &Stage, arguments: &Arguments, start: Instant) -> Result<()> {
    let (images, contracts) = prepare(stage, start)?;
    let payer = join::vendor(stage, NAMESPACE, "5", "5", "1")?;
    let clients = Clients::connect(stage, MEMBER).await?;
    let board = Board::watching(&clients, NAMESPACE, MEMBER);
    let blocks = Blocks::watching(&contracts)?;
    let load = Load { jobs: clients.jobs(NAMESPACE), member: MEMBER.to_owned(), image: images.examples, payer };

    say(start, "one job to pull the image; it isn't counted");
    let first = load.submit(0).await?;
    finish(&board, std::slice::from_ref(&first)).await?;
    say(start, &format!("{} s without jobs", arguments.idle_seconds));
    let quiet = Busy::now();
    let idle = Rates::idle(stage, MEMBER, Duration::from_secs(arguments.idle_seconds)).await?;
    let quiet = quiet.percent();

    say(start, &format!("{} jobs, one every {} ms", arguments.jobs, arguments.pace_ms));
    let (before, sampler, busy) = (Calls::read(stage, MEMBER)?, Sampler::start(MEMBER), Busy::now());
    let began = Instant::now();
    let submissions = load.pace(arguments.jobs, Duration::from_millis(arguments.pace_ms)).await?;
    finish(&board, &submissions).await?;
    let took = began.elapsed();
    let calls = Calls::read(stage, MEMBER)?.since(&before, &idle, took, arguments.jobs);
    let failed: Vec<String> = submissions
        .iter()
        .filter_map(|job| board.failure(job).map(|phase| format!("{} ended {phase}", job.name)))
        .collect();
    let measured = Measured {
        first: board.times(&first, None),
        jobs: times(&clients, &board, &blocks, &submissions).await?,
        failed: failed.len(),
        seconds: took.as_secs(),
        pace_ms: arguments.pace_ms,
        watch_errors: board.errors(),
        busy_percent: busy.percent(),
        busy_percent_without_jobs: quiet,
        calls,
        peaks: sampler.stop().await,
    };
    write(&arguments.out, &measured.report(), start)?;
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::unexpected(format!("{} of {} jobs ended badly", failed.len(), submissions.len()), failed.join(", ")))
}

/// Installs everything, unless it is there already.
fn prepare(stage: &Stage, start: Instant) -> Result<(Images, Contracts)> {
    let record = stage.dir.join("stage.json");
    if !record.exists() {
        return demo::install(stage, start);
    }
    say(start, "what is installed is used as it is");
    let bad = |error: serde_json::Error| Error::unexpected(record.display().to_string(), error);
    let record: Value = serde_json::from_str(&run::read(&record)?).map_err(bad)?;
    let images = serde_json::from_value(record["images"].clone()).map_err(bad)?;
    let contracts = serde_json::from_value(record["contracts"].clone()).map_err(bad)?;
    Ok((images, contracts))
}

/// Waits until these jobs are settled and their Assignments cleared away.
async fn finish(board: &Board, jobs: &[Submission]) -> Result<()> {
    board.all(Step::Ended, jobs, PATIENCE).await?;
    // What is never cleared away costs no calls either, so it is no reason to give up.
    let _ = board.all(Step::Cleared, jobs, CLEARING).await;
    Ok(())
}

/// The times of the jobs that ended well.
async fn times(clients: &Clients, board: &Board, blocks: &Blocks, jobs: &[Submission]) -> Result<Vec<Times>> {
    let objects = clients.jobs(NAMESPACE).list(&ListParams::default()).await;
    let objects = objects.map_err(|error| Error::unexpected("the AIJobs", error))?;
    let tx = |job: &AIJob| job.status.as_ref()?.attempt.as_ref()?.lease.open_tx.clone();
    let transactions: HashMap<_, _> =
        objects.iter().filter_map(|job| Some((job.metadata.uid.as_deref()?, tx(job)?))).collect();
    let mut times = Vec::new();
    for job in jobs.iter().filter(|job| board.failure(job).is_none()) {
        let block = match transactions.get(job.uid.as_str()) {
            Some(tx) => blocks.when(tx).await?,
            None => None,
        };
        let skipped = || Error::unexpected(&job.name, "one of its steps was never seen");
        times.push(board.times(job, block).ok_or_else(skipped)?);
    }
    Ok(times)
}

fn write(path: &Path, report: &Report, start: Instant) -> Result<()> {
    let text = serde_json::to_string_pretty(report).map_err(|error| Error::unexpected("the figures", error))?;
    run::write(path, &format!("{text}\n"))?;
    say(start, &format!("figures are in {}", path.display()));
    println!("{text}");
    Ok(())
}

fn say(start: Instant, what: &str) {
    eprintln!("[{:>4} s] {what}", start.elapsed().as_secs());
}
