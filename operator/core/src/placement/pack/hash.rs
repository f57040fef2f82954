//! A fast hash for small keys of our own making.

use std::hash::{BuildHasher, Hasher};

/// Makes [`Multiply`] hashers. The same key always has the same hash, so that iteration, and every decision, repeats.
#[derive(Clone, Copy, Debug, Default)]
pub struct FastHash;

/// Folds each word in by a rotation, an exclusive or and a multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub struct Multiply(u64);

impl BuildHasher for FastHash {
    type Hasher = Multiply;

    fn build_hasher(&self) -> Multiply {
        Multiply(0)
    }
}

impl Multiply {
    fn fold(&mut self, word: u64) {
        // An odd constant without pattern: the fraction of the golden ratio.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        // The high bits are the well mixed ones; tables look at both ends.
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.fold(u64::from(n));
    }

    fn write_u16(&mut self, n: u16) {
        self.fold(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.fold(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.fold(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.fold(n as u64);
    }
}
