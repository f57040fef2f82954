//! The `search` job: picks the network's settings by repeated k-fold cross-validation on every core it is given.

use std::fmt;
use std::io::Write;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use serde::Serialize;

use crate::data::{self, Sample};
use crate::folds::{self, Fold};
use crate::output::Output;
use crate::pacing::Pace;
use crate::rng::Rng;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::train::{percent, share};
use crate::trainer::{self, Options, Trainer};
use crate::{Error, accelerator};

/// The result's file.
pub const SEARCH: &str = "search.json";
/// Folds of each round.
const FOLDS: usize = 5;
/// Epochs per training, unless `EPOCHS` says otherwise: enough to rank the candidates.
const EPOCHS: u32 = 10;

/// A candidate and how it did in all rounds so far.
#[derive(Clone, Debug, Serialize)]
struct Candidate {
    hidden_units: usize,
    learning_rate: f32,
    weight_decay: f32,
    correct: usize,
    judged: usize,
    accuracy: f64,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = percent(self.correct, self.judged);
        let Self { hidden_units, learning_rate, weight_decay, .. } = self;
        write!(f, "hidden {hidden_units:>3}  rate {learning_rate:<5}  decay {weight_decay:<5}  accuracy {figure}")
    }
}

/// What `search.json` says.
#[derive(Debug, Serialize)]
struct Report {
    job: &'static str,
    dataset: &'static str,
    folds: usize,
    rounds: u64,
    epochs: u32,
    seed: u64,
    candidates: Vec<Candidate>,
    best: Candidate,
    held_out_correct: usize,
    held_out_images: usize,
    held_out_accuracy: f64,
    computed_on: &'static str,
}

/// Runs the job.
pub fn run(settings: &Settings, stop: &Stop, log: &mut dyn Write) -> Result<(), Error> {
    let output = Output::open(&settings.output_folder)?;
    writeln!(log, "{}", accelerator::sentence(&settings.accelerator))?;
    let digits = data::load_split()?;
    let epochs = settings.epochs.unwrap_or(EPOCHS);
    let options = candidates(epochs);
    let (correct, rounds) = rank(settings, &options, &digits.training, stop, log)?;

    let judged = digits.training.len() * usize::try_from(rounds).unwrap_or(usize::MAX);
    let candidates: Vec<Candidate> =
        options.iter().zip(&correct).map(|(options, &right)| candidate(options, right, judged)).collect();
    candidates.iter().try_for_each(|candidate| writeln!(log, "{candidate}"))?;
    let best = best(&correct);
    let mut final_run = Trainer::new(Options { seed: settings.seed, ..options[best] }, &digits.training);
    (0..epochs).for_each(|_| _ = final_run.epoch());
    let (right, held_out) = (trainer::correct(final_run.network(), &digits.held_out), digits.held_out.len());
    writeln!(log, "best: {}", candidates[best])?;
    writeln!(log, "held-out accuracy {}", percent(right, held_out))?;
    let report = Report {
        job: "search",
        dataset: data::NAME,
        folds: FOLDS,
        rounds,
        epochs,
        seed: settings.seed,
        best: candidates[best].clone(),
        candidates,
        held_out_correct: right,
        held_out_images: held_out,
        held_out_accuracy: share(right, held_out),
        computed_on: "cpu",
    };
    output.write_json(SEARCH, &report)?;
    writeln!(log, "wrote {SEARCH} to {}", output.folder().display())?;
    Ok(())
}

