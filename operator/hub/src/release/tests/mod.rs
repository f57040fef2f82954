//! Releases in waves.
#![allow(clippy::unwrap_used, clippy::panic)]

mod controller;
mod rollouts;
mod status;
mod table;

use eai_api::{
    agent_release::{ReleasePhase, ReleaseSignature},
    member_report::{UpdateAttempt, UpdateOffer, UpdateResult},
};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

use super::waves::{Candidate, Course, Release, Wave};

const T0: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(T0 + seconds).unwrap()
}

fn digest(version: &str) -> String {
    eai_core::digest::Digest::of(version.as_bytes()).to_string()
}

fn release() -> Release {
    Release {
        name: "v0.2.0".to_owned(),
        version: "0.2.0".parse().unwrap(),
        digest: digest("0.2.0"),
        waves: ["1", "10%", "50%", "100%"].map(|wave| Wave::parse(wave).unwrap()).to_vec(),
        soak: SignedDuration::from_secs(600),
        deadline: SignedDuration::from_secs(900),
        paused: false,
    }
}

fn member(name: &str) -> Candidate {
    Candidate {
        name: name.to_owned(),
        alive: true,
        digest: digest("0.1.0"),
        version: "0.1.0".parse().unwrap(),
        degraded: None,
        lost: 0,
        last: None,
        offer: None,
    }
}

fn members(count: usize) -> Vec<Candidate> {
    (0..count).map(|n| member(&format!("m{n}"))).collect()
}

fn offered(member: &mut Candidate, wave: u32, since: Timestamp) {
    member.offer = Some(UpdateOffer {
        release: "v0.2.0".to_owned(),
        version: "0.2.0".to_owned(),
        image: format!("registry.example.com/eai/eai-agent@{}", digest("0.2.0")),
        signature: ReleaseSignature { payload: "e30=".to_owned(), signature: "MEUC".to_owned() },
        wave,
        since: Time(since),
        lost_before: member.lost,
        degraded_before: member.degraded.clone(),
    });
}

fn updated(member: &mut Candidate) {
    member.digest = digest("0.2.0");
    member.version = "0.2.0".parse().unwrap();
}

fn answered(member: &mut Candidate, result: UpdateResult) {
    member.last = Some(UpdateAttempt {
        release: "v0.2.0".to_owned(),
        digest: digest("0.2.0"),
        result,
        reason: "NeverReady".to_owned(),
        message: "the new agent wasn't ready in time".to_owned(),
    });
}

fn rolling(wave: u32, soaking_since: Option<Timestamp>) -> Course {
    Course { phase: ReleasePhase::Rolling, wave, soaking_since }
}
