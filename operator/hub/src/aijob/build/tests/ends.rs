//! Attempts that end otherwise than by the work: members that fail, vendors that cancel, leases that others close.

use eai_api::{
    aijob::{AttemptResult, Phase},
    assignment::{Acknowledged, AssignmentPhase as Report, Desired},
};
use eai_chain::{LeaseState as OnChain, LeaseView, Refusal, SettleOutcome, Skipped};
use eai_core::money::Amount;

use super::fixtures::*;
use crate::aijob::build::{Asked, Bill, Look, Stage, Wish, stage};

#[test]
fn a_member_that_breaks_its_promise_is_stopped_and_loses_the_job() {
    let job = leased(job(), 1);
    let starting = reports(assignment(&job, 2), Report::Starting, 0);
    let plan = Case::new(&job, Some(&starting), 150).build();
    assert_eq!(plan.again, Some(at(151)));
    let plan = Case::new(&job, Some(&starting), 151).build();
    assert!(plan.wishes.contains(&Wish::Tell(Desired::Stop, Acknowledged::default(), None)));
    assert_eq!(plan.status.attempt.as_ref().unwrap().stop_by, Some(time(751)));
    let stopped = reports(starting, Report::Stopped, 0);
    let plan = Case::new(&job, Some(&stopped), 155).build();
    let outcome = plan.status.attempt.unwrap().outcome.unwrap();
    assert_eq!((outcome.result, outcome.reason.as_str()), (AttemptResult::Lost, "NotStartedInTime"));
}

#[test]
fn cancelling_stops_the_work_and_pays_for_what_ran() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job.spec.cancel = true;
    let plan = Case::new(&job, Some(&running), 20).build();
    let noted = Acknowledged { started: true, ..Acknowledged::default() };
    assert_eq!(plan.wishes, [Wish::Tell(Desired::Stop, noted, None)]);
    assert_eq!(plan.status.phase, Phase::Running);
    job.status = Some(plan.status);
    let stopped = reports(running, Report::Stopped, 12_000);
    job.status = Some(Case::new(&job, Some(&stopped), 25).build().status);
    assert_eq!(attempt(&job).outcome.as_ref().unwrap().result, AttemptResult::Cancelled);
    let paid = closed(&job, eai("0.12"));
    let plan = Case::new(&job, Some(&stopped), 27).chain(|c| c.settle = Asked::Answered(paid)).build();
    assert_eq!((plan.status.phase, plan.status.cost), (Phase::Cancelled, Some(eai("0.12"))));
}

#[test]
fn a_silent_member_doesnt_keep_a_cancelled_job_for_ever() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 5_000);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job.spec.cancel = true;
    job.status = Some(Case::new(&job, Some(&running), 20).build().status);
    let plan = Case::new(&job, Some(&running), 619).build();
    assert_eq!(stage(&plan.status), Stage::Live);
    let plan = Case::new(&job, Some(&running), 620).build();
    assert_eq!(stage(&plan.status), Stage::Settling);
    assert_eq!(plan.status.attempt.unwrap().usage_ms, 5_000, "what it reported last");
}

#[test]
fn work_of_a_silent_or_removed_member_is_never_started_again() {
    let mut job = job();
    job.spec.retry.max_attempts = 5;
    let mut job = leased(job, 1);
    let running = reports(assignment(&job, 2), Report::Running, 5_000);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let mut case = Case::new(&job, None, 30);
    case.enrolled = false;
    job.status = Some(case.build().status);
    assert_eq!(attempt(&job).outcome.as_ref().unwrap().reason, "MemberRemoved");
    let paid = closed(&job, Amount::ZERO);
    let plan = Case::new(&job, None, 33).chain(|c| c.settle = Asked::Answered(paid)).build();
    assert_eq!(plan.status.phase, Phase::Failed);
}

#[test]
fn work_asked_to_stop_counts_until_its_pods_must_have_ended() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 10_000);
    job.status = Some(Case::new(&job, Some(&running), 12).build().status);
    job.spec.cancel = true;
    job.status = Some(Case::new(&job, Some(&running), 20).build().status);
    assert_eq!(attempt(&job).held_since, Some(time(20)));
    let mut claims = reports(running, Report::Running, 99_000_000);
    claims.spec.desired = Desired::Stop;
    for now in [30, 52, 60, 300, 619] {
        job.status = Some(Case::new(&job, Some(&claims), now).build().status);
    }
    // Seen from second 12 on, asked to stop at 20, 32 s of grace, and the allowance for one start.
    assert_eq!(attempt(&job).usage_ms, (20 - 12 + 32 + 1) * 1000);
}

#[test]
fn a_later_report_can_say_less_but_not_less_than_was_paid_for() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 30_000);
    job.status = Some(Case::new(&job, Some(&running), 5).build().status);
    job.status = Some(Case::new(&job, Some(&running), 40).build().status);
    assert_eq!(attempt(&job).usage_ms, 30_000);
    let ended = reports(running, Report::Succeeded, 6_000);
    let plan = Case::new(&job, Some(&ended), 41).build();
    assert_eq!(plan.status.attempt.unwrap().usage_ms, 6_000, "when the work ended is known only later");
    attempt_mut(&mut job).lease.paid = eai("0.2");
    let plan = Case::new(&job, Some(&ended), 41).build();
    assert_eq!(plan.status.attempt.unwrap().usage_ms, 20_000, "what a voucher paid is paid");
}

