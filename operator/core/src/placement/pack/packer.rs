//! The best node for a pod, found without looking at every node.
//!
//! Nodes in equal states are one group. Each shape keeps its groups in a heap by score; a change to a node changes two
//! groups, and a shape looks at the groups that changed since it was last asked. So a decision costs what changed, not
//! what there is.

use std::collections::HashMap;

use super::{
    groups::Groups,
    hash::FastHash,
    index::{Chosen, Index},
    shape::{Shape, ShapeId},
    state::State,
};

/// What places pods: a score for each state a pod fits.
pub trait Policy {
    /// What a node in `state` is worth to [`Self::choose`]; asked once, until all scores are forgotten.
    fn worth(&mut self, _state: &State) -> i64 {
        0
    }

    /// How good it is to place a pod of `shape` on a node in `state` and of that worth, which it fits, and what the
    /// accelerator that it shares has free now. The highest score wins, the lowest rank among equals. Memory makes no
    /// difference to the score: `state` and `shape` have none.
    fn choose(&mut self, state: &State, worth: i64, shape: &Shape) -> Choice;
}

/// A score, and which accelerator it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Higher is better.
    pub score: i64,
    /// What the accelerator to share has free, in thousandths; of no meaning for other pods.
    pub from: u16,
}

/// Where a pod goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node's number.
    pub node: u32,
    /// The score, and which accelerator is shared.
    pub choice: Choice,
}

/// Nodes, grouped by state, and for each shape what it would choose.
#[derive(Debug)]
pub struct Packer {
    groups: Groups,
    nodes: Vec<Node>,
    node_at_rank: Vec<u32>,
    shapes: Vec<Index>,
    by_shape: HashMap<Shape, u32, FastHash>,
    /// What was chosen for shapes that are alike to the policy: their memory makes no difference to it, and cores only in
    /// steps of `cpu_step`. By class.
    kin: Vec<Vec<Chosen>>,
    by_kin: HashMap<Shape, usize, FastHash>,
    cpu_step: u32,
}

#[derive(Debug)]
struct Node {
    group: u32,
    rank: u32,
}

impl Packer {
    /// Nodes by state, with the rank that breaks ties, lowest first. Ranks are a permutation of `0..nodes.len()`; where
    /// they aren't, nodes are ranked in the order they come in.
    pub fn new(nodes: &[(State, u32)]) -> Self {
        Self::in_steps(nodes, 1)
    }

    /// As [`Self::new`], but policies are told of cores in steps: those free rounded down, those needed rounded up, so
    /// that what hardly differs shares its scores.
    pub fn in_steps(nodes: &[(State, u32)], cpu_step_milli: u32) -> Self {
        let cpu_step = cpu_step_milli.max(1);
        let mut packer = Self {
            groups: Groups::new(cpu_step),
            nodes: Vec::with_capacity(nodes.len()),
            node_at_rank: vec![u32::MAX; nodes.len()],
            shapes: Vec::new(),
            by_shape: HashMap::default(),
            kin: Vec::new(),
            by_kin: HashMap::default(),
            cpu_step,
        };
        let mut at_rank = vec![false; nodes.len()];
        let permutation =
            nodes.iter().all(|&(_, r)| at_rank.get_mut(r as usize).is_some_and(|seen| !std::mem::replace(seen, true)));
        for (node, (state, rank)) in (0u32..).zip(nodes) {
            let rank = if permutation { *rank } else { node };
            packer.node_at_rank[rank as usize] = node;
            let group = packer.groups.enter(state, rank);
            packer.nodes.push(Node { group, rank });
        }
        packer
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node's state; `None` if there is no such node.
    pub fn state(&self, node: u32) -> Option<&State> {
        let node = self.nodes.get(node as usize)?;
        self.groups.get(node.group).map(|group| &group.state)
    }

    /// The states that nodes are in as policies are told of them, and how many are in each, in no order.
    pub fn states(&self) -> impl Iterator<Item = (&State, usize)> {
        self.groups.states()
    }

    /// The states that nodes are in as policies are told of them, with how many are in each and what the policy says that
    /// one is worth; in no order.
    pub fn told(&mut self, policy: &mut impl Policy) -> Vec<(State, usize, i64)> {
        self.groups.told(policy)
    }

    /// How many different states nodes are in.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// What a shape's number stands for.
    pub fn known(&self, shape: ShapeId) -> Option<Shape> {
        self.shapes.get(shape.0 as usize).map(|index| index.shape)
    }

    /// Makes a shape known.
    pub fn shape(&mut self, shape: Shape) -> ShapeId {
        let next = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
        let id = *self.by_shape.entry(shape).or_insert(next);
        if id == next {
            let cpu_milli = shape.cpu_milli.checked_next_multiple_of(self.cpu_step).unwrap_or(shape.cpu_milli);
            let told = Shape { cpu_milli, memory_mib: 0, ..shape };
            let kin = *self.by_kin.entry(told).or_insert(self.kin.len());
            if kin == self.kin.len() {
                self.kin.push(Vec::new());
            }
            self.shapes.push(Index::new(shape, told, kin));
        }
        ShapeId(id)
    }

    /// Forgets every score and worth, because the policy changed its mind.
    pub fn forget(&mut self) {
        self.groups.forget();
    }

    /// Forgets the scores, but not the worths, of the states, as policies are told of them, that `which` picks.
    pub fn forget_scores_of(&mut self, which: impl Fn(&State) -> bool) {
        self.groups.forget_scores_of(which);
    }

    /// Where a pod of this shape is best placed; `None` if it fits no node.
    pub fn best(&mut self, shape: ShapeId, policy: &mut impl Policy) -> Option<Placement> {
        let index = self.shapes.get_mut(shape.0 as usize)?;
        let choices = self.kin.get_mut(index.kin)?;
        let (rank, choice) = index.best(&mut self.groups, choices, policy)?;
        Some(Placement { node: *self.node_at_rank.get(rank as usize)?, choice })
    }

    /// Takes what a pod of this shape needs out of the node.
    pub fn place(&mut self, shape: ShapeId, placement: &Placement) {
        let Some(index) = self.shapes.get(shape.0 as usize) else { return };
        if let Some(state) = self.state(placement.node) {
            let next = state.with(&index.shape, placement.choice.from);
            self.set(placement.node, &next);
        }
    }

    /// Puts a node into another state, as when a pod on it ends.
    pub fn set(&mut self, node: u32, state: &State) {
        let Some(&Node { group, rank }) = self.nodes.get(node as usize) else { return };
        self.groups.leave(group, rank);
        self.nodes[node as usize].group = self.groups.enter(state, rank);
        self.groups.trim();
    }
}
