use eai_api::{
    compute_node::ComputeNodeStatus,
    condition::{self, ACCEPTED, AVAILABLE, DEGRADED, DRAINING, READY, RECONCILING, STALLED, UNREACHABLE},
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::SignedDuration};

use super::{
    super::{
        health::{Aspect, KINDS},
        offers::{Offers, Refused, RefusedReason},
        standing::{Leaving, Standing},
        status::*,
    },
    *,
};

fn alive() -> Pulse {
    Pulse { alive: true, last_seen: Some(now()), fresh_for: None }
}

fn findings(standing: &Standing) -> Findings<'_> {
    Findings {
        standing,
        pulse: alive(),
        offers: None,
        aspects: Vec::new(),
        summary: None,
        agent: None,
        token: None,
        has_namespace: true,
    }
}

fn all_standings() -> Vec<Standing> {
    vec![
        Standing::Leaving(Leaving::Revoking),
        Standing::Leaving(Leaving::Emptying("x".to_owned())),
        Standing::Leaving(Leaving::Settling(Some(2))),
        Standing::Leaving(Leaving::Failed("x".to_owned())),
        Standing::AwaitingApproval,
        Standing::NamespaceTaken { namespace: "cn-m".to_owned(), whose: "x".to_owned() },
        Standing::NamespaceTerminating("cn-m".to_owned()),
        Standing::NoSealingKey("is empty".to_owned()),
        Standing::KubeconfigAwaited("cn-m".to_owned()),
        Standing::KubeconfigRefused("x".to_owned()),
        Standing::NoAgentImage,
        Standing::ApplyFailed("x".to_owned()),
        Standing::Joining,
        Standing::Silent("2026".to_owned()),
        Standing::NotReported,
        Standing::NoOffer(Vec::new()),
        Standing::Draining,
        Standing::Cordoned,
        Standing::Ready,
    ]
}

#[test]
fn every_standing_has_exactly_one_ready_condition_with_a_reason_and_a_sentence() {
    let (node, _) = node("m");
    for standing in all_standings() {
        let status = build(&node, findings(&standing), now());
        let ready: Vec<_> = status.conditions.iter().filter(|c| c.type_ == READY).collect();
        assert_eq!(ready.len(), 1);
        assert_eq!(ready[0].reason, standing.reason());
        assert!(ready[0].message.len() > 10, "{standing:?}");
        assert_eq!(ready[0].status == "True", standing.is_ready(), "{standing:?}");
        assert_eq!(condition::is_true(&status.conditions, STALLED), standing.is_stalled());
        assert_eq!(condition::is_true(&status.conditions, RECONCILING), standing.is_reconciling());
        assert!(!(standing.is_ready() && (standing.is_stalled() || standing.is_reconciling())), "kstatus");
        assert!(says(&ComputeNode { status: Some(status), ..node.clone() }, &standing));
    }
}

#[test]
fn conditions_that_no_longer_hold_are_taken_away() {
    let (mut node, _) = node("m");
    let stalled = Standing::NoAgentImage;
    node.status = Some(build(&node, findings(&stalled), now()));
    let status = build(&node, findings(&Standing::Ready), now());
    assert!(status.conditions.iter().all(|c| c.type_ != STALLED && c.type_ != RECONCILING));
}

#[test]
fn what_is_wrong_with_a_member_is_there_only_while_it_is() {
    let (mut node, _) = node("m");
    let aspect = |kind, reason| Aspect { kind, reason, message: "a sentence".to_owned() };
    let aspects =
        vec![aspect(UNREACHABLE, "HeartbeatLost"), aspect(DEGRADED, "NodesAway"), aspect(DRAINING, "Draining")];
    node.status = Some(build(&node, Findings { aspects, ..findings(&Standing::Ready) }, now()));
    let held = |node: &ComputeNode| {
        let conditions = node.status.as_ref().unwrap().conditions.clone();
        conditions.into_iter().filter(|c| KINDS.contains(&c.type_.as_str())).map(|c| c.reason).collect::<Vec<_>>()
    };
    assert_eq!(held(&node), ["HeartbeatLost", "NodesAway", "Draining"]);
    let aspects = vec![aspect(DEGRADED, "NoSandbox")];
    node.status = Some(build(&node, Findings { aspects, ..findings(&Standing::Ready) }, now()));
    assert_eq!(held(&node), ["NoSandbox"]);
}

