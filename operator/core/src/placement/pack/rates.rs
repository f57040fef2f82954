//! How often a stream should offer each kind of pod.
//!
//! If streams offered pods as they arrive, small pods would be taken far more often than they come: they fit into any
//! hole, and every node would count on them. The rates found here make the nodes together take from the streams just
//! the mix that arrives, so a hole is worth what the pods left over for it can fill.

use super::{
    mix::Kind,
    state::State,
    streams::{Draw, Streams},
};

const ROUNDS: u64 = 8;
/// The part of all pods by which a kind's count is softened, so that rare kinds aren't judged by luck.
const SOFT: f64 = 0.004;
const LOWEST: f64 = 0.1;
const HIGHEST: f64 = 3.0;

/// The part of the demand that pods of one accelerator must be for streams to offer them alone.
const ENOUGH: f64 = 0.1;

/// A rate for each kind, given the nodes by state and number.
pub fn consistent(kinds: &[Kind], nodes: &[(State, usize)], draw: &Draw) -> Vec<f64> {
    let mut rates = first(kinds);
    for round in 0..ROUNDS {
        let draw = Draw { seed: draw.seed.wrapping_add(1 + round), ..*draw };
        let taken = taken(kinds, &rates, nodes, &draw);
        let milli = |part: &dyn Fn(usize) -> f64| -> f64 {
            kinds.iter().enumerate().map(|(i, kind)| part(i) * f64::from(kind.shape.milli())).sum()
        };
        let pods = milli(&|i| taken[i]) / milli(&|i| kinds[i].part).max(f64::MIN_POSITIVE);
        let soft = SOFT * pods;
        if soft <= 0.0 {
            break;
        }
        for ((kind, rate), taken) in kinds.iter().zip(&mut rates).zip(&taken) {
            if kind.shape.devices < 2 {
                let ratio = (kind.part * pods + soft) / (taken + soft);
                *rate = (*rate * ratio.sqrt()).clamp(LOWEST, HIGHEST);
            }
        }
        level(kinds, &mut rates);
    }
    rates
}

/// All alike, but pods of several accelerators only where there is little else: what they need is kept for them in
/// another way, and in streams they would only be noise.
fn first(kinds: &[Kind]) -> Vec<f64> {
    let milli = |may: &dyn Fn(u8) -> bool| -> f64 {
        kinds.iter().filter(|k| may(k.shape.devices)).map(|k| k.part * f64::from(k.shape.milli())).sum()
    };
    let several = if milli(&|n| n == 1) >= ENOUGH * milli(&|_| true) { 0.0 } else { 1.0 };
    kinds.iter().map(|k| if k.shape.devices > 1 { several } else { 1.0 }).collect()
}

/// How many pods of each kind the nodes take together.
fn taken(kinds: &[Kind], rates: &[f64], nodes: &[(State, usize)], draw: &Draw) -> Vec<f64> {
    let streams = Streams::draw(kinds, rates, draw);
    let mut taken = vec![0.0; kinds.len()];
    for (state, count) in nodes {
        let weight = *count as f64 / streams.len().max(1) as f64;
        streams.fill(state, |_, kind| taken[kind as usize] += weight);
    }
    taken
}

/// Scales the rates so that pods of one accelerator are offered as often as they arrive: that is what a stream's length
/// is measured in.
fn level(kinds: &[Kind], rates: &mut [f64]) {
    let (mut offered, mut arriving) = (0.0, 0.0);
    for (kind, rate) in kinds.iter().zip(rates.iter()).filter(|(kind, _)| kind.shape.devices == 1) {
        offered += kind.part * rate;
        arriving += kind.part;
    }
    if offered > 0.0 {
        for (_, rate) in kinds.iter().zip(rates).filter(|(kind, _)| kind.shape.devices < 2) {
            *rate *= arriving / offered;
        }
    }
}
