//! The published policies that placement is measured against.

use eai_core::placement::pack::{Choice, Policy, Shape, State};

/// Best fit: the least of what is left, cores and accelerators each as a part of the largest node's, truncated to
/// hundredths. As in `best_fit_score.go` of the published simulator.
#[derive(Debug)]
pub struct BestFit;

impl Policy for BestFit {
    fn choose(&mut self, state: &State, _worth: i64, shape: &Shape) -> Choice {
        let cpu = f64::from(state.cpu_milli - shape.cpu_milli) / 128_000.0 * 0.5;
        let devices = f64::from(state.free_milli() - shape.milli()) / 8_000.0 * 0.5;
        let score = ((1.0 - (cpu + devices)) * 100.0) as i64;
        Choice { score, from: state.choices(shape).next().unwrap_or(0) }
    }
}

/// Fragmentation gradient descent: the least growth of what the typical pods can't use. As in `frag.go` and
/// `fgd_score.go`.
#[derive(Debug)]
pub struct Fgd {
    /// Typical pods and their weights, most frequent first.
    typical: Vec<(Shape, f64)>,
}

impl Fgd {
    /// The most frequent shapes of `pods`, up to 95 % of them. Memory is no part of a typical pod.
    pub fn new(pods: &[Shape]) -> Self {
        let mut counts: Vec<(Shape, u32)> = Vec::new();
        let mut at = std::collections::HashMap::new();
        for pod in pods {
            let kind = Shape { memory_mib: 0, ..*pod };
            let i = *at.entry(kind).or_insert(counts.len());
            if i == counts.len() {
                counts.push((kind, 0));
            }
            counts[i].1 += 1;
        }
        counts.sort_by_key(|&(shape, n)| (std::cmp::Reverse(n), std::cmp::Reverse(shape)));
        let most = pods.len() as f64 * 0.95;
        let mut sum = 0.0;
        let mut typical = Vec::new();
        for (shape, n) in counts {
            if sum >= most {
                break;
            }
            sum += f64::from(n);
            typical.push((shape, f64::from(n)));
        }
        for (_, weight) in &mut typical {
            *weight /= sum;
        }
        Self { typical }
    }

    /// The idle thousandths that a typical pod can't use, in the mean.
    fn fragments(&self, state: &State) -> f64 {
        let idle = f64::from(state.free_milli());
        let of = |(shape, weight): &(Shape, f64)| {
            if shape.devices == 0 || !state.fits(shape) {
                return weight * idle;
            }
            let small = state.free().iter().take_while(|&&f| f < shape.share_milli).map(|&f| f64::from(f));
            weight * small.sum::<f64>()
        };
        self.typical.iter().map(of).sum()
    }
}

impl Policy for Fgd {
    fn choose(&mut self, state: &State, _worth: i64, shape: &Shape) -> Choice {
        let before = self.fragments(state);
        let score = |from| {
            let lost = before - self.fragments(&state.with(shape, from));
            Choice { score: (100.0 / (1.0 + (-lost / 1000.0).exp())) as i64, from }
        };
        if !shape.is_share() {
            return score(0);
        }
        let mut best: Option<Choice> = None;
        for from in state.choices(shape) {
            let choice = score(from);
            if best.is_none_or(|b| choice.score > b.score) {
                best = Some(choice);
            }
        }
        best.unwrap_or(Choice { score: 0, from: 0 })
    }
}
