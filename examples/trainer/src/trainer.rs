//! The training loop without clock or output: seeded mini-batch descent, one epoch at a time.

use crate::adam::Adam;
use crate::data::{CLASSES, PIXELS, Sample};
use crate::mlp::{Mlp, Scratch, Shape};
use crate::rng::Rng;

/// The learning rate falls in a straight line to this share of its start at the last planned epoch, and stays there.
const LAST_RATE: f32 = 0.05;

/// What decides a training run; the same options on the same samples give the same network, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Epochs over which the learning rate falls.
    pub epochs: u32,
    /// Samples per step.
    pub batch: usize,
    /// Learning rate at the start.
    pub rate: f32,
    /// Weight decay.
    pub decay: f32,
    /// Decides the first weights and the order of the samples.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { hidden: 64, epochs: 40, batch: 32, rate: 0.004, decay: 0.01, seed: 1 }
    }
}

/// A training run in progress.
#[derive(Clone, Debug)]
pub struct Trainer {
    options: Options,
    samples: Vec<([f32; PIXELS], usize)>,
    network: Mlp,
    adam: Adam,
    gradient: Vec<f32>,
    scratch: Scratch,
    rng: Rng,
    epochs_done: u32,
}

impl Trainer {
    /// A run over `samples` that has learnt nothing yet.
    pub fn new<'a>(options: Options, samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let shape = Shape { inputs: PIXELS, hidden: options.hidden, classes: CLASSES };
        let mut rng = Rng::new(options.seed);
        Self {
            options,
            samples: samples.into_iter().map(|sample| (sample.inputs(), sample.class())).collect(),
            network: Mlp::random(shape, &mut rng),
            adam: Adam::new(shape.parameters()),
            gradient: vec![0.0; shape.parameters()],
            scratch: Scratch::new(shape),
            rng,
            epochs_done: 0,
        }
    }

    /// Shows every sample once, in a new order; returns the mean loss in nats.
    pub fn epoch(&mut self) -> f32 {
        let rate = self.rate();
        self.rng.shuffle(&mut self.samples);
        let mut total = 0.0;
        for batch in self.samples.chunks(self.options.batch.max(1)) {
            self.gradient.fill(0.0);
            for (inputs, class) in batch {
                total += self.network.learn(inputs, *class, &mut self.gradient, &mut self.scratch);
            }
            self.gradient.iter_mut().for_each(|slope| *slope /= batch.len() as f32);
            self.adam.step(self.network.parameters_mut(), &self.gradient, rate, self.options.decay);
        }
        self.epochs_done += 1;
        total / self.samples.len().max(1) as f32
    }

    /// Epochs done so far.
    pub fn epochs_done(&self) -> u32 {
        self.epochs_done
    }

    /// The network as it is now.
    pub fn network(&self) -> &Mlp {
        &self.network
    }

    /// The next epoch's learning rate.
    fn rate(&self) -> f32 {
        let planned = self.options.epochs.max(2) - 1;
        let progress = self.epochs_done.min(planned) as f32 / planned as f32;
        self.options.rate * (1.0 - (1.0 - LAST_RATE) * progress)
    }
}

/// How many of `samples` the network gets right.
pub fn correct<'a>(network: &Mlp, samples: impl IntoIterator<Item = &'a Sample>) -> usize {
    let mut scratch = Scratch::new(network.shape());
    samples.into_iter().filter(|sample| network.classify(&sample.inputs(), &mut scratch) == sample.class()).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::data;

    #[test]
    fn it_learns_the_digits_from_any_seed() {
        let digits = data::load_split().unwrap();
        for seed in 0..3 {
            let options = Options { seed, ..Options::default() };
            let mut trainer = Trainer::new(options, &digits.training);
            let first = trainer.epoch();
            let last = (1..options.epochs).map(|_| trainer.epoch()).last().unwrap();
            assert!(last < first / 20.0, "seed {seed}: the loss fell only from {first} to {last}");
            let right = correct(trainer.network(), &digits.held_out);
            assert!(
                right * 100 >= digits.held_out.len() * 97,
                "seed {seed}: {right} of {} right",
                digits.held_out.len()
            );
        }
    }

    #[test]
    fn an_untrained_network_guesses() {
        let digits = data::load_split().unwrap();
        let right = correct(Trainer::new(Options::default(), &digits.training).network(), &digits.held_out);
        assert!(right * 100 < digits.held_out.len() * 40, "{right} right without training");
    }

    #[test]
    fn a_seed_decides_the_network() {
        let digits = data::load_split().unwrap();
        let train = |seed| {
            let mut trainer = Trainer::new(Options { seed, ..Options::default() }, &digits.training);
            trainer.epoch();
            trainer.network().clone()
        };
        assert_eq!(train(1), train(1));
        assert_ne!(train(1), train(2));
    }

    #[test]
    fn the_rate_falls_and_then_stays() {
        let options = Options { epochs: 3, rate: 1.0, hidden: 1, ..Options::default() };
        let mut trainer = Trainer::new(options, &[]);
        let rates: Vec<f32> = (0..5)
            .map(|_| {
                let rate = trainer.rate();
                trainer.epoch();
                rate
            })
            .collect();
        for (rate, expected) in rates.iter().zip([1.0_f32, 0.525, 0.05, 0.05, 0.05]) {
            assert!((rate - expected).abs() < 1e-6, "{rates:?}");
        }
    }
}
