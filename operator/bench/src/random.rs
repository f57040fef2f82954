//! Any node the pod fits, and any accelerator that has its share.

use eai_core::placement::pack::{Choice, Packer, Placement, Shape, ShapeId};

use crate::{replay::Placer, trace::Trace};

/// Numbers that look random, the same for the same start (`SplitMix64`).
pub struct Draws(u64);

impl Draws {
    /// Starts from a number.
    pub fn new(start: u64) -> Self {
        Self(mix(start))
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mix(self.0) % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        const FINE: usize = 1 << 30;
        (self.below(FINE) as f64) < probability * FINE as f64
    }
}

/// Draws among all that fits, the same for the same order of arrival.
pub struct Random {
    packer: Packer,
    draws: Draws,
}

impl Random {
    /// Starts from the nodes' ranks, which differ by seed.
    pub fn new(trace: &Trace) -> Self {
        let start = trace.nodes.iter().fold(0, |sum, (_, rank)| mix(sum ^ u64::from(*rank)));
        Self { packer: Packer::new(&trace.nodes), draws: Draws::new(start) }
    }
}

/// The finishing steps of `SplitMix64`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl Placer for Random {
    fn shape(&mut self, shape: Shape) -> ShapeId {
        self.packer.shape(shape)
    }

    fn place(&mut self, id: ShapeId) -> Option<Placement> {
        let shape = self.packer.known(id)?;
        let nodes = u32::try_from(self.packer.len()).unwrap_or(u32::MAX);
        let fits = |node: &u32| self.packer.state(*node).is_some_and(|state| state.fits(&shape));
        let fitting: Vec<u32> = (0..nodes).filter(fits).collect();
        let node = *fitting.get(self.draws.below(fitting.len()))?;
        let free: Vec<u16> =
            self.packer.state(node)?.free().iter().copied().filter(|&f| f >= shape.share_milli).collect();
        let from = free.get(self.draws.below(free.len())).copied().unwrap_or(0);
        let placement = Placement { node, choice: Choice { score: 0, from } };
        self.packer.place(id, &placement);
        Some(placement)
    }
}
