//! The `score` job: trains, scores the held-out images class by class, and signs the scores with a secret, so that
//! whoever holds the same secret can tell that they come from a job that had it.
//!
//! What the signature doesn't say: the member that ran the job could read the secret, so it could sign anything.

use std::io::Write;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use crate::data::{self, CLASSES, Sample};
use crate::mlp::{Mlp, Scratch};
use crate::output::Output;
use crate::settings::{Settings, SigningKey};
use crate::stop::Stop;
use crate::train::{fit, percent, share};
use crate::{Error as JobError, accelerator};

/// The scores' file.
pub const SCORES: &str = "scores.json";
/// Its HMAC-SHA256 in hex.
pub const SIGNATURE: &str = "scores.json.hmac";
/// Shorter keys can be guessed.
const LEAST_KEY: usize = 16;

/// Why scores can't be signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no key.
    #[error("SIGNING_KEY isn't set: put it into the Secret that the job's env refers to")]
    NoKey,
    /// The key is too short.
    #[error("SIGNING_KEY has {0} bytes: use at least 16, for instance from `openssl rand -hex 32`")]
    ShortKey(usize),
}

/// How a digit was recognised.
#[derive(Debug, Serialize)]
struct Class {
    digit: usize,
    images: usize,
    found: usize,
    taken_for_it: usize,
    recall: f64,
    precision: f64,
}

/// What `scores.json` says.
#[derive(Debug, Serialize)]
struct Scores<'a> {
    job: &'static str,
    dataset: &'static str,
    seed: u64,
    epochs: u32,
    held_out_images: usize,
    held_out_correct: usize,
    held_out_accuracy: f64,
    classes: Vec<Class>,
    confusion: Vec<Vec<usize>>,
    signature: &'static str,
    computed_on: &'static str,
    accelerator_given: &'a [String],
}

/// Runs the job.
pub fn run(settings: &Settings, stop: &Stop, log: &mut dyn Write) -> Result<(), JobError> {
    let key = key(settings.signing_key.as_ref())?; // before any time is spent
    let output = Output::open(&settings.output_folder)?;
    writeln!(log, "{}", accelerator::sentence(&settings.accelerator))?;
    let digits = data::load_split()?;
    let trained = fit(settings, &digits, stop, log)?;
    let confusion = confusion(&trained.network, &digits.held_out);
    let right = (0..CLASSES).map(|digit| confusion[digit][digit]).sum();
    let scores = Scores {
        job: "score",
        dataset: data::NAME,
        seed: settings.seed,
        epochs: trained.epochs,
        held_out_images: digits.held_out.len(),
        held_out_correct: right,
        held_out_accuracy: share(right, digits.held_out.len()),
        classes: (0..CLASSES).map(|digit| class(&confusion, digit)).collect(),
        confusion,
        signature: "HMAC-SHA256 over this file's bytes, in scores.json.hmac",
        computed_on: "cpu",
        accelerator_given: &settings.accelerator,
    };
    let bytes = output.write_json(SCORES, &scores)?;
    output.write(SIGNATURE, format!("{}\n", sign(key, &bytes)?).as_bytes())?;
    writeln!(log, "held-out accuracy {}", percent(right, digits.held_out.len()))?;
    writeln!(log, "wrote {SCORES} and its signature {SIGNATURE} to {}", output.folder().display())?;
    Ok(())
}

/// The key's bytes, when there is a key and it is long enough.
fn key(key: Option<&SigningKey>) -> Result<&[u8], Error> {
    let key = key.ok_or(Error::NoKey)?.bytes();
    if key.len() < LEAST_KEY { Err(Error::ShortKey(key.len())) } else { Ok(key) }
}

/// The HMAC-SHA256 of `bytes` in hex.
pub fn sign(key: &[u8], bytes: &[u8]) -> Result<String, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::ShortKey(key.len()))?;
    mac.update(bytes);
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// How often each digit (row) was taken for each digit (column).
fn confusion(network: &Mlp, samples: &[Sample]) -> Vec<Vec<usize>> {
    let mut confusion = vec![vec![0; CLASSES]; CLASSES];
    let mut scratch = Scratch::new(network.shape());
    for sample in samples {
        confusion[sample.class()][network.classify(&sample.inputs(), &mut scratch)] += 1;
    }
    confusion
}

/// One digit's figures.
fn class(confusion: &[Vec<usize>], digit: usize) -> Class {
    let images = confusion[digit].iter().sum();
    let taken_for_it = confusion.iter().map(|row| row[digit]).sum();
    let found = confusion[digit][digit];
    Class { digit, images, found, taken_for_it, recall: share(found, images), precision: share(found, taken_for_it) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 4231, test cases 1, 2 and 6.
    #[test]
    fn the_signature_is_hmac_sha256() {
        let cases: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in cases {
            assert_eq!(sign(key, message).unwrap(), expected);
        }
    }

    #[test]
    fn a_missing_or_short_key_is_refused() {
        assert!(matches!(key(None), Err(Error::NoKey)));
        assert!(matches!(key(Some(&SigningKey::new("fifteen bytes..".into()))), Err(Error::ShortKey(15))));
        assert!(key(Some(&SigningKey::new("sixteen bytes...".into()))).is_ok());
    }

    #[test]
    fn the_figures_follow_from_the_table() {
        let mut table = vec![vec![0; CLASSES]; CLASSES];
        table[3][3] = 8;
        table[3][5] = 2;
        table[5][3] = 1;
        let three = class(&table, 3);
        assert_eq!((three.images, three.found, three.taken_for_it), (10, 8, 9));
        assert!((three.recall - 0.8).abs() < 1e-9 && (three.precision - 0.8889).abs() < 1e-9);
    }
}
