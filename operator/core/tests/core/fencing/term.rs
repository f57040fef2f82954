use eai_core::fencing::{
    BootMs, Grant, Heartbeat, Heartbeats, Instance, OnLoss, Refused, Term, Verdict,
    term::{SUSPEND_LEAD_MS, deadline_seconds},
};
use proptest::prelude::*;

use super::{epoch, grant};

const VALID: u64 = 600_000;

/// Heartbeats sent at these moments.
fn sent(at: &[u64]) -> Heartbeats {
    let mut sent = Heartbeats::new(Instance(1));
    for at in at {
        sent.send(BootMs(*at));
    }
    sent
}

fn term() -> Term {
    Term::new(epoch(1, 1))
}

#[test]
fn a_grant_counts_from_the_sending_of_its_heartbeat() {
    let held = term().accept(epoch(1, 1), grant(1, VALID), &sent(&[1_000])).unwrap();
    assert_eq!(held.remaining_ms(BootMs(1_000)), Some(VALID));
    // Delivered five minutes late it is five minutes shorter.
    assert_eq!(held.remaining_ms(BootMs(301_000)), Some(VALID - 300_000));
    assert_eq!(held.remaining_ms(BootMs(601_000)), Some(0));
    assert_eq!(held.remaining_ms(BootMs(u64::MAX)), Some(0));
}

#[test]
fn a_grant_that_comes_after_its_end_gives_nothing() {
    let held = term().accept(epoch(1, 1), grant(1, VALID), &sent(&[0])).unwrap();
    assert_eq!(held.verdict(OnLoss::SelfFence, None, BootMs(VALID + 1)), Verdict::Fence);
}

#[test]
fn nothing_is_left_of_what_was_never_granted() {
    assert_eq!(term().remaining_ms(BootMs(0)), None);
    assert_eq!(term().verdict(OnLoss::SelfFence, None, BootMs(0)), Verdict::Leave);
}

#[test]
fn refusals_say_why() {
    let sent = sent(&[0, 10]);
    let refused = |of, given| term().accept(of, given, &sent).unwrap_err();
    let other = Grant { heartbeat: Heartbeat { instance: Instance(2), sequence: 1 }, valid_for_ms: VALID };
    assert_eq!(refused(epoch(1, 1), other), Refused::OtherInstance);
    assert_eq!(refused(epoch(1, 1), grant(3, VALID)), Refused::UnknownHeartbeat);
    let other_epoch = Refused::OtherEpoch { given: epoch(1, 2), held: epoch(1, 1) };
    assert_eq!(refused(epoch(1, 2), grant(1, VALID)), other_epoch);
    assert_eq!(
        other_epoch.to_string(),
        "it is for epoch g1-a2, and this is g1-a1",
        "the words name both, so that a person sees which is wrong"
    );
}

#[test]
fn a_grant_that_was_overtaken_is_refused_and_one_that_comes_twice_is_not() {
    let sent = sent(&[0, 10, 20]);
    let held = term().accept(epoch(1, 1), grant(2, VALID), &sent).unwrap();
    assert_eq!(held.accept(epoch(1, 1), grant(1, VALID), &sent), Err(Refused::Overtaken));
    assert_eq!(held.accept(epoch(1, 1), grant(2, VALID), &sent), Ok(held));
    let later = held.accept(epoch(1, 1), grant(3, VALID), &sent).unwrap();
    assert_eq!(later.remaining_ms(BootMs(20)), Some(VALID));
}

#[test]
fn a_grant_never_shortens_a_later_end() {
    let sent = sent(&[0, 1_000]);
    let held = term().accept(epoch(1, 1), grant(1, VALID), &sent).unwrap();
    let after = held.accept(epoch(1, 1), grant(2, 1_000), &sent).unwrap();
    assert_eq!(after.remaining_ms(BootMs(1_000)), Some(VALID - 1_000));
}

#[test]
fn self_fencing_work_ends_a_little_before_its_grant() {
    let held = term().accept(epoch(1, 1), grant(1, VALID), &sent(&[0])).unwrap();
    let at = |ms| held.verdict(OnLoss::SelfFence, None, BootMs(ms));
    assert_eq!(at(0), Verdict::Granted { remaining_ms: VALID });
    let last = VALID - SUSPEND_LEAD_MS - 1;
    assert_eq!(at(last), Verdict::Granted { remaining_ms: SUSPEND_LEAD_MS + 1 });
    assert_eq!(at(last + 1), Verdict::Fence);
    assert_eq!(at(VALID * 2), Verdict::Fence);
}