#[test]
fn a_member_that_couldnt_hear_of_a_pause_is_paid_until_it_could() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 5_000);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job.spec.suspend = true;
    for now in (20..80).step_by(10) {
        let mut case = Case::new(&job, Some(&running), now);
        (case.silent, case.reported) = (true, 10);
        let plan = case.build();
        assert!(plan.again.unwrap() <= at(now + 10), "looked at again soon");
        job.status = Some(plan.status);
    }
    let held = attempt(&job).held_since.clone();
    let mut paused = reports(running.clone(), Report::Paused, 70_000);
    paused.spec.desired = Desired::Pause;
    let mut case = Case::new(&job, Some(&paused), 80);
    case.silent = true;
    assert_eq!(case.build().status.attempt.unwrap().held_since, held, "what is paused costs no more writes");
    let mut done = reports(running, Report::Succeeded, 70_000);
    done.spec.desired = Desired::Pause;
    let plan = Case::new(&job, Some(&done), 80).build();
    assert_eq!(plan.status.attempt.unwrap().usage_ms, 70_000, "it ran on, and its result is there");
}

#[test]
fn a_member_without_room_is_asked_again_however_often_and_leaves_one_line() {
    let mut job = job();
    let mut epochs = Vec::new();
    for round in 0..40_u64 {
        job = leased(job, 1 + round * 10);
        epochs.push(attempt(&job).epoch);
        let mut refused = reports(assignment(&job, 2), Report::Refused, 0);
        refused.status.as_mut().unwrap().reason = "NoRoom".to_owned();
        job.status = Some(Case::new(&job, Some(&refused), 5 + round * 10).build().status);
        let zero = closed(&job, Amount::ZERO);
        let plan = Case::new(&job, Some(&refused), 7 + round * 10).chain(|c| c.settle = Asked::Answered(zero)).build();
        assert_eq!((stage(&plan.status), plan.status.past_attempts.len()), (Stage::Idle, 1), "round {round}");
        job.status = Some(plan.status);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 40, "no epoch is used twice");
}

#[test]
fn a_member_that_flaps_isnt_paid_for_it() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    job.spec.suspend = true;
    job.status = Some(Case::new(&job, Some(&running), 20).build().status);
    let mut paused = reports(running, Report::Paused, 99_000_000);
    paused.spec.desired = Desired::Pause;
    job.status = Some(Case::new(&job, Some(&paused), 21).build().status);
    let before = attempt(&job).usage_ms;
    assert_eq!(before, 12_000, "11 s seen and the allowance");
    for now in 22..200 {
        let phase = if now % 2 == 0 { Report::Running } else { Report::Paused };
        let mut flap = reports(paused.clone(), phase, 99_000_000);
        flap.spec.desired = Desired::Pause;
        job.status = Some(Case::new(&job, Some(&flap), now).build().status);
    }
    assert_eq!((attempt(&job).usage_ms, attempt(&job).observed.intervals), (before, 1));
}

#[test]
fn a_member_that_says_it_starts_again_and_again_runs_out_of_time() {
    let mut job = leased(job(), 1);
    let phases = [Report::Running, Report::Starting];
    let mut stopped_at = None;
    for now in 10..2_000 {
        let said = reports(assignment(&job, 2), phases[usize::from(now % 50 == 0)], 99_000_000);
        let plan = Case::new(&job, Some(&said), now).build();
        job.status = Some(plan.status);
        if plan.wishes.iter().any(|w| matches!(w, Wish::Tell(Desired::Stop, ..))) {
            stopped_at = Some(now);
            break;
        }
    }
    let at = stopped_at.expect("it is stopped");
    assert!((230..=250).contains(&at), "100 s of run and 120 s of grace, whatever it says between: {at}");
    assert!(attempt(&job).usage_ms <= (100 + 120 + 1) * 1000);
}

#[test]
fn work_that_ran_and_doesnt_go_on_is_stopped() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    assert_eq!(attempt(&job).start_by, None, "it runs");
    let mut between = reports(running, Report::Running, 5_000);
    between.status.as_mut().unwrap().running = 0;
    job.status = Some(Case::new(&job, Some(&between), 20).build().status);
    assert_eq!(attempt(&job).start_by, Some(time(920)));
    let plan = Case::new(&job, Some(&between), 919).build();
    assert!(!plan.wishes.iter().any(|w| matches!(w, Wish::Tell(Desired::Stop, ..))));
    let plan = Case::new(&job, Some(&between), 920).build();
    assert!(plan.wishes.iter().any(|w| matches!(w, Wish::Tell(Desired::Stop, ..))), "{:?}", plan.wishes);
    job.status = Some(plan.status);
    let stopped = reports(between, Report::Stopped, 5_000);
    let plan = Case::new(&job, Some(&stopped), 925).build();
    assert_eq!(plan.status.attempt.unwrap().outcome.unwrap().reason, "NotGoingOn");
}

