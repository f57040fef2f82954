//! Chaos: things break while jobs run, and what that did to the jobs is counted.
//!
//! Faults come one after another, from a seed. The jobs count seconds and leave behind how far they came; containerd says
//! what ran, and when. docs/chaos.md says what each figure in target/chaos.json is.

mod fault;
mod figures;
mod fleet;
mod inflict;
mod process;
mod verdict;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use self::{
    fault::Planned,
    figures::{Figures, Row},
    fleet::Fleet,
    inflict::Breakable,
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
    /// Only faults whose names hold one of these, such as "clock".
    #[arg(long)]
    only: Vec<String>,
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
    let before = vendor.wealth(&contracts).await?;
    let mut fleet = Fleet::new(&stage, &vendor, image, arguments.seed);
    let rows = break_things(&mut Breakable { stage: &stage, crowd: None }, &mut fleet, arguments).await;
    println!("nothing breaks any more; waiting for {} jobs to end", fleet.wanted.len());
    fleet.end(END);
    // Containers end after their jobs.
    std::thread::sleep(Duration::from_secs(15));
    let spent = before.saturating_sub(vendor.wealth(&contracts).await?);
    let figures = Figures::of(&stage, &fleet, arguments.seed, rows, spent)?;
    let text = serde_json::to_string_pretty(&figures).map_err(|error| Error::unexpected("the figures", error))?;
    run::write(&arguments.out, &text)?;
    shorten_grants(&stage, 600)?;
    println!("{figures}; in {}", arguments.out.display());
    figures.verdict()
}

/// One fault after another, with jobs kept going.
async fn break_things(breakable: &mut Breakable<'_>, fleet: &mut Fleet<'_>, arguments: &Arguments) -> Vec<Row> {
    let end = Instant::now() + Duration::from_secs(arguments.minutes.saturating_mul(60));
    let mut rows = Vec::new();
    fleet.keep(arguments.jobs);
    let chosen = |planned: &Planned| {
        let name = planned.to_string();
        arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part))
    };
    for planned in fault::plan(arguments.seed, arguments.faults).into_iter().filter(chosen) {
        if Instant::now() >= end {
            break;
        }
        fleet.keep(arguments.jobs);
        until_some_run(fleet, arguments.jobs);
        let row = one(breakable, fleet, planned, arguments.jobs).await;
        println!("{:3}  {row}", rows.len() + 1);
        rows.push(row);
    }
    rows
}

/// Waits a little until some jobs run, so that there is something to break.
fn until_some_run(fleet: &mut Fleet<'_>, jobs: usize) {
    for _ in 0..20 {
        if fleet.running().len() * 2 >= jobs {
            return;
        }
        fleet.keep(jobs);
        std::thread::sleep(Duration::from_secs(1));
    }
}

async fn one(breakable: &mut Breakable<'_>, fleet: &mut Fleet<'_>, planned: Planned, jobs: usize) -> Row {
    let in_time = fleet.wait_for(planned.moment);
    let running = fleet.running();
    let began = Timestamp::now();
    let inflicted = breakable.inflict(planned.fault).await;
    std::thread::sleep(Duration::from_secs(planned.seconds));
    let mended = mend(breakable, planned);
    let mended_at = Timestamp::now();
    let recovery_s = fleet.recovered(&running, RECOVERY, jobs);
    let missed = (!in_time).then(|| "its moment didn't come: it struck without".to_owned());
    Row {
        fault: planned.to_string(),
        seconds: planned.seconds,
        began: began.to_string(),
        assumptions_broken: planned.breaks_assumptions(),
        from_ms: began.as_millisecond(),
        to_ms: mended_at.as_millisecond(),
        running: running.len(),
        jobs: running,
        recovery_s,
        trouble: inflicted.and(mended).err().map(|error| error.to_string()).or(missed),
    }
}

/// Mends what was broken; what doesn't come back at once is tried again, for all else rests on it.
fn mend(breakable: &mut Breakable<'_>, planned: Planned) -> Result<()> {
    let mut last = breakable.mend(planned.fault);
    for _ in 0..5 {
        if last.is_ok() {
            return last;
        }
        std::thread::sleep(Duration::from_secs(3));
        last = breakable.mend(planned.fault);
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
