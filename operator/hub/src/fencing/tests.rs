//! What is remembered of attempts, and what is said of them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use eai_core::fencing::{Heartbeat, Instance};

use super::*;

/// With a validity of 60 s an attempt is waited for 120 s.
const POLICY: Policy = Policy::new(60_000);
const WAIT: u64 = 120;

struct Case {
    fence: Fence,
    began: Instant,
    grant: Option<Grant>,
    voice: Voice,
    opening: bool,
    fenced: Option<u32>,
    generation: u64,
    on_loss: OnLoss,
}

fn beat(sequence: u64) -> Voice {
    Voice::Heard(Heartbeat { instance: Instance(7), sequence })
}

fn grant(sequence: u64) -> Grant {
    Grant { heartbeat: format!("0000000000000007-{sequence}"), valid_for_seconds: 60 }
}

impl Case {
    fn new() -> Self {
        let began = Instant::now();
        let fence = Fence::new(POLICY, began);
        fence.settled_in.store(true, Ordering::Release);
        Self {
            fence,
            began,
            grant: None,
            voice: beat(1),
            opening: false,
            fenced: Some(60),
            generation: 1,
            on_loss: OnLoss::SelfFence,
        }
    }

    fn look(&self, seconds: u64) -> Tether {
        let subject = Subject {
            name: "a",
            generation: self.generation,
            opening: self.opening,
            fenced_for: self.fenced,
            assigned: self.grant.is_some(),
            grant: self.grant.as_ref(),
            on_loss: self.on_loss,
            voice: self.voice,
        };
        self.fence.look(&subject, 2, self.began + Duration::from_secs(seconds))
    }
}

#[test]
fn a_first_grant_echoes_the_latest_heartbeat() {
    let case = Case::new();
    assert_eq!(case.look(0).due, Some(grant(1)));
}

#[test]
fn a_grant_is_renewed_when_a_third_is_used_up_by_a_member_that_is_heard() {
    let mut case = Case::new();
    case.grant = case.look(0).due;
    case.voice = beat(2);
    assert_eq!(case.look(0).due, None);
    assert_eq!(case.look(1).again_ms, Some(19_000));
    case.voice = beat(3);
    assert_eq!(case.look(19).due, None);
    assert_eq!(case.look(20).due, Some(grant(3)));
    case.voice = Voice::Silent;
    assert_eq!(case.look(25).due, None, "a dead member is lent nothing");
}

#[test]
fn a_process_that_takes_over_renews_at_once_and_waits_for_a_whole_period() {
    let mut case = Case::new();
    (case.grant, case.voice) = (Some(grant(400)), beat(401));
    let tether = case.look(3);
    assert_eq!(tether.due, Some(grant(401)), "what it found may be nearly used up");
    assert_eq!(tether.ends, Ends::In(WAIT * 1_000));
    case.voice = Voice::Silent;
    assert_eq!(case.look(3 + WAIT - 1).ends, Ends::In(1_000));
    assert_eq!(case.look(3 + WAIT).ends, Ends::Passed);
}

#[test]
fn an_assignment_that_is_gone_is_made_again_under_a_grant_at_once() {
    let mut case = Case::new();
    case.grant = Some(Grant { valid_for_seconds: 90, ..grant(1) });
    case.look(0);
    case.grant = None;
    assert_eq!(case.look(1).due, Some(Grant { valid_for_seconds: 90, ..grant(1) }), "with the longest validity it had");
}

#[test]
fn every_grant_that_is_seen_moves_the_end_on_and_none_that_is_missing_does() {
    let mut case = Case::new();
    case.grant = case.look(0).due;
    assert_eq!(case.look(1).ends, Ends::In(WAIT * 1_000));
    case.grant = Some(grant(9));
    assert_eq!(case.look(50).ends, Ends::In(WAIT * 1_000));
    case.grant = None;
    assert_eq!(case.look(60).ends, Ends::In(WAIT * 1_000), "its Assignment is gone, perhaps with a later one");
    assert_eq!(case.look(70).ends, Ends::In((WAIT - 10) * 1_000), "and counts from then");
}

#[test]
fn what_is_not_fenced_or_runs_on_has_no_end() {
    let mut case = Case::new();
    (case.fenced, case.voice) = (None, Voice::Unnumbered);
    case.look(0);
    assert_eq!((case.look(100_000).ends, case.look(100_000).due), (Ends::Unknown, None));
    case.fenced = Some(60);
    case.on_loss = OnLoss::Continue;
    assert_eq!(case.look(100_000).ends, Ends::Unknown);
}

#[test]
fn what_never_began_needs_no_waiting_for() {
    let mut case = Case::new();
    case.opening = true;
    case.look(0);
    case.opening = false;
    case.look(1);
    assert_eq!(case.look(1).ends, Ends::In((WAIT - 1) * 1_000));
    case.fence.made("a", true);
    assert_eq!(case.look(2).ends, Ends::Passed);
}

#[test]
fn what_may_have_begun_before_this_process_is_waited_for_although_it_is_made_stopped() {
    let case = Case::new();
    case.look(0);
    case.fence.made("a", true);
    assert!(matches!(case.look(2).ends, Ends::In(_)));
    let mut begun = Case::new();
    begun.opening = true;
    begun.look(0);
    begun.grant = Some(grant(1));
    begun.look(1);
    begun.fence.made("a", true);
    assert!(matches!(begun.look(2).ends, Ends::In(_)), "an Assignment was seen");
}

#[test]
fn a_hub_that_has_not_settled_in_lends_nothing_to_what_it_inherited() {
    let mut case = Case::new();
    case.fence.settled_in.store(false, Ordering::Release);
    assert_eq!(case.look(0).due, None);
    case.generation = 2;
    assert_eq!(case.look(0).due, Some(grant(1)));
}

#[test]
fn a_mass_silence_moves_ends_on() {
    let mut case = Case::new();
    case.grant = case.look(0).due;
    case.look(0);
    case.voice = Voice::Silent;
    let since = case.fence.steady(case.began + Duration::from_secs(WAIT - 10));
    let weighed = [Weighed { stake: 0, silent_since: Some(since) }; 3];
    case.fence.weigh(&weighed, case.fence.steady(case.began + Duration::from_secs(WAIT - 5)));
    assert!(matches!(case.look(WAIT + 1).ends, Ends::In(_)), "paused");
    assert_eq!(case.look(WAIT - 5 + 60).ends, Ends::Passed, "for one validity");
}

#[test]
fn an_attempt_that_is_over_is_forgotten() {
    let case = Case::new();
    case.look(0);
    case.fence.forget("a");
    assert!(case.fence.lock().attempts.is_empty());
}

#[test]
fn an_attempt_is_waited_for_as_long_as_it_was_ever_lent_for() {
    let mut case = Case::new();
    case.fenced = Some(600);
    case.look(0);
    assert_eq!(
        case.look(0).ends,
        Ends::In(Policy::default().fence_after_ms(600_000)),
        "by a hub that now lends for less"
    );
}

#[test]
fn what_its_member_cannot_have_heard_of_is_known() {
    let mut case = Case::new();
    case.opening = true;
    assert!(case.look(0).unheard_of);
    case.opening = false;
    assert!(case.look(1).unheard_of);
    case.fence.made("a", false);
    assert!(!case.look(2).unheard_of, "this process made it");
    assert!(!Case::new().look(0).unheard_of, "another process may have");
}
