//! A small seeded random number generator (`SplitMix64`), so that a run can be repeated bit for bit on any machine.

/// A stream of pseudo-random numbers that its seed decides entirely. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream for `seed`; every seed, 0 too, gives a good one.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for part `index` of the work, so that parts can run in any order or at once.
    pub fn part(seed: u64, index: u64) -> Self {
        let mut mixed = Self(seed ^ index.wrapping_add(1).wrapping_mul(0xD1B5_4A32_D192_ED03));
        Self(mixed.next_u64())
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number from `-limit` up to, but without, `limit`.
    pub fn symmetric(&mut self, limit: f32) -> f32 {
        // 24 bits are all that an f32's mantissa holds, so this conversion is exact.
        let unit = (self.next_u64() >> 40) as f32 / 16_777_216.0;
        (2.0 * unit - 1.0) * limit
    }

    /// A whole number below `bound`; 0 when `bound` is 0. The bias is below `bound` / 2^64.
    #[allow(clippy::cast_possible_truncation)] // the product's high half is below `bound`, which is a usize
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Puts `items` into a random order, each as likely as any other (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;
    use proptest::prelude::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // The reference implementation's first outputs for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        let got: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(got, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn parts_of_one_seed_differ() {
        let first: std::collections::BTreeSet<u64> = (0..1000).map(|part| Rng::part(7, part).next_u64()).collect();
        assert_eq!(first.len(), 1000);
    }

    proptest! {
        #[test]
        fn numbers_stay_in_their_range(seed: u64, bound in 1_usize..10_000, limit in 0.001_f32..100.0) {
            let mut rng = Rng::new(seed);
            for _ in 0..100 {
                prop_assert!(rng.below(bound) < bound);
                let number = rng.symmetric(limit);
                prop_assert!((-limit..=limit).contains(&number));
            }
        }

        #[test]
        fn a_shuffle_loses_and_repeats_nothing(seed: u64, length in 0_usize..200) {
            let mut items: Vec<usize> = (0..length).collect();
            Rng::new(seed).shuffle(&mut items);
            items.sort_unstable();
            prop_assert_eq!(items, (0..length).collect::<Vec<_>>());
        }
    }
}
