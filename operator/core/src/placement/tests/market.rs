//! Decisions one after another.

use proptest::prelude::*;

use super::{NOW, decide_ahead, gpus, member, members, node, request};
use crate::placement::{Demand, Market, Member, Node, Request, Snapshot};

fn market(members: Vec<Member>, demand: &mut Demand) -> Market<'_> {
    Market::new(Snapshot { members }, demand, NOW)
}

#[test]
fn who_refused_before_is_passed_over_and_who_failed_before_comes_last() {
    let (mut demand, again) = (Demand::default(), |avoid: &[&str], refused: &[&str]| Request {
        avoid: avoid.iter().map(|name| (*name).to_owned()).collect(),
        refused: refused.iter().map(|name| ((*name).to_owned(), "no".to_owned())).collect(),
        ..request(1, 1)
    });
    let all = ["a", "b", "c"].iter().zip(1..).map(|(name, rate)| member(name, rate, vec![node(4)]));
    let mut market = market(all.collect(), &mut demand);
    let mut goes = |avoid: &[&str], refused: &[&str]| market.decide(&again(avoid, refused)).map(|d| d.member);
    assert_eq!(goes(&[], &[]).unwrap(), "a");
    assert_eq!(goes(&["a"], &[]).unwrap(), "b");
    assert_eq!(goes(&["a"], &["b"]).unwrap(), "c");
    assert_eq!(goes(&["a", "c"], &["b"]).unwrap(), "a");
    assert_eq!(goes(&["a", "b", "c"], &["a"]).unwrap(), "b");
    assert_eq!(goes(&[], &["a", "b", "c"]), None);
    assert_eq!(goes(&[], &[]).unwrap(), "a", "what was passed over for one job is there for the next");
}

#[test]
fn a_decision_takes_nothing_until_it_is_taken() {
    let mut demand = Demand::default();
    let mut market = market(vec![member("a", 5, vec![node(4)])], &mut demand);
    for _ in 0..3 {
        assert_eq!(market.decide(&request(4, 1)).unwrap().member, "a");
    }
    market.take("a", &request(4, 1));
    market.take("nobody", &request(4, 1));
    assert_eq!(market.decide(&request(4, 1)), None);
    assert_eq!(market.refusals(&request(4, 1)).next().unwrap().1.to_string(), "0 of 4 nvidia.com/gpu free, 4 needed");
}

/// Cores that accelerators need are spared within a member too, and whoever starts the pods is told which nodes.
#[test]
fn pods_go_to_the_nodes_that_are_missed_least() {
    let on = |name: &str, cpu_millis, total| Node {
        name: name.to_owned(),
        cpu_millis,
        memory_bytes: 1 << 40,
        devices: vec![gpus(total, total)],
        ..Node::default()
    };
    let nodes = vec![on("tight", 4000, 4), on("wide", 64_000, 1)];
    let snapshot = Snapshot { members: vec![member("a", 5, nodes)] };
    let jobs = [(request(1, 1).need, 20), (request(0, 1).need, 20)];
    let mut demand = Demand::new(&snapshot, jobs.iter().map(|(need, pods)| (need, *pods)));
    let mut market = Market::new(snapshot.clone(), &mut demand, NOW);
    assert_eq!(market.take("a", &request(0, 2)), ["wide"]);
    assert_eq!(market.members()[0].nodes[0].cpu_millis, 4000);
    let rest: Vec<String> = market.take("a", &request(0, 70));
    assert_eq!(rest, ["tight", "wide"], "all that it is on");
    assert_eq!(market.members()[0].nodes.iter().map(|n| n.cpu_millis).sum::<u64>(), 0);
    let mut nothing = Demand::default();
    assert!(Market::new(snapshot, &mut nothing, NOW).take("a", &request(0, 2)).is_empty(), "nothing is known");
}

#[test]
fn what_is_held_is_nobodys_and_no_more_than_is_wanted() {
    let mut demand = Demand::default();
    let mut market = market(vec![member("a", 5, vec![node(1), node(2)])], &mut demand);
    market.hold("a", &request(4, 1));
    assert_eq!(market.decide(&request(1, 1)), None, "all three, though four are wanted");
    assert!(market.decide(&request(0, 15)).is_some(), "of cores only what it wants");
    assert!(market.decide(&request(0, 16)).is_none());
    market.hold("nobody", &request(4, 1));
}

/// At one price work goes where its image is, unless it runs for so long that fetching is nothing.
#[test]
fn what_is_there_needs_no_fetching() {
    let digest = "sha256:aa".to_owned();
    let holding = Member { content: [digest.clone()].into(), ..member("b", 5, vec![node(4)]) };
    let members = || vec![member("a", 5, vec![node(4)]), holding.clone()];
    let of = |seconds| Request { content: vec![digest.clone()], seconds, ..request(1, 1) };
    let mut demand = Demand::default();
    assert_eq!(market(members(), &mut demand).decide(&of(3600)).unwrap().member, "b");
    assert_eq!(market(members(), &mut demand).decide(&of(u64::MAX)).unwrap().member, "a");
    let cheaper = vec![member("a", 4, vec![node(4)]), holding.clone()];
    assert_eq!(market(cheaper, &mut demand).decide(&of(3600)).unwrap().member, "a", "price comes first");
}

