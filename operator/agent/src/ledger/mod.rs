//! The metering record of one attempt: every finished run of a work container, by pod.
//!
//! It lives in an annotation of the attempt's Job. A run is written there before its pod may go (the pod's finalizer is
//! removed after), and a pod's first record is its only one. So whatever order events come in and wherever the agent is
//! killed, each run counts once.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The Job's annotation that holds the record.
pub const ANNOTATION: &str = "eai.network/runs";

/// Beyond this the record is folded, so that it never reaches what an object's annotations may hold (256 KiB).
const FOLD_ABOVE_BYTES: usize = 128 << 10;

/// One run of a work container, from start to finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The completion index.
    #[serde(rename = "i")]
    pub index: u32,
    /// When it started, in Unix milliseconds; 0 if it never did.
    #[serde(rename = "s")]
    pub start_ms: u64,
    /// When it finished, in Unix milliseconds.
    #[serde(rename = "f")]
    pub finish_ms: u64,
    /// Its exit code.
    #[serde(rename = "e")]
    pub exit: i32,
    /// Whether the member's cluster took its pod away before it was done. Nobody is billed for it.
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

impl Run {
    /// How long it ran. A clock that stepped back between start and finish counts nothing.
    pub fn ms(&self) -> u64 {
        if self.start_ms == 0 { 0 } else { self.finish_ms.saturating_sub(self.start_ms) }
    }

    /// How much of that is billed.
    pub fn billed_ms(&self) -> u64 {
        if self.lost { 0 } else { self.ms() }
    }
}

/// Runs whose pods are gone for good, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Folded {
    /// Milliseconds in all.
    ms: u64,
    /// How many runs.
    count: u64,
    /// How many of them were lost.
    #[serde(default)]
    lost: u64,
    /// The root over them, hexadecimal.
    root: String,
    /// The earliest start, in Unix milliseconds; 0 if none started.
    start_ms: u64,
    /// The latest finish, in Unix milliseconds.
    #[serde(default)]
    finish_ms: u64,
}

/// The record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folded: Option<Folded>,
    runs: BTreeMap<String, Run>,
}

/// Why a record can't be read. Nothing may be written over it then: a person has to look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metering record (annotation {ANNOTATION}) can't be read, so nothing more is recorded: {0}")]
pub struct Unreadable(String);

impl Ledger {
    /// Reads a record; none is an empty one.
    pub fn read(text: Option<&str>) -> Result<Self, Unreadable> {
        match text {
            None | Some("") => Ok(Self::default()),
            Some(text) => serde_json::from_str(text).map_err(|e| Unreadable(e.to_string())),
        }
    }

    /// The record as text. Equal records are equal texts.
    pub fn write(&self) -> String {
        // Maps with string keys and integers always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Records the run of the pod with this UID; says whether it is new. The first record of a pod is the only one.
    pub fn record(&mut self, pod_uid: &str, run: Run) -> bool {
        if self.runs.contains_key(pod_uid) {
            return false;
        }
        self.runs.insert(pod_uid.to_owned(), run);
        true
    }

    /// Whether the run of this pod is recorded.
    pub fn has(&self, pod_uid: &str) -> bool {
        self.runs.contains_key(pod_uid)
    }

    /// The recorded runs by pod UID, without those folded.
    pub fn runs(&self) -> impl Iterator<Item = (&str, &Run)> {
        self.runs.iter().map(|(uid, run)| (uid.as_str(), run))
    }

    /// Milliseconds run in all, without what was lost.
    pub fn run_ms(&self) -> u64 {
        let folded = self.folded.as_ref().map_or(0, |f| f.ms);
        self.runs.values().fold(folded, |sum, run| sum.saturating_add(run.billed_ms()))
    }

    /// How many runs were lost.
    pub fn lost(&self) -> u64 {
        let folded = self.folded.as_ref().map_or(0, |f| f.lost);
        self.runs.values().fold(folded, |sum, run| sum.saturating_add(u64::from(run.lost)))
    }

    /// The earliest start, in Unix milliseconds.
    pub fn first_start_ms(&self) -> Option<u64> {
        let folded = self.folded.as_ref().map(|f| f.start_ms);
        self.runs.values().map(|r| r.start_ms).chain(folded).filter(|&start| start > 0).min()
    }

    /// The latest finish, in Unix milliseconds.
    pub fn last_finish_ms(&self) -> Option<u64> {
        let folded = self.folded.as_ref().map(|f| f.finish_ms);
        self.runs.values().map(|run| run.finish_ms).chain(folded).max()
    }

    /// The digest over all runs: of the folded root, if any, and each run's pod UID, index, start, finish and exit code,
    /// and `lost` if it was, in the order of the UIDs, a line each. `0x` and 64 hexadecimal digits; `None` while there is no run.
    pub fn root(&self) -> Option<String> {
        if self.runs.is_empty() && self.folded.is_none() {
            return None;
        }
        Some(format!("0x{}", self.digest(|_| true)))
    }

    fn digest(&self, of: impl Fn(&str) -> bool) -> String {
        let mut hash = Sha256::new();
        if let Some(folded) = &self.folded {
            hash.update(format!("{} {} {}\n", folded.root, folded.count, folded.ms));
        }
        for (uid, run) in self.runs.iter().filter(|(uid, _)| of(uid)) {
            let lost = if run.lost { " lost" } else { "" };
            hash.update(format!("{uid} {} {} {} {}{lost}\n", run.index, run.start_ms, run.finish_ms, run.exit));
        }
        hex::encode(hash.finalize())
    }

    /// Adds up runs of pods that are `gone` for good, if the record has grown large. A folded pod can't be told from a
    /// new one, so only pods that no longer exist may be folded.
    pub fn fold(&mut self, gone: impl Fn(&str) -> bool) {
        if self.write().len() <= FOLD_ABOVE_BYTES || !self.runs.keys().any(|uid| gone(uid)) {
            return;
        }
        let root = self.digest(&gone);
        let mut folded = self.folded.take().unwrap_or_default();
        folded.root = root;
        self.runs.retain(|uid, run| {
            let fold = gone(uid);
            if fold {
                folded.ms = folded.ms.saturating_add(run.billed_ms());
                folded.count += 1;
                folded.lost += u64::from(run.lost);
                let starts = [folded.start_ms, run.start_ms];
                folded.start_ms = starts.into_iter().filter(|&s| s > 0).min().unwrap_or(0);
                folded.finish_ms = folded.finish_ms.max(run.finish_ms);
            }
            !fold
        });
        self.folded = Some(folded);
    }
}
