//! Cuts samples into folds for cross-validation.

use crate::rng::Rng;

/// Which samples a candidate learns from and which it is judged by, as indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// To learn from.
    pub training: Vec<usize>,
    /// To be judged by.
    pub validation: Vec<usize>,
}

/// Cuts `samples` samples at random into `folds` folds whose sizes differ by at most one.
pub fn cut(samples: usize, folds: usize, rng: &mut Rng) -> Vec<Fold> {
    let mut order: Vec<usize> = (0..samples).collect();
    rng.shuffle(&mut order);
    let fold = |number: usize| {
        let (from, to) = (number * samples / folds, (number + 1) * samples / folds);
        Fold { training: [&order[..from], &order[to..]].concat(), validation: order[from..to].to_vec() }
    };
    (0..folds).map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng; // proptest has a trait of that name
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_sample_is_judged_once_and_never_by_what_learnt_from_it(seed: u64, samples in 0_usize..300, count in 1_usize..12) {
            let folds = cut(samples, count, &mut Rng::new(seed));
            prop_assert_eq!(folds.len(), count);
            let mut judged: Vec<usize> = folds.iter().flat_map(|fold| fold.validation.clone()).collect();
            judged.sort_unstable();
            prop_assert_eq!(judged, (0..samples).collect::<Vec<_>>());
            for fold in &folds {
                let mut all = [fold.training.clone(), fold.validation.clone()].concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..samples).collect::<Vec<_>>());
                prop_assert!(fold.validation.len().abs_diff(samples / count) <= 1);
            }
        }
    }
}
