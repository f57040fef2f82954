//! The `train` job: trains the network, writes it, reads it back and judges both by the held-out images.

use std::io::Write;

use serde::Serialize;

use crate::data::{self, Digits};
use crate::mlp::Mlp;
use crate::output::Output;
use crate::pacing::Pace;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::trainer::{self, Options, Trainer};
use crate::{Error, accelerator, model};

/// The model's file.
pub const MODEL: &str = "model.safetensors";
/// The figures' file.
pub const METRICS: &str = "metrics.json";

/// What `metrics.json` says; with `MIN_SECONDS` unset the same seed gives the same file.
#[derive(Debug, Serialize)]
struct Metrics<'a> {
    job: &'static str,
    dataset: &'static str,
    training_images: usize,
    held_out_images: usize,
    hidden_units: usize,
    seed: u64,
    epochs: u32,
    training_loss_nats: f32,
    held_out_correct: usize,
    held_out_accuracy: f64,
    model: &'static str,
    model_sha256: String,
    computed_on: &'static str,
    accelerator_given: &'a [String],
}

/// A trained network.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The network.
    pub network: Mlp,
    /// Epochs it took.
    pub epochs: u32,
    /// Mean loss of the last epoch, in nats.
    pub loss: f32,
}

/// Runs the job.
pub fn run(settings: &Settings, stop: &Stop, log: &mut dyn Write) -> Result<(), Error> {
    let output = Output::open(&settings.output_folder)?;
    writeln!(log, "{}", accelerator::sentence(&settings.accelerator))?;
    let digits = data::load_split()?;
    let trained = fit(settings, &digits, stop, log)?;
    let right = trainer::correct(&trained.network, &digits.held_out);

    let digest = output.write(MODEL, &model::encode(&trained.network)?)?;
    let reread = trainer::correct(&model::decode(&output.read(MODEL)?)?, &digits.held_out);
    if reread != right {
        return Err(Error::ModelDiffers { file: MODEL, trained: right, reread });
    }
    let metrics = Metrics {
        job: "train",
        dataset: data::NAME,
        training_images: digits.training.len(),
        held_out_images: digits.held_out.len(),
        hidden_units: trained.network.shape().hidden,
        seed: settings.seed,
        epochs: trained.epochs,
        training_loss_nats: trained.loss,
        held_out_correct: right,
        held_out_accuracy: share(right, digits.held_out.len()),
        model: MODEL,
        model_sha256: digest.clone(),
        computed_on: "cpu",
        accelerator_given: &settings.accelerator,
    };
    output.write_json(METRICS, &metrics)?;
    writeln!(log, "held-out accuracy {}", percent(right, digits.held_out.len()))?;
    writeln!(
        log,
        "wrote {MODEL} (sha256 {digest}; read back, same accuracy) and {METRICS} to {}",
        output.folder().display()
    )?;
    Ok(())
}

/// Trains on the training images for the planned epochs, and on until the least time has passed.
pub fn fit(settings: &Settings, digits: &Digits, stop: &Stop, log: &mut dyn Write) -> Result<Trained, Error> {
    let mut options = Options { seed: settings.seed, ..Options::default() };
    options.epochs = settings.epochs.unwrap_or(options.epochs);
    let mut trainer = Trainer::new(options, &digits.training);
    let mut pace = Pace::start(settings.min_time);
    writeln!(
        log,
        "training on {} of {} images, {} hidden units, {} epochs, seed {}",
        digits.training.len(),
        digits.training.len() + digits.held_out.len(),
        options.hidden,
        options.epochs,
        options.seed
    )?;
    loop {
        let loss = trainer.epoch();
        let epoch = trainer.epochs_done();
        let done = epoch >= options.epochs && pace.is_over();
        if pace.line_is_due() || epoch <= options.epochs || done {
            writeln!(log, "epoch {epoch:>4}  loss {loss:.5}  {:.2} s", pace.seconds())?;
        }
        if done {
            return Ok(Trained { network: trainer.network().clone(), epochs: epoch, loss });
        }
        if stop.asked() {
            return Err(Error::Stopped { done: format!("epoch {epoch}") });
        }
    }
}

/// A share from 0 to 1, to four places.
pub fn share(part: usize, whole: usize) -> f64 {
    (part as f64 / whole.max(1) as f64 * 10_000.0).round() / 10_000.0
}

/// A share for people: `97.77 % (351 of 359)`.
pub fn percent(part: usize, whole: usize) -> String {
    format!("{:.2} % ({part} of {whole})", part as f64 * 100.0 / whole.max(1) as f64)
}
