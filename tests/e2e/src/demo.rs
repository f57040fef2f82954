//! The demo, step by step.

use std::{fs, path::PathBuf, time::Instant};

use eai_chain::LeaseId;
use eai_testbed::Dirs;
use serde_json::Value;

use crate::{
    balances::{Balances, Contracts},
    deploy::{self, Images},
    error::{Error, Result},
    existing, fund,
    jobs::{Job, Order, phase},
    join,
    report::{Accounts, BeforeAfter, JobLine, Report, assignment_name},
    run,
    stage::Stage,
    usage::Runs,
};

/// The vendor's namespace.
pub const NAMESPACE: &str = "vision";

/// The examples, in the order in which they are submitted.
pub const EXAMPLES: [&str; 4] = ["digits-training", "fpga-filter", "cpu-search", "secret-score"];

/// What to run the demo on.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Leave everything up at the end.
    #[arg(long, env = "KEEP", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    pub keep: bool,
    /// Where what is made goes.
    #[arg(long, default_value = "target/demo")]
    pub dir: PathBuf,
    /// Clusters that exist, instead of the testbed.
    #[command(flatten)]
    pub existing: existing::Arguments,
}

/// Says what is being done, on standard error.
fn step(start: Instant, what: &str) {
    eprintln!("[{:>4} s] {what}", start.elapsed().as_secs());
}

/// Runs the demo. Cleans up after itself unless told to keep, also after a failure.
pub async fn run(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let dir =
        std::path::absolute(&arguments.dir).map_err(|source| Error::File { path: arguments.dir.clone(), source })?;
    // A chain that starts anew knows nothing of an earlier run's contracts.
    if eai_testbed::Testbed::attach(&Dirs::from_env()).is_err() {
        let _ = fs::remove_dir_all(&dir);
    }
    step(start, "clusters: hub, cloud, and home behind its router");
    let stage = match arguments.existing.read()? {
        Some(existing) => Stage::existing(&dir, &existing)?,
        None => Stage::on_testbed(&dir)?,
    };
    let result = show(&stage, start).await;
    if arguments.keep {
        looking_around(&stage);
    } else if stage.testbed.is_some() {
        step(start, "taking everything down");
        eai_testbed::Testbed::remove(&Dirs::from_env(), false)?;
    } else {
        step(start, "uninstalling");
        uninstall(&stage)?;
    }
    result
}

async fn show(stage: &Stage, start: Instant) -> Result<()> {
    deploy::forget_another_chain(stage).await?;
    let (images, contracts) = install(stage, start)?;
    let before = Balances::read(&contracts).await?;
    step(start, "the vendor deposits 20 EAI and authorises the hub for its namespace");
    join::vendor(stage, NAMESPACE, "20", "20", "5")?;
    let jobs = submit(stage, start, &images)?;
    let unreachable = home_unreachable(stage)?;
    let ended = wait(stage, start, &jobs)?;
    fetch(stage, start, &jobs)?;
    step(start, "everybody withdraws what is theirs");
    fund::withdraw_all(stage, &contracts).await?;
    let after = Balances::read(&contracts).await?;
    let report = Report {
        seconds: start.elapsed().as_secs(),
        home_unreachable_from_hub: unreachable,
        balances: BeforeAfter { before: before.tokens.clone(), after: after.tokens.clone() },
        jobs: lines(stage, &contracts, &ended).await?,
    };
    let text = serde_json::to_string_pretty(&report).map_err(|error| Error::unexpected("result.json", error))?;
    run::write(&stage.dir.join("result.json"), &text)?;
    println!("{}", report.table());
    let names = stage.members.iter().map(|member| member.cluster.name.clone());
    let accounts = Accounts {
        vendor: stage.people.vendor.address,
        owners: names.zip(stage.people.miners.iter().map(|miner| miner.address)).collect(),
        escrow: contracts.escrow,
        alone: stage.testbed.is_some() && before.locked(contracts.escrow) == 0,
        routed: stage.testbed.is_some(),
    };
    let faults = report.faults(&before, &after, &accounts);
    if faults.is_empty() { Ok(()) } else { Err(Error::Checks(faults)) }
}

/// Contracts, hub and members; leaves what was made in `stage.json`.
pub fn install(stage: &Stage, start: Instant) -> Result<(Images, Contracts)> {
    step(start, "images to the registry");
    let images = Images::push(stage)?;
    step(start, "EAIToken and Escrow onto the chain");
    let contracts = deploy::contracts(stage)?;
    step(start, "helm install eai-crds and eai-hub");
    deploy::hub(stage, &images, &contracts)?;
    for (member, owner) in stage.members.iter().zip(&stage.people.miners) {
        step(start, &format!("{} joins ({:?})", member.cluster.name, member.mode));
        join::member(stage, member, owner, &images, &contracts)?;
    }
    let record = serde_json::json!({"images": images, "contracts": contracts});
    run::write(&stage.dir.join("stage.json"), &format!("{record:#}"))?;
    Ok((images, contracts))
}

