use eai_api::{AgentRelease, condition};
use serde_json::json;

use super::{
    super::{
        gather::{self, newest},
        status::{build, course, superseded},
        waves::decide,
    },
    *,
};

fn object(name: &str, made: &str) -> AgentRelease {
    let spec = json!({
        "version": "0.2.0",
        "image": format!("registry.example.com/eai/eai-agent@{}", digest("0.2.0")),
        "signature": { "payload": "e30=", "signature": "MEUC" },
    });
    let object = json!({
        "apiVersion": "eai.network/v1alpha1", "kind": "AgentRelease", "spec": spec,
        "metadata": { "name": name, "creationTimestamp": made, "generation": 1 },
    });
    serde_json::from_value(object).unwrap()
}

/// Ready's reason and message after a look.
fn said(object: &mut AgentRelease, all: &[Candidate], now: Timestamp) -> (String, String) {
    let release = gather::read(object).unwrap();
    let decision = decide(&release, &course(object), all, now);
    object.status = Some(build(object, &release, &decision, now));
    let conditions = &object.status.as_ref().unwrap().conditions;
    let ready = conditions.iter().find(|c| c.type_ == condition::READY).unwrap();
    (ready.reason.clone(), ready.message.clone())
}

#[test]
fn it_says_what_happens_and_what_to_do() {
    let mut object = object("v0.2.0", "2026-01-01T00:00:00Z");
    let (reason, message) = said(&mut object, &[], at(0));
    assert!(reason == "NobodyTakesIt" && message.contains("update.enabled"), "{message}");
    let mut all = members(12);
    assert_eq!(said(&mut object, &all, at(0)), ("Updating".to_owned(), "wave 1 of 4: it is being offered".to_owned()));
    let first = decide(&release(), &Course::default(), &all, at(0)).offer;
    let index = all.iter().position(|m| m.name == first[0]).unwrap();
    offered(&mut all[index], 1, at(0));
    let (_, message) = said(&mut object, &all, at(5));
    assert_eq!(message, format!("wave 1 of 4 waits for {} to run 0.2.0 and be well", first[0]));
    updated(&mut all[index]);
    let (reason, message) = said(&mut object, &all, at(10));
    assert!(reason == "Soaking" && message.starts_with(&format!("wave 1 of 4 is over at {}", at(610))), "{message}");
    all[index].lost = 1;
    let (reason, message) = said(&mut object, &all, at(15));
    assert!(reason == "WorkLost" && message.contains(&first[0]) && message.contains("create another"), "{message}");
    let status = object.status.clone().unwrap();
    assert_eq!((status.progress.as_deref(), status.updated, status.members), (Some("1/4"), 1, 12));
    assert!(condition::is_true(&status.conditions, condition::STALLED));
    assert_eq!(said(&mut object, &all, at(20)).0, "WorkLost", "and goes on saying so");
    assert_eq!(object.status, Some(status), "word for word");
}

#[test]
fn what_a_member_says_fits_whatever_it_is() {
    let mut object = object("v0.2.0", "2026-01-01T00:00:00Z");
    let mut all = members(1);
    offered(&mut all[0], 1, at(0));
    answered(&mut all[0], UpdateResult::Refused);
    all[0].last.as_mut().unwrap().reason = "not a\u{0} word!".to_owned();
    all[0].last.as_mut().unwrap().message = "\u{1b}[31m".repeat(400);
    let (reason, message) = said(&mut object, &all, at(1));
    assert!(reason == "notaword" && message.len() < 1000 && !message.contains('\u{1b}'), "{reason}: {message}");
}

#[test]
fn the_newest_counts_and_the_others_stop() {
    let all = [object("b", "2026-01-01T00:00:00Z"), object("a", "2026-01-02T00:00:00Z")];
    assert_eq!(newest(&all).unwrap().metadata.name.as_deref(), Some("a"));
    let status = superseded(&all[0], Some("a"), at(0));
    assert_eq!(status.phase, ReleasePhase::Stopped);
    assert!(status.conditions.iter().any(|c| c.reason == "Superseded" && c.message.contains("AgentRelease a")));
}
