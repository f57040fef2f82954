#![allow(clippy::unwrap_used, clippy::panic)]
mod check;
mod demand;
mod fair;
mod fit;
mod market;
mod preempt;

use proptest::prelude::*;

use super::*;
use crate::{class::Class, money::Amount};

const NOW: u64 = 1_800_000_000;
const GPU: &str = "nvidia.com/gpu";

fn gpus(total: u32, free: u32) -> Devices {
    let (resource, model) = (GPU.to_owned(), "A100".to_owned());
    Devices { resource, model, memory_mib: 40_960, total, free, ..Devices::default() }
}

fn node(free: u32) -> Node {
    Node { cpu_millis: 8000, memory_bytes: 32 << 30, devices: vec![gpus(4, free)], ..Node::default() }
}

fn member(name: &str, rate: u64, nodes: Vec<Node>) -> Member {
    let offer = Offered { rate: Amount::from_eai(rate).unwrap(), valid_until: NOW + 60 };
    Member {
        name: name.to_owned(),
        sandbox: true,
        attributes: [("site", "Home".to_owned()), ("region", "tw".to_owned())].into(),
        offers: [(Class(GPU.to_owned()), offer), (Class::cpu(), offer)].into(),
        nodes,
        ..Member::default()
    }
}

fn request(count: u32, parallelism: u32) -> Request {
    Request {
        need: Need {
            cpu_millis: 1000,
            memory_bytes: 1 << 30,
            resource: (count > 0).then(|| GPU.to_owned()),
            count,
            ..Need::default()
        },
        parallelism,
        max_price: Amount::from_eai(10).unwrap(),
        ..Request::default()
    }
}

/// One decision, taken out of the snapshot.
fn decide(snapshot: &mut Snapshot, request: &Request, now: u64) -> Result<Decision, Vec<(String, Refusal)>> {
    decide_ahead(snapshot, request, now, &mut Demand::default())
}

fn decide_ahead(
    snapshot: &mut Snapshot,
    request: &Request,
    now: u64,
    demand: &mut Demand,
) -> Result<Decision, Vec<(String, Refusal)>> {
    let mut market = Market::new(snapshot.clone(), demand, now);
    let Some(decision) = market.decide(request) else {
        return Err(market.refusals(request).map(|(name, why)| (name.to_owned(), why)).collect());
    };
    market.take(&decision.member, request);
    snapshot.members = market.members().to_vec();
    Ok(decision)
}

fn refusal(member: Member, request: &Request) -> String {
    let name = member.name.clone();
    let refusals = decide(&mut Snapshot { members: vec![member] }, request, NOW).unwrap_err();
    let [(of, why)] = refusals.as_slice() else { panic!("{refusals:?}") };
    assert_eq!(*of, name);
    why.to_string()
}

#[test]
fn the_cheapest_offer_wins() {
    let mut snapshot = Snapshot { members: vec![member("a", 5, vec![node(4)]), member("b", 4, vec![node(4)])] };
    assert_eq!(decide(&mut snapshot, &request(1, 1), NOW).unwrap().member, "b");
}

#[test]
fn at_one_price_the_tightest_fit_wins() {
    let mut snapshot = Snapshot { members: vec![member("a", 5, vec![node(4)]), member("b", 5, vec![node(2)])] };
    assert_eq!(decide(&mut snapshot, &request(2, 1), NOW).unwrap().member, "b");
}

#[test]
fn a_member_that_failed_the_job_is_taken_last() {
    let mut snapshot = Snapshot { members: vec![member("a", 5, vec![node(4)]), member("b", 4, vec![node(4)])] };
    let again = Request { avoid: vec!["b".to_owned()], ..request(1, 1) };
    assert_eq!(decide(&mut snapshot, &again, NOW).unwrap().member, "a");
    snapshot.members.remove(0);
    assert_eq!(decide(&mut snapshot, &again, NOW).unwrap().member, "b");
}

#[test]
fn decisions_use_up_what_is_free() {
    let mut snapshot = Snapshot { members: vec![member("a", 5, vec![node(4)])] };
    for _ in 0..2 {
        decide(&mut snapshot, &request(2, 1), NOW).unwrap();
    }
    let refusals = decide(&mut snapshot, &request(1, 1), NOW).unwrap_err();
    assert_eq!(refusals[0].1.to_string(), "0 of 4 nvidia.com/gpu free, 1 needed");
}

