//! Each stage and each way out of it.

use eai_api::{
    aijob::{AttemptResult, LeaseState, Phase},
    assignment::{Acknowledged, AssignmentPhase as Report, Desired},
    condition,
};
use eai_chain::{LeaseState as OnChain, LeaseView, OpenOutcome, Refusal, Skipped};
use eai_core::{metering::UsageMs, money::Amount};

use super::fixtures::*;
use crate::aijob::build::{Asked, Bill, Look, Stage, Wish, stage};
use crate::fencing::Ends;

#[test]
fn a_new_job_waits_for_the_placement_pass() {
    let job = job();
    let plan = Case::new(&job, None, 1).build();
    assert_eq!(plan.wishes, [Wish::Place]);
    assert_eq!(plan.status.phase, Phase::Pending);
}

#[test]
fn a_suspended_job_is_held_back() {
    let mut job = job();
    job.spec.suspend = true;
    let plan = Case::new(&job, None, 1).build();
    assert!(plan.wishes.is_empty());
    assert_eq!((plan.status.phase, reason(&plan)), (Phase::Pending, "Suspended"));
    assert!(condition::is_true(&plan.status.conditions, condition::STALLED));
}

#[test]
fn a_job_cancelled_before_it_was_placed_costs_nothing() {
    let mut job = job();
    job.spec.cancel = true;
    let plan = Case::new(&job, None, 1).build();
    assert_eq!((plan.status.phase, plan.status.cost), (Phase::Cancelled, None));
    assert!(plan.wishes.is_empty());
}

#[test]
fn a_deleted_job_that_holds_nothing_is_let_go() {
    let mut job = job();
    job.metadata.deletion_timestamp = Some(time(1));
    job.metadata.finalizers = Some(vec![eai_api::names::SETTLEMENT_FINALIZER.to_owned()]);
    let plan = Case::new(&job, None, 1).build();
    assert_eq!(plan.wishes, [Wish::Release]);
}

#[test]
fn a_deadline_ends_a_job_that_waits() {
    let mut job = job();
    job.spec.deadline = Some(time(50));
    assert_eq!(Case::new(&job, None, 49).build().again, Some(at(50)));
    let plan = Case::new(&job, None, 50).build();
    assert_eq!((plan.status.phase, reason(&plan)), (Phase::Failed, "DeadlineExceeded"));
}

#[test]
fn a_claim_names_member_price_hold_and_lease() {
    let job = claimed(job(), 1);
    let (status, attempt) = (job.status.as_ref().unwrap(), attempt(&job));
    assert_eq!((status.phase, stage(status)), (Phase::Opening, Stage::Opening));
    assert_eq!((attempt.epoch.generation, attempt.epoch.attempt), (1, 1));
    assert_eq!(attempt.lease.hold, eai("1"), "100 s at 36 an hour");
    assert_eq!(attempt.lease.open_by, Some(time(121)));
    assert_eq!(status.units.as_deref(), Some("1 nvidia.com/gpu"));
    assert!(condition::is_true(&status.conditions, condition::PLACED));
    assert!(attempt.lease.id.starts_with("0x") && attempt.lease.id.len() == 66);
}

#[test]
fn the_lease_of_a_claim_is_asked_for_and_nothing_else_happens() {
    let job = claimed(job(), 1);
    let plan = Case::new(&job, None, 2).build();
    assert_eq!(plan.wishes, [Wish::OpenLease]);
    let plan = Case::new(&job, None, 2).chain(|c| c.open = Asked::Waiting).build();
    assert!(plan.wishes.is_empty());
    assert_eq!(plan.status, job.status.clone().unwrap(), "waiting is no reason to write");
}

#[test]
fn an_open_lease_brings_the_assignment() {
    let job = claimed(job(), 1);
    let plan = Case::new(&job, None, 4).chain(|c| c.open = Asked::Answered(opened(&job))).build();
    assert_eq!(plan.wishes, [Wish::Assign(Desired::Run, None)]);
    assert_eq!(plan.status.phase, Phase::Starting);
    let attempt = plan.status.attempt.as_ref().unwrap();
    assert_eq!(attempt.lease.state, LeaseState::Open);
    assert!(attempt.lease.open_tx.is_some());
    assert_eq!(attempt.start_by, Some(time(1 + 150 + 3)), "the chain's time isn't the member's");
}

