//! Who gives way.

use proptest::prelude::*;

use super::{GPU, gpus};
use crate::placement::{Claimant, Member, Need, Node, Running, victims};

fn need(count: u32) -> Need {
    Need { cpu_millis: 1000, resource: Some(GPU.to_owned()), count, ..Need::default() }
}

/// A full member: `total` accelerators on each node, all in use.
fn full(nodes: usize, total: u32) -> Member {
    let node = Node { cpu_millis: 100_000, memory_bytes: 1 << 40, devices: vec![gpus(total, 0)], ..Node::default() };
    Member { nodes: vec![node; nodes], ..Member::default() }
}

fn work(node: usize, count: u32, priority: i32, lost: u128) -> Running {
    Running { need: need(count), pods: vec![(node, 1)], priority, preemptible: true, lost }
}

fn claimant(count: u32, pods: u32, priority: i32) -> Claimant {
    Claimant { need: need(count), pods, one_island: false, priority, gave_way: false }
}

#[test]
fn the_least_lost_work_gives_way() {
    let running = [work(0, 2, 0, 50), work(0, 2, 0, 30), work(1, 4, 0, 40)];
    assert_eq!(victims(&full(2, 4), &running, &claimant(2, 1, 5)), Some(vec![1]));
    assert_eq!(victims(&full(2, 4), &running, &claimant(4, 1, 5)), Some(vec![2]));
    assert_eq!(victims(&full(2, 4), &running, &claimant(4, 2, 5)).map(|v| v.len()), Some(3));
}

#[test]
fn one_dear_job_or_two_cheap_ones() {
    let running = [work(0, 1, 0, 10), work(0, 1, 0, 11), work(1, 2, 0, 22)];
    assert_eq!(victims(&full(2, 2), &running, &claimant(2, 1, 5)), Some(vec![0, 1]));
    let dearer = [work(0, 1, 0, 10), work(0, 1, 0, 13), work(1, 2, 0, 22)];
    assert_eq!(victims(&full(2, 2), &dearer, &claimant(2, 1, 5)), Some(vec![2]));
}

/// Work that has just begun costs nothing, and yet nobody is asked whose leaving is of no use.
#[test]
fn nobody_gives_way_who_needs_not() {
    let running = [work(0, 4, 0, 0), work(1, 4, 0, 5)];
    let mut member = full(2, 4);
    member.nodes[0].cpu_millis = 0;
    let starved = Claimant { need: Need { cpu_millis: 50_000, ..need(4) }, ..claimant(4, 1, 5) };
    assert_eq!(victims(&member, &running, &starved), Some(vec![1]));
}

#[test]
fn nobody_gives_way_who_did_not_ask_to_be_preemptible() {
    let running = [Running { preemptible: false, ..work(0, 4, 0, 1) }];
    assert_eq!(victims(&full(1, 4), &running, &claimant(1, 1, 5)), None);
}

#[test]
fn nobody_gives_way_to_an_equal() {
    assert_eq!(victims(&full(1, 4), &[work(0, 4, 5, 1)], &claimant(1, 1, 5)), None);
}

#[test]
fn nobody_gives_way_for_nothing() {
    let running = [work(0, 2, 0, 1)];
    assert_eq!(victims(&full(1, 4), &running, &claimant(3, 1, 5)), None, "even an empty node would be short");
    let mut half = full(1, 4);
    half.nodes[0].devices[0].free = 2;
    assert_eq!(victims(&half, &running, &claimant(2, 1, 5)), Some(vec![]), "it fits as it is");
}

#[test]
fn who_gave_way_preempts_nobody() {
    let again = Claimant { gave_way: true, ..claimant(1, 1, 5) };
    assert_eq!(victims(&full(1, 4), &[work(0, 4, 0, 1)], &again), None);
}

proptest! {
    /// Victims make enough room, each is needed, and the claimant fits; what they lose is no more than any one other set
    /// of candidates would.
    #[test]
    fn victims_are_enough_and_needed(
        jobs in prop::collection::vec((0usize..3, 1u32..4, 0i32..4, any::<bool>(), 0u128..100), 0..8),
        count in 1u32..5,
        pods in 1u32..3,
        priority in 0i32..5,
    ) {
        let mut member = full(3, 12);
        for node in &mut member.nodes {
            node.devices[0].total = 0;
        }
        let running: Vec<Running> = jobs
            .iter()
            .map(|&(node, count, priority, preemptible, lost)| {
                member.nodes[node].devices[0].total += count;
                Running { preemptible, ..work(node, count, priority, lost) }
            })
            .collect();
        let claimant = claimant(count, pods, priority);
        let candidates: Vec<usize> =
            (0..running.len()).filter(|&i| running[i].preemptible && running[i].priority < priority).collect();
        let enough = |set: &[usize]| {
            let mut free = [0; 3];
            for &i in set {
                free[running[i].pods[0].0] += running[i].need.count;
            }
            free.iter().map(|f| f / count).sum::<u32>() >= pods
        };
        let cost = |set: &[usize]| set.iter().map(|&i| running[i].lost).sum::<u128>();
        let sets = (0u32..1 << candidates.len()).map(|bits| {
            candidates.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, &c)| c).collect::<Vec<_>>()
        });
        let best = sets.filter(|set| enough(set)).map(|set| cost(&set)).min();
        let chosen = victims(&member, &running, &claimant);
        prop_assert_eq!(chosen.as_ref().map(|set| cost(set)), best);
        if let Some(chosen) = chosen {
            prop_assert!(chosen.iter().all(|i| candidates.contains(i)));
            for spared in &chosen {
                let rest: Vec<usize> = chosen.iter().copied().filter(|i| i != spared).collect();
                prop_assert!(!enough(&rest), "{spared} needn't give way");
            }
        }
    }
}
