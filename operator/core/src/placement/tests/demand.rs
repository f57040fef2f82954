//! Decisions that leave room for the jobs to come.

use super::{GPU, NOW, decide, decide_ahead, gpus, member, request};
use crate::placement::{Demand, Need, Node, Snapshot};

fn machine(cpu_millis: u64, total: u32, free: u32) -> Node {
    Node { cpu_millis, memory_bytes: 1 << 40, devices: vec![gpus(total, free)], ..Node::default() }
}

fn gang(count: u32) -> Need {
    Need { cpu_millis: 1000, memory_bytes: 1 << 30, resource: Some(GPU.to_owned()), count, ..Need::default() }
}

/// Two cores are left with four accelerators, and many with one. A job of a core alone belongs to the second, though the
/// first is the tighter fit.
#[test]
fn cores_that_accelerators_need_are_spared() {
    let snapshot = || Snapshot {
        members: vec![member("a", 5, vec![machine(4000, 4, 4)]), member("b", 5, vec![machine(64_000, 1, 1)])],
    };
    let jobs = [(gang(1), 20), (request(0, 1).need, 20)];
    let mut demand = Demand::new(&snapshot(), jobs.iter().map(|(need, pods)| (need, *pods)));
    assert_eq!(decide(&mut snapshot(), &request(0, 1), NOW).unwrap().member, "a", "plain decisions pack tight");
    assert_eq!(decide_ahead(&mut snapshot(), &request(0, 1), NOW, &mut demand).unwrap().member, "b");
}

#[test]
fn price_comes_first_whatever_is_lost() {
    let mut snapshot = Snapshot {
        members: vec![member("a", 4, vec![machine(4000, 4, 4)]), member("b", 5, vec![machine(64_000, 1, 1)])],
    };
    let jobs = [(gang(1), 20)];
    let mut demand = Demand::new(&snapshot, jobs.iter().map(|(need, pods)| (need, *pods)));
    assert_eq!(decide_ahead(&mut snapshot, &request(0, 1), NOW, &mut demand).unwrap().member, "a");
}

#[test]
fn a_gang_still_goes_whole_or_not_at_all() {
    let nodes = || vec![machine(64_000, 4, 2), machine(64_000, 4, 2)];
    let mut snapshot = Snapshot { members: vec![member("a", 5, nodes()), member("b", 5, nodes())] };
    let jobs = [(gang(1), 5), (gang(2), 5)];
    let mut demand = Demand::new(&snapshot, jobs.iter().map(|(need, pods)| (need, *pods)));
    assert!(decide_ahead(&mut snapshot, &request(1, 5), NOW, &mut demand).is_err());
    let went = decide_ahead(&mut snapshot, &request(1, 4), NOW, &mut demand).unwrap().member;
    let full = |m: &crate::placement::Member| m.nodes.iter().all(|n| n.devices[0].free == 0);
    assert_eq!(snapshot.members.iter().filter(|m| full(m)).map(|m| m.name.clone()).collect::<Vec<_>>(), [went]);
}

#[test]
fn what_is_too_large_to_weigh_is_placed_all_the_same() {
    let mut snapshot = Snapshot { members: vec![member("a", 5, vec![machine(u64::MAX, 64, 64)])] };
    let mut demand = Demand::new(&snapshot, [(&gang(1), 5)]);
    assert_eq!(decide_ahead(&mut snapshot, &request(32, 1), NOW, &mut demand).unwrap().member, "a");
}

/// A thousand pods of a gang are weighed in a moment, and the gang goes where the cores aren't missed.
#[test]
fn a_large_gang_is_weighed_by_its_first_pods() {
    let nodes = |cpu, gpus| vec![machine(cpu, 8, gpus); 200];
    let snapshot = || Snapshot { members: vec![member("a", 5, nodes(16_000, 8)), member("b", 5, nodes(256_000, 0))] };
    let jobs = [(Need { cpu_millis: 2000, ..gang(1) }, 20), (request(0, 1).need, 20)];
    let mut demand = Demand::new(&snapshot(), jobs.iter().map(|(need, pods)| (need, *pods)));
    assert_eq!(decide_ahead(&mut snapshot(), &request(0, 1000), NOW, &mut demand).unwrap().member, "b");
}

#[test]
fn what_was_learned_stays_until_jobs_or_nodes_are_others() {
    let one = Snapshot { members: vec![member("a", 5, vec![machine(64_000, 8, 8)])] };
    let two = Snapshot { members: vec![member("a", 5, vec![machine(64_000, 8, 8); 2])] };
    let jobs = |ones: u32, eights: u32| [(gang(1), ones), (gang(8), eights)];
    let mut demand = Demand::default();
    let mut lessons = |snapshot: &Snapshot, jobs: [(Need, u32); 2]| {
        demand.keep_up(snapshot, jobs.iter().map(|(need, pods)| (need, *pods)))
    };
    assert_eq!(lessons(&one, jobs(10, 10)), 1);
    assert_eq!(lessons(&one, jobs(21, 20)), 0, "the same mix");
    assert_eq!(lessons(&one, jobs(40, 20)), 1, "another mix");
    assert_eq!(lessons(&two, jobs(40, 20)), 1, "another node");
}

/// What can't be weighed doesn't win a tie by that, and what one member reports takes no place from what all have.
#[test]
fn strange_members_gain_nothing() {
    let strange = |models: usize| {
        let mut node = machine(4000, 4, 4);
        node.devices =
            (0..models).map(|i| crate::placement::Devices { model: format!("junk{i}"), ..gpus(1, 1) }).collect();
        node
    };
    let wide = || machine(64_000, 1, 1);
    let jobs = [(gang(1), 20), (request(0, 1).need, 20)];
    let goes = |strange: Node| {
        let nodes = vec![machine(4000, 4, 4), machine(4000, 4, 4), strange];
        let mut snapshot = Snapshot { members: vec![member("a", 5, nodes), member("b", 5, vec![wide(), wide()])] };
        let mut demand = Demand::new(&snapshot, jobs.iter().map(|(need, pods)| (need, *pods)));
        decide_ahead(&mut snapshot, &request(0, 1), NOW, &mut demand).unwrap().member
    };
    assert_eq!(goes(machine(4000, 4, 4)), "b");
    assert_eq!(goes(strange(64)), "b", "64 models of one member");
    let mut huge =
        Snapshot { members: vec![member("a", 5, vec![machine(4000, 17, 17)]), member("b", 5, vec![wide()])] };
    let mut demand = Demand::new(&huge, jobs.iter().map(|(need, pods)| (need, *pods)));
    assert_eq!(decide_ahead(&mut huge, &request(0, 1), NOW, &mut demand).unwrap().member, "b", "too large to weigh");
}
