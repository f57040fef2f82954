//! The best node for a pod, found without looking at every node.
//!
//! Nodes in equal states are one group. Each shape keeps its groups in a heap by score; a change to a node changes two
//! groups, and a shape looks at the groups that changed since it was last asked. So a decision costs what changed, not
//! what there is.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
};

use super::{
    hash::FastHash,
    shape::{Shape, ShapeId},
    state::State,
};

/// What places pods: a score for each state a pod fits.
pub trait Policy {
    /// What a node in `state` is worth to [`Self::choose`]; asked once for all shapes.
    fn worth(&mut self, _state: &State) -> i64 {
        0
    }

    /// How good it is to place a pod of `shape` on a node in `state` and of that worth, which it fits, and what the
    /// accelerator that it shares has free now. The highest score wins, the lowest rank among equals. The pod's memory
    /// makes no difference to the score.
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
    groups: Vec<Group>,
    unused: Vec<u32>,
    by_state: HashMap<State, u32, FastHash>,
    nodes: Vec<Node>,
    node_at_rank: Vec<u32>,
    shapes: Vec<Index>,
    by_shape: HashMap<Shape, u32, FastHash>,
    /// What was chosen for shapes that are alike to the policy: their memory makes no difference to it, and cores only in
    /// steps of `cpu_step`.
    kin: Vec<Vec<Chosen>>,
    by_kin: HashMap<Shape, usize, FastHash>,
    cpu_step: u32,
    /// Groups that changed, in order; started afresh now and then.
    changed: Vec<u32>,
    /// Counts the fresh starts. A shape that is behind looks at all groups.
    round: u32,
}

#[derive(Debug)]
struct Node {
    group: u32,
    rank: u32,
}

#[derive(Debug)]
struct Group {
    state: State,
    /// Counts the states that this place in the list was used for, and each time its scores were forgotten.
    used: u32,
    /// What the policy says it is worth, once it was asked.
    worth: Option<i64>,
    ranks: BTreeSet<u32>,
}

/// What one shape knows.
#[derive(Debug)]
struct Index {
    shape: Shape,
    round: Option<u32>,
    seen: usize,
    best: BinaryHeap<Entry>,
    /// Whose choices it shares.
    kin: usize,
    /// The shape as policies are told of it.
    told: Shape,
}

/// A choice for a group, and the use of the group that it holds for; 0 where nothing was chosen yet.
#[derive(Clone, Copy, Debug, Default)]
struct Chosen {
    score: i64,
    used: u32,
    from: u16,
}

/// The lowest-ranked node of a group. Out of date once the group changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    score: i64,
    rank: Reverse<u32>,
    group: u32,
    used: u32,
    from: u16,
}

impl Packer {
    /// Nodes by state, with the rank that breaks ties, lowest first. Ranks are a permutation of `0..nodes.len()`; where
    /// they aren't, nodes are ranked in the order they come in.
    pub fn new(nodes: &[(State, u32)]) -> Self {
        let mut packer = Self {
            groups: Vec::new(),
            unused: Vec::new(),
            by_state: HashMap::default(),
            nodes: Vec::with_capacity(nodes.len()),
            node_at_rank: vec![u32::MAX; nodes.len()],
            shapes: Vec::new(),
            by_shape: HashMap::default(),
            kin: Vec::new(),
            by_kin: HashMap::default(),
            cpu_step: 1,
            changed: Vec::new(),
            round: 0,
        };
        let mut at_rank = vec![false; nodes.len()];
        let permutation =
            nodes.iter().all(|&(_, r)| at_rank.get_mut(r as usize).is_some_and(|seen| !std::mem::replace(seen, true)));
        for (node, (state, rank)) in (0u32..).zip(nodes) {
            let rank = if permutation { *rank } else { node };
            packer.node_at_rank[rank as usize] = node;
            let group = packer.enter(state, rank);
            packer.nodes.push(Node { group, rank });
        }
        packer
    }

    /// Tells policies of cores in steps, rounded up, so that shapes that hardly differ share their scores.
    #[must_use]
    pub fn with_cpu_step(mut self, cpu_step_milli: u32) -> Self {
        self.cpu_step = cpu_step_milli.max(1);
        self
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
        Some(&self.groups[node.group as usize].state)
    }

    /// The states that nodes are in, and how many are in each, in no order.
    pub fn states(&self) -> impl Iterator<Item = (&State, usize)> {
        self.groups.iter().filter(|g| !g.ranks.is_empty()).map(|g| (&g.state, g.ranks.len()))
    }