/// Judges every candidate in one round, or in as many as fit into the least time; returns each one's right answers
/// over all rounds, and the number of rounds.
fn rank(
    settings: &Settings,
    options: &[Options],
    samples: &[Sample],
    stop: &Stop,
    log: &mut dyn Write,
) -> Result<(Vec<usize>, u64), Error> {
    // This honours the container's CPU limit, so a job bills no core time that it only waited for.
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    writeln!(log, "{} candidates, {FOLDS} folds, {threads} thread(s)", options.len())?;
    let mut correct = vec![0; options.len()];
    let mut pace = Pace::start(settings.min_time);
    let mut rounds = 0;
    while rounds == 0 || !pace.is_over() {
        let seed = Rng::part(settings.seed, rounds).next_u64();
        let folds = folds::cut(samples.len(), FOLDS, &mut Rng::new(seed));
        let round = round(options, &folds, samples, seed, threads, stop);
        if stop.asked() {
            return Err(Error::Stopped { done: format!("{rounds} round(s)") });
        }
        correct.iter_mut().zip(round).for_each(|(sum, right)| *sum += right);
        rounds += 1;
        if pace.line_is_due() {
            writeln!(log, "round {rounds}  {:.2} s", pace.seconds())?;
        }
    }
    Ok((correct, rounds))
}

/// Every combination that is tried, smaller networks first.
fn candidates(epochs: u32) -> Vec<Options> {
    let mut all = Vec::new();
    for hidden in [16, 32, 64] {
        for rate in [0.002, 0.008] {
            for decay in [0.0, 0.05] {
                all.push(Options { hidden, epochs, rate, decay, ..Options::default() });
            }
        }
    }
    all
}

/// One round: how many samples each candidate gets right over all folds. The result doesn't depend on the number of
/// threads, because each training has a seed of its own.
fn round(
    options: &[Options],
    folds: &[Fold],
    samples: &[Sample],
    seed: u64,
    threads: usize,
    stop: &Stop,
) -> Vec<usize> {
    let tasks = options.len() * folds.len();
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    let work = |sender: mpsc::Sender<(usize, usize)>| {
        while !stop.asked() {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return;
            }
            let (candidate, fold) = (task / folds.len(), &folds[task % folds.len()]);
            let options = Options { seed: Rng::part(seed, task as u64).next_u64(), ..options[candidate] };
            // Nobody receives any more only when the round was given up.
            let _ = sender.send((candidate, judge(options, fold, samples, stop)));
        }
    };
    let mut correct = vec![0; options.len()];
    thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        for (candidate, right) in results {
            correct[candidate] += right;
        }
    });
    correct
}

/// Trains one candidate on one fold; returns how many of the fold's validation samples it gets right.
fn judge(options: Options, fold: &Fold, samples: &[Sample], stop: &Stop) -> usize {
    let pick = |indices: &[usize]| indices.iter().map(|&index| &samples[index]).collect::<Vec<_>>();
    let mut trainer = Trainer::new(options, pick(&fold.training));
    for _ in 0..options.epochs {
        if stop.asked() {
            break;
        }
        trainer.epoch();
    }
    trainer::correct(trainer.network(), pick(&fold.validation))
}

/// The candidate with the most right answers; the first, and so the smallest, of several.
fn best(correct: &[usize]) -> usize {
    (0..correct.len()).fold(0, |best, index| if correct[index] > correct[best] { index } else { best })
}

/// A candidate as the report states it.
fn candidate(options: &Options, correct: usize, judged: usize) -> Candidate {
    Candidate {
        hidden_units: options.hidden,
        learning_rate: options.rate,
        weight_decay: options.decay,
        correct,
        judged,
        accuracy: share(correct, judged),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let digits = data::load_split().unwrap();
        let samples = &digits.training[..300];
        let folds = folds::cut(samples.len(), 3, &mut Rng::new(4));
        let options: Vec<Options> = candidates(6).into_iter().skip(8).collect();
        let run = |threads| round(&options, &folds, samples, 9, threads, &Stop::default());
        let alone = run(1);
        assert!(alone.iter().all(|&right| right > samples.len() / 4), "{alone:?}");
        assert_eq!(alone, run(3));
    }

    #[test]
    fn the_smallest_of_equals_wins() {
        assert_eq!(best(&[3, 5, 5, 4]), 1);
    }
}
