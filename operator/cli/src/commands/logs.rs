//! A job's log.

mod follow;

use std::io::{Write as _, stdout};

use eai_api::{AIJob, AIJobStatus};
use eai_core::{digest::Digest, epoch::Epoch};

use crate::{
    arguments::Logs,
    artifacts::Source,
    error::{Error, Result},
    hub::Hub,
};

/// Prints what is kept of a job's log; with `--follow`, what it prints until the job has ended.
pub async fn run(hub: &Hub, arguments: &Logs) -> Result<()> {
    let status = hub.in_namespace::<AIJob>().get(&arguments.job).await?.status.unwrap_or_default();
    let epoch = arguments.attempt.map(|attempt| epoch_of(&status, attempt)).transpose()?;
    let past = epoch.is_some_and(|epoch| is_past(&status, epoch));
    if arguments.follow && !past {
        return follow::run(hub, arguments, status).await;
    }
    let log = read(hub, arguments, epoch).await?;
    if status.phase.is_final() && epoch.is_none() {
        check(&arguments.job, &log, promised(&status, arguments.index))?;
    }
    print(&log)
}

/// What the hub keeps of a log.
async fn read(hub: &Hub, arguments: &Logs, epoch: Option<Epoch>) -> Result<Vec<u8>> {
    let source =
        Source { namespace: &hub.job_namespace, job: &arguments.job, output: None, index: arguments.index, epoch };
    let mut log = Vec::new();
    source.copy(&hub.client, &mut log).await?;
    Ok(log)
}

fn print(bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::Failed(format!("can't write: {error}"));
    stdout().write_all(bytes).map_err(failed)?;
    stdout().flush().map_err(failed)
}

/// The epoch of an attempt by its number, the latest if a hub restored from a backup counted anew.
fn epoch_of(status: &AIJobStatus, attempt: u64) -> Result<Epoch> {
    let current = status.attempt.iter().map(|attempt| attempt.epoch);
    let epochs = current.chain(status.past_attempts.iter().map(|past| past.epoch));
    let mut known: Vec<_> = epochs.collect();
    known.sort();
    known.iter().rev().find(|epoch| epoch.attempt == attempt).copied().ok_or_else(|| {
        let numbers: Vec<_> = known.iter().map(|epoch| epoch.attempt.to_string()).collect();
        let numbers = if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") };
        Error::NotFound(format!("the job has no attempt {attempt}; it has had: {numbers}"))
    })
}

/// Whether an attempt is over, so that its log grows no more.
fn is_past(status: &AIJobStatus, epoch: Epoch) -> bool {
    status.attempt.as_ref().is_none_or(|attempt| attempt.epoch != epoch)
}

/// What the log of a job that has ended should hash to.
fn promised(status: &AIJobStatus, index: u32) -> Option<Digest> {
    status.logs.iter().find(|log| log.index == index).map(|log| log.digest)
}

/// While a job runs its log grows; once it has ended it is what the digest says, or it isn't the job's.
fn check(job: &str, log: &[u8], promised: Option<Digest>) -> Result<()> {
    let got = Digest::of(log);
    match promised {
        Some(promised) if promised != got => {
            Err(Error::WrongDigest { what: format!("the log of {job}"), got, promised })
        }
        _ => Ok(()),
    }
}

/// What `current` has beyond `printed`, where both are the end of one log that only grows: what follows the longest end
/// of `printed` that `current` begins with.
fn delta<'a>(printed: &[u8], current: &'a [u8]) -> &'a [u8] {
    // Knuth, Morris and Pratt's table of `current`, then run over `printed`: linear, as both can be a MiB.
    let mut table = vec![0usize; current.len()];
    let step = |table: &[usize], mut length: usize, byte: u8| {
        while length > 0 && current.get(length) != Some(&byte) {
            length = table.get(length - 1).copied().unwrap_or(0);
        }
        if current.get(length) == Some(&byte) { length + 1 } else { 0 }
    };
    let mut length = 0;
    for (at, &byte) in current.iter().enumerate().skip(1) {
        length = step(&table, length, byte);
        if let Some(slot) = table.get_mut(at) {
            *slot = length;
        }
    }
    let overlap = printed.iter().fold(0, |length, &byte| step(&table, length, byte));
    current.get(overlap..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_new_is_printed() {
        for (printed, current, new) in [
            ("", "one\n", "one\n"),
            ("one\n", "one\n", ""),
            ("one\n", "one\ntwo\n", "two\n"),
            ("one\ntwo\n", "two\nthree\n", "three\n"),
            ("one\n", "later\n", "later\n"),
            ("aaa", "aaaa", "a"),
            ("xabab", "ababab", "ab"),
            ("one\n", "", ""),
        ] {
            assert_eq!(delta(printed.as_bytes(), current.as_bytes()), new.as_bytes(), "{printed:?} {current:?}");
        }
    }

    #[test]
    fn a_window_that_moves_over_a_log_prints_the_whole_log() {
        let log: Vec<u8> = (0..500u32).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
        let (mut printed, mut out) = (Vec::new(), Vec::new());
        for end in (0..log.len()).step_by(97).chain([log.len()]) {
            let window = &log[end.saturating_sub(400)..end];
            out.extend_from_slice(delta(&printed, window));
            printed = window.to_vec();
        }
        assert_eq!(out, log);
    }

    #[test]
    fn a_mebibyte_of_one_letter_takes_no_time() {
        let log = vec![b'.'; 1 << 20];
        assert_eq!(delta(&log[..1000], &log).len(), log.len() - 1000);
    }

    fn status() -> AIJobStatus {
        let lease = json!({"id": "0x", "state": "Closed", "hold": "1"});
        let past = |generation, attempt| {
            json!({"epoch": {"generation": generation, "attempt": attempt}, "member": "m", "usageMs": 0, "lease": lease,
                "outcome": {"result": "Lost", "reason": "x", "message": "x"}})
        };
        serde_json::from_value(json!({
            "attempt": {"epoch": {"generation": 2, "attempt": 3}, "member": "m", "class": "cpu", "rate": "1",
                "milliUnits": 1, "provider": format!("0x{}", "00".repeat(20)), "lease": lease},
            "pastAttempts": [past(1, 1), past(2, 1), past(2, 2)],
        }))
        .unwrap()
    }

    #[test]
    fn attempts_are_found_by_number() {
        assert_eq!(epoch_of(&status(), 3).unwrap(), Epoch { generation: 2, attempt: 3 });
        assert_eq!(epoch_of(&status(), 1).unwrap(), Epoch { generation: 2, attempt: 1 });
        let error = epoch_of(&status(), 4).unwrap_err();
        assert!(error.to_string().ends_with("1, 1, 2, 3"), "{error}");
        assert_eq!(error.exit_code(), 3);
        assert!(is_past(&status(), Epoch { generation: 2, attempt: 2 }));
        assert!(!is_past(&status(), Epoch { generation: 2, attempt: 3 }));
    }

    #[test]
    fn a_log_that_is_not_the_jobs_is_refused() {
        assert!(check("j", b"log", Some(Digest::of(b"log"))).is_ok());
        assert!(check("j", b"log", None).is_ok());
        assert!(check("j", b"log", Some(Digest::of(b"other"))).unwrap_err().to_string().contains("the log of j"));
    }
}