    /// How many different states nodes are in.
    pub fn groups(&self) -> usize {
        self.by_state.len()
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
            let best = BinaryHeap::new();
            let cpu_milli = shape.cpu_milli.checked_next_multiple_of(self.cpu_step).unwrap_or(shape.cpu_milli);
            let told = Shape { cpu_milli, memory_mib: 0, ..shape };
            let kin = *self.by_kin.entry(told).or_insert(self.kin.len());
            if kin == self.kin.len() {
                self.kin.push(Vec::new());
            }
            self.shapes.push(Index { shape, round: None, seen: 0, best, kin, told });
        }
        ShapeId(id)
    }

    /// Forgets every score, because the policy changed its mind.
    pub fn forget_scores(&mut self) {
        for index in &mut self.shapes {
            index.round = None;
        }
        self.kin.iter_mut().for_each(Vec::clear);
        self.groups.iter_mut().for_each(|group| group.worth = None);
    }

    /// Forgets the scores of the states that `which` picks, because they are worth something else now.
    pub fn forget_scores_of(&mut self, which: impl Fn(&State) -> bool) {
        for &at in self.by_state.values() {
            let group = &mut self.groups[at as usize];
            if which(&group.state) {
                group.used = group.used.wrapping_add(1);
                group.worth = None;
                self.changed.push(at);
            }
        }
        self.trim();
    }

    /// Where a pod of this shape is best placed; `None` if it fits no node.
    pub fn best(&mut self, shape: ShapeId, policy: &mut impl Policy) -> Option<Placement> {
        let index = self.shapes.get_mut(shape.0 as usize)?;
        let choices = &mut self.kin[index.kin];
        let live = self.by_state.len();
        let behind = index.round != Some(self.round) || index.best.len() > 4 * live + 64;
        if behind || self.changed.len() - index.seen > live {
            index.best.clear();
            for group in self.by_state.values() {
                index.look(*group, &mut self.groups[*group as usize], choices, policy);
            }
            index.round = Some(self.round);
        } else {
            for group in &self.changed[index.seen..] {
                index.look(*group, &mut self.groups[*group as usize], choices, policy);
            }
        }
        index.seen = self.changed.len();
        while let Some(entry) = index.best.peek() {
            let group = &self.groups[entry.group as usize];
            if group.used == entry.used && group.ranks.first() == Some(&entry.rank.0) {
                let node = self.node_at_rank[entry.rank.0 as usize];
                return Some(Placement { node, choice: Choice { score: entry.score, from: entry.from } });
            }
            index.best.pop();
        }
        None
    }

    /// Takes what a pod of this shape needs out of the node.
    pub fn place(&mut self, shape: ShapeId, placement: &Placement) {
        let Some(index) = self.shapes.get(shape.0 as usize) else { return };
        let shape = index.shape;
        if let Some(state) = self.state(placement.node) {
            let next = state.with(&shape, placement.choice.from);
            self.set(placement.node, &next);
        }
    }

    /// Puts a node into another state, as when a pod on it ends.
    pub fn set(&mut self, node: u32, state: &State) {
        let Some(&Node { group, rank }) = self.nodes.get(node as usize) else { return };
        self.leave(group, rank);
        let group = self.enter(state, rank);
        self.nodes[node as usize].group = group;
        self.trim();
    }

    fn trim(&mut self) {
        if self.changed.len() > 4096.max(8 * self.by_state.len()) {
            self.changed.clear();
            self.round = self.round.wrapping_add(1);
        }
    }

    fn leave(&mut self, at: u32, rank: u32) {
        let group = &mut self.groups[at as usize];
        let first = group.ranks.first() == Some(&rank);
        group.ranks.remove(&rank);
        if group.ranks.is_empty() {
            group.used = group.used.wrapping_add(1);
            self.by_state.remove(&group.state);
            self.unused.push(at);
        } else if first {
            self.changed.push(at);
        }
    }

    fn enter(&mut self, state: &State, rank: u32) -> u32 {
        let at = if let Some(&at) = self.by_state.get(state) { at } else { self.open(state) };
        let ranks = &mut self.groups[at as usize].ranks;
        ranks.insert(rank);
        if ranks.first() == Some(&rank) {
            self.changed.push(at);
        }
        at
    }

    fn open(&mut self, state: &State) -> u32 {
        let at = self.unused.pop().unwrap_or_else(|| {
            self.groups.push(Group { state: *state, used: 1, worth: None, ranks: BTreeSet::new() });
            u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
        });
        let group = &mut self.groups[at as usize];
        group.state = *state;
        group.worth = None;
        self.by_state.insert(*state, at);
        at
    }
}

impl Index {
    /// Enters a group's lowest-ranked node, if a pod fits there.
    fn look(&mut self, at: u32, group: &mut Group, choices: &mut Vec<Chosen>, policy: &mut impl Policy) {
        let Some(&rank) = group.ranks.first() else { return };
        if !group.state.fits(&self.shape) {
            return;
        }
        if choices.len() <= at as usize {
            choices.resize(at as usize + 1, Chosen::default());
        }
        let chosen = &mut choices[at as usize];
        if chosen.used != group.used {
            let worth = *group.worth.get_or_insert_with(|| policy.worth(&group.state));
            let Choice { score, from } = policy.choose(&group.state, worth, &self.told);
            *chosen = Chosen { score, used: group.used, from };
        }
        let Chosen { score, used, from } = *chosen;
        self.best.push(Entry { score, rank: Reverse(rank), group: at, used, from });
    }
}
