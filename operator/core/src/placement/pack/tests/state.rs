use proptest::prelude::*;

use super::fixtures::{any_node, any_pod, cores, pod, whole};
use crate::placement::pack::State;

#[test]
fn equal_whatever_the_order_of_accelerators() {
    let node = State::new(10_000, 0, 0, 2);
    let one = node.with(&pod(1000, 1, 300), 1000).with(&pod(1000, 1, 500), 1000);
    let other = node.with(&pod(1000, 1, 500), 1000).with(&pod(1000, 1, 300), 1000);
    assert_eq!(one, other);
    assert_eq!(one.free(), [500, 700]);
}

#[test]
fn a_share_comes_from_the_accelerator_that_was_chosen() {
    let node = State::new(10_000, 0, 0, 3).with(&pod(0, 1, 600), 1000);
    assert_eq!(node.free(), [400, 1000, 1000]);
    assert_eq!(node.choices(&pod(0, 1, 300)).collect::<Vec<_>>(), [400, 1000]);
    assert_eq!(node.with(&pod(0, 1, 300), 400).free(), [100, 1000, 1000]);
    assert_eq!(node.with(&pod(0, 1, 300), 1000).free(), [400, 700, 1000]);
}

#[test]
fn whole_accelerators_are_never_shared_ones() {
    let node = State::new(10_000, 0, 0, 3).with(&pod(0, 1, 1), 1000);
    assert!(node.fits(&whole(0, 2)) && !node.fits(&whole(0, 3)));
    assert_eq!(node.with(&whole(0, 2), 0).free(), [999]);
    assert_eq!(node.with(&pod(0, 1, 999), 999).free(), [1000, 1000]);
}

#[test]
fn cores_and_models_are_asked_for_too() {
    let node = State::new(4000, 0, 1, 1);
    assert!(node.fits(&cores(4000)) && !node.fits(&cores(4001)));
    let mut bound = whole(0, 1);
    bound.models = crate::placement::pack::Models(1 << 2);
    assert!(!node.fits(&bound));
    bound.models = crate::placement::pack::Models(1 << 1);
    assert!(node.fits(&bound));
}

proptest! {
    /// What a pod takes is exactly what it asks for, and the order holds.
    #[test]
    fn a_pod_takes_what_it_asks_for(node in any_node(), pods in prop::collection::vec(any_pod(), 1..20)) {
        let mut state = node;
        for pod in pods.iter().filter(|p| p.models.contains(node.model) || p.devices == 0) {
            if !state.fits(pod) {
                continue;
            }
            let from = state.choices(pod).last().unwrap_or(0);
            let next = state.with(pod, from);
            prop_assert_eq!(state.cpu_milli - next.cpu_milli, pod.cpu_milli);
            prop_assert_eq!(state.memory_mib - next.memory_mib, pod.memory_mib);
            prop_assert_eq!(state.free_milli() - next.free_milli(), pod.milli());
            prop_assert!(next.free().is_sorted());
            state = next;
        }
    }
}
