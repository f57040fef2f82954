//! `eai-demo`: the whole product, from nothing to a paid bill.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use eai_e2e::{bench, chaos, compat, demo};

/// Shows EAI on real clusters: the testbed's, or ones that exist.
#[derive(Parser)]
#[command(name = "eai-demo", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs everything, joins two members, runs the examples on each, checks the bill and prints it.
    Run(demo::Arguments),
    /// Measures a hundred jobs and writes the figures to target/bench/e2e.json.
    Bench(bench::Arguments),
    /// Breaks things while jobs run, on the stage that `run` left up, and writes what came of it to target/chaos.json.
    Chaos(chaos::Arguments),
    /// Upgrades from an earlier release and rolls back again while jobs run, and writes what was seen to target/compat.json.
    Compat(compat::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    eai_runtime::tls::init();
    let result = match Cli::parse().command {
        Command::Run(arguments) => demo::run(&arguments).await,
        Command::Bench(arguments) => bench::run(&arguments).await,
        Command::Chaos(arguments) => chaos::run(&arguments).await,
        Command::Compat(arguments) => compat::run(&arguments).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}
