//! Random nodes and pods, small enough to shrink.

use proptest::prelude::*;

use crate::placement::pack::{Models, Shape, State, WHOLE};

pub fn pod(cpu_milli: u32, devices: u8, share_milli: u16) -> Shape {
    Shape { cpu_milli, memory_mib: 0, devices, share_milli, models: Models::ANY }
}

pub fn whole(cpu_milli: u32, devices: u8) -> Shape {
    pod(cpu_milli, devices, WHOLE)
}

pub fn cores(cpu_milli: u32) -> Shape {
    pod(cpu_milli, 0, 0)
}

pub fn any_node() -> impl Strategy<Value = State> {
    (0u32..40, 0u32..64, 0u8..3, 0u8..=8).prop_map(|(cpu, memory, model, n)| State::new(cpu * 1000, memory, model, n))
}

pub fn any_pod() -> impl Strategy<Value = Shape> {
    let devices = prop_oneof![
        2 => Just((0u8, 0u16)),
        3 => (1u16..10).prop_map(|tenths| (1, tenths * 100)),
        3 => Just((1, WHOLE)),
        1 => (2u8..=8).prop_map(|n| (n, WHOLE)),
    ];
    let models = prop_oneof![3 => Just(Models::ANY), 1 => (1u64..8).prop_map(Models)];
    (0u32..12, 0u32..16, devices, models).prop_map(|(cpu, memory_mib, (devices, share_milli), models)| Shape {
        cpu_milli: cpu * 1000,
        memory_mib,
        devices,
        share_milli,
        models,
    })
}

/// Nodes with the ranks `0..n`, in the order they come in.
pub fn ranked(nodes: &[State]) -> Vec<(State, u32)> {
    nodes.iter().copied().zip(0..).collect()
}
