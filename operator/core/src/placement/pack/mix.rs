//! What kinds of pods arrive, and how often.

use std::collections::HashMap;

use super::{hash::FastHash, shape::Shape};

/// How often each shape arrives: told, or counted as pods come.
#[derive(Clone, Debug, Default)]
pub struct Mix {
    counts: HashMap<Shape, u64, FastHash>,
    total: u64,
}

/// A shape and its part of the pods that arrive, between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// The shape.
    pub shape: Shape,
    /// Its part of all pods.
    pub part: f64,
}

impl Mix {
    /// The mix that `pods` show.
    pub fn of(pods: &[Shape]) -> Self {
        let mut mix = Self::default();
        for pod in pods {
            mix.count(*pod);
        }
        mix
    }

    /// Counts one more pod.
    pub fn count(&mut self, shape: Shape) {
        *self.counts.entry(shape).or_insert(0) += 1;
        self.total += 1;
    }

    /// How many pods were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// All kinds, similar ones next to each other: what is drawn from them at even distances shows them evenly.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let total = self.total.max(1) as f64;
        let mut kinds: Vec<Kind> =
            self.counts.iter().map(|(&shape, &n)| Kind { shape, part: n as f64 / total }).collect();
        kinds.sort_unstable_by_key(|Kind { shape: s, .. }| (s.devices, s.share_milli, s.cpu_milli, *s));
        kinds
    }

    /// What a pod takes of accelerators in the mean, in thousandths.
    pub(super) fn mean_milli(&self) -> f64 {
        let sum: f64 = self.counts.iter().map(|(shape, &n)| f64::from(shape.milli()) * n as f64).sum();
        sum / self.total.max(1) as f64
    }
}
