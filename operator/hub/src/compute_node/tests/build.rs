use eai_api::compute_node::{ComputeNodeStatus, SealedToken};
use eai_core::seal::Sealed;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::SignedDuration};
use std::time::Duration;

use super::{
    super::{
        build::*,
        snapshot::*,
        standing::{Leaving, Standing},
    },
    *,
};

fn decide_on(snapshot: &Snapshot) -> Decision {
    decide(snapshot, &settings())
}

fn kept(decision: &Decision) -> &Keep {
    match &decision.plan {
        Plan::Keep(keep) => keep,
        plan => panic!("{plan:?}"),
    }
}

fn silent(snapshot: &mut Snapshot) {
    snapshot.pulse = Pulse { alive: false, last_seen: None, fresh_for: None };
}

fn change(snapshot: &mut Snapshot, change: impl FnOnce(&mut ComputeNode)) {
    change(Arc::make_mut(&mut snapshot.node));
}

fn fresh() -> Snapshot {
    snapshot(node("home-1").0)
}

#[test]
fn a_member_that_is_there_reports_and_offers_is_ready() {
    let decision = decide_on(&fresh());
    assert_eq!(decision.standing, Standing::Ready);
    assert!(kept(&decision).objects.agent.is_none(), "a pull member's agent runs at home");
    assert_eq!(decision.summary.as_deref(), Some("nvidia.com/gpu 3/4, xilinx.com/fpga 1/1"));
}

#[test]
fn nothing_is_made_before_an_admin_accepts() {
    for place in [Place::Absent, Place::Foreign { whose: "x".to_owned() }, Place::Terminating { held: String::new() }] {
        let mut snapshot = fresh();
        change(&mut snapshot, |node| node.spec.accepted = false);
        snapshot.place = place;
        let decision = decide_on(&snapshot);
        assert_eq!((decision.plan, decision.standing), (Plan::Wait, Standing::AwaitingApproval));
    }
}

#[test]
fn taking_acceptance_back_revokes() {
    let mut snapshot = fresh();
    change(&mut snapshot, |node| node.spec.accepted = false);
    assert_eq!(decide_on(&snapshot).plan, Plan::Revoke);
}

#[test]
fn somebody_elses_namespace_is_left_alone() {
    let mut snapshot = fresh();
    snapshot.place = Place::Foreign { whose: "is the admin's".to_owned() };
    let decision = decide_on(&snapshot);
    assert_eq!(decision.plan, Plan::Wait);
    assert!(decision.standing.is_stalled());
    assert!(decision.standing.message("home-1").contains("cn-home-1"));
}

#[test]
fn a_former_namespace_is_waited_for() {
    let mut snapshot = fresh();
    snapshot.place = Place::Terminating { held: String::new() };
    let decision = decide_on(&snapshot);
    assert_eq!((decision.plan, decision.standing.is_reconciling()), (Plan::Wait, true));
}

#[test]
fn deletion_comes_before_everything() {
    let mut snapshot = fresh();
    change(&mut snapshot, |node| {
        node.metadata.deletion_timestamp = Some(Time(now()));
        node.spec.accepted = false;
    });
    snapshot.place = Place::Foreign { whose: "x".to_owned() };
    let decision = decide_on(&snapshot);
    assert_eq!((decision.plan, decision.standing), (Plan::Leave, Standing::Leaving(Leaving::Revoking)));
}

#[test]
fn a_token_is_minted_for_an_agent_that_has_none() {
    let mut snapshot = fresh();
    silent(&mut snapshot);
    let decision = decide_on(&snapshot);
    assert!(kept(&decision).mint);
    assert_eq!(decision.standing, Standing::Joining);
    let sealed = Sealed { encapsulated_key: String::new(), ciphertext: String::new() };
    let token = SealedToken { sealed, expires_at: Time(now() + SignedDuration::from_secs(60)) };
    change(&mut snapshot, |node| node.status = Some(ComputeNodeStatus { token: Some(token), ..Default::default() }));
    assert!(!kept(&decide_on(&snapshot)).mint, "it is made once");
}

