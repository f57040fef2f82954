//! What a pod's failure means, and when enough has succeeded: fields of Kubernetes' Jobs, by their names there.

use std::{collections::BTreeSet, fmt::Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// The word for an attempt that ended with an exit code that fails the job.
pub const FAIL_JOB_REASON: &str = "PodFailurePolicy";
/// The longest that Kubernetes waits before it makes the next pod of an index that failed.
pub const MOST_BACKOFF_SECONDS: u64 = 600;
/// What it waits after the first failure of an index; it doubles with each.
const FIRST_BACKOFF_SECONDS: u64 = 10;

/// What a pod's failure means for its index and the attempt.
///
/// A pod that its member's cluster took away (its node was lost, drained or full, or another pod preempted it) hasn't
/// failed, whatever is said here: its index runs again, and what it ran isn't billed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailurePolicy {
    /// How often each index is tried again on the same member. Without it the first failure that counts ends the attempt;
    /// with it, also with 0, the other indexes run on when one has failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 10))]
    pub backoff_limit_per_index: Option<u32>,
    /// When more indexes than this have failed for good, the attempt ends at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1000))]
    pub max_failed_indexes: Option<u32>,
    /// What an exit code means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_failure_policy: Option<PodFailurePolicy>,
}

/// Rules on exit codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PodFailurePolicy {
    /// The first that fits is followed; where none does, the failure counts.
    #[schemars(length(min = 1, max = 19))]
    pub rules: Vec<PodFailureRule>,
}

/// A rule on exit codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodFailureRule {
    /// What follows.
    pub action: FailureAction,
    /// From which exit codes.
    pub on_exit_codes: OnExitCodes,
}

/// What follows from a pod's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailureAction {
    /// The job has failed, and isn't tried on another member either.
    FailJob,
    /// The index has failed for good. Needs backoffLimitPerIndex.
    FailIndex,
    /// The index runs again, and the failure isn't counted. What ran is billed, and is within the time of all tries.
    Ignore,
    /// One more failure of the index.
    Count,
}

/// Exit codes of the work's container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OnExitCodes {
    /// Whether the rule is for these values or for all others but 0.
    pub operator: ExitCodeOperator,
    /// The values, each once.
    #[schemars(length(min = 1, max = 255), inner(range(min = 1, max = 255)), extend("x-kubernetes-list-type" = "set"))]
    pub values: Vec<i32>,
}

/// How an exit code is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExitCodeOperator {
    /// It is one of the values.
    In,
    /// It is none of the values, and not 0.
    NotIn,
}

/// When enough has succeeded. What still runs then is ended, and the job has succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuccessPolicy {
    /// Any one will do.
    #[schemars(length(min = 1, max = 20))]
    pub rules: Vec<SuccessRule>,
}

/// What must have succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuccessRule {
    /// All of these indexes, such as `0-2,5`; or as many of them as succeededCount says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::indexes")]
    pub succeeded_indexes: Option<String>,
    /// So many indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub succeeded_count: Option<u32>,
}

/// Why a policy can't be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A number is out of its range.
    #[error("{field}: {value} isn't from {least} to {most}")]
    OutOfRange {
        /// Which.
        field: &'static str,
        /// What it is.
        value: i64,
        /// At least.
        least: i64,
        /// At most.
        most: i64,
    },
    /// Something speaks of failed indexes where the first failure ends all.
    #[error("{0} needs failurePolicy.backoffLimitPerIndex")]
    NeedsLimitPerIndex(&'static str),
    /// A rule says nothing.
    #[error("successPolicy.rules: a rule needs succeededIndexes or succeededCount")]
    EmptyRule,
    /// Indexes that aren't the job's, or not in order.
    #[error("successPolicy.rules: {0:?} aren't indexes below completions, in increasing order")]
    BadIndexes(String),
}

impl FailurePolicy {
    /// What a failure with this exit code means.
    pub fn action(&self, exit: i32) -> FailureAction {
        let rules = self.pod_failure_policy.iter().flat_map(|policy| &policy.rules);
        let fitting = rules.into_iter().find(|rule| rule.on_exit_codes.fits(exit));
        fitting.map_or(FailureAction::Count, |rule| rule.action)
    }

    /// Whether Kubernetes will take it for so many completions.
    pub fn check(&self, completions: u32) -> Result<(), PolicyError> {
        within("failurePolicy.backoffLimitPerIndex", self.backoff_limit_per_index.unwrap_or(0).into(), 0, 10)?;
        if let Some(most) = self.max_failed_indexes {
            within("failurePolicy.maxFailedIndexes", most.into(), 0, completions.into())?;
            self.per_index("failurePolicy.maxFailedIndexes")?;
        }
        let Some(policy) = &self.pod_failure_policy else { return Ok(()) };
        within("failurePolicy.podFailurePolicy.rules", length(&policy.rules), 1, 19)?;
        for rule in &policy.rules {
            if rule.action == FailureAction::FailIndex {
                self.per_index("failurePolicy.podFailurePolicy.rules: FailIndex")?;
            }
            let values = &rule.on_exit_codes.values;
            within("failurePolicy.podFailurePolicy.rules: values", length(values), 1, 255)?;
            for &value in values {
                within("failurePolicy.podFailurePolicy.rules: an exit code", value.into(), 1, 255)?;
            }
        }
        let listed = policy.rules.iter().map(|rule| length(&rule.on_exit_codes.values)).sum();
        within("failurePolicy.podFailurePolicy.rules: exit codes in all", listed, 1, 255)
    }

