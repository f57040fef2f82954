//! What a node has free, in a form in which interchangeable nodes are equal.

use std::hash::{Hash, Hasher};

use super::shape::{MOST_DEVICES, Shape, WHOLE};

/// The steps in which cores count for a node's worth, in thousandths of a core.
pub(super) const CPU_STEP_MILLI: u32 = 500;

/// What a node has free. Accelerators are kept in ascending order of what they have free, those with nothing left out,
/// because which is which makes no difference; so equal states are interchangeable nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// Cores, in thousandths.
    pub cpu_milli: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// The model's number.
    pub model: u8,
    len: u8,
    /// Thousandths free; over 0 and ascending up to `len`, 0 from there.
    free: [u16; MOST_DEVICES],
}

impl Hash for State {
    /// In as few words as the accelerators there are take: states are looked up all the time.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.cpu_milli) << 32 | u64::from(self.memory_mib));
        let mut word = u64::from(self.model) << 8 | u64::from(self.len);
        for four in self.free().chunks(4) {
            state.write_u64(word);
            word = four.iter().fold(0, |word, &free| word << 16 | u64::from(free));
        }
        state.write_u64(word);
    }
}

impl State {
    /// A node with `devices` whole accelerators of `model`, at most [`MOST_DEVICES`].
    pub fn new(cpu_milli: u32, memory_mib: u32, model: u8, devices: u8) -> Self {
        let len = devices.min(MOST_DEVICES as u8);
        let mut free = [0; MOST_DEVICES];
        free[..usize::from(len)].fill(WHOLE);
        Self { cpu_milli, memory_mib, model, len, free }
    }

    /// The same with accelerators of which `parts` are free besides, in thousandths. Those beyond [`MOST_DEVICES`] in all
    /// are left out.
    #[must_use]
    pub fn with_parts(mut self, parts: &[u16]) -> Self {
        let parts = parts.iter().map(|&part| part.min(WHOLE)).filter(|&part| part > 0);
        for part in parts.take(MOST_DEVICES - usize::from(self.len)) {
            self.free[usize::from(self.len)] = part;
            self.len += 1;
        }
        self.free[..usize::from(self.len)].sort_unstable();
        self
    }

    /// The state as far as a policy is told of it: cores rounded down to steps, memory left out.
    pub(super) fn coarse(&self, cpu_step: u32) -> Self {
        Self { cpu_milli: self.cpu_milli / cpu_step * cpu_step, memory_mib: 0, ..*self }
    }

    /// What each accelerator that isn't full has free, in thousandths, ascending.
    pub fn free(&self) -> &[u16] {
        &self.free[..usize::from(self.len)]
    }

    /// What all accelerators have free, in thousandths.
    pub fn free_milli(&self) -> u32 {
        self.free().iter().map(|&f| u32::from(f)).sum()
    }

    /// The most that one accelerator has free, in thousandths.
    pub fn most_free(&self) -> u16 {
        self.free().last().copied().unwrap_or(0)
    }

    /// Accelerators with at least `share` thousandths free.
    pub fn with_free(&self, share: u16) -> usize {
        self.free().iter().rev().take_while(|&&f| f >= share).count()
    }

    /// Whether a pod of this shape can run here.
    pub fn fits(&self, shape: &Shape) -> bool {
        if self.cpu_milli < shape.cpu_milli || self.memory_mib < shape.memory_mib {
            return false;
        }
        match shape.devices {
            0 => true,
            1 => shape.models.contains(self.model) && self.most_free() >= shape.share_milli,
            n => shape.models.contains(self.model) && self.with_free(shape.share_milli) >= usize::from(n),
        }
    }

    /// The state once a pod of this shape runs here, its share taken from an accelerator with exactly `from` thousandths
    /// free; for pods of whole accelerators `from` makes no difference. The pod must fit.
    #[must_use]
    pub fn with(&self, shape: &Shape, from: u16) -> Self {
        let mut next = *self;
        next.memory_mib = next.memory_mib.saturating_sub(shape.memory_mib);
        let from = if shape.is_share() { from } else { 0 };
        next.take(shape, from);
        next
    }

    /// Takes the cores and accelerators that a pod of this shape needs, a share from the tightest accelerator with at
    /// least `from` thousandths free. The pod must fit.
    pub(super) fn take(&mut self, shape: &Shape, from: u16) {
        self.cpu_milli = self.cpu_milli.saturating_sub(shape.cpu_milli);
        if shape.is_share() {
            if let Some(at) = self.free().iter().position(|&f| f >= from.max(shape.share_milli)) {
                self.free[at] -= shape.share_milli;
                self.sift_down(at);
            }
        } else {
            // Whole ones are the last in order.
            let left = self.len.saturating_sub(shape.devices);
            self.free[usize::from(left)..usize::from(self.len)].fill(0);
            self.len = left;
        }
    }

    /// What accelerators a share could come from have free, each value once, ascending.
    pub fn choices(&self, shape: &Shape) -> impl Iterator<Item = u16> {
        let mut last = None;
        self.free().iter().copied().filter(move |&f| f >= shape.share_milli && last.replace(f) != Some(f))
    }

    /// Restores the order after the value at `at` became smaller, and leaves it out if it is 0.
    fn sift_down(&mut self, at: usize) {
        let mut at = at;
        while at > 0 && self.free[at - 1] > self.free[at] {
            self.free.swap(at - 1, at);
            at -= 1;
        }
        if self.free[0] == 0 {
            self.free.copy_within(1..usize::from(self.len), 0);
            self.len = self.len.saturating_sub(1);
            self.free[usize::from(self.len)] = 0;
        }
    }
}
