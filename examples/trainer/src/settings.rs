//! What a job is told by its environment.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::accelerator;

/// The longest run that can be asked for with `MIN_SECONDS`: a day.
const MAX_SECONDS: u64 = 86_400;
/// The most epochs that can be asked for.
const MAX_EPOCHS: u64 = 100_000;

/// Why the environment can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A number is malformed or out of range.
    #[error("{name} is {value:?}: give a whole number from {least} to {most}")]
    Number {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
}

/// A job's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `EPOCHS`: how often the network sees every image; each job has its own default.
    pub epochs: Option<u32>,
    /// `SEED`, 1 by default: decides everything random.
    pub seed: u64,
    /// `MIN_SECONDS`, 0 by default: keep working at least that long.
    pub min_time: Duration,
    /// `EAI_OUTPUT_DIR`, `./out` by default: where the outputs go.
    pub output_folder: PathBuf,
    /// `SIGNING_KEY`: the secret that `score` signs with. Never printed.
    pub signing_key: Option<SigningKey>,
    /// The devices that the environment names.
    pub accelerator: Vec<String>,
}

/// A secret: it is wiped when dropped and has no printable form.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<String>);

impl SigningKey {
    /// Keeps `key`.
    pub fn new(key: String) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The key's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

impl Settings {
    /// Reads the settings from `environment`, in which a later variable of the same name wins.
    pub fn read(environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let find = |wanted: &str| {
            environment
                .iter()
                .rev()
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| value.clone())
        };
        let number = |name: &'static str, least: u64, most: u64| {
            let Some(value) = find(name) else { return Ok(None) };
            match value.parse() {
                Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
                _ => Err(Error::Number { name, value, least, most }),
            }
        };
        Ok(Self {
            epochs: number("EPOCHS", 1, MAX_EPOCHS)?.and_then(|epochs| u32::try_from(epochs).ok()),
            seed: number("SEED", 0, u64::MAX)?.unwrap_or(1),
            min_time: Duration::from_secs(number("MIN_SECONDS", 0, MAX_SECONDS)?.unwrap_or(0)),
            output_folder: find("EAI_OUTPUT_DIR").map_or_else(|| PathBuf::from("out"), PathBuf::from),
            signing_key: find("SIGNING_KEY").map(SigningKey::new),
            accelerator: accelerator::given(environment),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(environment: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::read(environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        let settings = read(&[("EPOCHS", ""), ("HOME", "/")]).unwrap();
        assert_eq!((settings.epochs, settings.seed, settings.min_time), (None, 1, Duration::ZERO));
        assert_eq!(settings.output_folder, PathBuf::from("out"));
        assert!(settings.signing_key.is_none() && settings.accelerator.is_empty());
    }

    #[test]
    fn every_variable_is_read() {
        let settings = read(&[
            ("EPOCHS", "7"),
            ("SEED", "18446744073709551615"),
            ("MIN_SECONDS", "3"),
            ("EAI_OUTPUT_DIR", "/outputs"),
            ("SIGNING_KEY", "correct horse"),
            ("NVIDIA_VISIBLE_DEVICES", "0"),
        ])
        .unwrap();
        assert_eq!((settings.epochs, settings.seed, settings.min_time), (Some(7), u64::MAX, Duration::from_secs(3)));
        assert_eq!(settings.output_folder, PathBuf::from("/outputs"));
        assert_eq!(settings.signing_key.as_ref().unwrap().bytes(), b"correct horse");
        assert_eq!(settings.accelerator, ["NVIDIA_VISIBLE_DEVICES=0"]);
        assert!(!format!("{settings:?}").contains("horse"));
    }

    #[test]
    fn a_bad_number_is_refused_with_its_name_and_range() {
        for (name, value) in
            [("EPOCHS", "0"), ("EPOCHS", "100001"), ("EPOCHS", "2.5"), ("SEED", "-1"), ("MIN_SECONDS", "1h")]
        {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(value) && message.contains("whole number"), "{message}");
        }
    }
}
