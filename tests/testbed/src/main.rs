//! `eai-testbed`: brings the testbed up and down, and gives access to it.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("eai-testbed: {error}");
            ExitCode::FAILURE
        }
    }
}
