//! The `filter` job: streams all images through the fixed-point filters, pass after pass, and writes their features.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::data::{self, Sample};
use crate::features::{self, Extractor, FEATURES, KERNEL_COUNT, SAMPLES};
use crate::output::Output;
use crate::pacing::Pace;
use crate::safetensors::{File, Tensor};
use crate::settings::Settings;
use crate::stop::Stop;
use crate::train::{METRICS, percent, share};
use crate::{Error, accelerator};

/// The features' file: `features` [1797, 128] and `digits` [1797], training images first.
pub const FEATURES_FILE: &str = "features.safetensors";

/// What `metrics.json` says.
#[derive(Debug, Serialize)]
struct Metrics<'a> {
    job: &'static str,
    dataset: &'static str,
    images: usize,
    passes: u64,
    stream_samples: u64,
    features_per_image: usize,
    features: &'static str,
    features_sha256: String,
    held_out_images: usize,
    held_out_correct_by_features: usize,
    held_out_accuracy_by_features: f64,
    held_out_correct_by_pixels: usize,
    held_out_accuracy_by_pixels: f64,
    computed_on: &'static str,
    accelerator_given: &'a [String],
}

/// Runs the job.
pub fn run(settings: &Settings, stop: &Stop, log: &mut dyn Write) -> Result<(), Error> {
    let output = Output::open(&settings.output_folder)?;
    writeln!(log, "{}", accelerator::sentence(&settings.accelerator))?;
    let digits = data::load_split()?;
    let learnt = digits.training.len();
    let images = [digits.training, digits.held_out].concat();
    let (vectors, passes) = stream(settings, &images, stop, log)?;

    let digest = output.write(FEATURES_FILE, &encode(&vectors, &images)?)?;
    let by_features: Vec<_> = vectors.into_iter().zip(images.iter().map(Sample::class)).collect();
    let by_pixels: Vec<_> = images.iter().map(|sample| (features::pixels(sample), sample.class())).collect();
    let right = features::correct(&by_features[..learnt], &by_features[learnt..]);
    let right_by_pixels = features::correct(&by_pixels[..learnt], &by_pixels[learnt..]);
    let held_out = images.len() - learnt;
    let metrics = Metrics {
        job: "filter",
        dataset: data::NAME,
        images: images.len(),
        passes,
        stream_samples: passes * (images.len() * SAMPLES) as u64,
        features_per_image: FEATURES,
        features: FEATURES_FILE,
        features_sha256: digest.clone(),
        held_out_images: held_out,
        held_out_correct_by_features: right,
        held_out_accuracy_by_features: share(right, held_out),
        held_out_correct_by_pixels: right_by_pixels,
        held_out_accuracy_by_pixels: share(right_by_pixels, held_out),
        computed_on: "cpu",
        accelerator_given: &settings.accelerator,
    };
    output.write_json(METRICS, &metrics)?;
    let (filtered, bare) = (percent(right, held_out), percent(right_by_pixels, held_out));
    writeln!(log, "nearest neighbour, held-out accuracy: by features {filtered}, by bare pixels {bare}")?;
    writeln!(log, "wrote {FEATURES_FILE} (sha256 {digest}) and {METRICS} to {}", output.folder().display())?;
    Ok(())
}

/// Streams the images until the least time has passed; returns their features, which every pass must agree on, and
/// the number of passes.
fn stream(
    settings: &Settings,
    images: &[Sample],
    stop: &Stop,
    log: &mut dyn Write,
) -> Result<(Vec<Vec<i32>>, u64), Error> {
    let mut pace = Pace::start(settings.min_time);
    let mut extractor = Extractor::default();
    let mut pass = || images.iter().map(|sample| extractor.features(&sample.pixels)).collect::<Vec<_>>();
    let first = pass();
    let mut passes = 1;
    loop {
        if pace.line_is_due() || pace.is_over() {
            let samples = passes * (images.len() * SAMPLES) as u64;
            writeln!(
                log,
                "pass {passes:>4}  {samples} samples through {KERNEL_COUNT} filters  {:.2} s",
                pace.seconds()
            )?;
        }
        if pace.is_over() {
            return Ok((first, passes));
        }
        if stop.asked() {
            return Err(Error::Stopped { done: format!("pass {passes}") });
        }
        passes += 1;
        if pass() != first {
            return Err(Error::Unrepeatable { pass: passes });
        }
    }
}

/// The features' file's bytes.
fn encode(vectors: &[Vec<i32>], images: &[Sample]) -> Result<Vec<u8>, Error> {
    let digits = Tensor::u8(images.iter().map(|sample| sample.digit).collect());
    let features = Tensor::i32(vec![vectors.len(), FEATURES], &vectors.concat());
    let tensors = BTreeMap::from([("digits".to_owned(), digits), ("features".to_owned(), features)]);
    let metadata = BTreeMap::from([("dataset".to_owned(), data::NAME.to_owned())]);
    Ok(File { tensors, metadata }.encode()?)
}
