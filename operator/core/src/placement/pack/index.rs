//! What one shape knows of the groups: a heap of them by score.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    groups::{Class, Group, Groups},
    packer::{Choice, Policy},
    shape::Shape,
};

/// What one shape knows.
#[derive(Debug)]
pub(super) struct Index {
    pub shape: Shape,
    /// The shape as policies are told of it.
    told: Shape,
    /// Whose choices it shares.
    pub kin: usize,
    /// Up to which changes it knows: the round, and how many of it.
    seen: Option<(u32, usize)>,
    best: BinaryHeap<Entry>,
}

/// A choice for a class, and the use of the class that it holds for; 0 where nothing was chosen yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chosen {
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

impl Index {
    /// Knows nothing yet.
    pub fn new(shape: Shape, told: Shape, kin: usize) -> Self {
        Self { shape, told, kin, seen: None, best: BinaryHeap::new() }
    }

    /// The rank of the node that a pod is best placed on, and the choice there; `None` if it fits no node.
    pub fn best(
        &mut self,
        groups: &mut Groups,
        choices: &mut Vec<Chosen>,
        policy: &mut impl Policy,
    ) -> Option<(u32, Choice)> {
        self.catch_up(groups, choices, policy);
        while let Some(entry) = self.best.peek() {
            let group = groups.get(entry.group)?;
            if group.used == entry.used && group.first == entry.rank.0 {
                return Some((entry.rank.0, Choice { score: entry.score, from: entry.from }));
            }
            self.best.pop();
        }
        None
    }

    /// Looks at the groups that changed since it was last asked, or at all if that is about as much.
    fn catch_up(&mut self, groups: &mut Groups, choices: &mut Vec<Chosen>, policy: &mut impl Policy) {
        let (live, (round, now)) = (groups.len(), groups.now());
        let seen = self.seen.filter(|_| self.best.len() <= 4 * live + 64);
        let seen = seen.filter(|&(then, seen)| then == round && now - seen <= live);
        self.seen = Some((round, now));
        let (list, classes, changed) = groups.parts();
        choices.resize(choices.len().max(classes.len()), Chosen::default());
        let mut entries = std::mem::take(&mut self.best);
        let mut look = |at: u32| self.look(at, list.get(at as usize)?, classes, choices, policy);
        if let Some((_, seen)) = seen {
            entries.extend(changed.iter().skip(seen).filter_map(|&at| look(at)));
        } else {
            let mut all = entries.into_vec();
            all.clear();
            all.extend((0..).zip(list).filter_map(|(at, _)| look(at)));
            entries = BinaryHeap::from(all);
        }
        self.best = entries;
    }

    /// A group's lowest-ranked node, if a pod fits there.
    fn look(
        &self,
        at: u32,
        group: &Group,
        classes: &mut [Class],
        choices: &mut [Chosen],
        policy: &mut impl Policy,
    ) -> Option<Entry> {
        if !group.is_live() || !group.state.fits(&self.shape) {
            return None;
        }
        let (chosen, class) = (choices.get_mut(group.class as usize)?, classes.get_mut(group.class as usize)?);
        if chosen.used != class.used {
            let worth = class.worth(policy);
            let Choice { score, from } = policy.choose(&class.state, worth, &self.told);
            *chosen = Chosen { score, used: class.used, from };
        }
        let (used, rank) = (group.used, Reverse(group.first));
        Some(Entry { score: chosen.score, rank, group: at, used, from: chosen.from })
    }
}