#[test]
fn a_sealing_key_that_is_none_stalls_a_pull_member() {
    for key in ["", "AAAA", "not base64!"] {
        let mut snapshot = fresh();
        change(&mut snapshot, |node| node.spec.sealing_key = key.to_owned());
        let decision = decide_on(&snapshot);
        assert!(matches!(decision.standing, Standing::NoSealingKey(_)), "{key}");
        assert!(decision.standing.is_stalled());
        assert_eq!(decision.plan, Plan::Revoke);
    }
}

#[test]
fn an_invite_goes_once_the_agent_is_seen_after_it() {
    let mut snapshot = fresh();
    let created = |offset| now() + SignedDuration::from_secs(offset);
    snapshot.invite = Some(Invite { uid: "i".to_owned(), created: created(-10) });
    assert_eq!(kept(&decide_on(&snapshot)).spent_invite.as_deref(), Some("i"));
    snapshot.invite = Some(Invite { uid: "i".to_owned(), created: created(10) });
    assert_eq!(kept(&decide_on(&snapshot)).spent_invite, None, "made after the agent was last seen");
    snapshot.invite = Some(Invite { uid: "i".to_owned(), created: created(-10) });
    silent(&mut snapshot);
    assert_eq!(kept(&decide_on(&snapshot)).spent_invite, None, "it still has to come in");
}

#[test]
fn the_first_obstacle_is_told() {
    let mut snapshot = fresh();
    change(&mut snapshot, |node| node.spec.cordon = true);
    assert_eq!(decide_on(&snapshot).standing, Standing::Cordoned);
    assert!(Standing::Cordoned.is_ready(), "as asked for");
    snapshot.report = Some(Arc::new(MemberReportSpec { offers: Vec::new(), ..report() }));
    assert_eq!(decide_on(&snapshot).standing, Standing::NoOffer(Vec::new()));
    snapshot.report = None;
    assert_eq!(decide_on(&snapshot).standing, Standing::NotReported);
    snapshot.pulse = Pulse { alive: false, last_seen: Some(now()), fresh_for: None };
    assert_eq!(decide_on(&snapshot).standing, Standing::Silent("2026-01-01T00:00:00Z".to_owned()));
}

fn push(kubeconfig: Kubeconfig) -> Snapshot {
    let mut snapshot = fresh();
    change(&mut snapshot, |node| {
        node.spec.connection = Connection::Push;
        node.spec.sealing_key = String::new();
    });
    snapshot.kubeconfig = kubeconfig;
    snapshot.pulse.fresh_for = Some(Duration::from_secs(1));
    snapshot
}

#[test]
fn a_push_member_gets_its_agent_once_its_kubeconfig_is_fine() {
    let decision = decide_on(&push(Kubeconfig::Absent));
    assert!(kept(&decision).objects.agent.is_none());
    assert!(!kept(&decision).mint, "its agent has a token as pods have");
    assert!(matches!(decision.standing, Standing::KubeconfigAwaited(_)));

    let decision = decide_on(&push(Kubeconfig::Fine { version: "5".to_owned() }));
    assert!(kept(&decision).objects.agent.is_some());
    assert_eq!(decision.standing, Standing::Ready);
}

#[test]
fn a_refused_kubeconfig_takes_the_agent_away_and_stalls() {
    let decision = decide_on(&push(Kubeconfig::Refused("users[0].user.exec: programs aren't run".to_owned())));
    assert!(kept(&decision).objects.agent.is_none());
    assert!(decision.standing.is_stalled());
    assert!(decision.standing.message("m").contains("users[0].user.exec"));
}

#[test]
fn a_hub_without_an_agents_image_says_so() {
    let snapshot = push(Kubeconfig::Fine { version: "5".to_owned() });
    let decision = decide(&snapshot, &Settings { agent_image: String::new(), ..settings() });
    assert_eq!(decision.standing, Standing::NoAgentImage);
    assert!(kept(&decision).objects.agent.is_none());
}
