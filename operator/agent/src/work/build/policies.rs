//! What failures and successes mean to the batch/v1 Job of an attempt.

use std::collections::BTreeSet;

use eai_api::{
    aijob::{
        ExitCodeOperator, FailureAction, PodFailureRule, SuccessRule,
        policy::{read_indexes, tries, write_indexes},
    },
    assignment::Workload,
    names::WORK_CONTAINER,
};
use k8s_openapi::api::batch::v1::{
    PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule,
};

use crate::work::pods::DISRUPTION_TARGET;

/// How many failures the whole Job may have. Without retries of each index the first that counts ends it: whether there
/// is another attempt is the hub's decision. With them it is as many as all tries, so that it never matters where
/// Kubernetes counts by index, and bounds them where it is too old to.
pub fn backoff_limit(workload: &Workload) -> i32 {
    if limit_per_index(workload).is_none() {
        return 0;
    }
    let all = workload.completions.saturating_mul(tries(workload.failure_policy.as_ref()));
    i32::try_from(all).unwrap_or(i32::MAX)
}

/// How often each index is tried again.
pub fn limit_per_index(workload: &Workload) -> Option<i32> {
    workload.failure_policy.as_ref()?.backoff_limit_per_index.and_then(|limit| i32::try_from(limit).ok())
}

/// More indexes than this failed for good end it.
pub fn max_failed_indexes(workload: &Workload) -> Option<i32> {
    workload.failure_policy.as_ref()?.max_failed_indexes.and_then(|most| i32::try_from(most).ok())
}

/// The vendor's rules, behind one that nobody can override: a pod that the cluster takes away hasn't failed.
pub fn pod_failure_policy(workload: &Workload) -> PodFailurePolicy {
    let taken =
        PodFailurePolicyOnPodConditionsPattern { type_: DISRUPTION_TARGET.to_owned(), status: Some("True".to_owned()) };
    let mut rules = vec![PodFailurePolicyRule {
        action: "Ignore".to_owned(),
        on_exit_codes: None,
        on_pod_conditions: Some(vec![taken]),
    }];
    let policy = workload.failure_policy.as_ref().and_then(|policy| policy.pod_failure_policy.as_ref());
    rules.extend(policy.iter().flat_map(|policy| &policy.rules).map(rule));
    PodFailurePolicy { rules }
}

fn rule(rule: &PodFailureRule) -> PodFailurePolicyRule {
    let action = match rule.action {
        FailureAction::FailJob => "FailJob",
        FailureAction::FailIndex => "FailIndex",
        FailureAction::Ignore => "Ignore",
        FailureAction::Count => "Count",
    };
    let operator = match rule.on_exit_codes.operator {
        ExitCodeOperator::In => "In",
        ExitCodeOperator::NotIn => "NotIn",
    };
    // Kubernetes takes them in order and once each.
    let values: BTreeSet<i32> = rule.on_exit_codes.values.iter().copied().collect();
    PodFailurePolicyRule {
        action: action.to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(WORK_CONTAINER.to_owned()),
            operator: operator.to_owned(),
            values: values.into_iter().collect(),
        }),
        on_pod_conditions: None,
    }
}

/// When enough has succeeded.
pub fn success_policy(workload: &Workload) -> Option<SuccessPolicy> {
    let policy = workload.success_policy.as_ref()?;
    let rule = |rule: &SuccessRule| SuccessPolicyRule {
        succeeded_count: rule.succeeded_count.and_then(|count| i32::try_from(count).ok()),
        succeeded_indexes: rule
            .succeeded_indexes
            .as_deref()
            .and_then(|text| read_indexes(text, workload.completions))
            .map(|indexes| write_indexes(&indexes)),
    };
    Some(SuccessPolicy { rules: policy.rules.iter().map(rule).collect() })
}
