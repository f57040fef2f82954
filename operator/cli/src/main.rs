//! `kubectl-eai`: what people do with EAI from a shell. As a kubectl plugin it is `kubectl eai`.

mod arguments;
mod artifacts;
mod chain;
mod commands;
mod duration;
mod error;
mod hub;
mod live;
mod output;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, missing_docs)]
mod testing;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    eai_runtime::tls::init();
    let cli = arguments::Cli::parse();
    match commands::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
