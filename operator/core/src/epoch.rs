//! Epochs: which attempt, under which generation of the hub, a piece of work belongs to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// (hub generation, attempt). Later epochs compare greater; only a job's current epoch runs and settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch {
    /// The hub's generation: rises whenever the hub is restored from a backup.
    pub generation: u64,
    /// The job's attempt within that generation, from 1.
    pub attempt: u64,
}

/// Why a text is not an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an epoch is written gGENERATION-aATTEMPT")]
pub struct EpochError;

impl Epoch {
    /// The epoch after this one in the same generation.
    #[must_use]
    pub fn next(self) -> Self {
        Self { attempt: self.attempt.saturating_add(1), ..self }
    }

    /// The name that an attempt's Assignment and batch/v1 Job bear: `UID-gGENERATION-aATTEMPT`.
    pub fn name(self, job_uid: &str) -> String {
        format!("{job_uid}-{self}")
    }

    /// Reads back the job's UID and the epoch from [`Epoch::name`].
    pub fn from_name(name: &str) -> Result<(&str, Self), EpochError> {
        let (rest, _) = name.rsplit_once("-a").ok_or(EpochError)?;
        let (uid, _) = rest.rsplit_once("-g").ok_or(EpochError)?;
        let epoch = name.get(uid.len() + 1..).ok_or(EpochError)?;
        Ok((uid, epoch.parse()?))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}-a{}", self.generation, self.attempt)
    }
}

impl FromStr for Epoch {
    type Err = EpochError;

    fn from_str(text: &str) -> Result<Self, EpochError> {
        let (generation, attempt) = text.strip_prefix('g').and_then(|t| t.split_once("-a")).ok_or(EpochError)?;
        let number = |s: &str| match s.parse::<u64>() {
            Ok(n) if n.to_string() == s => Ok(n),
            _ => Err(EpochError),
        };
        Ok(Self { generation: number(generation)?, attempt: number(attempt)? })
    }
}