#[test]
fn a_member_that_is_not_accepted_stalled_or_leaving_is_not_available_however_alive() {
    let (mut node, _) = node("m");
    let leaving = Standing::Leaving(Leaving::Revoking);
    for standing in [&Standing::NoAgentImage, &leaving] {
        assert!(!condition::is_true(&build(&node, findings(standing), now()).conditions, AVAILABLE));
    }
    assert!(condition::is_true(&build(&node, findings(&Standing::Ready), now()).conditions, AVAILABLE));
    node.spec.accepted = false;
    let status = build(&node, findings(&Standing::AwaitingApproval), now());
    assert!(!condition::is_true(&status.conditions, AVAILABLE));
    assert!(!condition::is_true(&status.conditions, ACCEPTED));
}

#[test]
fn a_silent_member_is_not_available() {
    let (node, _) = node("m");
    let pulse = Pulse { alive: false, last_seen: Some(now()), fresh_for: None };
    let standing = Standing::Silent(now().to_string());
    let status = build(&node, Findings { pulse, ..findings(&standing) }, now());
    let available = status.conditions.iter().find(|c| c.type_ == AVAILABLE).unwrap();
    assert_eq!((available.status.as_str(), available.reason.as_str()), ("False", "HeartbeatLost"));
}

#[test]
fn the_shown_heartbeat_is_renewed_once_a_minute() {
    let (mut node, _) = node("m");
    let shown = Time(now() - SignedDuration::from_secs(59));
    node.status = Some(ComputeNodeStatus { last_seen: Some(shown.clone()), ..Default::default() });
    assert_eq!(build(&node, findings(&Standing::Ready), now()).last_seen, Some(shown));
    let stale = Time(now() - SignedDuration::from_secs(60));
    node.status = Some(ComputeNodeStatus { last_seen: Some(stale), ..Default::default() });
    assert_eq!(build(&node, findings(&Standing::Ready), now()).last_seen, Some(Time(now())));
}

#[test]
fn an_unchanged_member_has_an_unchanged_status() {
    let (mut node, _) = node("m");
    for standing in all_standings() {
        node.status = Some(build(&node, findings(&standing), now()));
        let later = now() + SignedDuration::from_secs(5);
        assert_eq!(node.status, Some(build(&node, findings(&standing), later)), "{standing:?}");
    }
}

#[test]
fn what_was_reported_stays_shown_while_the_member_is_away() {
    let (mut node, _) = node("m");
    let offers = super::super::offers::assess(&report(), "home-1", &node.spec, domain(), u64::try_from(NOW).unwrap());
    let shown = Findings { offers: Some(&offers), summary: Some("s".to_owned()), ..findings(&Standing::Ready) };
    node.status = Some(build(&node, shown, now()));
    let status = build(&node, findings(&Standing::NotReported), now());
    assert_eq!((status.summary.as_deref(), status.prices.len()), (Some("s"), 1));
}

#[test]
fn a_ready_member_still_says_which_offers_count_for_nothing() {
    let (node, _) = node("m");
    let refused = vec![Refused { class: "cpu".to_owned(), reason: RefusedReason::Expired }];
    let offers = Offers { prices: Vec::new(), refused };
    let status = build(&node, Findings { offers: Some(&offers), ..findings(&Standing::Ready) }, now());
    let ready = status.conditions.iter().find(|c| c.type_ == READY).unwrap();
    assert!(ready.message.contains("the offer for cpu has expired"), "{}", ready.message);
}