#[test]
fn continuing_work_runs_on_and_yet_begins_only_under_a_grant() {
    let held = term().accept(epoch(1, 1), grant(1, VALID), &sent(&[0])).unwrap();
    assert_eq!(held.verdict(OnLoss::Continue, None, BootMs(0)), Verdict::Granted { remaining_ms: VALID });
    assert_eq!(held.verdict(OnLoss::Continue, Some(0), BootMs(VALID)), Verdict::Leave);
    assert_eq!(term().verdict(OnLoss::Continue, Some(0), BootMs(0)), Verdict::Leave);
}

#[test]
fn an_agent_that_forgot_holds_work_to_the_end_that_its_job_has() {
    let now = BootMs(5);
    assert_eq!(term().verdict(OnLoss::SelfFence, Some(SUSPEND_LEAD_MS + 1), now), Verdict::Leave);
    assert_eq!(term().verdict(OnLoss::SelfFence, Some(SUSPEND_LEAD_MS), now), Verdict::Fence);
    assert_eq!(term().verdict(OnLoss::SelfFence, Some(0), now), Verdict::Fence);
}

#[test]
fn a_job_ends_no_later_than_its_grant() {
    assert_eq!(deadline_seconds(0, 600_000), 600);
    assert_eq!(deadline_seconds(0, 599_999), 599);
    assert_eq!(deadline_seconds(1_500, 2_499), 3);
    assert_eq!(deadline_seconds(0, 999), 0);
    assert_eq!(deadline_seconds(u64::MAX, u64::MAX), u64::MAX / 1_000);
}

proptest! {
    /// In whatever order grants come, twice or never: the end is that of the longest that was taken, none of those that
    /// were refused changed anything, and it never moves back.
    #[test]
    fn the_end_only_moves_on(
        gaps in prop::collection::vec(1u64..100_000, 1..20),
        order in prop::collection::vec((0usize..25, 1u64..1_000_000), 0..40),
    ) {
        let mut sent = Heartbeats::new(Instance(1));
        let (mut now, mut moments) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            sent.send(BootMs(now));
            moments.push(now);
        }
        let (mut held, mut end, mut newest) = (term(), None, 0);
        for (which, valid) in order {
            let sequence = which as u64 + 1;
            let before = held.remaining_ms(BootMs(0));
            match held.accept(epoch(1, 1), grant(sequence, valid), &sent) {
                Ok(after) => {
                    prop_assert!(sequence >= newest && which < moments.len());
                    newest = sequence;
                    end = end.max(Some(moments[which] + valid));
                    held = after;
                }
                Err(Refused::Overtaken) => prop_assert!(sequence < newest),
                Err(why) => prop_assert!(which >= moments.len() && why == Refused::UnknownHeartbeat),
            }
            prop_assert_eq!(held.remaining_ms(BootMs(0)), end);
            prop_assert!(held.remaining_ms(BootMs(0)) >= before);
        }
    }

    /// Never later than the grant, and never more than a second earlier.
    #[test]
    fn deadlines_are_cut_to_whole_seconds(elapsed in 0u64..10u64.pow(12), remaining in 0u64..10u64.pow(10)) {
        let end = deadline_seconds(elapsed, remaining) * 1_000;
        prop_assert!(end <= elapsed + remaining && elapsed + remaining < end + 1_000);
    }

    /// Work is told to end exactly when nothing useful is left, and under SelfFence alone.
    #[test]
    fn verdicts_follow_what_is_left(
        now in 0u64..2_000_000,
        sent_at in 0u64..1_000_000,
        granted: bool,
        goes_on: bool,
        job_left in prop::option::of(0u64..10_000),
    ) {
        let mode = if goes_on { OnLoss::Continue } else { OnLoss::SelfFence };
        let mut held = term();
        if granted {
            held = held.accept(epoch(1, 1), grant(1, VALID), &sent(&[sent_at])).unwrap();
        }
        let left = granted.then(|| (sent_at + VALID).saturating_sub(now));
        match held.verdict(mode, job_left, BootMs(now)) {
            Verdict::Granted { remaining_ms } => {
                prop_assert!(Some(remaining_ms) == left && remaining_ms > SUSPEND_LEAD_MS);
            }
            Verdict::Leave => prop_assert!(goes_on || (!granted && job_left.is_none_or(|l| l > SUSPEND_LEAD_MS))),
            Verdict::Fence => {
                let end = left.or(job_left).unwrap();
                prop_assert!(!goes_on && end <= SUSPEND_LEAD_MS);
            }
        }
    }
}
