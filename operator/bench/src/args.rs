//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::trace::TraceError;

/// Measures EAI's placement on published traces.
#[derive(Debug, Parser)]
pub struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One policy on one workload in one order of arrival.
    Placement(Placement),
    /// Every workload of a folder, each seed against FGD on the same seed.
    Compare(Compare),
    /// How the cost of a decision grows with the nodes.
    Scale(Scale),
    /// The same for members, each with some of the nodes: what the hub decides on.
    Market(Market),
}

/// Where pods may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// The engine of this project.
    Eai,
    /// Fragmentation gradient descent (ATC'23), which is always told the mix.
    Fgd,
    /// Best fit.
    Bestfit,
    /// Any node the pod fits.
    Random,
}

/// What a policy knows beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// Nothing.
    Learned,
    /// The pods file's mix, not its order.
    Given,
}

/// One replay.
#[derive(Debug, Args)]
pub struct Placement {
    /// Nodes: `sn,cpu_milli,memory_mib,gpu,model`.
    #[arg(long)]
    pub nodes: PathBuf,
    /// Pods: `name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,…`.
    #[arg(long)]
    pub pods: PathBuf,
    /// Line 1: the pods that arrive, as rows of the pods sorted by name. Line 2: each node's rank in ties.
    #[arg(long)]
    pub arrivals: PathBuf,
    /// Where pods go.
    #[arg(long, value_enum)]
    pub policy: Policy,
    /// What the policy knows beforehand.
    #[arg(long, value_enum, default_value = "given")]
    pub mix: Mix,
    /// Where the figures go, as JSON.
    #[arg(long)]
    pub out: PathBuf,
}

/// Many replays.
#[derive(Debug, Args)]
pub struct Compare {
    /// A folder with `nodes.csv`, `pods/WORKLOAD.csv` and `arrivals/WORKLOAD_SEED.txt`.
    #[arg(long)]
    pub data: PathBuf,
    /// Only these workloads.
    #[arg(long, value_delimiter = ',')]
    pub workloads: Vec<String>,
    /// Workloads made from `default` that stress one thing each, instead of the folder's.
    #[arg(long)]
    pub stress: bool,
}

/// Growing clusters.
#[derive(Debug, Args)]
pub struct Scale {
    /// A folder as for `compare`; its nodes and pods are drawn from.
    #[arg(long)]
    pub data: PathBuf,
    /// The workload.
    #[arg(long, default_value = "default")]
    pub workload: String,
    /// How many nodes.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000, 1213, 5000, 20_000])]
    pub nodes: Vec<usize>,
    /// What the policy knows beforehand.
    #[arg(long, value_enum, default_value = "given")]
    pub mix: Mix,
}

/// Growing markets.
#[derive(Debug, Args)]
pub struct Market {
    /// A folder as for `compare`; its nodes and pods are drawn from.
    #[arg(long)]
    pub data: PathBuf,
    /// The workload.
    #[arg(long, default_value = "default")]
    pub workload: String,
    /// How many nodes.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000, 5000, 20_000])]
    pub nodes: Vec<usize>,
    /// How many members, for each number of nodes.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 200, 1000, 4000])]
    pub members: Vec<usize>,
    /// How many prices there are.
    #[arg(long, default_value_t = 1)]
    pub prices: u64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file of the trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The figures couldn't be written.
    #[error("{path}: {error}")]
    Write {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A folder holds nothing to measure.
    #[error("{0} holds no workload with arrivals")]
    Nothing(String),
}