#[test]
fn a_gang_goes_whole_to_one_member() {
    let halves = || vec![member("a", 5, vec![node(2)]), member("b", 5, vec![node(2)])];
    let refusals = decide(&mut Snapshot { members: halves() }, &request(1, 4), NOW).unwrap_err();
    assert_eq!(refusals.len(), 2);
    let mut snapshot = Snapshot { members: vec![member("c", 5, vec![node(2), node(2)])] };
    assert_eq!(decide(&mut snapshot, &request(1, 4), NOW).unwrap().member, "c");
    assert!(snapshot.members[0].nodes.iter().all(|n| n.devices[0].free == 0));
}

#[test]
fn every_refusal_says_what_and_how_much() {
    let fit = || member("home-3", 5, vec![node(2)]);
    let cases = [
        (fit(), request(3, 1), "2 of 4 nvidia.com/gpu free, 3 needed"),
        (
            fit(),
            Request { need: Need { cpu_millis: 9000, ..request(1, 1).need }, ..request(1, 1) },
            "8000m cpu free, 9000m needed",
        ),
        (
            fit(),
            Request { need: Need { memory_bytes: 64 << 30, ..request(1, 1).need }, ..request(1, 1) },
            "34359738368 bytes memory free, 68719476736 bytes needed",
        ),
        (member("m", 5, vec![node(1), node(1)]), request(2, 1), "room for 0 of 1 pods on its nodes as they are"),
        (
            fit(),
            Request { max_price: Amount::from_eai(4).unwrap(), ..request(1, 1) },
            "asks 5 EAI per unit-hour, the job pays at most 4",
        ),
        (Member { sandbox: false, ..fit() }, request(1, 1), "has no probed sandbox, which network None needs"),
        (fit(), Request { internet: true, ..request(1, 1) }, "doesn't offer the internet"),
        (
            Member { trust: 49, ..fit() },
            Request { least_trust: 50, ..request(1, 1) },
            "saw 49 % of its work through, the job wants at least 50 %",
        ),
        (
            fit(),
            Request { least_assurance: Assurance::Attested, ..request(1, 1) },
            "assures L1 Sandboxed, the job wants at least L2 Attested",
        ),
        (
            Member { internet: true, ..fit() },
            Request { internet: true, least_assurance: Assurance::Sandboxed, ..request(1, 1) },
            "assures L0 Isolated, the job wants at least L1 Sandboxed",
        ),
        (fit(), Request { refused: [("home-3".into(), "no room".into())].into(), ..request(1, 1) }, "no room"),
        (
            member("m", 5, ["x", "y"].map(|on| Node { island: on.to_owned(), ..node(2) }).to_vec()),
            Request { one_island: true, ..request(1, 4) },
            "room for 2 of 4 pods on one interconnect",
        ),
        (Member { offers: [].into(), ..fit() }, request(1, 1), "offers no nvidia.com/gpu"),
        (Member { closed: Some("is cordoned".to_owned()), ..fit() }, request(1, 1), "is cordoned"),
        (
            fit(),
            Request {
                constraints: vec![Constraint { attribute: "region", allowed: vec!["jp".into(), "kr".into()] }],
                ..request(1, 1)
            },
            "its region is \"tw\", the job wants jp or kr",
        ),
        (
            fit(),
            Request { need: Need { models: vec!["H100".into()], ..request(1, 1).need }, ..request(1, 1) },
            "0 of 0 nvidia.com/gpu free, 1 needed",
        ),
    ];
    for (member, request, words) in cases {
        assert_eq!(refusal(member, &request), words);
    }
}

#[test]
fn an_offer_ends_at_its_second() {
    let offer = Offered { rate: Amount::ZERO, valid_until: NOW };
    let expired = Member { offers: [(Class(GPU.to_owned()), offer)].into(), ..member("a", 5, vec![node(4)]) };
    assert_eq!(refusal(expired, &request(1, 1)), "its offer for nvidia.com/gpu has expired");
}

#[test]
fn a_report_of_more_free_than_there_is_counts_as_the_total() {
    let liar = member("liar", 5, vec![Node { devices: vec![gpus(2, 100_000)], ..node(0) }]);
    assert_eq!(refusal(liar, &request(3, 1)), "2 of 2 nvidia.com/gpu free, 3 needed");
}

