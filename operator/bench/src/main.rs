//! `eai-bench`: measures EAI's placement on published traces.

// What is cast are figures to print; the policies they compare with are published in floats.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod args;
mod baseline;
mod compare;
mod market;
mod policy;
mod random;
mod replay;
mod report;
mod scale;
mod stress;
#[cfg(test)]
mod tests;
mod trace;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Bench, Command};

fn main() -> ExitCode {
    let done = match Bench::parse().command {
        Command::Placement(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Scale(args) => scale::run(&args),
        Command::Market(args) => market::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
