//! The hub's figures, for Prometheus.

use std::time::Duration;

use eai_api::{AIJob, aijob::Phase};
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

/// Every phase, as jobs are counted by it.
const PHASES: [Phase; 9] = [
    Phase::Pending,
    Phase::Opening,
    Phase::Starting,
    Phase::Running,
    Phase::Paused,
    Phase::Settling,
    Phase::Succeeded,
    Phase::Failed,
    Phase::Cancelled,
];

/// The hub's figures. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    jobs: IntGaugeVec,
    decisions: IntCounterVec,
    pass_seconds: HistogramVec,
    step_seconds: HistogramVec,
    batches: IntCounterVec,
    batch_items: IntCounterVec,
    batch_seconds: HistogramVec,
    chain_up: IntGauge,
    gas: Gauge,
    refused: IntCounterVec,
    conflicts: IntCounterVec,
}

impl Metrics {
    /// Registers the figures.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            jobs: IntGaugeVec::new(Opts::new("eai_jobs", "AIJobs by phase."), &["phase"])?,
            decisions: counter("eai_placement_decisions_total", "Jobs looked at by a placement pass.", &["result"])?,
            pass_seconds: histogram("eai_placement_pass_seconds", "Duration of a placement pass.", &[])?,
            step_seconds: histogram(
                "eai_job_step_seconds",
                "From a job's creation to its claim, from claim to open lease, and from there to its Assignment.",
                &["step"],
            )?,
            batches: counter("eai_chain_batches_total", "Batches carried to the chain.", &["kind", "result"])?,
            batch_items: counter("eai_chain_batch_items_total", "Items of batches that were confirmed.", &["kind"])?,
            batch_seconds: histogram("eai_chain_batch_seconds", "From sending to confirmation.", &["kind"])?,
            chain_up: IntGauge::new("eai_chain_up", "Whether the chain answered last time.")?,
            gas: Gauge::new("eai_hub_gas_coins", "What the hub key has left for gas, in the chain's own coin.")?,
            refused: counter("eai_chain_refusals_total", "Items the escrow skipped.", &["reason"])?,
            conflicts: counter("eai_status_conflicts_total", "Conditional writes that somebody else won.", &["write"])?,
        };
        let all: [Box<dyn Collector>; 11] = [
            Box::new(metrics.jobs.clone()),
            Box::new(metrics.decisions.clone()),
            Box::new(metrics.pass_seconds.clone()),
            Box::new(metrics.step_seconds.clone()),
            Box::new(metrics.batches.clone()),
            Box::new(metrics.batch_items.clone()),
            Box::new(metrics.batch_seconds.clone()),
            Box::new(metrics.chain_up.clone()),
            Box::new(metrics.gas.clone()),
            Box::new(metrics.refused.clone()),
            Box::new(metrics.conflicts.clone()),
        ];
        for collector in all {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    /// Counts jobs by phase.
    pub fn count<'a>(&self, jobs: impl IntoIterator<Item = &'a AIJob>) {
        let mut counts = [0i64; PHASES.len()];
        for job in jobs {
            let phase = job.status.as_ref().map(|s| s.phase).unwrap_or_default();
            if let Some(i) = PHASES.iter().position(|p| *p == phase) {
                counts[i] += 1;
            }
        }
        for (phase, count) in PHASES.iter().zip(counts) {
            self.jobs.with_label_values(&[&phase.to_string()]).set(count);
        }
    }

    /// A placement pass came to this about a job.
    pub fn decided(&self, result: &str) {
        self.decisions.with_label_values(&[result]).inc();
    }

    /// A placement pass took so long.
    pub fn passed(&self, took: Duration) {
        self.pass_seconds.with_label_values::<&str>(&[]).observe(took.as_secs_f64());
    }

    /// A step of a job took so long.
    pub fn stepped(&self, step: &str, took: Duration) {
        self.step_seconds.with_label_values(&[step]).observe(took.as_secs_f64());
    }

    /// A batch was confirmed.
    pub fn carried(&self, kind: &str, items: usize, took: Duration) {
        self.batches.with_label_values(&[kind, "confirmed"]).inc();
        self.batch_items.with_label_values(&[kind]).inc_by(items as u64);
        self.batch_seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    /// A batch couldn't be carried.
    pub fn carry_failed(&self, kind: &str) {
        self.batches.with_label_values(&[kind, "failed"]).inc();
    }

    /// Whether the chain answered.
    pub fn chain_up(&self, up: bool) {
        self.chain_up.set(i64::from(up));
    }

    /// What the hub key has left for gas, in wei of the chain's own coin.
    #[allow(clippy::cast_precision_loss, reason = "a figure for people; it is never reckoned with")]
    pub fn gas(&self, wei: u128) {
        self.gas.set(wei as f64 / 1e18);
    }

    /// The escrow skipped an item.
    pub fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Somebody else won a conditional write.
    pub fn conflict(&self, write: &str) {
        self.conflicts.with_label_values(&[write]).inc();
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn histogram(name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
    let buckets = vec![0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 60.0];
    HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)
}
