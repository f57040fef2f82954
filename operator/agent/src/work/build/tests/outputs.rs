//! Outputs: fetched before their pod may go, told before it is let go.

use eai_api::assignment::{AssignmentPhase as Phase, Desired};

use super::*;
use crate::{
    artifacts::{Collected, LogState},
    testing::{DIGEST, at, pod, pod_with},
    work::snapshot::Snapshot,
};

fn wanting_outputs() -> eai_api::Assignment {
    begun(assignment(spec_with(json!({ "outputs": [{ "name": "model", "path": "model.bin" }] }))))
}

fn artifact() -> eai_api::artifact::OutputArtifact {
    serde_json::from_value(json!({ "name": "model", "index": 0, "digest": DIGEST, "sizeBytes": 3 })).unwrap()
}

/// A pod whose work is over and which still holds its outputs.
fn holding(exit: i32) -> Pod {
    with_outputs(pod(0, json!({})), "Running", terminated(5, 65, exit), json!({ "running": {} }))
}

fn look(assignment: eai_api::Assignment, pods: &[Pod]) -> Snapshot {
    let job = made_job(&assignment, open());
    let mut snapshot = snapshot(assignment, Some(&job), pods, 66);
    let log = serde_json::from_value(json!({ "index": 0, "digest": DIGEST, "sizeBytes": 3 })).unwrap();
    snapshot.artifacts.logs.insert(0, LogState::Kept { pod_uid: "pod-0".to_owned(), log });
    snapshot
}

fn collected(snapshot: &mut Snapshot, notes: &[&str]) {
    let notes: Vec<String> = notes.iter().map(|note| (*note).to_owned()).collect();
    let kept = if notes.is_empty() { vec![artifact()] } else { vec![] };
    snapshot.artifacts.outputs.insert(0, Collected { pod_uid: "pod-0".to_owned(), kept, notes });
}

#[test]
fn outputs_are_collected_as_soon_as_the_work_is_over() {
    for exit in [0, 1] {
        let plan = decide(&look(wanting_outputs(), &[holding(exit)]));
        assert!(has(&plan, |s| matches!(s, Step::Collect { index: 0, .. })), "{exit}");
        assert!(!has(&plan, |s| matches!(s, Step::Done { .. })));
        assert_eq!(plan.status.phase, Phase::Finishing);
        // It isn't billed while its outputs are on their way.
        assert_eq!((plan.status.usage_ms, plan.status.running), (60_000, 0));
    }
}

#[test]
fn a_pod_is_let_go_only_when_the_hub_was_told_what_it_has() {
    let mut first = look(wanting_outputs(), &[holding(0)]);
    collected(&mut first, &[]);
    let plan = decide(&first);
    assert!(!has(&plan, |s| matches!(s, Step::Done { .. } | Step::Collect { .. })));
    assert_eq!(plan.status.outputs, [artifact()]);
    first.previous = plan.status;
    let plan = decide(&first);
    assert!(has(&plan, |s| matches!(s, Step::Done { .. })));
}

#[test]
fn what_could_not_be_kept_is_written_down_before_the_pod_goes() {
    let mut first = look(wanting_outputs(), &[holding(0)]);
    collected(&mut first, &["output model of index 0: there is no file model.bin"]);
    let plan = decide(&first);
    assert!(has(&plan, |s| matches!(s, Step::Note(note) if note.contains("no file model.bin"))));
    assert!(!has(&plan, |s| matches!(s, Step::Done { .. })));
    first.job.as_mut().unwrap().notes = "output model of index 0: there is no file model.bin".to_owned();
    let plan = decide(&first);
    assert!(has(&plan, |s| matches!(s, Step::Done { .. })) && !has(&plan, |s| matches!(s, Step::Note(_))));
}

#[test]
fn success_without_all_outputs_says_which() {
    let assignment = wanting_outputs();
    let mut job = made_job(&assignment, condition("Complete"));
    job.metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert(job::NOTES.to_owned(), "output model of index 0: gone".to_owned());
    let mut over = snapshot(assignment, Some(&job), &[], 70);
    over.artifacts.logs.clear();
    let status = decide(&over).status;
    assert_eq!((status.phase, status.reason.as_str()), (Phase::Succeeded, "OutputsIncomplete"));
    assert!(status.message.contains("output model"));
}

#[test]
fn notes_stay_within_what_an_annotation_may_hold() {
    let mut first = look(wanting_outputs(), &[holding(0)]);
    let notes: Vec<String> = (0..100).map(|i| format!("output o{i} of index 0: {}", "x".repeat(100))).collect();
    collected(&mut first, &notes.iter().map(String::as_str).collect::<Vec<_>>());
    let note = decide(&first).steps.into_iter().find_map(|s| match s {
        Step::Note(note) => Some(note),
        _ => None,
    });
    let note = note.unwrap();
    assert!(note.len() <= 2_000);
    // What doesn't fit doesn't keep the pod.
    first.job.as_mut().unwrap().notes = note;
    assert!(has(&decide(&first), |s| matches!(s, Step::Done { .. })));
}