#[test]
fn more_kinds_than_are_remembered_are_decided_all_the_same() {
    let mut demand = Demand::default();
    let wide = Node { cpu_millis: 1_000_000, devices: vec![gpus(8, 8)], memory_bytes: 1 << 40, ..Node::default() };
    let mut market = market(vec![member("a", 5, vec![wide])], &mut demand);
    for cpu in 1..600 {
        let mut one = request(0, 1);
        one.need.cpu_millis = cpu;
        assert_eq!(market.decide(&one).unwrap().member, "a");
        market.take("a", &one);
    }
    assert_eq!(market.members()[0].nodes[0].cpu_millis, 1_000_000 - (1..600).sum::<u64>());
}

/// A job: accelerators, pods, who failed it and who refused it.
type Drawn = (u32, u32, Vec<usize>, Vec<usize>);

fn drawn() -> impl Strategy<Value = Drawn> {
    let some = || prop::collection::vec(0usize..6, 0..3);
    (0u32..5, 1u32..4, some(), some())
}

proptest! {
    /// What is remembered between decisions changes none of them: each is as if all members were looked at anew.
    #[test]
    fn remembers_rightly(members in members(), jobs in prop::collection::vec(drawn(), 1..40), known: bool) {
        let mut demand = Demand::default();
        let needs: Vec<_> = jobs.iter().map(|(count, pods, ..)| (request(*count, 1).need, *pods)).collect();
        let mut fresh = Snapshot { members: members.clone() };
        if known {
            demand = Demand::new(&fresh, needs.iter().map(|(need, pods)| (need, *pods)));
        }
        let mut same = Demand::default();
        if known {
            same = Demand::new(&fresh, needs.iter().map(|(need, pods)| (need, *pods)));
        }
        let mut market = Market::new(Snapshot { members }, &mut demand, NOW);
        for (count, pods, avoid, refused) in jobs {
            let request = Request {
                avoid: avoid.iter().map(|i| format!("m{i}")).collect(),
                refused: refused.iter().map(|i| (format!("m{i}"), "no".to_owned())).collect(),
                ..request(count, pods)
            };
            let decision = market.decide(&request);
            if let Some(decision) = &decision {
                market.take(&decision.member, &request);
            }
            let refusals: Vec<_> = market.refusals(&request).map(|(name, why)| (name.to_owned(), why)).collect();
            match decide_ahead(&mut fresh, &request, NOW, &mut same) {
                Ok(other) => prop_assert_eq!(decision, Some(other)),
                Err(others) => {
                    prop_assert_eq!(decision, None);
                    prop_assert_eq!(refusals, others);
                }
            }
            prop_assert_eq!(market.members(), fresh.members.as_slice());
        }
    }

    /// On an empty cluster, more of anything never turns away what fitted before.
    #[test]
    fn more_capacity_never_hurts(members in members(), more in members(), count in 0u32..5, pods in 1u32..5) {
        let request = request(count, pods);
        let mut demand = Demand::default();
        let before = market(members.clone(), &mut demand).decide(&request).is_some();
        let mut larger = members;
        for (i, member) in more.into_iter().enumerate() {
            match larger.get_mut(i) {
                Some(there) => there.nodes.extend(member.nodes),
                None => larger.push(member),
            }
        }
        prop_assert!(market(larger, &mut demand).decide(&request).is_some() || !before);
    }

    /// Other names change nothing but ties: the same price, and as much left over.
    #[test]
    fn names_decide_nothing_but_ties(members in members(), count in 0u32..5, pods in 1u32..4, known: bool) {
        let request = request(count, pods);
        let mut renamed = members.clone();
        let names: Vec<String> = members.iter().rev().map(|member| member.name.clone()).collect();
        renamed.iter_mut().zip(names).for_each(|(member, name)| member.name = name);
        let chosen = |members: Vec<Member>| {
            let mut demand = Demand::default();
            if known {
                demand = Demand::new(&Snapshot { members: members.clone() }, [(&request.need, pods)]);
            }
            let mut market = market(members, &mut demand);
            let decision = market.decide(&request)?;
            let member = market.members().iter().find(|member| member.name == decision.member)?;
            let left = |of: fn(&Node) -> u64| member.nodes.iter().map(of).sum::<u64>();
            let devices = left(|node| node.devices.iter().map(|d| u64::from(d.free)).sum());
            Some((decision.offer, devices, left(|node| node.cpu_millis)))
        };
        prop_assert_eq!(chosen(members), chosen(renamed));
    }

    /// Whoever isn't placed is told by every member why not.
    #[test]
    fn every_refused_job_has_its_reasons(members in members(), count in 0u32..9, pods in 1u32..9, trust in 0u8..2) {
        let request = Request { least_trust: trust, ..request(count, pods) };
        let mut demand = Demand::default();
        let (all, mut market) = (members.len(), market(members, &mut demand));
        if market.decide(&request).is_none() {
            prop_assert_eq!(market.refusals(&request).filter(|(_, why)| !why.to_string().is_empty()).count(), all);
        }
    }
}