    fn per_index(&self, what: &'static str) -> Result<(), PolicyError> {
        self.backoff_limit_per_index.map(|_| ()).ok_or(PolicyError::NeedsLimitPerIndex(what))
    }
}

impl OnExitCodes {
    /// Whether a rule on these is for `exit`. Success is no failure.
    pub fn fits(&self, exit: i32) -> bool {
        let listed = self.values.contains(&exit);
        exit != 0 && listed == (self.operator == ExitCodeOperator::In)
    }
}

impl SuccessPolicy {
    /// Whether Kubernetes will take it for so many completions.
    pub fn check(&self, completions: u32) -> Result<(), PolicyError> {
        within("successPolicy.rules", length(&self.rules), 1, 20)?;
        for rule in &self.rules {
            let mut of = completions;
            if let Some(text) = &rule.succeeded_indexes {
                let indexes = read_indexes(text, completions).ok_or_else(|| PolicyError::BadIndexes(text.clone()))?;
                of = u32::try_from(indexes.len()).unwrap_or(of);
            }
            match rule.succeeded_count {
                Some(count) => within("successPolicy.rules: succeededCount", count.into(), 1, of.into())?,
                None if rule.succeeded_indexes.is_none() => return Err(PolicyError::EmptyRule),
                None => {}
            }
        }
        Ok(())
    }
}

fn within(field: &'static str, value: i64, least: i64, most: i64) -> Result<(), PolicyError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(PolicyError::OutOfRange { field, value, least, most }) }
}

fn length<T>(list: &[T]) -> i64 {
    i64::try_from(list.len()).unwrap_or(i64::MAX)
}

/// How often an index may run, with failures that count.
pub fn tries(policy: Option<&FailurePolicy>) -> u32 {
    policy.and_then(|policy| policy.backoff_limit_per_index).unwrap_or(0).saturating_add(1)
}

/// How many pods' longest runs may follow each other in an attempt: `completions` indexes, `parallelism` at a time, each
/// up to `tries` times. An index that is tried again gives its place to another meanwhile, so that the last one may begin
/// when all others have had all their tries.
pub fn runs_in_a_row(completions: u32, parallelism: u32, tries: u32) -> u64 {
    let waves = u64::from(completions.div_ceil(parallelism.max(1)));
    let tries = u64::from(tries.max(1));
    if tries == 1 || waves == 1 { waves * tries } else { (waves + 1) * tries }
}

/// How long Kubernetes waits after an index has failed `failures` times.
pub fn backoff_seconds(failures: u32) -> u64 {
    let doubled = failures.saturating_sub(1).min(16);
    (FIRST_BACKOFF_SECONDS << doubled).min(MOST_BACKOFF_SECONDS)
}

/// The indexes that such a text names, as Kubernetes reads it: increasing, below `completions`, such as `0-2,5`.
pub fn read_indexes(text: &str, completions: u32) -> Option<BTreeSet<u32>> {
    let mut indexes = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
        let (first, last) = (number(first)?, number(last)?);
        let follows = indexes.last().is_none_or(|before| first > *before);
        if !follows || last < first || last >= completions {
            return None;
        }
        indexes.extend(first..=last);
    }
    Some(indexes)
}