#[test]
fn a_refused_lease_gives_the_claim_up_and_counts_no_attempt() {
    let job = claimed(job(), 1);
    let skip = Skipped { lease: attempt(&job).lease.id.parse().unwrap(), reason: Refusal::NotAuthorized };
    let plan = Case::new(&job, None, 4).chain(|c| c.open = Asked::Answered(OpenOutcome::Skipped(skip))).build();
    assert_eq!(stage(&plan.status), Stage::Idle);
    assert_eq!(plan.status.phase, Phase::Pending);
    assert_eq!(plan.wishes, [Wish::Place]);
    assert_eq!(reason(&plan), "NotAuthorised");
    assert!(condition::is_true(&plan.status.conditions, condition::STALLED));
    assert!(plan.status.past_attempts.is_empty());
    let next = crate::aijob::claim::next_epoch(&plan.status, 1);
    assert_eq!(next.attempt, 2, "but its epoch isn't used again");
}

#[test]
fn a_job_cancelled_while_its_lease_opens_waits_until_that_is_certain() {
    let mut job = claimed(job(), 1);
    job.spec.cancel = true;
    let absent = |at| Some(Look { at: START + at, lease: None });
    let plan = Case::new(&job, None, 10).build();
    assert_eq!(plan.wishes, [Wish::LookAtLease], "it isn't asked for any more");
    let plan = Case::new(&job, None, 10).chain(|c| c.look = absent(10)).build();
    assert_eq!(stage(&plan.status), Stage::Opening, "an old transaction may still open it");
    let plan = Case::new(&job, None, 125).chain(|c| c.look = absent(122)).build();
    assert_eq!(plan.status.phase, Phase::Cancelled);
}

#[test]
fn a_job_cancelled_while_its_lease_opened_is_refunded_in_full() {
    let mut job = claimed(job(), 1);
    job.spec.cancel = true;
    let plan = Case::new(&job, None, 10).chain(|c| c.open = Asked::Answered(opened(&job))).build();
    assert_eq!(
        plan.wishes,
        [Wish::Assign(Desired::Stop, None)],
        "one asked for by another hub can't come to be after this"
    );
    job.status = Some(plan.status);
    let mut stopped = assignment(&job, 10);
    stopped.spec.desired = Desired::Stop;
    assert_eq!(stage(&Case::new(&job, Some(&stopped), 11).build().status), Stage::Live);
    let mut case = Case::new(&job, Some(&stopped), 11);
    case.tether.ends = Ends::Passed;
    let plan = case.build();
    assert_eq!(stage(&plan.status), Stage::Settling);
    assert_eq!(plan.wishes, [Wish::Settle(Bill { usage: UsageMs(0), amount: Amount::ZERO, is_final: true })]);
    job.status = Some(plan.status);
    let plan = Case::new(&job, None, 12).chain(|c| c.settle = Asked::Answered(closed(&job, Amount::ZERO))).build();
    assert_eq!(plan.status.phase, Phase::Cancelled);
    assert_eq!(lease(&plan.status).refunded, eai("1"));
}

#[test]
fn a_lease_found_open_after_a_restart_is_taken_as_it_is() {
    let job = claimed(job(), 1);
    let view = LeaseView {
        state: OnChain::Open,
        hold: eai("1"),
        paid: Amount::ZERO,
        refunded: Amount::ZERO,
        held: eai("1"),
        opened_at: START,
        closing_at: None,
    };
    let look = Look { at: START + 300, lease: Some(view) };
    let plan = Case::new(&job, None, 300).chain(|c| c.look = Some(look)).build();
    assert_eq!(plan.wishes, [Wish::Assign(Desired::Run, None)]);
}

#[test]
fn running_is_noted_and_metered_from_first_sight() {
    let job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    let plan = Case::new(&job, Some(&running), 10).build();
    assert_eq!(plan.status.phase, Phase::Running);
    assert_eq!(plan.status.attempt.as_ref().unwrap().observed.running_since_ms, Some((START + 10) * 1000));
    let noted = Acknowledged { started: true, ..Acknowledged::default() };
    assert_eq!(plan.wishes, [Wish::Tell(Desired::Run, noted, None)]);
}

