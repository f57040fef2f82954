//! What Prometheus is told.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

/// The agent's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    /// Where they are registered.
    pub registry: Registry,
    /// Requests by cluster and method.
    pub requests: IntCounterVec,
    /// Reconciles by result.
    pub reconciles: IntCounterVec,
    /// Seconds that reconciles took.
    pub reconcile_seconds: Histogram,
    /// Seconds from an Assignment's event to its Job.
    pub start_seconds: Histogram,
    /// Jobs created.
    pub jobs_created: IntCounter,
    /// Assignments refused, by reason.
    pub refusals: IntCounterVec,
    /// Assignments by phase.
    pub assignments: IntGaugeVec,
    /// Work whose Assignment the hub doesn't have.
    pub orphans: IntGauge,
    /// Whether the last heartbeat reached the hub.
    pub hub_connected: IntGauge,
    /// When the hub's token expires, in Unix seconds.
    pub token_expiry: IntGauge,
    /// Usage recorded, in milliseconds of containers' running time.
    pub recorded_ms: IntCounter,
    /// Reports written.
    pub reports: IntCounter,
}

impl Metrics {
    /// All of them, registered.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let opts = |name: &str, help: &str| Opts::new(name, help).namespace("eai_agent");
        let buckets = vec![0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
        let histogram = |name: &str, help: &str| {
            let opts = HistogramOpts { common_opts: opts(name, help), buckets: buckets.clone() };
            register(&registry, Histogram::with_opts(opts)?)
        };
        let counter = |name: &str, help: &str| register(&registry, IntCounter::with_opts(opts(name, help))?);
        let gauge = |name: &str, help: &str| register(&registry, IntGauge::with_opts(opts(name, help))?);
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(opts(name, help), labels)?)
        };
        Ok(Self {
            requests: counters("api_requests_total", "Requests to API servers.", &["cluster", "method"])?,
            reconciles: counters("reconciles_total", "Reconciles of Assignments.", &["result"])?,
            reconcile_seconds: histogram("reconcile_seconds", "Seconds that a reconcile took.")?,
            start_seconds: histogram("assignment_to_job_seconds", "Seconds from an Assignment's event to its Job.")?,
            jobs_created: counter("jobs_created_total", "Jobs created.")?,
            refusals: counters("refusals_total", "Assignments refused.", &["reason"])?,
            assignments: register(&registry, IntGaugeVec::new(opts("assignments", "Assignments here."), &["phase"])?)?,
            orphans: gauge("orphans", "Work whose Assignment the hub doesn't have.")?,
            hub_connected: gauge("hub_connected", "Whether the last heartbeat reached the hub.")?,
            token_expiry: gauge("hub_token_expiry_timestamp_seconds", "When the hub's token expires.")?,
            recorded_ms: counter("recorded_run_milliseconds_total", "Running time of containers recorded.")?,
            reports: counter("reports_total", "MemberReports written.")?,
            registry: registry.clone(),
        })
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
