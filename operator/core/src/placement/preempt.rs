//! Which running work gives way.
//!
//! Only work that asked to be preemptible and has a lower priority gives way, and of the sets that make enough room the
//! one that loses the least work. Work that gave way waits like any other and preempts nobody in turn, so that one
//! decision never sets off another.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use super::{
    fit,
    model::{Gang, Member, Need, Node},
};

/// Sets of victims that are looked at before settling for a small one that may not be the smallest.
const MOST_SETS: usize = 512;

/// Running work on a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// What each pod takes.
    pub need: Need,
    /// Where its pods run: the node's place in the member's list, and how many.
    pub pods: Vec<(usize, u32)>,
    /// Higher is more important.
    pub priority: i32,
    /// Whether it asked to be.
    pub preemptible: bool,
    /// What would be lost: what it cost since its last checkpoint, in any one unit.
    pub lost: u128,
}

/// Who asks for room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// What each pod needs.
    pub need: Need,
    /// How many pods.
    pub pods: u32,
    /// Whether all of them need to be on one interconnect.
    pub one_island: bool,
    /// Higher is more important.
    pub priority: i32,
    /// Whether it gave way itself before; then it preempts nobody.
    pub gave_way: bool,
}

/// The running work, by its place in the list, that has to give way for `claimant` to fit into `member`: none if it fits
/// as it is, `None` if nothing that may give way makes enough room.
pub fn victims(member: &Member, running: &[Running], claimant: &Claimant) -> Option<Vec<usize>> {
    if fits(member, running, &[], claimant) {
        return Some(Vec::new());
    }
    let gives_way = |work: &Running| work.preemptible && work.priority < claimant.priority && !claimant.gave_way;
    let mut candidates: Vec<usize> = (0..running.len()).filter(|&i| gives_way(&running[i])).collect();
    candidates.sort_by_key(|&i| (running[i].lost, running[i].priority, i));
    if !fits(member, running, &candidates, claimant) {
        return None;
    }
    let enough = |set: &[usize]| fits(member, running, set, claimant);
    let lost = |i: usize| running[candidates[i]].lost;
    // Of sets that cost the same the first may hold work that costs nothing and is no use.
    let chosen = cheapest(&candidates, lost, enough).unwrap_or(candidates);
    Some(pruned(&chosen, enough))
}

/// The cheapest set that is enough, looking at sets by what they cost: from each, the last member's successor is added,
/// or takes its place. `None` if that takes too long.
fn cheapest(
    candidates: &[usize],
    lost: impl Fn(usize) -> u128,
    enough: impl Fn(&[usize]) -> bool,
) -> Option<Vec<usize>> {
    let mut sets = BinaryHeap::from([Reverse((lost(0), vec![0]))]);
    for _ in 0..MOST_SETS {
        let Reverse((cost, set)) = sets.pop()?;
        let set_of: Vec<usize> = set.iter().map(|&i| candidates[i]).collect();
        if enough(&set_of) {
            return Some(set_of);
        }
        let end = set.last().copied()?;
        if end + 1 < candidates.len() {
            let mut longer = set.clone();
            longer.push(end + 1);
            sets.push(Reverse((cost + lost(end + 1), longer)));
            let mut other = set;
            other.pop();
            other.push(end + 1);
            sets.push(Reverse((cost - lost(end) + lost(end + 1), other)));
        }
    }
    None
}

/// All candidates but those that needn't give way, the dearest spared first.
fn pruned(candidates: &[usize], enough: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let mut chosen = candidates.to_vec();
    for at in (0..chosen.len()).rev() {
        let spared = chosen.remove(at);
        if !enough(&chosen) {
            chosen.insert(at, spared);
        }
    }
    chosen
}

/// Whether the claimant fits once `leaving` have left. Only nodes that they leave are looked at anew.
fn fits(member: &Member, running: &[Running], leaving: &[usize], claimant: &Claimant) -> bool {
    let mut left: BTreeMap<usize, Node> = BTreeMap::new();
    for work in leaving.iter().map(|&i| &running[i]) {
        for &(at, pods) in &work.pods {
            let Some(node) = member.nodes.get(at) else { continue };
            fit::release(left.entry(at).or_insert_with(|| node.clone()), &work.need, pods);
        }
    }
    let nodes = member.nodes.iter().enumerate().map(|(at, node)| left.get(&at).unwrap_or(node));
    let gang = Gang { need: &claimant.need, pods: claimant.pods, one_island: claimant.one_island };
    fit::most(nodes, &gang) >= u64::from(claimant.pods)
}
