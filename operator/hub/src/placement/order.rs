//! Whose turn it is.

use std::{collections::HashMap, sync::Arc};

use eai_api::AIJob;

/// Orders jobs by age, but within a namespace by priority first: a vendor's priorities rearrange the vendor's own
/// places in the queue and nobody else's.
pub fn in_turn(mut jobs: Vec<Arc<AIJob>>) -> Vec<Arc<AIJob>> {
    jobs.sort_by(|a, b| age(a).cmp(&age(b)));
    let mut by_namespace: HashMap<String, Vec<Arc<AIJob>>> = HashMap::new();
    for job in &jobs {
        by_namespace.entry(namespace(job)).or_default().push(job.clone());
    }
    for own in by_namespace.values_mut() {
        // Reversed, to be taken from the end; the sort is stable, so the oldest of a priority stays first.
        own.sort_by_key(|job| std::cmp::Reverse(job.spec.priority));
        own.reverse();
    }
    let places = jobs.iter().map(|job| namespace(job));
    places.filter_map(|namespace| by_namespace.get_mut(&namespace)?.pop()).collect()
}

fn age(job: &AIJob) -> (Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>, Option<&str>) {
    (job.metadata.creation_timestamp.as_ref(), job.metadata.uid.as_deref())
}

fn namespace(job: &AIJob) -> String {
    job.metadata.namespace.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn job(namespace: &str, name: &str, age: i64, priority: i32) -> Arc<AIJob> {
        let mut job: AIJob = serde_json::from_value(serde_json::json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "AIJob",
            "metadata": { "name": name, "namespace": namespace, "uid": name },
            "spec": { "image": "i", "maxPrice": "1", "priority": priority,
                "payment": { "account": format!("0x{}", "0".repeat(40)) } },
        }))
        .unwrap();
        let created = k8s_openapi::jiff::Timestamp::from_second(age).unwrap();
        job.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(created));
        Arc::new(job)
    }

    fn names(jobs: Vec<Arc<AIJob>>) -> Vec<String> {
        in_turn(jobs).iter().map(|j| j.metadata.name.clone().unwrap()).collect()
    }

    #[test]
    fn the_oldest_goes_first() {
        assert_eq!(
            names(vec![job("a", "late", 9, 0), job("b", "early", 3, 0), job("a", "mid", 5, 0)]),
            ["early", "mid", "late"]
        );
    }

    #[test]
    fn priority_rearranges_ones_own_places_only() {
        let jobs = vec![job("a", "a1", 1, 0), job("b", "b1", 2, 0), job("a", "a2", 3, 1000), job("b", "b2", 4, -5)];
        assert_eq!(names(jobs), ["a2", "b1", "a1", "b2"]);
    }

    #[test]
    fn ties_are_broken_the_same_way_each_time() {
        let jobs = || vec![job("a", "y", 1, 0), job("a", "x", 1, 0), job("a", "z", 1, 0)];
        assert_eq!(names(jobs()), ["x", "y", "z"]);
        let mut reversed = jobs();
        reversed.reverse();
        assert_eq!(names(reversed), ["x", "y", "z"]);
    }
}
