//! An agent with a token that is forged, expired or somebody else's gets nothing.

use eai_e2e::bearer::{Bearer, agent_token, forge, other_key, signing_key};
use serde_json::json;

use crate::support::{says, world};

const LIST: [&str; 4] = ["get", "assignments", "-n", "cn-home"];

/// All that follows means something only because the true token works.
#[test]
fn a_true_token_is_good_for_the_members_own_namespace() {
    let w = world();
    let agent = Bearer::new(&w.stage, "agent", &agent_token(&w.stage, "home").unwrap()).unwrap();
    let (code, said) = agent.kubectl(&LIST, None).unwrap();
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_forged_token_is_refused() {
    let w = world();
    let good = agent_token(&w.stage, "home").unwrap();
    let other = forge(&good, |_| {}, &other_key(&w.stage).unwrap()).unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let turned = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let unsigned = format!("{head}.");
    for (name, token) in [("signed-by-another", other), ("turned-around", turned), ("unsigned", unsigned)] {
        let (code, said) = Bearer::new(&w.stage, name, &token).unwrap().kubectl(&LIST, None).unwrap();
        assert_ne!(code, 0, "{name}");
        says(&said, &["Unauthorized"]);
    }
}

/// Signed with the cluster's own key, so that nothing is wrong with it but its age.
#[test]
fn an_expired_token_is_refused() {
    let w = world();
    let Some(key) = signing_key(&w.stage) else { return };
    let good = agent_token(&w.stage, "home").unwrap();
    let same = forge(&good, |_| {}, &key).unwrap();
    let (code, said) = Bearer::new(&w.stage, "signed-again", &same).unwrap().kubectl(&LIST, None).unwrap();
    assert_eq!(code, 0, "signing it again makes a good token, or this proves nothing: {said}");
    let old = forge(
        &good,
        |claims| {
            for (claim, age) in [("exp", 60), ("iat", 3660), ("nbf", 3660)] {
                claims[claim] = json!(jiff::Timestamp::now().as_second() - age);
            }
        },
        &key,
    )
    .unwrap();
    let (code, said) = Bearer::new(&w.stage, "expired", &old).unwrap().kubectl(&LIST, None).unwrap();
    assert_ne!(code, 0);
    says(&said, &["Unauthorized"]);
}

#[test]
fn somebody_elses_token_is_good_for_nothing_of_this_member() {
    let w = world();
    let other = Bearer::new(&w.stage, "other-agent", &agent_token(&w.stage, "cloud").unwrap()).unwrap();
    let (code, said) = other.kubectl(&["get", "assignments", "-n", "cn-cloud"], None).unwrap();
    assert_eq!(code, 0, "it is good for its own: {said}");
    let report = json!({
        "apiVersion": "eai.network/v1alpha1", "kind": "MemberReport", "metadata": {"name": "home", "namespace": "cn-home"},
        "spec": {},
    })
    .to_string();
    let attempts: [(&[&str], Option<&str>); 4] = [
        (&LIST, None),
        (&["get", "memberreports", "-n", "cn-home"], None),
        (&["replace", "-f", "-"], Some(&report)),
        (
            &["patch", "lease", "agent", "-n", "cn-home", "--type=merge", "-p", r#"{"spec":{"holderIdentity":"x"}}"#],
            None,
        ),
    ];
    for (arguments, input) in attempts {
        let (code, said) = other.kubectl(arguments, input).unwrap();
        assert_ne!(code, 0, "{arguments:?}");
        says(&said, &["Forbidden"]);
    }
}