#[test]
fn reserving_what_is_not_reported_yet_leaves_less() {
    let mut snapshot = Snapshot { members: vec![member("a", 5, vec![node(4)])] };
    snapshot.reserve("a", &request(3, 1));
    snapshot.reserve("nobody", &request(3, 1));
    assert_eq!(
        decide(&mut snapshot, &request(2, 1), NOW).unwrap_err()[0].1.to_string(),
        "1 of 4 nvidia.com/gpu free, 2 needed"
    );
}

fn free(snapshot: &Snapshot) -> (u64, u64, u64) {
    let nodes = || snapshot.members.iter().flat_map(|m| &m.nodes);
    (
        nodes().map(|n| n.cpu_millis).sum(),
        nodes().map(|n| n.memory_bytes).sum(),
        nodes().flat_map(|n| &n.devices).map(|d| u64::from(d.free)).sum(),
    )
}

/// A member as drawn: its rate, and cores, GiB and free accelerators of its nodes.
type Drawn = (u64, Vec<(u64, u64, u32)>);

fn members() -> impl Strategy<Value = Vec<Member>> {
    let nodes = prop::collection::vec((0u64..16_000, 0u64..64, 0u32..9), 0..5);
    prop::collection::vec((1u64..20, nodes), 0..6).prop_map(|members| {
        let build = |(i, (rate, nodes)): (usize, Drawn)| {
            let nodes = nodes.into_iter().map(|(cpu, gib, free)| Node {
                cpu_millis: cpu,
                memory_bytes: gib << 30,
                devices: vec![gpus(8, free)],
                ..Node::default()
            });
            member(&format!("m{i}"), rate, nodes.collect())
        };
        members.into_iter().enumerate().map(build).collect()
    })
}

proptest! {
    /// What a decision takes is exactly what the gang needs, all from the chosen member; a refusal takes nothing.
    #[test]
    fn never_oversubscribes(members in members(), jobs in prop::collection::vec((0u32..5, 1u32..5), 1..20)) {
        let mut snapshot = Snapshot { members };
        for (count, parallelism) in jobs {
            let before = snapshot.clone();
            let request = request(count, parallelism);
            match decide(&mut snapshot, &request, NOW) {
                Ok(decision) => {
                    let (a, b) = (free(&before), free(&snapshot));
                    let pods = u64::from(parallelism);
                    prop_assert_eq!(a.0 - b.0, 1000 * pods);
                    prop_assert_eq!(a.1 - b.1, (1 << 30) * pods);
                    prop_assert_eq!(a.2 - b.2, u64::from(count) * pods);
                    for (x, y) in before.members.iter().zip(&snapshot.members) {
                        prop_assert!(x == y || x.name == decision.member);
                    }
                }
                Err(refusals) => {
                    prop_assert_eq!(&before.members, &snapshot.members);
                    prop_assert_eq!(refusals.len(), snapshot.members.len());
                }
            }
        }
    }

    /// The order of the members changes nothing.
    #[test]
    fn order_changes_nothing(members in members(), count in 0u32..5, parallelism in 1u32..4) {
        let mut forwards = Snapshot { members: members.clone() };
        let mut backwards = Snapshot { members: members.into_iter().rev().collect() };
        let request = request(count, parallelism);
        prop_assert_eq!(decide(&mut forwards, &request, NOW), decide(&mut backwards, &request, NOW));
    }

    /// No report, however false, makes a decision panic.
    #[test]
    fn survives_any_numbers(cpu: u64, memory: u64, total: u32, free: u32, need_cpu: u64, need_memory: u64, count: u32, pods: u32, share: u16) {
        let devices = Devices { divisible: true, parts: vec![share, u16::MAX], ..gpus(total, free) };
        let node = Node { cpu_millis: cpu, memory_bytes: memory, devices: vec![devices; 3], ..Node::default() };
        let mut snapshot = Snapshot { members: vec![member("m", 5, vec![node; 3])] };
        let need = Need { cpu_millis: need_cpu, memory_bytes: need_memory, count, share_milli: share, ..request(1, 1).need };
        let (parallelism, one_island) = (if share == 0 { pods } else { pods % 1000 }, pods % 2 == 0);
        let _ = decide(&mut snapshot, &Request { need, parallelism, one_island, ..request(1, 1) }, NOW);
    }
}
