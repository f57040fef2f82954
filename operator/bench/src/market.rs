//! What a decision costs among members: the level above nodes, which the hub decides on.

use std::time::Instant;

use eai_core::{
    class::Class,
    money::Amount,
    placement::{
        Demand, Devices, Market, Member, Need, Node, Offered, Request, Snapshot,
        pack::{Shape, State},
    },
};

use crate::{
    args::{BenchError, Market as Args},
    replay::{COST, Outcome, nanos_since},
    scale::grow,
    trace::Trace,
};

const GPU: &str = "nvidia.com/gpu";
/// Models in a trace, at most.
const MODELS: u8 = 64;

/// Prints, for each number of nodes and members, what decisions cost until as much as the nodes hold has arrived, and a
/// third again.
pub fn run(args: &Args) -> Result<(), BenchError> {
    let trace = Trace::of_folder(&args.data, &args.workload)?;
    println!("nodes   members  alloc %  tight %  {COST}  (one thread)");
    for (&nodes, &members) in args.nodes.iter().zip(&args.members) {
        let grown = grow(&trace, nodes);
        let snapshot = deal(&grown, members.max(1), args.prices.max(1));
        let tight = replay(&grown, snapshot.clone(), false);
        let outcome = replay(&grown, snapshot, true);
        println!(
            "{nodes:<7} {members:<8} {:<8.2} {:<8.2} {}",
            outcome.alloc_at_130,
            tight.alloc_at_130,
            outcome.cost(),
        );
    }
    Ok(())
}

/// Every arrival decided, and taken where it goes. Demand is told, or nothing is known and jobs are packed tight.
fn replay(trace: &Trace, snapshot: Snapshot, told: bool) -> Outcome {
    let requests: Vec<Request> = trace.pods.iter().map(request).collect();
    let start = Instant::now();
    let mut demand = Demand::default();
    if told {
        demand.keep_up(&snapshot, requests.iter().map(|request| (&request.need, 1)));
    }
    let mut market = Market::new(snapshot, &mut demand, 0);
    let ready_nanos = nanos_since(start);
    let (mut nanos, mut allocated) = (Vec::with_capacity(trace.arrivals.len()), 0);
    for &arrival in &trace.arrivals {
        let request = &requests[arrival as usize];
        let start = Instant::now();
        if let Some(decision) = market.decide(request) {
            market.take(&decision.member, request);
            allocated += u64::from(trace.pods[arrival as usize].milli());
        }
        nanos.push(nanos_since(start));
    }
    let alloc_at_130 = 100.0 * allocated as f64 / trace.capacity_milli() as f64;
    Outcome { alloc_at_130, nanos, ready_nanos, ..Outcome::default() }
}

/// The trace's nodes dealt out to members in turn, which ask one of so many prices.
fn deal(trace: &Trace, members: usize, prices: u64) -> Snapshot {
    let member = |i: usize| {
        let rate = Amount::from_wei(1 + i as u128 % u128::from(prices));
        let offer = Offered { rate, valid_until: u64::MAX };
        Member {
            name: format!("m{i}"),
            sandbox: true,
            offers: [(Class(GPU.to_owned()), offer), (Class::cpu(), offer)].into(),
            nodes: trace.nodes.iter().skip(i).step_by(members).map(|(state, _)| node(state)).collect(),
            ..Member::default()
        }
    };
    Snapshot { members: (0..members).map(member).collect() }
}

fn node(state: &State) -> Node {
    let count = u32::try_from(state.free().len()).unwrap_or(u32::MAX);
    let devices = Devices {
        resource: GPU.to_owned(),
        model: state.model.to_string(),
        total: count,
        free: count,
        divisible: true,
        ..Devices::default()
    };
    Node {
        cpu_millis: state.cpu_milli.into(),
        memory_bytes: u64::from(state.memory_mib) << 20,
        devices: if count == 0 { Vec::new() } else { vec![devices] },
        ..Node::default()
    }
}

fn request(shape: &Shape) -> Request {
    let any = shape.models.0 == u64::MAX;
    let models = (0..MODELS).filter(|&model| !any && shape.models.contains(model)).map(|model| model.to_string());
    let need = Need {
        cpu_millis: shape.cpu_milli.into(),
        memory_bytes: u64::from(shape.memory_mib) << 20,
        resource: (shape.devices > 0).then(|| GPU.to_owned()),
        count: shape.devices.into(),
        models: models.collect(),
        share_milli: if shape.is_share() { shape.share_milli } else { 0 },
        ..Need::default()
    };
    Request { need, parallelism: 1, max_price: Amount::from_wei(u128::MAX), ..Request::default() }
}
