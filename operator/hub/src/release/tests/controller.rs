//! The controller against a hub cluster in memory.

use std::time::Duration;

use eai_api::{AgentRelease, MemberReport};
use serde_json::{Value, json};

use super::*;
use crate::testing::Operator;

const RELEASES: &str = "apis/eai.network/v1alpha1/agentreleases";
const REPORTS: &str = "apis/eai.network/v1alpha1/memberreports";

fn create(hub: &Operator, name: &str) {
    hub.api.create(
        RELEASES,
        &json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "AgentRelease", "metadata": { "name": name },
            "spec": {
                "version": "0.2.0",
                "image": format!("registry.example.com/eai/eai-agent@{}", digest("0.2.0")),
                "signature": { "payload": "e30=", "signature": "MEUC" },
                "waves": ["1", "100%"], "soakSeconds": 0,
            },
        }),
    );
}

fn says(hub: &Operator, member: &str, updates: &Value) {
    let namespace = format!("cn-{member}");
    assert!(hub.api.edit(REPORTS, Some(&namespace), member, |report| report["spec"]["updates"] = updates.clone()));
}

fn offers(hub: &Operator) -> Vec<String> {
    let reports: Vec<MemberReport> = hub.api.all(REPORTS);
    let offered = reports.into_iter().filter(|r| r.status.as_ref().is_some_and(|status| status.update.is_some()));
    offered.map(|report| report.metadata.name.unwrap()).collect()
}

fn phase(hub: &Operator) -> (ReleasePhase, String) {
    let releases: Vec<AgentRelease> = hub.api.all(RELEASES);
    let status = releases[0].status.clone().unwrap_or_default();
    let message = status.conditions.iter().find(|c| c.type_ == "Ready").map_or(String::new(), |c| c.message.clone());
    (status.phase, message)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1200 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn members_that_take_updates_get_it_one_wave_after_the_other_until_one_rolls_back() {
    let hub = Operator::new("5", Duration::from_millis(60));
    let older = json!({ "accepts": true, "digest": digest("0.1.0"), "version": "0.1.0" });
    for member in ["attic", "home", "shed"] {
        hub.enrol(member, 1);
        says(&hub, member, &older);
    }
    says(&hub, "shed", &json!({ "accepts": false, "digest": digest("0.1.0"), "version": "0.1.0" }));
    create(&hub, "v0.2.0");
    let running = hub.start(Duration::ZERO);
    until("the first wave", || offers(&hub).len() == 1).await;
    let first = offers(&hub).remove(0);
    says(&hub, &first, &json!({ "accepts": true, "digest": digest("0.2.0"), "version": "0.2.0" }));
    until("the second", || offers(&hub).len() == 2).await;
    let second = offers(&hub).into_iter().find(|name| *name != first).unwrap();
    assert_ne!(second, "shed", "its owner takes none");
    let mut broken = older.clone();
    broken["last"] = json!({ "release": "v0.2.0", "digest": digest("0.2.0"), "result": "RolledBack", "reason": "NeverReady", "message": "no" });
    says(&hub, &second, &broken);
    until("it to stop", || phase(&hub).0 == ReleasePhase::Stopped).await;
    assert!(phase(&hub).1.contains(&second), "{}", phase(&hub).1);
    until("the offer to be taken back", || offers(&hub) == [first.clone()]).await;
    hub.api.delete(RELEASES, None, "v0.2.0");
    until("all offers to be taken back", || offers(&hub).is_empty()).await;
    running.stop().await;
}
