//! The policy: place where the least of the cluster's worth is lost.
//!
//! A node is worth what it would still take from streams of the pods that arrive, and what is kept on it for pods that
//! few places can take. A pod goes where that worth falls least; a pod that fits somewhere is always placed.

use std::{collections::HashMap, hash::BuildHasher as _};

use super::{
    hash::FastHash,
    mix::Mix,
    packer::{Choice, Packer, Policy},
    rates,
    reserve::{Change, Outlook, Reserve},
    shape::Shape,
    state::{CPU_STEP_MILLI, State},
    streams::{Draw, Streams},
};

const STREAMS: usize = 16;
const LENGTH: usize = 62;
const SEED: u64 = 7;
/// States of which the fill is remembered at most.
const MOST_REMEMBERED: usize = 1 << 19;
/// A core that a pod without accelerators takes is worth this part of the accelerators that come with a core.
const CORE_PART: u64 = 6;

/// The policy, for one mix of pods.
#[derive(Debug, Default)]
pub struct Fill {
    streams: Streams,
    reserve: Reserve,
    /// By a state's fingerprint. Should two ever clash, a score is off, but never what fits.
    fills: HashMap<u64, i64, FastHash>,
    mean_milli: f64,
    /// Pods that the mix was learned from; infinite where it was told.
    seen: f64,
}

impl Fill {
    /// The policy for a cluster of `nodes`, states and how many nodes are in each, to which `mix` arrives.
    pub fn new(mix: &Mix, nodes: &[(State, usize)]) -> Self {
        let kinds = mix.kinds();
        if kinds.is_empty() {
            return Self::default();
        }
        let draw = Draw { streams: STREAMS, length: LENGTH, seed: SEED, core_worth: core_worth(nodes) };
        let rates = rates::consistent(&kinds, nodes, &Draw { streams: 4 * STREAMS, ..draw });
        let mut reserve = Reserve::default();
        reserve.learn(&kinds);
        Self {
            streams: Streams::draw(&kinds, &rates, &draw),
            reserve,
            fills: HashMap::default(),
            mean_milli: mix.mean_milli(),
            seen: f64::INFINITY,
        }
    }

    /// Whether nothing is known of what comes; it packs tight then.
    pub fn is_blank(&self) -> bool {
        self.streams.len() == 0
    }

    /// Takes in what `mix` tells by now of pods that few places can take; the streams stay as they were drawn.
    pub fn learn(&mut self, mix: &Mix) {
        self.reserve.learn(&mix.kinds());
        self.mean_milli = mix.mean_milli();
        self.seen = mix.total() as f64;
    }

    /// Prices anew what is left for pods that few places can take. The packer forgets the
    /// scores that no longer hold.
    pub fn update(&mut self, packer: &mut Packer) {
        if self.reserve.is_empty() {
            return;
        }
        let states = packer.told(self);
        let mut milli_by_model = vec![0.0; 64];
        for (state, count, fill) in &states {
            if let Some(sum) = milli_by_model.get_mut(usize::from(state.model)) {
                *sum += *fill as f64 / 1000.0 * *count as f64;
            }
        }
        let pods = milli_by_model.iter().sum::<f64>() / self.mean_milli.max(1.0);
        match self.reserve.update(&states, &Outlook { milli_by_model, pods, seen: self.seen }) {
            Change::Nothing => {}
            Change::Places => packer.forget_scores_of(|state| self.reserve.concerns(state)),
            Change::Everything => packer.forget_scores_of(|_| true),
        }
    }

    /// What a node would take from a stream in the mean, in millionths of an accelerator.
    fn fill(&mut self, state: &State) -> i64 {
        let state = state.coarse(CPU_STEP_MILLI);
        let print = FastHash.hash_one(state);
        if let Some(fill) = self.fills.get(&print) {
            return *fill;
        }
        let mut sum = 0;
        self.streams.fill(&state, |gain, _| sum += gain);
        let fill = sum / (self.streams.len().max(1) as i64);
        if self.fills.len() >= MOST_REMEMBERED {
            self.fills.clear();
        }
        self.fills.insert(print, fill);
        fill
    }
}

/// A core's worth in thousandths of an accelerator: what comes with a core in this cluster, over [`CORE_PART`].
fn core_worth(nodes: &[(State, usize)]) -> u32 {
    let sum = |of: &dyn Fn(&State) -> u32| nodes.iter().map(|(s, n)| u64::from(of(s)) * *n as u64).sum::<u64>();
    let (milli, cpu_milli) = (sum(&State::free_milli), sum(&|s| s.cpu_milli));
    let worth = (milli * 1000).checked_div(cpu_milli * CORE_PART).unwrap_or(0);
    u32::try_from(worth.max(1)).unwrap_or(u32::MAX)
}

impl Policy for Fill {
    fn worth(&mut self, state: &State) -> i64 {
        self.fill(state)
    }

    fn choose(&mut self, state: &State, fill: i64, shape: &Shape) -> Choice {
        if self.is_blank() {
            return tightest(state, shape);
        }
        let before = self.reserve.worth(state, fill);
        let mut gain = |from| {
            let after = state.with(shape, from);
            let fill = self.fill(&after);
            self.reserve.worth(&after, fill) - before
        };
        if !shape.is_share() {
            return Choice { score: gain(0), from: 0 };
        }
        let mut best = Choice { score: i64::MIN, from: 0 };
        for from in state.choices(shape) {
            let score = gain(from);
            if score > best.score {
                best = Choice { score, from };
            }
        }
        best
    }
}

/// Without any idea of what comes: the least left free, accelerators before cores.
fn tightest(state: &State, shape: &Shape) -> Choice {
    let score = -(i64::from(state.free_milli()) << 32) - i64::from(state.cpu_milli);
    Choice { score, from: state.choices(shape).next().unwrap_or(0) }
}
