use proptest::prelude::*;

use super::fixtures::{any_pod, pod};
use crate::placement::pack::{
    Mix, State,
    streams::{Draw, Streams},
};

proptest! {
    /// What one stream puts on a node, of up to 16 accelerators, some shared already, fits there pod by pod; and if
    /// nothing was taken, no kind fits.
    #[test]
    fn a_stream_takes_only_what_fits(
        pods in prop::collection::vec(any_pod(), 1..12),
        shared in prop::collection::vec(1u16..10, 0..6),
        devices in 0u8..=16,
        cores in 0u32..96,
    ) {
        let kinds = Mix::of(&pods).kinds();
        let rates = vec![1.0; kinds.len()];
        let streams = Streams::draw(&kinds, &rates, &Draw { streams: 1, length: 62, seed: 7, core_worth: 1 });
        let mut node = State::new(cores * 1000, u32::MAX, 0, devices);
        for tenths in shared {
            let share = pod(0, 1, tenths * 100);
            if node.fits(&share) {
                node.take(&share, 0);
            }
        }
        let start = node;
        let mut taken = Vec::new();
        streams.fill(&start, |_, kind| taken.push(kinds[kind as usize].shape));
        for shape in &taken {
            prop_assert!(node.fits(shape), "{shape:?} on {node:?}");
            node.take(shape, 0);
        }
        prop_assert!(!taken.is_empty() || kinds.iter().all(|kind| !start.fits(&kind.shape)));
    }
}
