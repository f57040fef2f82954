//! Policies by name, behind the one interface a replay uses.

use std::time::Instant;

use eai_core::placement::pack::{self, Engine, Packer, Placement, Shape, ShapeId};

use crate::{
    args::{Mix, Policy},
    baseline::{BestFit, Fgd},
    random::Random,
    replay::{Outcome, Placer, replay},
    trace::Trace,
};

/// Replays a trace with a policy. The outcome says what getting ready took.
pub fn run(trace: &Trace, policy: Policy, mix: Mix) -> Outcome {
    let start = Instant::now();
    match policy {
        Policy::Eai => {
            let mut engine = match mix {
                Mix::Given => Engine::told(&trace.nodes, &pack::Mix::of(&trace.pods)),
                Mix::Learned => Engine::learning(&trace.nodes),
            };
            replay(trace, &mut engine, start)
        }
        Policy::Fgd => replay(trace, &mut Scored::new(trace, Fgd::new(&trace.pods)), start),
        Policy::Bestfit => replay(trace, &mut Scored::new(trace, BestFit), start),
        Policy::Random => replay(trace, &mut Random::new(trace), start),
    }
}

impl Placer for Engine {
    fn shape(&mut self, shape: Shape) -> ShapeId {
        Self::shape(self, shape)
    }

    fn place(&mut self, shape: ShapeId) -> Option<Placement> {
        Self::place(self, shape)
    }
}

/// A policy that scores a node by its state alone.
struct Scored<P> {
    packer: Packer,
    policy: P,
}

impl<P> Scored<P> {
    fn new(trace: &Trace, policy: P) -> Self {
        Self { packer: Packer::new(&trace.nodes), policy }
    }
}

impl<P: pack::Policy> Placer for Scored<P> {
    fn shape(&mut self, shape: Shape) -> ShapeId {
        self.packer.shape(shape)
    }

    fn place(&mut self, shape: ShapeId) -> Option<Placement> {
        let placement = self.packer.best(shape, &mut self.policy)?;
        self.packer.place(shape, &placement);
        Some(placement)
    }
}
