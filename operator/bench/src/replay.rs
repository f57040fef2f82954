//! Replays a trace: each pod is tried once, on arrival, and never leaves.

use std::time::Instant;

use eai_core::placement::pack::{Placement, Shape, ShapeId};

use crate::trace::Trace;

/// What decides where pods go.
pub trait Placer {
    /// Makes a shape known before the clock starts.
    fn shape(&mut self, shape: Shape) -> ShapeId;
    /// Decides on one pod, and takes what it needs. `None` if it fits nowhere.
    fn place(&mut self, shape: ShapeId) -> Option<Placement>;
}

/// What a replay showed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Per cent of the accelerators allocated when 100 per cent had arrived.
    pub alloc_at_100: f64,
    /// The same at 130 per cent.
    pub alloc_at_130: f64,
    /// Cores, in thousandths, of pods without accelerators that were refused.
    pub cpu_only_refused_milli: u64,
    /// Cores, in thousandths, of pods without accelerators that arrived.
    pub cpu_arrived_milli: u64,
    /// How long each decision took, in nanoseconds, in order.
    pub nanos: Vec<u64>,
    /// How long the policy took to get ready, in nanoseconds.
    pub ready_nanos: u64,
}

/// The columns of [`Outcome::cost`].
pub const COST: &str = "decisions  per second  p50 us  p99 us  max us  ready us";

impl Outcome {
    /// What decisions cost, a line under [`COST`].
    pub fn cost(&self) -> String {
        format!(
            "{:<10} {:<11.0} {:<7.1} {:<7.1} {:<7.0} {:.0}",
            self.nanos.len(),
            self.decisions_per_s(),
            self.quantile_us(0.5),
            self.quantile_us(0.99),
            self.quantile_us(1.0),
            self.ready_nanos as f64 / 1000.0,
        )
    }

    /// Decisions in a second, getting ready included.
    pub fn decisions_per_s(&self) -> f64 {
        let nanos = self.ready_nanos + self.nanos.iter().sum::<u64>();
        self.nanos.len() as f64 * 1e9 / nanos.max(1) as f64
    }

    /// The microseconds that `part` of the decisions, between 0 and 1, took at most.
    pub fn quantile_us(&self, part: f64) -> f64 {
        let mut nanos = self.nanos.clone();
        nanos.sort_unstable();
        let at = ((nanos.len() as f64 * part).ceil() as usize).clamp(1, nanos.len().max(1)) - 1;
        nanos.get(at).copied().unwrap_or(0) as f64 / 1000.0
    }
}

/// Replays `trace` through `placer`, which began to get ready at `start`.
pub fn replay(trace: &Trace, placer: &mut impl Placer, start: Instant) -> Outcome {
    let ready_nanos = nanos_since(start);
    let ids: Vec<ShapeId> = trace.pods.iter().map(|pod| placer.shape(*pod)).collect();
    let capacity = trace.capacity_milli() as f64;
    let mut outcome = Outcome { nanos: Vec::with_capacity(trace.arrivals.len()), ready_nanos, ..Outcome::default() };
    let (mut arrived, mut allocated) = (0u64, 0u64);
    let (mut at_100, mut at_130) = (Mean::default(), Mean::default());
    for &row in &trace.arrivals {
        let pod = &trace.pods[row as usize];
        let start = Instant::now();
        let fits = placer.place(ids[row as usize]).is_some();
        outcome.nanos.push(nanos_since(start));
        arrived += u64::from(pod.milli());
        if fits {
            allocated += u64::from(pod.milli());
        }
        if pod.devices == 0 {
            outcome.cpu_arrived_milli += u64::from(pod.cpu_milli);
            outcome.cpu_only_refused_milli += if fits { 0 } else { u64::from(pod.cpu_milli) };
        }
        let share = 100.0 * allocated as f64 / capacity;
        match (100.0 * arrived as f64 / capacity).round() as u64 {
            100 => at_100.add(share),
            130 => at_130.add(share),
            _ => {}
        }
    }
    outcome.alloc_at_100 = at_100.mean();
    outcome.alloc_at_130 = at_130.mean();
    outcome
}

/// Nanoseconds since `start`.
pub fn nanos_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}
