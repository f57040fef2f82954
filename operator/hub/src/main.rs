//! `eai-operator`.

use std::process::ExitCode;

use clap::Parser as _;
use eai_hub::{config::Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
