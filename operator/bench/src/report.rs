//! One replay, as JSON.

use std::path::Path;

use serde::Serialize;

use crate::{
    args::{BenchError, Placement},
    policy,
    replay::Outcome,
    trace::Trace,
};

/// What the file says.
#[derive(Debug, Serialize)]
struct Figures {
    alloc_at_100: f64,
    alloc_at_130: f64,
    cpu_only_refused_milli: u64,
    cpu_arrived_milli: u64,
    decisions: usize,
    decisions_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    /// The longest decision: where the mix is learned, one that learns.
    max_us: f64,
    /// Before the first decision; counted in `decisions_per_s`.
    ready_us: f64,
    threads: u32,
}

impl Figures {
    fn new(outcome: &Outcome) -> Self {
        Self {
            alloc_at_100: outcome.alloc_at_100,
            alloc_at_130: outcome.alloc_at_130,
            cpu_only_refused_milli: outcome.cpu_only_refused_milli,
            cpu_arrived_milli: outcome.cpu_arrived_milli,
            decisions: outcome.nanos.len(),
            decisions_per_s: outcome.decisions_per_s(),
            p50_us: outcome.quantile_us(0.5),
            p99_us: outcome.quantile_us(0.99),
            max_us: outcome.quantile_us(1.0),
            ready_us: outcome.ready_nanos as f64 / 1000.0,
            threads: 1,
        }
    }
}

/// Replays and writes.
pub fn run(args: &Placement) -> Result<(), BenchError> {
    let trace = Trace::read(&args.nodes, &args.pods, &args.arrivals)?;
    let figures = Figures::new(&policy::run(&trace, args.policy, args.mix));
    let mut text = serde_json::to_string_pretty(&figures).unwrap_or_default();
    text.push('\n');
    write(&args.out, &text)
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(|error| BenchError::Write { path: path.display().to_string(), error })
}
