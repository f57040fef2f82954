//! How the cost of a decision grows with the nodes.

use crate::{
    args::{BenchError, Policy, Scale},
    policy,
    trace::Trace,
};

/// Prints, for each number of nodes, what decisions cost until as much as the cluster holds has arrived, and a third
/// again.
pub fn run(args: &Scale) -> Result<(), BenchError> {
    let arrivals = args.data.join("arrivals").join(format!("{}_42.txt", args.workload));
    let pods = args.data.join("pods").join(format!("{}.csv", args.workload));
    let trace = Trace::read(&args.data.join("nodes.csv"), &pods, &arrivals)?;
    println!("nodes   decisions  per second  p50 us  p99 us  max us  ready us  (mix {:?}, one thread)", args.mix);
    for &nodes in &args.nodes {
        let grown = grow(&trace, nodes);
        let outcome = policy::run(&grown, Policy::Eai, args.mix);
        println!(
            "{nodes:<7} {:<10} {:<11.0} {:<7.1} {:<7.1} {:<7.0} {:.0}",
            outcome.nanos.len(),
            outcome.decisions_per_s(),
            outcome.quantile_us(0.5),
            outcome.quantile_us(0.99),
            outcome.quantile_us(1.0),
            outcome.ready_nanos as f64 / 1000.0,
        );
    }
    Ok(())
}

/// The trace with `count` nodes, drawn evenly from its own, and as many arrivals for each node as it has.
fn grow(trace: &Trace, count: usize) -> Trace {
    let have = trace.nodes.len().max(1);
    let node = |i: usize| trace.nodes[i * have / count.max(1) % have].0;
    let step = if count < have { 1 } else { have };
    // With more nodes than there are, every node is repeated; ranks are shuffled by a stride that has no common factor.
    let stride = (count / 2 + 1..).find(|s| gcd(*s, count) == 1).unwrap_or(1);
    let rank = |i: usize| u32::try_from(i * stride % count.max(1)).unwrap_or(u32::MAX);
    let nodes = (0..count).map(|i| (if step == 1 { node(i) } else { trace.nodes[i % have].0 }, rank(i))).collect();
    let arrivals = trace.arrivals.len() * count / have;
    Trace {
        nodes,
        pods: trace.pods.clone(),
        arrivals: trace.arrivals.iter().copied().cycle().take(arrivals).collect(),
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

