//! Indexes that are tried again, failures that end all, successes that are enough, and pods that the cluster takes away.

use eai_api::assignment::AssignmentPhase as Phase;

use super::*;
use crate::{
    artifacts::LogState,
    testing::{at, ended, pod, pod_with, running},
};

/// A pod of `index` that ended with `exit`, after `failures` of its index before.
fn failed(index: u32, failures: u32, exit: i32) -> Pod {
    let from = i64::from(failures) * 100;
    let annotations = json!({
        "batch.kubernetes.io/job-completion-index": index.to_string(),
        "batch.kubernetes.io/job-index-failure-count": failures.to_string(),
    });
    let uid = format!("pod-{index}-{failures}");
    pod_with(
        index,
        &uid,
        ended(from + 5, from + 65, exit),
        json!({ "annotations": annotations, "creationTimestamp": at(from).to_string() }),
    )
}

/// A pod of `index` that its cluster took away, as the `count`th of its index.
fn taken(index: u32, count: i64) -> Pod {
    let mut status = ended(count * 100 + 5, count * 100 + 65, 143);
    status["conditions"] = json!([{ "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet" }]);
    (status["reason"], status["message"]) =
        (json!("Terminated"), json!("Pod was terminated in response to node shutdown."));
    pod_with(
        index,
        &format!("taken-{index}-{count}"),
        status,
        json!({ "creationTimestamp": at(count * 100).to_string() }),
    )
}

/// The snapshot of `workload` with these pods, whose logs are kept, when the Job controller has said `status`.
fn look(workload: Value, status: Value, pods: &[Pod]) -> crate::work::snapshot::Snapshot {
    let assignment = begun(assignment(spec_with(workload)));
    let job = made_job(&assignment, status);
    let mut snapshot = snapshot(assignment, Some(&job), pods, 1_000);
    for pod in &snapshot.pods {
        let log = json!({ "index": pod.index, "digest": crate::testing::DIGEST, "sizeBytes": 3 });
        let log = LogState::Kept { pod_uid: pod.uid.clone(), log: serde_json::from_value(log).unwrap() };
        snapshot.artifacts.logs.insert(pod.index, log);
    }
    snapshot
}

fn phase(workload: &Value, pods: &[Pod]) -> Phase {
    decide(&look(workload.clone(), open(), pods)).status.phase
}

fn rules(action: &str, exit: i32) -> Value {
    json!({ "rules": [{ "action": action, "onExitCodes": { "operator": "In", "values": [exit] } }] })
}

