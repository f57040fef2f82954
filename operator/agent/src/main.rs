//! `eai-agent`: a member's side of the federation.
//!
//! It joins a hub, says what its cluster has and asks for, runs what it is assigned within what its owner allows, and
//! tells how long that ran. Nothing can reach it: it dials the hub, or runs beside it and dials the member.

mod artifacts;
mod cleanup;
mod clients;
mod config;
mod context;
mod demand;
mod fence;
mod health;
mod identity;
mod ledger;
mod link;
mod metrics;
mod probe;
mod refusal;
mod report;
mod run;
mod sidecar;
mod streams;
mod sweep;
#[cfg(test)]
mod testing;
mod trim;
mod update;
mod watch;
mod work;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use eai_runtime::telemetry::Format;

/// A member's side of the EAI federation.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Run the agent; also what happens without a command.
    Run(RunArgs),
    /// Hold a work pod's outputs until they are fetched. Runs in the pod.
    Outputs {
        #[command(subcommand)]
        command: Option<sidecar::Command>,
    },
    /// Try what work must not be able to do. Runs in a pod like work's.
    Probe(probe::Args),
    /// End all work, delete it and forget the agent's keys, before it is uninstalled. Runs in the member's cluster.
    Cleanup(cleanup::Args),
}

#[derive(Args)]
struct RunArgs {
    /// The configuration.
    #[arg(long, default_value = "/etc/eai/agent.yaml")]
    config: PathBuf,
    /// How to log: text or json.
    #[arg(long, env = "EAI_LOG_FORMAT", default_value = "text")]
    log_format: Format,
    /// How many seconds the agent is to be ahead of its machine's time of day: for trying what a wrong clock does.
    #[arg(long, env = "EAI_CLOCK_AHEAD_SECONDS", default_value_t = 0, allow_negative_numbers = true, hide = true)]
    clock_ahead_seconds: i64,
}

fn main() -> ExitCode {
    eai_runtime::tls::init();
    let Cli { command, run } = Cli::parse();
    let command = command.unwrap_or(Command::Run(run));
    // Two threads do: it waits for API servers nearly all of the time.
    let runtime = match command {
        Command::Outputs { .. } | Command::Probe(_) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()
        }
        _ => tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    };
    match runtime {
        Ok(runtime) => runtime.block_on(dispatch(command)),
        Err(error) => fail(&error),
    }
}

async fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Run(RunArgs { config, log_format, clock_ahead_seconds }) => {
            eai_runtime::telemetry::init(log_format);
            eai_runtime::clock::ahead_by(clock_ahead_seconds);
            let config = match config::Config::load(&config) {
                Ok(config) => config,
                Err(error) => return fail(&error),
            };
            run::run(config).await.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
        }
        Command::Outputs { command } => {
            sidecar::run(command).await.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
        }
        Command::Probe(args) => probe::run_inside(args).await,
        Command::Cleanup(args) => {
            eai_runtime::telemetry::init(Format::Text);
            clean(&args).await.map_or_else(|error| fail(&*error), |()| ExitCode::SUCCESS)
        }
    }
}

async fn clean(args: &cleanup::Args) -> Result<(), Box<dyn std::error::Error>> {
    let member = clients::in_cluster(&metrics::Metrics::new()?.requests)?;
    Ok(cleanup::run(args, member).await?)
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("eai-agent: {error}");
    ExitCode::FAILURE
}
