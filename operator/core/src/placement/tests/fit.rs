//! Shares of accelerators, and interconnects.

use proptest::prelude::*;

use super::{GPU, NOW, decide, gpus, member, request};
use crate::placement::{Devices, Need, Node, Request, Snapshot, WHOLE_MILLI};

fn divisible(total: u32, free: u32, parts: &[u16]) -> Node {
    let devices = Devices { divisible: true, parts: parts.to_vec(), ..gpus(total, free) };
    Node { cpu_millis: 64_000, memory_bytes: 1 << 40, devices: vec![devices], ..Node::default() }
}

fn share(milli: u16, pods: u32) -> Request {
    let need = Need { share_milli: milli, ..request(1, 1).need };
    Request { need, ..request(1, pods) }
}

fn one(node: Node) -> Snapshot {
    Snapshot { members: vec![member("a", 5, vec![node])] }
}

fn parts(snapshot: &Snapshot) -> (u32, Vec<u16>) {
    let devices = &snapshot.members[0].nodes[0].devices[0];
    (devices.free, devices.parts.clone())
}

#[test]
fn a_share_comes_from_the_tightest_accelerator_and_a_whole_one_last() {
    let mut snapshot = one(divisible(3, 1, &[700, 300]));
    decide(&mut snapshot, &share(300, 1), NOW).unwrap();
    assert_eq!(parts(&snapshot), (1, vec![700]), "the one that it fills goes first");
    decide(&mut snapshot, &share(500, 1), NOW).unwrap();
    assert_eq!(parts(&snapshot), (1, vec![200]));
    decide(&mut snapshot, &share(500, 2), NOW).unwrap();
    assert_eq!(parts(&snapshot), (0, vec![200]));
    assert!(decide(&mut snapshot, &share(201, 1), NOW).is_err());
}

#[test]
fn nothing_is_shared_where_nobody_sees_to_it() {
    let mut node = divisible(4, 4, &[]);
    node.devices[0].divisible = false;
    let refusals = decide(&mut one(node), &share(500, 1), NOW).unwrap_err();
    assert_eq!(refusals[0].1.to_string(), "room for 0 of 1 pods on its nodes as they are");
}

#[test]
fn a_gang_that_needs_one_interconnect_gets_the_tightest_that_fits() {
    let on = |island: &str, free| Node { island: island.to_owned(), ..divisible(4, free, &[]) };
    let nodes = vec![on("big", 4), on("big", 4), on("small", 2), on("", 3), on("small", 2)];
    let mut snapshot = Snapshot { members: vec![member("a", 5, nodes)] };
    let gang = |pods| Request { one_island: true, ..request(1, pods) };
    assert_eq!(
        decide(&mut snapshot, &gang(9), NOW).unwrap_err()[0].1.to_string(),
        "room for 8 of 9 pods on one interconnect"
    );
    decide(&mut snapshot, &gang(4), NOW).unwrap();
    let free: Vec<u32> = snapshot.members[0].nodes.iter().map(|n| n.devices[0].free).collect();
    assert_eq!(free, [4, 4, 0, 3, 0]);
    snapshot.members[0].nodes.drain(..2);
    assert!(decide(&mut snapshot, &gang(3), NOW).is_err(), "of a node that names none nothing is known");
    decide(&mut snapshot, &gang(1), NOW).unwrap();
    assert_eq!(snapshot.members[0].nodes[1].devices[0].free, 2, "one pod is on one interconnect anyway");
}

proptest! {
    /// Shares and whole accelerators together never take more than there is of any one accelerator.
    #[test]
    fn shares_never_oversubscribe(total in 1u32..6, jobs in prop::collection::vec((0u16..=10, 1u32..4), 1..30)) {
        let mut snapshot = one(divisible(total, total, &[]));
        let mut taken = 0u64;
        for (tenths, pods) in jobs {
            let request = if tenths == 10 { request(1, pods) } else { share(tenths.max(1) * 100, pods) };
            if decide(&mut snapshot, &request, NOW).is_ok() {
                let each = if request.need.is_share() { request.need.share_milli } else { WHOLE_MILLI };
                taken += u64::from(each) * u64::from(pods);
            }
            let (free, parts) = parts(&snapshot);
            let left = u64::from(free) * u64::from(WHOLE_MILLI) + parts.iter().map(|&p| u64::from(p)).sum::<u64>();
            prop_assert_eq!(left + taken, u64::from(total) * u64::from(WHOLE_MILLI));
            prop_assert!(free as usize + parts.len() <= total as usize);
            prop_assert!(parts.iter().all(|part| (1..WHOLE_MILLI).contains(part)));
            prop_assert_eq!(snapshot.members[0].nodes[0].devices[0].resource.as_str(), GPU);
        }
    }
}
