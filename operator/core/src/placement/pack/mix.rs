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
        self.count_many(shape, 1);
    }

    /// Counts `pods` more of them.
    pub fn count_many(&mut self, shape: Shape, pods: u64) {
        let count = self.counts.entry(shape).or_insert(0);
        *count = count.saturating_add(pods);
        self.total = self.total.saturating_add(pods);
    }

    /// The part of the pods that would have to be others for the one mix to be the other, from 0 to 1.
    pub fn distance(&self, other: &Self) -> f64 {
        let part = |mix: &Self, shape| mix.counts.get(shape).map_or(0.0, |&n| n as f64 / mix.total.max(1) as f64);
        let own: f64 = self.counts.keys().map(|shape| (part(self, shape) - part(other, shape)).abs()).sum();
        let only_there = other.counts.keys().filter(|shape| !self.counts.contains_key(shape));
        let rest: f64 = only_there.map(|shape| part(other, shape)).sum();
        f64::midpoint(own, rest)
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
