//! Whose turn it is: a queue for each namespace, which get their turns by [`eai_core::placement::Turns`].

use std::{collections::BTreeMap, sync::Arc};

use eai_api::AIJob;
use eai_core::placement::{Queue, Snapshot, Usage, Wait};

use super::{members, pass::Waiting};

/// The weight of a namespace that the admin didn't give one.
const WEIGHT: u32 = 1;

/// The queues of a pass.
#[derive(Default)]
pub struct Lines {
    /// The namespaces, with what their work takes and what waits.
    pub queues: Vec<Queue>,
    /// The jobs of each queue, in its order.
    pub jobs: Vec<Vec<Waiting>>,
    /// Jobs that have no turn, because so many of their namespace's wait before them.
    pub beyond: Vec<Waiting>,
    /// What there is in all.
    pub total: Usage,
}

/// The jobs of a namespace that have turns in a pass; more of them would keep all others waiting.
pub const MOST_IN_LINE: usize = 5_000;

/// Lines up `waiting`. What `all` jobs hold counts for their namespaces' shares; `snapshot` says what is free beside that.
pub fn lines(snapshot: &Snapshot, all: &[Arc<AIJob>], waiting: Vec<Waiting>, weights: &BTreeMap<String, u32>) -> Lines {
    let mut total = Usage::of_members(&snapshot.members);
    let mut used: BTreeMap<&str, Usage> = BTreeMap::new();
    for job in all.iter().filter(|job| job.status.as_ref().is_some_and(|s| members::holds_capacity(s).is_some())) {
        let takes = usage(job);
        // Of cores and memory only what is free is known; of accelerators all are.
        total.add(&Usage { devices: BTreeMap::new(), ..takes.clone() });
        used.entry(namespace(job)).or_default().add(&takes);
    }
    let mut own: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
    for waiting in waiting {
        own.entry(namespace(&waiting.job).to_owned()).or_default().push(waiting);
    }
    let mut lines = Lines { total, ..Lines::default() };
    for (name, mut jobs) in own {
        let mut waiting = in_turn(&mut jobs);
        waiting.truncate(MOST_IN_LINE);
        lines.beyond.extend(jobs.split_off(waiting.len()));
        let weight = weights.get(&name).copied().unwrap_or(WEIGHT);
        let used = used.remove(name.as_str()).unwrap_or_default();
        lines.queues.push(Queue { name, weight, used, waiting });
        lines.jobs.push(jobs);
    }
    lines
}

/// Orders a namespace's jobs by priority, then by age. Priorities rearrange the places in the line, which wait as long as
/// ever: nobody gets ahead of another namespace by them.
fn in_turn(jobs: &mut [Waiting]) -> Vec<Wait> {
    let mut since: Vec<i64> = jobs.iter().map(|waiting| age(&waiting.job).0).collect();
    since.sort_unstable();
    jobs.sort_by(|a, b| {
        let key = |w: &Waiting| std::cmp::Reverse(w.job.spec.priority);
        key(a).cmp(&key(b)).then_with(|| age(&a.job).cmp(&age(&b.job)))
    });
    jobs.iter().zip(since).map(|(waiting, since)| Wait { usage: usage(&waiting.job), since }).collect()
}

/// What a job takes while it runs; nothing if that can't be read, for then it won't run.
fn usage(job: &AIJob) -> Usage {
    members::request(job).map(|request| Usage::of(&request.need, request.parallelism)).unwrap_or_default()
}

/// When the job was made, in Unix seconds, and its UID.
fn age(job: &AIJob) -> (i64, &str) {
    let made = job.metadata.creation_timestamp.as_ref().map_or(i64::MIN, |time| time.0.as_second());
    (made, job.metadata.uid.as_deref().unwrap_or_default())
}

fn namespace(job: &AIJob) -> &str {
    job.metadata.namespace.as_deref().unwrap_or_default()
}