fn submit(stage: &Stage, start: Instant, images: &Images) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for member in &stage.members {
        for example in EXAMPLES {
            let order = Order {
                example: stage.repository.join("examples").join(format!("{example}.yaml")),
                image: images.examples.clone(),
                payer: stage.people.vendor.address,
                member: Some(member.cluster.name.clone()),
                namespace: NAMESPACE.to_owned(),
            };
            let job = order.submit(&stage.hub, &stage.dir.join("examples"))?;
            step(start, &format!("kubectl apply: {}", job.name));
            jobs.push(job);
        }
    }
    Ok(jobs)
}

/// Waits for every job; says how each ended.
fn wait(stage: &Stage, start: Instant, jobs: &[Job]) -> Result<Vec<Value>> {
    let mut ended = Vec::new();
    for job in jobs {
        let object = job.wait(&stage.hub, 300)?;
        step(start, &format!("{}: {}", job.name, phase(&object)));
        ended.push(object);
    }
    println!("{}", stage.hub.kubectl(&["get", "aijobs", "-n", NAMESPACE])?);
    Ok(ended)
}

/// The vendor brings home what each job left: its log, and its outputs with their digests checked.
fn fetch(stage: &Stage, start: Instant, jobs: &[Job]) -> Result<()> {
    step(start, "kubectl eai logs, kubectl eai fetch");
    for job in jobs {
        let dir = stage.dir.join("outputs").join(&job.name);
        let log = run::output(stage.eai(None)?.args(["logs", &job.name, "-n", NAMESPACE]))?;
        if log.trim().is_empty() {
            return Err(Error::unexpected(format!("the log of {}", job.name), "it is empty"));
        }
        run::write(&dir.join("log.txt"), &log)?;
        run::output(stage.eai(None)?.args(["fetch", &job.name, "-n", NAMESPACE, "--force", "--dir"]).arg(&dir))?;
    }
    Ok(())
}

/// Whether every member in pull mode is out of the hub's reach.
fn home_unreachable(stage: &Stage) -> Result<Option<bool>> {
    let home = stage.members.iter().find(|member| member.mode == crate::stage::Mode::Pull);
    let Some(home) = home else { return Ok(None) };
    Ok(stage.hub_reaches(&home.cluster)?.map(|reached| !reached))
}

async fn lines(stage: &Stage, contracts: &Contracts, ended: &[Value]) -> Result<Vec<JobLine>> {
    let chain = |error: &dyn std::fmt::Display| Error::unexpected("the chain", error.to_string());
    let reader = contracts.reader()?;
    let mut lines = Vec::new();
    for job in ended {
        let id = job["status"]["attempt"]["lease"]["id"].as_str().unwrap_or_default();
        let id: LeaseId = id.parse().map_err(|_| Error::unexpected("the AIJob's lease", id))?;
        let lease = reader.lease(id).await.map_err(|e| chain(&e))?;
        let lease = lease.ok_or_else(|| Error::unexpected("the chain", format!("has no lease {id}")))?;
        let member = job["status"]["member"].as_str().unwrap_or_default();
        let runs = Runs::of(&stage.member(member)?.cluster, &assignment_name(job))?;
        lines.push(JobLine::new(job, &lease, runs.as_ref())?);
    }
    Ok(lines)
}

fn looking_around(stage: &Stage) {
    let dir = stage.dir.display();
    println!("Everything is up. To look around:");
    if stage.testbed.is_some() {
        println!("  target/debug/eai-testbed exec hub -- kubectl get aijobs,computenodes,assignments -A");
        println!("  target/debug/eai-testbed exec hub -- kubectl describe aijob -n {NAMESPACE}");
        println!("  target/debug/eai-testbed exec home -- kubectl get jobs,pods -n eai-work");
        println!("  target/debug/eai-testbed exec hub -- $PWD/target/debug/kubectl-eai nodes");
        println!("  target/debug/eai-testbed down        # takes it all down");
    }
    println!("  {dir}/result.json, {dir}/outputs/");
}

/// Takes the charts off clusters that aren't ours.
fn uninstall(stage: &Stage) -> Result<()> {
    stage.hub.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=180s"])?;
    for member in &stage.members {
        run::output(stage.eai(None)?.args(["leave", &member.cluster.name, "--yes"]))?;
        member.cluster.helm(&["uninstall", "eai-agent", "-n", join::AGENT_NAMESPACE, "--wait"])?;
    }
    stage.hub.helm(&["uninstall", "eai-hub", "-n", deploy::HUB_NAMESPACE, "--wait"])?;
    stage.hub.helm(&["uninstall", "eai-crds", "-n", deploy::HUB_NAMESPACE, "--wait"])?;
    Ok(())
}
