//! What the container runtime says of a job's containers, to hold the bill against.

use eai_testbed::ContainerRun;

use crate::{cluster::Cluster, error::Result};

/// The work containers of one attempt, as containerd has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Nanoseconds since 1970 at which the first started.
    pub first_start: Option<i64>,
    /// Milliseconds they ran in all.
    pub run_ms: u64,
    /// How many there were.
    pub count: u32,
}

impl Runs {
    /// What containerd says of the work containers of the Assignment called `assignment`; nothing for a cluster that
    /// isn't the testbed's.
    pub fn of(cluster: &Cluster, assignment: &str) -> Result<Option<Self>> {
        let Some((testbed, name)) = cluster.testbed() else { return Ok(None) };
        let runs = testbed.container_runs(name)?;
        Ok(Some(Self::sum(runs.iter().filter(|run| run.container == "work" && run.pod.starts_with(assignment)))))
    }

    fn sum<'a>(runs: impl Iterator<Item = &'a ContainerRun>) -> Self {
        let mut sum = Self::default();
        for run in runs.filter(|run| run.started_at > 0 && run.finished_at > 0) {
            sum.first_start = Some(sum.first_start.map_or(run.started_at, |first| first.min(run.started_at)));
            sum.run_ms += u64::try_from((run.finished_at - run.started_at) / 1_000_000).unwrap_or(0);
            sum.count += 1;
        }
        sum
    }

    /// The usage to expect for `milli_units` per container, in unit-milliseconds.
    pub fn usage_ms(&self, milli_units: u64) -> u64 {
        self.run_ms * milli_units / 1000
    }

    /// By how much a bill may differ: a second for each container, as Kubernetes gives times in whole seconds.
    pub fn tolerance_ms(&self, milli_units: u64) -> u64 {
        u64::from(self.count) * milli_units
    }
}