#[test]
fn what_a_later_pod_waits_for_is_said() {
    let job = leased(job(), 1);
    let mut running = reports(assignment(&job, 2), Report::Running, 0);
    running.status.as_mut().unwrap().message = "pod 1 waits: Unschedulable.".to_owned();
    let plan = Case::new(&job, Some(&running), 10).build();
    assert_eq!(message(&plan), "The work runs on home, though not all of it: pod 1 waits: Unschedulable.");
}

/// Three completions that leave a model each.
fn with_outputs() -> eai_api::AIJob {
    let mut job = job();
    job.spec.completions = 3;
    job.spec.outputs = serde_json::from_value(serde_json::json!([{ "name": "model", "path": "m" }])).unwrap();
    job
}

#[test]
fn an_output_that_was_told_of_stays_although_the_agent_forgets_it() {
    let mut job = leased(with_outputs(), 1);
    let output = |index: u32, digit: char| -> eai_api::artifact::OutputArtifact {
        let digest = format!("sha256:{}", digit.to_string().repeat(64));
        serde_json::from_value(serde_json::json!({
            "name": "model", "index": index, "digest": digest, "sizeBytes": 1,
        }))
        .unwrap()
    };
    let told = |outputs: Vec<eai_api::artifact::OutputArtifact>| {
        let mut running = reports(assignment(&leased(with_outputs(), 1), 2), Report::Running, 0);
        running.status.as_mut().unwrap().outputs = outputs;
        running
    };
    job.status = Some(Case::new(&job, Some(&told(vec![output(1, 'a'), output(0, 'b')])), 10).build().status);
    job.status = Some(Case::new(&job, Some(&told(vec![output(2, 'c'), output(1, 'd')])), 11).build().status);
    assert_eq!(job.status.unwrap().outputs, [output(0, 'b'), output(1, 'd'), output(2, 'c')]);
}

#[test]
fn usage_beyond_what_the_hub_saw_is_cut() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let done = reports(running, Report::Succeeded, 90_000);
    let plan = Case::new(&job, Some(&done), 40).build();
    assert_eq!(plan.status.attempt.as_ref().unwrap().usage_ms, 31_000, "30 s seen, and 1 s for whole seconds");
    let bill = Bill { usage: UsageMs(31_000), amount: eai("0.31"), is_final: true };
    assert_eq!(plan.wishes, [Wish::Settle(bill)]);
}

#[test]
fn work_that_began_while_no_hub_watched_counts_from_its_own_word_within_reason() {
    let job = leased(job(), 1);
    let mut done = reports(assignment(&job, 5), Report::Succeeded, 60_000);
    let status = done.status.as_mut().unwrap();
    (status.started_at, status.finished_at) = (Some(time(0)), Some(time(30)));
    let mut case = Case::new(&job, Some(&done), 90);
    case.watched = false;
    let usage = case.build().status.attempt.unwrap().usage_ms;
    assert_eq!(usage, 26_000, "from the Assignment's creation at 5 to 30, and 1 s");
}

#[test]
fn a_run_too_short_to_be_seen_counts_up_to_what_can_be_missed() {
    let job = leased(job(), 1);
    let mut done = reports(assignment(&job, 2), Report::Succeeded, 2_000);
    let status = done.status.as_mut().unwrap();
    (status.started_at, status.finished_at) = (Some(time(10)), Some(time(12)));
    assert_eq!(Case::new(&job, Some(&done), 13).build().status.attempt.unwrap().usage_ms, 2_000);
    let status = done.status.as_mut().unwrap();
    (status.started_at, status.finished_at, status.usage_ms) = (Some(time(10)), Some(time(60)), 50_000);
    assert_eq!(Case::new(&job, Some(&done), 61).build().status.attempt.unwrap().usage_ms, 11_000);
}

#[test]
fn success_is_settled_then_final_then_let_go() {
    let mut job = leased(job(), 1);
    job.metadata.finalizers = Some(vec![eai_api::names::SETTLEMENT_FINALIZER.to_owned()]);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let done = reports(running, Report::Succeeded, 20_000);
    job.status = Some(Case::new(&job, Some(&done), 31).build().status);
    assert_eq!(job.status.as_ref().unwrap().phase, Phase::Settling);
    let paid = closed(&job, eai("0.2"));
    let plan = Case::new(&job, Some(&done), 33).chain(|c| c.settle = Asked::Answered(paid)).build();
    assert_eq!(plan.status.phase, Phase::Succeeded);
    assert_eq!(plan.wishes, [Wish::Release]);
    assert_eq!(plan.status.cost, Some(eai("0.2")));
    assert!(condition::is_true(&plan.status.conditions, condition::READY));
    assert!(condition::is_true(&plan.status.conditions, condition::SETTLED));
    assert_eq!(message(&plan), "Done: 0.2 EAI paid, 0.8 EAI refunded.");
}