/// The text that names `indexes`, as Kubernetes writes it.
pub fn write_indexes(indexes: &BTreeSet<u32>) -> String {
    let mut text = String::new();
    let mut rest = indexes.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut last = first;
        while let Some(next) = rest.next_if(|next| *next == last + 1) {
            last = next;
        }
        let comma = if text.is_empty() { "" } else { "," };
        // Writing into a String can't fail.
        let _ = if first == last { write!(text, "{comma}{first}") } else { write!(text, "{comma}{first}-{last}") };
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
    use serde_json::{Value, json};

    use super::*;

    fn policy(value: Value) -> FailurePolicy {
        serde_json::from_value(value).unwrap()
    }

    fn rules(rules: Value) -> FailurePolicy {
        policy(json!({ "backoffLimitPerIndex": 1, "podFailurePolicy": { "rules": rules } }))
    }

    #[test]
    fn the_first_rule_that_fits_is_followed() {
        let policy = rules(json!([
            { "action": "FailJob", "onExitCodes": { "operator": "In", "values": [42, 43] } },
            { "action": "Ignore", "onExitCodes": { "operator": "In", "values": [43, 75] } },
            { "action": "FailIndex", "onExitCodes": { "operator": "NotIn", "values": [1, 137] } },
        ]));
        for (exit, action) in [
            (42, FailureAction::FailJob),
            (43, FailureAction::FailJob),
            (75, FailureAction::Ignore),
            (2, FailureAction::FailIndex),
            (1, FailureAction::Count),
            (137, FailureAction::Count),
            (0, FailureAction::Count),
        ] {
            assert_eq!(policy.action(exit), action, "{exit}");
        }
        assert_eq!(FailurePolicy::default().action(42), FailureAction::Count);
    }

    #[test]
    fn what_kubernetes_would_not_take_is_found() {
        let exits = |values: Value| {
            rules(json!([{ "action": "Count", "onExitCodes": { "operator": "In", "values": values } }])).check(4)
        };
        assert_eq!(exits(json!([1, 255])), Ok(()));
        for bad in [json!([]), json!([0]), json!([256]), json!([-1]), json!(vec![1; 256])] {
            assert!(exits(bad.clone()).is_err(), "{bad}");
        }
        assert_eq!(policy(json!({})).check(4), Ok(()));
        assert_eq!(policy(json!({ "backoffLimitPerIndex": 10, "maxFailedIndexes": 4 })).check(4), Ok(()));
        for bad in [
            json!({ "backoffLimitPerIndex": 11 }),
            json!({ "backoffLimitPerIndex": 0, "maxFailedIndexes": 5 }),
            json!({ "maxFailedIndexes": 1 }),
            json!({ "podFailurePolicy": { "rules": [] } }),
            json!({ "podFailurePolicy": { "rules": [
                { "action": "FailIndex", "onExitCodes": { "operator": "In", "values": [1] } }] } }),
        ] {
            assert!(policy(bad.clone()).check(4).is_err(), "{bad}");
        }
    }

    #[test]
    fn success_needs_something_that_can_be() {
        let check =
            |rule: Value| serde_json::from_value::<SuccessPolicy>(json!({ "rules": [rule] })).unwrap().check(4).is_ok();
        for good in [
            json!({ "succeededCount": 4 }),
            json!({ "succeededIndexes": "0" }),
            json!({ "succeededIndexes": "0-1,3", "succeededCount": 3 }),
        ] {
            assert!(check(good.clone()), "{good}");
        }
        for bad in [
            json!({}),
            json!({ "succeededCount": 0 }),
            json!({ "succeededCount": 5 }),
            json!({ "succeededIndexes": "4" }),
            json!({ "succeededIndexes": "0-1,3", "succeededCount": 4 }),
            json!({ "succeededIndexes": "3,0" }),
            json!({ "succeededIndexes": "0,0" }),
            json!({ "succeededIndexes": "2-1" }),
            json!({ "succeededIndexes": "" }),
            json!({ "succeededIndexes": "+1" }),
            json!({ "succeededIndexes": "0,,1" }),
        ] {
            assert!(!check(bad.clone()), "{bad}");
        }
    }

    #[test]
    fn indexes_are_written_as_they_are_read() {
        for text in ["0", "0-3", "0,2-3,7", "5-6,8"] {
            assert_eq!(write_indexes(&read_indexes(text, 10).unwrap()), text);
        }
    }

    #[test]
    fn tries_bound_the_runs_that_may_follow_each_other() {
        // One try: as many as there are waves.
        assert_eq!((runs_in_a_row(1, 1, 1), runs_in_a_row(4, 2, 1), runs_in_a_row(5, 2, 1)), (1, 2, 3));
        // All at once: nobody waits for anybody.
        assert_eq!((runs_in_a_row(1, 1, 3), runs_in_a_row(4, 4, 3)), (3, 3));
        assert_eq!(runs_in_a_row(4, 2, 2), 6);
    }

    /// Places are taken greedily, and each index has its tries one after the other: whatever the order, the last run ends
    /// within the bound.
    #[test]
    fn no_order_takes_longer_than_the_bound() {
        for (completions, parallelism, tries) in [(4, 2, 2), (5, 3, 3), (7, 2, 4), (3, 3, 2), (9, 4, 2), (1, 1, 5)] {
            let most = runs_in_a_row(completions, parallelism, tries);
            for seed in 0..200_u64 {
                let longest = simulated(completions, parallelism, tries, seed);
                assert!(longest <= most, "{completions}/{parallelism}x{tries}: {longest} > {most}");
            }
        }
    }

    /// Rounds until all indexes have had all their tries, when each round takes up to `parallelism` of them at random.
    fn simulated(completions: u32, parallelism: u32, tries: u32, mut seed: u64) -> u64 {
        let mut left: Vec<u32> = vec![tries; completions as usize];
        let mut rounds = 0;
        while left.iter().any(|l| *l > 0) {
            rounds += 1;
            let mut open: Vec<usize> = (0..left.len()).filter(|i| left[*i] > 0).collect();
            for _ in 0..parallelism.min(u32::try_from(open.len()).unwrap()) {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = usize::try_from(seed >> 33).unwrap() % open.len();
                left[open.swap_remove(at)] -= 1;
            }
        }
        rounds
    }

    #[test]
    fn kubernetes_waits_longer_after_each_failure() {
        let waits: Vec<u64> = (0..9).map(backoff_seconds).collect();
        assert_eq!(waits, [10, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(backoff_seconds(u32::MAX), MOST_BACKOFF_SECONDS);
    }
}
