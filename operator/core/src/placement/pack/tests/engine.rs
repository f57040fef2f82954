use proptest::prelude::*;

use super::fixtures::{any_node, any_pod, cores, pod, ranked, whole};
use crate::placement::pack::{Engine, Mix, Placement, Shape, State};

fn engine(nodes: &[State], pods: &[Shape], told: bool) -> Engine {
    if told { Engine::told(&ranked(nodes), &Mix::of(pods)) } else { Engine::learning(&ranked(nodes)) }
}

fn place(engine: &mut Engine, pod: Shape) -> Option<Placement> {
    let id = engine.shape(pod);
    engine.place(id)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A pod that fits somewhere is placed where it fits, one that fits nowhere isn't, and nothing is oversubscribed.
    #[test]
    fn places_all_that_fits_and_no_more(
        nodes in prop::collection::vec(any_node(), 1..10),
        pods in prop::collection::vec(any_pod(), 1..60),
        told in any::<bool>(),
    ) {
        let mut engine = engine(&nodes, &pods, told);
        for pod in &pods {
            let before: Vec<State> = (0..).take(nodes.len()).map(|n| *engine.packer().state(n).unwrap()).collect();
            let Some(placed) = place(&mut engine, *pod) else {
                prop_assert!(before.iter().all(|state| !state.fits(pod)));
                continue;
            };
            let state = before[placed.node as usize];
            prop_assert!(state.fits(pod));
            prop_assert_eq!(*engine.packer().state(placed.node).unwrap(), state.with(pod, placed.choice.from));
        }
    }

    /// The same pods in the same order always go to the same nodes.
    #[test]
    fn repeats(
        nodes in prop::collection::vec(any_node(), 1..10),
        pods in prop::collection::vec(any_pod(), 1..60),
        told in any::<bool>(),
    ) {
        let run = || {
            let mut engine = engine(&nodes, &pods, told);
            pods.iter().map(|pod| place(&mut engine, *pod)).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    /// On an empty cluster, more nodes never make a pod unplaceable.
    #[test]
    fn more_nodes_never_hurt(
        nodes in prop::collection::vec(any_node(), 1..10),
        more in prop::collection::vec(any_node(), 1..5),
        pod in any_pod(),
    ) {
        let all: Vec<State> = nodes.iter().chain(&more).copied().collect();
        let placed = |nodes: &[State]| place(&mut engine(nodes, &[pod], true), pod).is_some();
        prop_assert!(placed(&all) || !placed(&nodes));
    }
}

/// A pod without accelerators goes where there is nothing else to lose.
#[test]
fn cores_are_taken_where_no_accelerator_needs_them() {
    let nodes = [State::new(32_000, 0, 0, 8), State::new(32_000, 0, 0, 1)];
    let pods = [whole(4000, 1), whole(4000, 1), cores(8000)];
    let placed = place(&mut engine(&nodes, &pods, true), cores(8000)).unwrap();
    assert_eq!(placed.node, 1);
}

/// A share goes to the hole that it fills.
#[test]
fn a_share_fills_a_hole() {
    let nodes = [State::new(32_000, 0, 0, 2), State::new(32_000, 0, 0, 2)];
    let pods = [pod(1000, 1, 300), pod(1000, 1, 700), whole(1000, 1)];
    let mut engine = engine(&nodes, &pods, true);
    let first = place(&mut engine, pods[1]).unwrap();
    let second = place(&mut engine, pods[0]).unwrap();
    assert_eq!((second.node, second.choice.from), (first.node, 300));
}

/// The last node with room for a gang of accelerators is kept for it, as long as one is likely to come.
#[test]
fn the_last_place_for_many_is_kept() {
    let nodes = [State::new(96_000, 0, 0, 8), State::new(96_000, 0, 0, 8), State::new(24_000, 0, 0, 2)];
    let mut pods = vec![whole(4000, 1); 8];
    pods.push(whole(64_000, 8));
    let mut engine = engine(&nodes, &pods, true);
    for _ in 0..8 {
        assert!(place(&mut engine, pods[0]).is_some());
    }
    assert!(place(&mut engine, pods[8]).is_some(), "one of the two nodes of eight is still whole");
}

/// Learning from nothing ends up with what it is told.
#[test]
fn learns_what_it_could_be_told() {
    let nodes: Vec<State> = (0..20).map(|_| State::new(96_000, 0, 0, 8)).collect();
    let pods: Vec<Shape> = (0..400).map(|i| if i % 3 == 0 { pod(4000, 1, 300) } else { pod(12_000, 1, 700) }).collect();
    let allocated = |told| {
        let mut engine = engine(&nodes, &pods, told);
        pods.iter().filter(|p| place(&mut engine, **p).is_some()).map(Shape::milli).sum::<u32>()
    };
    let (told, learned) = (allocated(true), allocated(false));
    assert!(learned * 100 >= told * 97, "{learned} of {told}");
}