#[test]
fn the_final_bill_is_the_same_whoever_presents_it() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let done = reports(running, Report::Succeeded, 20_000);
    job.status = Some(Case::new(&job, Some(&done), 31).build().status);
    let more = reports(done.clone(), Report::Succeeded, 90_000);
    for (report, now) in [(Some(&done), 32), (Some(&more), 500), (None, 9_000)] {
        let plan = Case::new(&job, report, now).build();
        let bill = Bill { usage: UsageMs(20_000), amount: eai("0.2"), is_final: true };
        assert_eq!(plan.wishes, [Wish::Settle(bill)]);
    }
}

#[test]
fn failed_work_is_paid_for_and_the_job_fails() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let mut failed = reports(running, Report::Failed, 20_000);
    failed.status.as_mut().unwrap().exit_code = Some(3);
    job.status = Some(Case::new(&job, Some(&failed), 31).build().status);
    assert_eq!(lease(job.status.as_ref().unwrap()).state, LeaseState::Open);
    let paid = closed(&job, eai("0.2"));
    let plan = Case::new(&job, Some(&failed), 33).chain(|c| c.settle = Asked::Answered(paid)).build();
    assert_eq!((plan.status.phase, plan.status.exit_code), (Phase::Failed, Some(3)));
    assert_eq!(reason(&plan), "WorkFailed");
}

#[test]
fn failed_work_is_tried_again_as_often_as_the_job_says() {
    let mut job = job();
    job.spec.retry.max_attempts = 2;
    for round in 1..=2u64 {
        job = leased(job, 100 * round);
        let running = reports(assignment(&job, 100 * round), Report::Running, 0);
        job.status = Some(Case::new(&job, Some(&running), 100 * round + 1).build().status);
        let failed = reports(running, Report::Failed, 1_000);
        job.status = Some(Case::new(&job, Some(&failed), 100 * round + 9).build().status);
        let paid = closed(&job, eai("0.01"));
        let plan = Case::new(&job, Some(&failed), 100 * round + 10).chain(|c| c.settle = Asked::Answered(paid)).build();
        job.status = Some(plan.status);
    }
    let status = job.status.unwrap();
    assert_eq!((status.phase, status.past_attempts.len()), (Phase::Failed, 1));
    assert_eq!(status.cost, Some(eai("0.02")), "both attempts");
    assert_eq!(status.attempt.unwrap().epoch.attempt, 2);
}

#[test]
fn a_member_that_refuses_costs_nothing_and_no_attempt() {
    let mut job = leased(job(), 1);
    let mut refused = reports(assignment(&job, 2), Report::Refused, 77_000);
    refused.status.as_mut().unwrap().message = "registry not allowed".to_owned();
    job.status = Some(Case::new(&job, Some(&refused), 5).build().status);
    let zero = closed(&job, Amount::ZERO);
    assert_eq!(attempt(&job).usage_ms, 0);
    let plan = Case::new(&job, Some(&refused), 7).chain(|c| c.settle = Asked::Answered(zero)).build();
    assert_eq!((stage(&plan.status), plan.status.past_attempts.len()), (Stage::Idle, 1));
    assert_eq!(plan.status.past_attempts[0].outcome.result, AttemptResult::Lost);
    assert_eq!(plan.wishes, [Wish::Place]);
    assert!(message(&plan).contains("registry not allowed"));
}

#[test]
fn lost_work_is_not_charged_beyond_what_was_paid() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    attempt_mut(&mut job).lease.paid = eai("0.05");
    let lost = reports(running, Report::Lost, 20_000);
    let plan = Case::new(&job, Some(&lost), 31).build();
    let [Wish::Settle(bill)] = plan.wishes[..] else { panic!("{:?}", plan.wishes) };
    assert_eq!(bill.amount, eai("0.05"));
}
