//! Unreachable, Degraded and Draining: when they hold, and what they say.

use eai_api::{
    compute_node::Drain,
    condition::{DEGRADED, DRAINING, UNREACHABLE},
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::SignedDuration};

use super::{
    super::{
        build::decide,
        health::{Aspect, aspects},
        standing::{Leaving, Standing},
    },
    *,
};
use crate::tally::Tally;

/// A member with nothing wrong.
fn fine() -> Snapshot {
    let mut snapshot = snapshot(node("home-1").0);
    change(&mut snapshot, |report| {
        report.probes.sandbox = true;
        report.nodes[0].accelerators[1].free = 1;
    });
    snapshot
}

fn change(snapshot: &mut Snapshot, change: impl FnOnce(&mut MemberReportSpec)) {
    change(Arc::make_mut(snapshot.report.as_mut().unwrap()));
}

fn held(snapshot: &Snapshot) -> Vec<Aspect> {
    let decision = decide(snapshot, &settings());
    aspects(snapshot, &decision.standing, decision.offers.as_ref())
}

/// The only condition that holds: its type, its reason and its sentence.
fn only(snapshot: &Snapshot) -> (&'static str, &'static str, String) {
    let mut all = held(snapshot);
    assert_eq!(all.len(), 1, "{all:?}");
    let Aspect { kind, reason, message } = all.remove(0);
    (kind, reason, message)
}

fn silent() -> Snapshot {
    let mut snapshot = fine();
    let seen = now() + SignedDuration::from_millis(734);
    snapshot.pulse = Pulse { alive: false, last_seen: Some(seen), fresh_for: None };
    snapshot
}

fn drained(by: Timestamp) -> Snapshot {
    let mut snapshot = fine();
    Arc::make_mut(&mut snapshot.node).spec.drain = Some(Drain { by: Time(by) });
    snapshot
}

#[test]
fn nothing_is_said_of_a_member_with_nothing_wrong() {
    assert_eq!(held(&fine()), []);
}

#[test]
fn nothing_is_said_of_who_is_not_a_member_yet_or_any_more() {
    let mut stranger = silent();
    Arc::make_mut(&mut stranger.node).spec.accepted = false;
    assert_eq!(held(&stranger), []);
    assert_eq!(aspects(&silent(), &Standing::Leaving(Leaving::Revoking), None), []);
    let mut joining = fine();
    joining.pulse = Pulse { alive: false, last_seen: None, fresh_for: None };
    assert_eq!(held(&joining), [], "it was never heard: that it joins is said elsewhere");
}

#[test]
fn a_silent_member_says_since_when_and_until_when_its_work_is_kept() {
    let mut snapshot = silent();
    let (kind, reason, message) = only(&snapshot);
    assert_eq!((kind, reason), (UNREACHABLE, "HeartbeatLost"));
    assert!(message.starts_with("nothing is heard of it since 2026-01-01T00:00:00Z"), "{message}");
    let until = Some(now() + SignedDuration::from_mins(13));
    let cases = [
        (Tally::default(), "; it has no work"),
        (
            Tally { attempts: 1, kept_until: until, ..Tally::default() },
            "; unless it is heard, its 1 attempt begins elsewhere by 2026-01-01T00:13:00Z",
        ),
        (
            Tally { attempts: 3, kept_until: until, ..Tally::default() },
            "; unless it is heard, its 3 attempts begin elsewhere by 2026-01-01T00:13:00Z",
        ),
        (Tally { attempts: 2, ..Tally::default() }, "; its 2 attempts begin elsewhere now"),
        (
            Tally { attempts: 1, waiting: 1, ..Tally::default() },
            "; 1 attempt is given to nobody else until it is heard or the vendor cancels (onHubLoss Continue, or an agent without grants)",
        ),
    ];
    for (tally, says) in cases {
        snapshot.tally = Some(tally);
        let message = only(&snapshot).2;
        assert!(message.ends_with(says), "{message}");
    }
    snapshot.tally = Some(Tally { attempts: 3, waiting: 1, kept_until: until, ..Tally::default() });
    let message = only(&snapshot).2;
    assert!(message.contains("its 2 attempts begin elsewhere by") && message.contains("1 attempt is given to nobody"));
}

