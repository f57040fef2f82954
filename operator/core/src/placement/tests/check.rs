//! Input that can't be true.

use super::{NOW, decide, gpus, member, node, request};
use crate::placement::{Node, Request, Snapshot};

fn said(snapshot: &mut Snapshot) -> Vec<String> {
    snapshot.take_out_bad().iter().map(ToString::to_string).collect()
}

#[test]
fn a_node_that_cannot_be_is_taken_out_and_the_rest_stays() {
    let liar = member(
        "liar",
        1,
        vec![
            node(2),
            Node { devices: vec![gpus(4, 5)], ..node(4) },
            Node { devices: vec![gpus(u32::MAX, 1)], ..node(4) },
            Node { cpu_millis: u64::MAX, ..node(4) },
            Node { memory_bytes: 1 << 63, ..node(4) },
        ],
    );
    let mut snapshot = Snapshot { members: vec![liar, member("honest", 5, vec![node(4)])] };
    assert_eq!(
        said(&mut snapshot),
        [
            "liar.nodes[1].accelerators[0].free: 5 is more than its total 4",
            "liar.nodes[2].accelerators[0].total: 4294967295 is more than 1024",
            "liar.nodes[3].cpu: 18446744073709551615m is more than 1000000000m",
            "liar.nodes[4].memory: 9223372036854775808 bytes is more than 1125899906842624",
        ]
    );
    assert_eq!(said(&mut snapshot), [""; 0]);
    assert_eq!(decide(&mut snapshot, &request(2, 1), NOW).unwrap().member, "liar");
    assert_eq!(decide(&mut snapshot, &request(2, 1), NOW).unwrap().member, "honest");
}

#[test]
fn a_member_counts_once() {
    let mut snapshot = Snapshot { members: vec![member("a", 5, vec![node(1)]), member("a", 1, vec![node(4)])] };
    assert_eq!(said(&mut snapshot), ["a: is there twice; the first counts"]);
    assert_eq!(snapshot.members.len(), 1);
    assert_eq!(snapshot.members[0].nodes, [node(1)]);
}

#[test]
fn a_request_that_makes_no_sense_says_which_field() {
    let why = |request: Request| request.check().unwrap_err().to_string();
    assert_eq!(why(request(1, 0)), "parallelism: 0 is not between 1 and 100000");
    assert_eq!(why(request(2000, 1)), "accelerator.count: 2000 is more than 1024");
    let mut none = request(1, 1);
    none.need.count = 0;
    assert_eq!(why(none), "accelerator.count: 0 with resource Some(\"nvidia.com/gpu\")");
    let mut vast = request(1, 1);
    vast.need.cpu_millis = u64::MAX;
    assert_eq!(why(vast), "resources.cpu: 18446744073709551615m is more than 1000000000m");
    let mut vast = request(1, 1);
    vast.need.memory_bytes = u64::MAX;
    assert!(why(vast).starts_with("resources.memory: "));
    assert_eq!(request(1, 1).check(), Ok(()));
}