#[test]
fn the_job_says_what_failures_and_successes_mean() {
    let job = |workload: Value| {
        let job = made_job(&assignment(spec_with(workload)), open()).spec.unwrap();
        serde_json::to_value(job).unwrap()
    };
    let own = json!({ "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] });
    let plain = job(json!({}));
    assert_eq!((&plain["backoffLimit"], &plain["podFailurePolicy"]["rules"]), (&json!(0), &json!([own])));
    assert_eq!(
        (&plain["podReplacementPolicy"], &plain["template"]["spec"]["restartPolicy"]),
        (&json!("Failed"), &json!("Never"))
    );
    assert!(
        plain["backoffLimitPerIndex"].is_null()
            && plain["successPolicy"].is_null()
            && plain["maxFailedIndexes"].is_null()
    );
    let full = job(json!({
        "completions": 5, "parallelism": 2,
        "failurePolicy": { "backoffLimitPerIndex": 3, "maxFailedIndexes": 2, "podFailurePolicy": { "rules": [
            { "action": "FailJob", "onExitCodes": { "operator": "In", "values": [43, 42, 43] } },
            { "action": "FailIndex", "onExitCodes": { "operator": "NotIn", "values": [1] } } ] } },
        "successPolicy": { "rules": [{ "succeededIndexes": "0,2-4", "succeededCount": 2 }, { "succeededCount": 4 }] },
    }));
    assert_eq!(
        (&full["backoffLimitPerIndex"], &full["maxFailedIndexes"], &full["backoffLimit"]),
        (&json!(3), &json!(2), &json!(20))
    );
    let rules = &full["podFailurePolicy"]["rules"];
    assert_eq!(rules[0], own, "nobody's rule goes before the one for pods that are taken away");
    let codes =
        |operator: &str, values: Value| json!({ "containerName": "work", "operator": operator, "values": values });
    assert_eq!(rules[1], json!({ "action": "FailJob", "onExitCodes": codes("In", json!([42, 43])) }));
    assert_eq!(rules[2], json!({ "action": "FailIndex", "onExitCodes": codes("NotIn", json!([1])) }));
    let success = json!([{ "succeededIndexes": "0,2-4", "succeededCount": 2 }, { "succeededCount": 4 }]);
    assert_eq!(full["successPolicy"]["rules"], success);
    // Three waves, and one more that retries may push behind; four tries of each; and between them Kubernetes waits.
    assert_eq!(full["activeDeadlineSeconds"], json!(4 * 4 * (300 + 30 + 600) + 3_600));
}

#[test]
fn an_index_is_over_when_its_tries_are() {
    let one = json!({ "failurePolicy": { "backoffLimitPerIndex": 2 } });
    for (pods, expected) in [
        (vec![failed(0, 0, 1)], Phase::Starting),
        (vec![failed(0, 0, 1), failed(0, 1, 1)], Phase::Starting),
        (vec![failed(0, 0, 1), failed(0, 1, 1), failed(0, 2, 1)], Phase::Failed),
        (vec![failed(0, 0, 1), failed(0, 1, 0)], Phase::Succeeded),
        (vec![failed(0, 0, 1), pod_with(0, "new", running(900), json!({}))], Phase::Running),
    ] {
        assert_eq!(phase(&one, &pods), expected, "{} pods", pods.len());
    }
}

#[test]
fn other_indexes_run_on_when_one_has_failed_for_good() {
    let two = json!({ "completions": 2, "parallelism": 2, "failurePolicy": { "backoffLimitPerIndex": 0 } });
    assert_eq!(phase(&two, &[failed(0, 0, 1), pod(1, running(5))]), Phase::Running);
    // The second is still to come: nothing is over.
    assert_eq!(phase(&two, &[failed(0, 0, 1)]), Phase::Starting);
    assert_eq!(phase(&two, &[failed(0, 0, 1), failed(1, 0, 0)]), Phase::Failed);
    // Without retries of each it is.
    let plain = json!({ "completions": 2, "parallelism": 2 });
    assert_eq!(phase(&plain, &[failed(0, 0, 1)]), Phase::Finishing);
    // As it is when too many have failed.
    let most = json!({ "completions": 4, "parallelism": 2, "failurePolicy": { "backoffLimitPerIndex": 0, "maxFailedIndexes": 1 } });
    assert_eq!(phase(&most, &[failed(0, 0, 1)]), Phase::Starting);
    assert_eq!(phase(&most, &[failed(0, 0, 1), failed(1, 0, 1)]), Phase::Finishing);
    // What the controller has counted and whose pods are gone counts too.
    let counted = json!({ "active": 0, "startTime": at(0).to_string(), "failedIndexes": "0", "completedIndexes": "1" });
    assert_eq!(decide(&look(two, counted, &[])).status.phase, Phase::Failed);
}

#[test]
fn exit_codes_mean_what_the_vendor_says() {
    let with = |action: &str| {
        json!({ "completions": 2, "parallelism": 2,
        "failurePolicy": { "backoffLimitPerIndex": 2, "podFailurePolicy": rules(action, 42) } })
    };
    for (action, expected) in [
        ("FailJob", Phase::Finishing),
        ("FailIndex", Phase::Starting),
        ("Ignore", Phase::Starting),
        ("Count", Phase::Starting),
    ] {
        assert_eq!(phase(&with(action), &[failed(0, 0, 42)]), expected, "{action}");
    }
    let both = |first: i32, second: i32| [failed(0, 0, first), failed(1, 0, second)];
    assert_eq!(phase(&with("FailIndex"), &both(42, 0)), Phase::Failed);
    assert_eq!(phase(&with("FailIndex"), &both(41, 0)), Phase::Starting, "another code is one more failure");
    // An ignored failure is never the last one.
    assert_eq!(phase(&with("Ignore"), &[failed(0, 2, 42), failed(1, 0, 0)]), Phase::Starting);
    assert_eq!(phase(&with("Count"), &[failed(0, 2, 42), failed(1, 0, 0)]), Phase::Failed);
}

#[test]
fn the_exit_code_that_fails_the_job_is_the_one_that_is_told() {
    let workload = json!({ "completions": 2, "parallelism": 2,
        "failurePolicy": { "backoffLimitPerIndex": 0, "podFailurePolicy": rules("FailJob", 42) } });
    // Index 1 was ended because of index 0, and later.
    let killed = pod_with(1, "killed", ended(5, 95, 143), json!({ "deletionTimestamp": at(90).to_string() }));
    let other = failed(1, 1, 7);
    for beside in [killed, other] {
        let status = decide(&look(workload.clone(), condition("Failed"), &[failed(0, 0, 42), beside])).status;
        assert_eq!((status.phase, status.exit_code), (Phase::Failed, Some(42)));
        assert_eq!(status.reason, "PodFailurePolicy");
        assert_eq!(status.message, "index 0 ended with exit code 42, which fails the job (failurePolicy)");
    }
    let plain = json!({ "completions": 2, "parallelism": 2, "failurePolicy": { "backoffLimitPerIndex": 0 } });
    let status = decide(&look(plain, condition("Failed"), &[failed(0, 0, 3), failed(1, 0, 3)])).status;
    assert_eq!(
        (status.reason.as_str(), status.message.contains("2 indexes failed")),
        ("ExitCode", true),
        "{}",
        status.message
    );
}

#[test]
fn enough_successes_are_the_controllers_to_see() {
    let workload = json!({ "completions": 3, "parallelism": 3, "failurePolicy": { "backoffLimitPerIndex": 0 },
        "successPolicy": { "rules": [{ "succeededCount": 1 }] } });
    let at_work = [failed(0, 0, 0), pod(1, running(5)), pod(2, running(5))];
    let met = || condition("SuccessCriteriaMet");
    let plan = decide(&look(workload.clone(), met(), &at_work));
    assert_eq!(plan.status.phase, Phase::Running, "what still runs is billed until it has ended");
    let killed = |index: u32| {
        pod_with(
            index,
            &format!("killed-{index}"),
            ended(5, 200, 143),
            json!({ "deletionTimestamp": at(190).to_string() }),
        )
    };
    let ended = [failed(0, 0, 0), killed(1), killed(2)];
    assert_eq!(decide(&look(workload.clone(), met(), &ended)).status.phase, Phase::Finishing);
    let status = decide(&look(workload.clone(), condition("Complete"), &ended)).status;
    assert_eq!((status.phase, status.exit_code, status.usage_ms), (Phase::Succeeded, Some(0), 60_000 + 2 * 195_000));
    // Everything has ended and some of it failed: whether the rest is enough is for the controller to say.
    let some = [failed(0, 0, 0), failed(1, 0, 1), failed(2, 0, 1)];
    assert_eq!(phase(&workload, &some), Phase::Finishing);
    assert_eq!(phase(&workload, &[failed(0, 0, 0), failed(1, 0, 0), failed(2, 0, 0)]), Phase::Succeeded);
}

#[test]
fn all_tries_are_billed_but_those_that_the_cluster_took_away() {
    let workload = json!({ "failurePolicy": { "backoffLimitPerIndex": 3 } });
    let status = decide(&look(workload, open(), &[failed(0, 0, 1), taken(0, 1), failed(0, 2, 1)])).status;
    assert_eq!((status.usage_ms, status.disruptions), (120_000, 1));
    // Nor while it is being taken away; one that is done by then is billed.
    let mut ending = running(5);
    ending["conditions"] = json!([{ "type": "DisruptionTarget", "status": "True" }]);
    let ending = pod_with(
        0,
        "ending",
        ending,
        json!({ "deletionTimestamp": at(1_030).to_string(), "deletionGracePeriodSeconds": 30 }),
    );
    let status = decide(&look(json!({}), open(), &[ending])).status;
    assert_eq!((status.usage_ms, status.phase, status.running), (0, Phase::Running, 1));
    let mut done = ended(5, 65, 0);
    done["conditions"] = json!([{ "type": "DisruptionTarget", "status": "True" }]);
    let status = decide(&look(json!({}), open(), &[pod(0, done)])).status;
    assert_eq!((status.usage_ms, status.disruptions, status.phase), (60_000, 0, Phase::Succeeded));
    // Its program ended well and its node says that the pod has failed: it runs again.
    let mut failed = ended(5, 65, 0);
    failed["phase"] = json!("Failed");
    failed["conditions"] = json!([{ "type": "DisruptionTarget", "status": "True" }]);
    let status = decide(&look(json!({}), open(), &[pod(0, failed)])).status;
    assert_eq!((status.usage_ms, status.disruptions, status.phase), (0, 1, Phase::Starting));
}

#[test]
fn a_pod_that_the_cluster_took_away_fails_nothing() {
    for policy in [
        json!({}),
        json!({ "failurePolicy": { "backoffLimitPerIndex": 0, "podFailurePolicy": rules("FailJob", 143) } }),
    ] {
        let plan = decide(&look(policy, open(), &[taken(0, 0)]));
        assert_eq!(plan.status.phase, Phase::Starting);
        assert!(has(&plan, |s| matches!(s, Step::Record { .. })) && has(&plan, |s| matches!(s, Step::Release { .. })));
        assert!(!has(&plan, |s| matches!(s, Step::GiveUp(_))));
    }
    // Its reason isn't what a later failure is explained by.
    let status = decide(&look(json!({}), condition("Failed"), &[taken(0, 0), failed(0, 1, 3)])).status;
    assert_eq!((status.reason.as_str(), status.exit_code), ("ExitCode", Some(3)));
    // A Job of an agent that had no rule for it has failed: through its member.
    let status = decide(&look(json!({}), condition("Failed"), &[taken(0, 0)])).status;
    assert_eq!((status.phase, status.reason.as_str(), status.usage_ms), (Phase::Failed, "Disrupted", 0));
}

#[test]
fn what_is_taken_away_again_and_again_is_given_up() {
    let given_up = |times: i64| {
        let pods: Vec<Pod> = (0..times).map(|count| taken(0, count)).collect();
        has(
            &decide(&look(json!({}), open(), &pods)),
            |s| matches!(s, Step::GiveUp(words) if words.reason == "Disrupted"),
        )
    };
    assert!(!given_up(5) && given_up(6));
}

#[test]
fn a_failed_try_leaves_no_result_and_its_index_may_wait_for_the_next() {
    let outputs = json!([{ "name": "model", "path": "model" }]);
    let try_of = |exit: i32| {
        let holding = json!({ "running": { "startedAt": at(5).to_string() } });
        with_outputs(pod(0, json!({})), "Running", terminated(5, 65, exit), holding)
    };
    let steps = |policy: Value, exit: i32| {
        let workload = json!({ "outputs": outputs, "failurePolicy": policy });
        decide(&look(workload, open(), &[try_of(exit)]))
    };
    let retried = json!({ "backoffLimitPerIndex": 1 });
    assert!(has(&steps(retried.clone(), 1), |s| matches!(s, Step::Done { .. })), "it is let go to be tried again");
    assert!(!has(&steps(retried.clone(), 1), |s| matches!(s, Step::Collect { .. })));
    assert!(has(&steps(retried, 0), |s| matches!(s, Step::Collect { .. })));
    assert!(has(&steps(json!({ "backoffLimitPerIndex": 0 }), 1), |s| matches!(s, Step::Collect { .. })), "its last");
    assert!(has(&steps(json!({}), 1), |s| matches!(s, Step::Collect { anew: false, .. })), "its only one");
    // What the hub may have of an earlier try isn't what the next one left.
    let workload = json!({ "outputs": outputs, "failurePolicy": { "backoffLimitPerIndex": 1 } });
    let plan = decide(&look(workload, open(), &[failed(0, 0, 1), try_of(0)]));
    assert!(has(&plan, |s| matches!(s, Step::Collect { anew: true, .. })), "{:?}", plan.steps);
}

#[test]
fn a_job_that_waits_to_try_again_is_not_taken_for_one_that_gets_no_pods() {
    let workload = json!({ "failurePolicy": { "backoffLimitPerIndex": 10 } });
    // The fourth failure ended at second 365: Kubernetes may wait 80 s, and then has ten minutes.
    let pods: Vec<Pod> = (0..4)
        .map(|failures| {
            let mut pod = failed(0, failures, 1);
            pod.metadata.finalizers = None;
            pod
        })
        .collect();
    let given_up = |seconds: i64| {
        let mut idle = look(workload.clone(), json!({ "active": 0, "startTime": at(0).to_string() }), &pods);
        idle.now = at(seconds);
        has(&decide(&idle), |s| matches!(s, Step::GiveUp(words) if words.reason == "NotGoingOn"))
    };
    assert!(!given_up(365 + 80 + 599) && given_up(365 + 80 + 600));
}
