//! Workloads made from `default` that stress one thing each, so that nothing is tuned to the files there are.

use eai_core::placement::pack::{Models, Shape, WHOLE};

use crate::{random::Draws, trace::Trace};

/// How a workload differs.
struct Mix {
    name: &'static str,
    /// Parts of the accelerators asked for by pods of several, of one whole, and of a share of one.
    parts: [f64; 3],
    /// Pods without accelerators for each pod with.
    cores: f64,
    /// The part of the pods with accelerators that is bound to a model or two.
    bound: f64,
}

const MIXES: [Mix; 8] = [
    Mix { name: "multi20", parts: [0.20, 0.55, 0.25], cores: 0.15, bound: 0.0 },
    Mix { name: "multi50", parts: [0.50, 0.30, 0.20], cores: 0.15, bound: 0.0 },
    Mix { name: "share60", parts: [0.03, 0.37, 0.60], cores: 0.15, bound: 0.0 },
    Mix { name: "share100", parts: [0.0, 0.0, 1.0], cores: 0.15, bound: 0.0 },
    Mix { name: "bound20", parts: [0.07, 0.64, 0.29], cores: 0.15, bound: 0.20 },
    Mix { name: "bound33", parts: [0.07, 0.64, 0.29], cores: 0.15, bound: 0.33 },
    Mix { name: "cores29", parts: [0.07, 0.64, 0.29], cores: 0.29, bound: 0.0 },
    Mix { name: "cores36", parts: [0.07, 0.64, 0.29], cores: 0.36, bound: 0.0 },
];

/// Every stress mix, its pods drawn from those of `traces`, in as many orders of arrival as there are traces.
pub fn workloads(traces: &[Trace]) -> Vec<(String, Vec<Trace>)> {
    let Some(base) = traces.first() else { return Vec::new() };
    let make = |(number, mix): (u64, &Mix)| {
        let pods = pods(base, mix, &mut Draws::new(number));
        let orders = (0u64..).zip(traces).map(|(seed, trace)| {
            let nodes = trace.nodes.clone();
            let arrivals = arrivals(&pods, base.capacity_milli(), &mut Draws::new(1000 * number + seed));
            Trace { nodes, pods: pods.clone(), arrivals }
        });
        (format!("stress {}", mix.name), orders.collect())
    };
    (1..).zip(&MIXES).map(make).collect()
}

/// Pods that ask for a little more than the cluster has.
fn pods(base: &Trace, mix: &Mix, draws: &mut Draws) -> Vec<Shape> {
    let kinds: [fn(&Shape) -> bool; 3] =
        [|s| s.devices > 1, |s| s.devices == 1 && s.share_milli == WHOLE, Shape::is_share];
    let mut pods = Vec::new();
    for (part, kind) in mix.parts.into_iter().zip(kinds) {
        let from: Vec<Shape> = base.pods.iter().copied().filter(kind).collect();
        let mut left = base.capacity_milli() as f64 * 1.1 * part;
        while left > 0.0 && !from.is_empty() {
            let mut pod = from[draws.below(from.len())];
            left -= f64::from(pod.milli());
            if draws.chance(mix.bound) {
                pod.models =
                    Models(one_model(base, draws) | if draws.chance(0.3) { one_model(base, draws) } else { 0 });
            }
            pods.push(pod);
        }
    }
    let from: Vec<Shape> = base.pods.iter().copied().filter(|s| s.devices == 0).collect();
    let count = if from.is_empty() { 0 } else { (pods.len() as f64 * mix.cores) as usize };
    pods.extend((0..count).map(|_| from[draws.below(from.len())]));
    pods
}

/// A model as often as nodes have it.
fn one_model(base: &Trace, draws: &mut Draws) -> u64 {
    1 << base.nodes[draws.below(base.nodes.len())].0.model
}

/// All pods in random order, and again, until 130 per cent have arrived.
fn arrivals(pods: &[Shape], capacity_milli: u64, draws: &mut Draws) -> Vec<u32> {
    let mut order: Vec<u32> = Vec::new();
    let mut rows: Vec<u32> = (0..).take(pods.len()).collect();
    let mut left = capacity_milli as f64 * 1.305;
    while left > 0.0 && pods.iter().any(|pod| pod.devices > 0) {
        (1..rows.len()).rev().for_each(|i| rows.swap(i, draws.below(i + 1)));
        for &row in &rows {
            left -= f64::from(pods[row as usize].milli());
            order.push(row);
            if left <= 0.0 {
                break;
            }
        }
    }
    order
}
