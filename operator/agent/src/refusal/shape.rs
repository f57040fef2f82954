//! Counts and outputs that can be run and reported on.

use std::collections::BTreeSet;

use eai_api::assignment::Workload;

use super::{Reason, Refusal, Terms, refuse};
use crate::work::build::pod::checkpoint_volume;

/// The most completions, and the most artifacts of a kind, that an Assignment's status can list.
const MAX_LISTED: u64 = 1000;
/// The most outputs of one pod.
const MAX_OUTPUTS: usize = 32;

/// Completions and parallelism make sense, and all their logs and outputs can be listed.
pub(super) fn counts(workload: &Workload) -> Result<(), Refusal> {
    let (completions, parallelism) = (workload.completions, workload.parallelism);
    if completions == 0 || u64::from(completions) > MAX_LISTED {
        return refuse(Reason::BadShape, format!("completions: {completions} isn't from 1 to {MAX_LISTED}"));
    }
    if parallelism == 0 || parallelism > completions {
        return refuse(
            Reason::BadShape,
            format!("parallelism: {parallelism} isn't from 1 to completions ({completions})"),
        );
    }
    if workload.cpu_millis == 0 || workload.memory_bytes == 0 {
        return refuse(Reason::BadShape, "cpuMillis and memoryBytes must be at least 1");
    }
    if workload.accelerator.as_ref().is_some_and(|a| a.count == 0) {
        return refuse(Reason::BadShape, "accelerator.count must be at least 1");
    }
    Ok(())
}

/// What failures and successes mean is something that the member's cluster can follow, within the same bounds as the
/// hub's.
pub(super) fn policies(workload: &Workload) -> Result<(), Refusal> {
    let failure = workload.failure_policy.as_ref().map_or(Ok(()), |policy| policy.check(workload.completions));
    let success = workload.success_policy.as_ref().map_or(Ok(()), |policy| policy.check(workload.completions));
    failure.and(success).or_else(|error| refuse(Reason::BadShape, error.to_string()))
}

/// Outputs have plain names and paths within the output directory, and fit.
pub(super) fn outputs(workload: &Workload, terms: Terms) -> Result<(), Refusal> {
    let outputs = &workload.outputs;
    let listed = u64::from(workload.completions).saturating_mul(outputs.len() as u64);
    if outputs.len() > MAX_OUTPUTS || listed > MAX_LISTED {
        return refuse(
            Reason::BadOutputs,
            format!("outputs: {} of {} completions are more than can be listed", outputs.len(), workload.completions),
        );
    }
    let mut names = BTreeSet::new();
    for output in outputs {
        if !is_label(&output.name) || !names.insert(&output.name) {
            return refuse(Reason::BadOutputs, format!("outputs: {:?} is no name, or there twice", output.name));
        }
        if !is_output_path(&output.path) {
            return refuse(
                Reason::BadOutputs,
                format!("outputs: {:?} is no plain path within the output directory", output.path),
            );
        }
    }
    let bytes = outputs.iter().fold(0u64, |sum, output| sum.saturating_add(output.max_bytes));
    let limit = terms.config.limits.output_bytes();
    if bytes > limit {
        return refuse(Reason::AboveLimit, format!("outputs: {bytes} bytes in all; the owner allows {limit}"));
    }
    Ok(())
}

/// Checkpoints are of a size and come as often as the owner can bear.
pub(super) fn checkpoint(workload: &Workload, terms: Terms) -> Result<(), Refusal> {
    let Some(checkpoint) = &workload.checkpoint else { return Ok(()) };
    if checkpoint.max_bytes == 0 || !(10..=86_400).contains(&checkpoint.every_seconds) {
        let text = "checkpoint: maxBytes must be at least 1 and everySeconds from 10 to 86400";
        return refuse(Reason::BadShape, text);
    }
    let (asked, limit) = (checkpoint_volume(checkpoint), terms.config.limits.output_bytes().saturating_add(1 << 20));
    if asked > limit {
        return refuse(
            Reason::AboveLimit,
            format!("checkpoint.maxBytes: {}, twice, is more than the owner allows ({limit})", checkpoint.max_bytes),
        );
    }
    Ok(())
}

fn is_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<u8>| b.is_some_and(|b| b != b'-');
    name.len() <= 63 && name.bytes().all(inner) && edge(name.bytes().next()) && edge(name.bytes().last())
}

/// Whether `path` is relative, without `.`, `..` or hidden parts, in characters that mean nothing to anyone.
pub(crate) fn is_output_path(path: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let inner = |b: u8| first(b) || matches!(b, b'.' | b'-');
    path.len() <= 256 && path.split('/').all(|p| p.bytes().next().is_some_and(first) && p.bytes().all(inner))
}