#[test]
fn what_a_member_lacks_is_its_degradation() {
    let mut snapshot = fine();
    change(&mut snapshot, |report| report.probes.sandbox = false);
    let (kind, reason, message) = only(&snapshot);
    assert_eq!((kind, reason), (DEGRADED, "NoSandbox"));
    assert!(message.contains("set runtimeClass"), "{message}");

    let mut snapshot = fine();
    change(&mut snapshot, |report| report.nodes_away = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec());
    let (_, reason, message) = only(&snapshot);
    assert_eq!(reason, "NodesAway");
    assert!(message.ends_with("a, b, c and 2 more"), "{message}");

    let mut snapshot = fine();
    change(&mut snapshot, |report| {
        report.offers.push(OfferReport { class: "cpu".to_owned(), valid_until: 0, ..offer("cpu", "1") });
    });
    let (_, reason, message) = only(&snapshot);
    assert_eq!(reason, "OffersRefused");
    assert!(message.contains("the offer for cpu has expired"), "{message}");
}

#[test]
fn a_report_that_cannot_be_is_named_by_field() {
    let mut snapshot = fine();
    change(&mut snapshot, |report| {
        report.nodes[0].accelerators[1].free = 9;
        report.nodes_away = vec!["c".to_owned()];
    });
    let (kind, reason, message) = only(&snapshot);
    assert_eq!((kind, reason), (DEGRADED, "ReportNotBelieved"), "the worst comes first");
    assert!(message.contains("home-1.nodes[0].accelerators[1].free: 9 is more than its total 1"), "{message}");
    assert!(message.ends_with("so they get no work: c"), "and the rest after it: {message}");
    snapshot.pulse = silent().pulse;
    assert_eq!(only(&snapshot).0, UNREACHABLE, "what was said before it fell silent is no news");
}

#[test]
fn what_it_says_of_work_and_cannot_be_is_told() {
    let mut snapshot = fine();
    snapshot.doubts = vec!["for attempt 1 of team/train more usage than can have run since it was given it".to_owned()];
    let (kind, reason, message) = only(&snapshot);
    assert_eq!((kind, reason), (DEGRADED, "ReportNotBelieved"));
    assert!(message.contains("paid for what the hub saw alone: for attempt 1 of team/train more usage"), "{message}");
}

#[test]
fn a_member_that_is_emptied_says_what_is_left_and_when_it_is_ended() {
    let by = now() + SignedDuration::from_hours(1);
    let mut snapshot = drained(by);
    assert_eq!(decide(&snapshot, &settings()).standing, Standing::Draining);
    for (tally, reason, says) in [
        (None, "Draining", "it takes no new work; what it has is being counted"),
        (
            Some(Tally { attempts: 2, settling: 1, ..Tally::default() }),
            "Draining",
            "2 attempts are left on it, 1 to be settled; what still runs at 2026-01-01T01:00:00Z is ended then and begun \
             elsewhere",
        ),
        (Some(Tally { settling: 2, ..Tally::default() }), "Draining", "nothing runs on it; 2 to be settled"),
        (Some(Tally::default()), "Draining", "nothing is left on it that is known of"),
        (
            Some(Tally { empty: true, ..Tally::default() }),
            "Drained",
            "nothing is left on it: kubectl eai leave home-1 removes it, kubectl eai uncordon home-1 lets it work again",
        ),
    ] {
        snapshot.tally = tally;
        assert_eq!(only(&snapshot), (DRAINING, reason, says.to_owned()));
    }
}

#[test]
fn the_owner_can_have_it_emptied_too_and_the_earlier_of_both_holds() {
    let (sooner, later) = (now() + SignedDuration::from_mins(5), now() + SignedDuration::from_hours(1));
    let mut snapshot = fine();
    change(&mut snapshot, |report| report.drain_by = Some(Time(sooner)));
    assert_eq!((only(&snapshot).0, snapshot.drain_by()), (DRAINING, Some(sooner)));
    let mut both = drained(later);
    change(&mut both, |report| report.drain_by = Some(Time(sooner)));
    assert_eq!(both.drain_by(), Some(sooner));
}
