//! What a pod needs of one node.

/// A whole accelerator, in thousandths.
pub const WHOLE: u16 = 1000;

/// The most accelerators a node may have here.
pub const MOST_DEVICES: usize = 16;

/// What one pod needs of one node. Pods of equal shape are interchangeable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// Cores, in thousandths.
    pub cpu_milli: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// Accelerators; 0 for a pod that needs cores alone.
    pub devices: u8,
    /// What it needs of each accelerator, in thousandths of one; less than [`WHOLE`] only where `devices` is 1.
    pub share_milli: u16,
    /// Models that will do, as bits.
    pub models: Models,
}

/// A set of models, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Models(pub u64);

impl Models {
    /// Every model will do.
    pub const ANY: Self = Self(u64::MAX);

    /// Whether model number `model` is one of them.
    pub const fn contains(self, model: u8) -> bool {
        model < 64 && self.0 >> model & 1 == 1
    }
}

impl Shape {
    /// Accelerators it takes in all, in thousandths.
    pub fn milli(&self) -> u32 {
        u32::from(self.devices) * u32::from(self.share_milli)
    }

    /// Whether it takes a part of an accelerator and leaves the rest to others.
    pub fn is_share(&self) -> bool {
        self.devices == 1 && self.share_milli < WHOLE
    }
}

/// The number of a shape that an engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShapeId(pub(super) u32);
