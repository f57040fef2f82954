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

/// The trace with `count` nodes, drawn evenly from its own or repeating them, and as many arrivals for each node as it
/// has.
pub fn grow(trace: &Trace, count: usize) -> Trace {
    let have = trace.nodes.len().max(1);
    let node = |i: usize| trace.nodes[if count < have { i * have / count } else { i % have }].0;
    let nodes = (0..count).zip(0..).map(|(i, rank)| (node(i), rank)).collect();
    let arrivals = trace.arrivals.len() * count / have;
    let arrivals = trace.arrivals.iter().copied().cycle().take(arrivals).collect();
    Trace { nodes, pods: trace.pods.clone(), arrivals }
}
