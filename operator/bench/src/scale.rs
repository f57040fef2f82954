//! How the cost of a decision grows with the nodes.

use crate::{
    args::{BenchError, Policy, Scale},
    policy,
    replay::COST,
    trace::Trace,
};

/// Prints, for each number of nodes, what decisions cost until as much as the cluster holds has arrived, and a third
/// again.
pub fn run(args: &Scale) -> Result<(), BenchError> {
    let trace = Trace::of_folder(&args.data, &args.workload)?;
    println!("nodes   {COST}  (mix {:?}, one thread)", args.mix);
    for &nodes in &args.nodes {
        let grown = grow(&trace, nodes);
        let outcome = policy::run(&grown, Policy::Eai, args.mix);
        println!("{nodes:<7} {}", outcome.cost());
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