#[test]
fn what_was_interrupted_has_no_outputs() {
    let mut paused = wanting_outputs();
    paused.spec.desired = Desired::Pause;
    let plan = decide(&look(paused, &[held(terminated(5, 65, 143))]));
    assert!(has(&plan, |s| matches!(s, Step::Done { .. })) && !has(&plan, |s| matches!(s, Step::Collect { .. })));
}

/// A pod that was asked to go, with its work in this state, while it can still give outputs.
fn ending(work: Value) -> Pod {
    let ending = pod_with(0, "pod-0", json!({}), json!({ "deletionTimestamp": at(90).to_string() }));
    with_outputs(ending, "Running", work, json!({ "running": {} }))
}

/// The same, deleted by the Job controller because its Job is suspended.
fn held(work: Value) -> Pod {
    let mut pod = ending(work);
    pod.metadata.finalizers = Some(vec!["eai.network/metering".to_owned()]);
    pod
}

#[test]
fn a_pod_that_ends_for_a_hold_is_not_kept_by_outputs_that_nobody_fetches() {
    // Its node tells when its work has ended only once all of the pod has.
    let still = json!({ "running": { "startedAt": at(5).to_string() } });
    let lets_go =
        |plan: &Plan| has(plan, |s| matches!(s, Step::Done { pod, uid } if !pod.is_empty() && uid == "pod-0"));
    // Also if the hub wants it to run again already.
    for desired in [Desired::Pause, Desired::Stop, Desired::Run] {
        let mut wish = wanting_outputs();
        wish.spec.desired = desired;
        assert!(lets_go(&decide(&look(wish.clone(), &[held(still.clone())]))), "{desired:?}");
        // Not before it is asked to go: its work may yet end by itself.
        let mut runs = with_outputs(pod(0, json!({})), "Running", still.clone(), json!({ "running": {} }));
        runs.metadata.finalizers = held(still.clone()).metadata.finalizers;
        assert!(!lets_go(&decide(&look(wish, &[runs]))), "{desired:?}");
    }
    // Nor has anybody a use for outputs of work whose Job is gone.
    let gone = snapshot(wanting_outputs(), None, &[ending(still)], 66);
    assert!(lets_go(&decide(&gone)));
}

#[test]
fn a_pod_whose_node_is_drained_gives_its_outputs_for_as_long_as_it_may() {
    for desired in [Desired::Run, Desired::Pause] {
        let mut drained = wanting_outputs();
        drained.spec.desired = desired;
        let plan = decide(&look(drained.clone(), &[ending(terminated(5, 65, 0))]));
        assert!(!has(&plan, |s| matches!(s, Step::Done { .. })) && has(&plan, |s| matches!(s, Step::Collect { .. })));
        // Its work may have ended just before it was asked to go, and the news of it be on its way.
        let plan = decide(&look(drained, &[ending(json!({ "running": { "startedAt": at(5).to_string() } }))]));
        assert!(!has(&plan, |s| matches!(s, Step::Done { .. })));
    }
}

#[test]
fn an_attempt_is_not_over_while_a_pod_holds_outputs() {
    let assignment = wanting_outputs();
    let job = made_job(&assignment, condition("Complete"));
    let mut snapshot = look(assignment, &[holding(0)]);
    snapshot.job = Some(crate::work::snapshot::JobFact::read(&job));
    assert_eq!(decide(&snapshot).status.phase, Phase::Finishing);
}

#[test]
fn outputs_of_other_pods_stay_in_the_status() {
    let mut assignment = wanting_outputs();
    let mut other = artifact();
    other.index = 1;
    assignment.status.as_mut().unwrap().outputs = vec![other.clone()];
    let mut snapshot = look(assignment, &[holding(0)]);
    collected(&mut snapshot, &[]);
    assert_eq!(decide(&snapshot).status.outputs, [artifact(), other]);
}

#[test]
fn an_attempt_ends_with_the_word_that_tells_its_last_output() {
    let mut last = look(wanting_outputs(), &[holding(0)]);
    collected(&mut last, &[]);
    let plan = decide(&last);
    assert_eq!((plan.status.phase, plan.status.outputs.len()), (Phase::Succeeded, 1));
    // The pod is let go right after, also by an agent that was started anew.
    let mut told = wanting_outputs();
    told.status = Some(plan.status);
    let plan = decide(&look(told, &[holding(0)]));
    assert!(has(&plan, |s| matches!(s, Step::Done { .. })) && has(&plan, |s| matches!(s, Step::Release { .. })));
}