#[test]
fn work_that_was_seen_and_is_then_refused_isnt_started_elsewhere() {
    let mut spec = job();
    spec.spec.retry.max_attempts = 5;
    let mut job = leased(spec, 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let refused = reports(assignment(&job, 30), Report::Refused, 0);
    job.status = Some(Case::new(&job, Some(&refused), 30).build().status);
    assert_eq!(attempt(&job).outcome.as_ref().unwrap().reason, "Disowned");
    let paid = closed(&job, Amount::ZERO);
    let plan = Case::new(&job, Some(&refused), 33).chain(|c| c.settle = Asked::Answered(paid)).build();
    assert_eq!(plan.status.phase, Phase::Failed, "the old work may still run");
}

#[test]
fn work_that_runs_past_its_time_is_stopped() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let plan = Case::new(&job, Some(&running), 10 + 100 + 119).build();
    assert!(!matches!(plan.wishes[..], [Wish::Tell(Desired::Stop, ..)]));
    let plan = Case::new(&job, Some(&running), 10 + 100 + 120).build();
    assert!(plan.wishes.iter().any(|w| matches!(w, Wish::Tell(Desired::Stop, ..))), "{:?}", plan.wishes);
}

#[test]
fn a_lease_that_somebody_closes_ends_the_work() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let view = LeaseView {
        state: OnChain::Closing,
        hold: eai("1"),
        paid: Amount::ZERO,
        refunded: Amount::ZERO,
        held: eai("1"),
        opened_at: START,
        closing_at: Some(START + 60),
    };
    let look = Look { at: START + 70, lease: Some(view) };
    let plan = Case::new(&job, Some(&running), 70).chain(|c| c.look = Some(look)).build();
    assert!(plan.wishes.iter().any(|w| matches!(w, Wish::Tell(Desired::Stop, ..))), "{:?}", plan.wishes);
}

#[test]
fn the_lease_of_running_work_is_looked_at_now_and_then() {
    let job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    assert!(!Case::new(&job, Some(&running), 60).build().wishes.contains(&Wish::LookAtLease));
    assert!(Case::new(&job, Some(&running), 61).build().wishes.contains(&Wish::LookAtLease));
}

#[test]
fn a_missing_assignment_is_made_again_under_the_same_name() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    assert!(Case::new(&job, None, 20).build().wishes.contains(&Wish::Assign(Desired::Run, None)));
    job.spec.suspend = true;
    assert!(
        Case::new(&job, None, 20).build().wishes.contains(&Wish::Assign(Desired::Pause, None)),
        "not to run on unheard"
    );
    job.spec.cancel = true;
    assert!(Case::new(&job, None, 20).build().wishes.contains(&Wish::Assign(Desired::Stop, None)));
}

#[test]
fn a_voucher_that_the_chain_refuses_is_said_and_tried_again() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let done = reports(running, Report::Succeeded, 20_000);
    job.status = Some(Case::new(&job, Some(&done), 31).build().status);
    let skip = Skipped { lease: attempt(&job).lease.id.parse().unwrap(), reason: Refusal::BadSignature };
    let skipped = Asked::Answered(SettleOutcome::Skipped(skip));
    let plan = Case::new(&job, Some(&done), 33).chain(|c| c.settle = skipped).build();
    assert_eq!((plan.status.phase, reason(&plan)), (Phase::Settling, "SettlingDelayed"));
    assert!(plan.wishes.iter().any(|w| matches!(w, Wish::Settle(Bill { is_final: true, .. }))));
}

#[test]
fn a_lease_closed_by_an_earlier_voucher_is_found_by_looking() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let done = reports(running, Report::Succeeded, 20_000);
    job.status = Some(Case::new(&job, Some(&done), 31).build().status);
    let view = LeaseView {
        state: OnChain::Closed,
        hold: eai("1"),
        paid: eai("0.2"),
        refunded: eai("0.8"),
        held: Amount::ZERO,
        opened_at: START,
        closing_at: None,
    };
    let look = Look { at: START + 40, lease: Some(view) };
    let plan = Case::new(&job, Some(&done), 40).chain(|c| c.look = Some(look)).build();
    assert_eq!((plan.status.phase, lease(&plan.status).paid), (Phase::Succeeded, eai("0.2")));
}

#[test]
fn a_little_more_usage_is_no_reason_to_write() {
    let mut job = leased(job(), 1);
    let running = reports(assignment(&job, 2), Report::Running, 0);
    job.status = Some(Case::new(&job, Some(&running), 10).build().status);
    let later = reports(running.clone(), Report::Running, 5_000);
    assert_eq!(Case::new(&job, Some(&later), 15).build().status, job.status.clone().unwrap());
    let later = reports(running, Report::Running, 15_000);
    assert_eq!(Case::new(&job, Some(&later), 25).build().status.attempt.unwrap().usage_ms, 15_000);
}
