//! Nodes by state.
//!
//! Nodes in equal states are one group. Groups that a policy can't tell apart are one class: what it says of a class is
//! asked once.

use std::collections::{BTreeSet, HashMap};

use super::{hash::FastHash, packer::Policy, state::State};

/// A rank that no node has.
const NONE: u32 = u32::MAX;
/// Classes that are kept at least, though no node may be in them now.
const LEAST_KEPT: usize = 1024;

/// Nodes, grouped by state, and what changed.
#[derive(Debug)]
pub(super) struct Groups {
    list: Vec<Group>,
    unused: Vec<u32>,
    by_state: HashMap<State, u32, FastHash>,
    classes: Vec<Class>,
    unused_classes: Vec<u32>,
    by_told: HashMap<State, u32, FastHash>,
    cpu_step: u32,
    /// Groups that changed, in order; started afresh now and then.
    changed: Vec<u32>,
    /// Counts the fresh starts.
    round: u32,
}

/// Nodes in equal states.
#[derive(Debug)]
pub(super) struct Group {
    pub state: State,
    pub class: u32,
    /// Counts the states that this place in the list was used for, and each time its scores were forgotten.
    pub used: u32,
    /// The lowest rank of its nodes.
    pub first: u32,
    ranks: BTreeSet<u32>,
}

/// Groups that are alike to policies.
#[derive(Debug)]
pub(super) struct Class {
    /// The state as policies are told of it.
    pub state: State,
    /// Counts the states that this place in the list was used for, and each time its scores were forgotten; over 0.
    pub used: u32,
    /// What the policy says it is worth, once it was asked.
    worth: Option<i64>,
    /// How many nodes are in it.
    nodes: usize,
}

impl Groups {
    /// No nodes yet. Policies are told of cores in steps, rounded down.
    pub fn new(cpu_step: u32) -> Self {
        Self {
            list: Vec::new(),
            unused: Vec::new(),
            by_state: HashMap::default(),
            classes: Vec::new(),
            unused_classes: Vec::new(),
            by_told: HashMap::default(),
            cpu_step,
            changed: Vec::new(),
            round: 0,
        }
    }

    /// How many different states nodes are in.
    pub fn len(&self) -> usize {
        self.by_state.len()
    }

    /// A group by its number.
    pub fn get(&self, at: u32) -> Option<&Group> {
        self.list.get(at as usize)
    }

    /// All groups by number, all classes by number, and the groups that changed in this round, in order.
    pub fn parts(&mut self) -> (&[Group], &mut [Class], &[u32]) {
        (&self.list, &mut self.classes, &self.changed)
    }

    /// The classes that nodes are in as policies are told of them, and how many are in each.
    pub fn states(&self) -> impl Iterator<Item = (&State, usize)> {
        self.classes.iter().filter(|class| class.nodes > 0).map(|class| (&class.state, class.nodes))
    }

    /// The classes that nodes are in as policies are told of them, with how many are in each and what one is worth.
    pub fn told(&mut self, policy: &mut impl Policy) -> Vec<(State, usize, i64)> {
        let live = self.classes.iter_mut().filter(|class| class.nodes > 0);
        live.map(|class| (class.state, class.nodes, class.worth(policy))).collect()
    }

    /// The round, and how many groups changed in it.
    pub fn now(&self) -> (u32, usize) {
        (self.round, self.changed.len())
    }

    /// Forgets what the policy said of every class.
    pub fn forget(&mut self) {
        self.classes.iter_mut().for_each(|class| class.worth = None);
        self.forget_scores_of(|_| true);
    }

    /// Forgets the scores of the classes that `which` picks.
    pub fn forget_scores_of(&mut self, which: impl Fn(&State) -> bool) {
        let picked: Vec<bool> = self.classes.iter().map(|class| which(&class.state)).collect();
        for (class, _) in self.classes.iter_mut().zip(&picked).filter(|(_, picked)| **picked) {
            class.used = class.used.wrapping_add(1);
        }
        for (at, group) in (0..).zip(&mut self.list) {
            if group.is_live() && picked.get(group.class as usize) == Some(&true) {
                group.used = group.used.wrapping_add(1);
                self.changed.push(at);
            }
        }
        self.trim();
    }

    /// Takes the node of that rank out of a group.
    pub fn leave(&mut self, at: u32, rank: u32) {
        let group = &mut self.list[at as usize];
        group.ranks.remove(&rank);
        self.classes[group.class as usize].nodes -= 1;
        if group.first != rank {
            return;
        }
        group.first = group.ranks.first().copied().unwrap_or(NONE);
        if group.first == NONE {
            group.used = group.used.wrapping_add(1);
            self.by_state.remove(&group.state);
            self.unused.push(at);
        } else {
            self.changed.push(at);
        }
    }

    /// Puts the node of that rank into the group of its state. Says which.
    pub fn enter(&mut self, state: &State, rank: u32) -> u32 {
        let at = if let Some(&at) = self.by_state.get(state) { at } else { self.open(state) };
        let group = &mut self.list[at as usize];
        group.ranks.insert(rank);
        self.classes[group.class as usize].nodes += 1;
        if rank < group.first {
            group.first = rank;
            self.changed.push(at);
        }
        at
    }

    /// Starts the list of changes afresh if it is long.
    pub fn trim(&mut self) {
        if self.changed.len() > 4096.max(8 * self.by_state.len()) {
            self.start_afresh();
        }
    }

    fn start_afresh(&mut self) {
        self.changed.clear();
        self.round = self.round.wrapping_add(1);
    }

    fn open(&mut self, state: &State) -> u32 {
        let class = self.class_of(state);
        let at = self.unused.pop().unwrap_or_else(|| {
            self.list.push(Group { state: *state, class, used: 1, first: NONE, ranks: BTreeSet::new() });
            u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX)
        });
        let group = &mut self.list[at as usize];
        group.state = *state;
        group.class = class;
        self.by_state.insert(*state, at);
        at
    }

    fn class_of(&mut self, state: &State) -> u32 {
        let told = state.coarse(self.cpu_step);
        if let Some(&at) = self.by_told.get(&told) {
            return at;
        }
        if self.unused_classes.is_empty() && self.classes.len() >= LEAST_KEPT.max(4 * self.by_state.len()) {
            self.sweep();
        }
        let at = self.unused_classes.pop().unwrap_or_else(|| {
            self.classes.push(Class { state: told, used: 1, worth: None, nodes: 0 });
            u32::try_from(self.classes.len() - 1).unwrap_or(u32::MAX)
        });
        self.classes[at as usize].state = told;
        self.by_told.insert(told, at);
        at
    }

    /// Gives up the classes that no node is in.
    fn sweep(&mut self) {
        for (at, class) in (0..).zip(&mut self.classes).filter(|(_, class)| class.nodes == 0) {
            class.used = class.used.wrapping_add(1);
            class.worth = None;
            self.by_told.remove(&class.state);
            self.unused_classes.push(at);
        }
    }
}

impl Group {
    /// Whether a node is in it.
    pub fn is_live(&self) -> bool {
        self.first != NONE
    }
}

impl Class {
    /// What the policy says that it is worth.
    pub fn worth(&mut self, policy: &mut impl Policy) -> i64 {
        *self.worth.get_or_insert_with(|| policy.worth(&self.state))
    }
}
