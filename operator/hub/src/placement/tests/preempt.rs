//! Who gives way.

use eai_api::aijob::{GaveWay, LeaseState, Phase};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::aijob::claim::{Parties, claim};

fn at(seconds_ago: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(NOW - seconds_ago).unwrap()).unwrap()
}

/// A preemptible job of one GPU that has run on `home` for so many seconds.
fn running(name: &str, ran: u64) -> AIJob {
    let mut job = job(name, 0);
    job.spec.preemptible = true;
    let verdicts = Pass::over(vec![member("home", 9, "36")]).run(&[job.clone()]);
    let Verdict::Claim(made) = &verdicts[0] else { panic!("{verdicts:?}") };
    let parties = Parties { hub_key: Address([9; 20]), namespace: namespace() };
    let mut status = claim(&job, made, parties, &Rules::default(), NOW, at(ran));
    status.phase = Phase::Running;
    let attempt = status.attempt.as_mut().unwrap();
    attempt.lease.state = LeaseState::Open;
    attempt.observed.running_since_ms = Some((NOW - ran) * 1000);
    job.status = Some(status);
    job
}

fn gave_way(mut job: AIJob, to: &str, seconds_ago: u64) -> AIJob {
    let attempt = job.status.as_mut().unwrap().attempt.as_mut().unwrap();
    attempt.gave_way = Some(GaveWay { to: to.to_owned(), uid: to.to_owned(), since: Time(at(seconds_ago)) });
    job
}

fn important(name: &str, priority: i32) -> AIJob {
    let mut job = job(name, 5);
    job.spec.priority = priority;
    job
}

/// A member whose two GPUs `jobs` have.
fn full(jobs: Vec<AIJob>) -> Pass {
    Pass { others: jobs, ..Pass::over(vec![member("home", 2, "36")]) }
}

fn asked(verdict: &Verdict) -> Vec<&str> {
    let Verdict::MakeRoom(jobs, say, lines) = verdict else { return Vec::new() };
    assert_eq!((say.reason(), lines.len()), ("MakingRoom", 1));
    jobs.iter().map(|job| job.metadata.name.as_deref().unwrap()).collect()
}

#[test]
fn the_least_lost_work_of_lower_priority_gives_way() {
    let pass = full(vec![running("long", 90), running("short", 10)]);
    assert_eq!(asked(&pass.run(&[important("a", 1)])[0]), ["short"]);
    assert_eq!(word(&pass.run(&[important("a", 0)])[0]), "NoMemberFits", "not to an equal");
    let both = pass.run(&[important("a", 1), important("b", 2)]);
    assert_eq!(
        (asked(&both[0]), asked(&both[1])),
        (vec!["long"], vec!["short"]),
        "each to one, the more important first"
    );
}

#[test]
fn only_work_that_asked_to_gives_way_and_only_within_its_namespace() {
    let mut firm = running("firm", 10);
    firm.spec.preemptible = false;
    assert_eq!(word(&full(vec![firm.clone(), firm]).run(&[important("a", 1000)])[0]), "NoMemberFits");
    let mut others = running("others", 10);
    others.metadata.namespace = Some("other".to_owned());
    assert_eq!(word(&full(vec![others.clone(), others]).run(&[important("a", 1000)])[0]), "NoMemberFits");
}

#[test]
fn nobody_gives_way_where_there_is_room_or_where_it_is_no_use() {
    assert_eq!(claims(&full(vec![running("one", 10)]).run(&[important("a", 9)])), ["home"]);
    let mut huge = important("huge", 9);
    huge.spec.accelerator.as_mut().unwrap().count = 3;
    assert_eq!(word(&full(vec![running("x", 1), running("y", 2)]).run(&[huge])[0]), "NoMemberFits");
    let mut dear = important("dear", 9);
    dear.spec.max_price = eai("1");
    assert_eq!(word(&full(vec![running("x", 1), running("y", 2)]).run(&[dear])[0]), "NoMemberFits");
}

/// Whoever was asked is on its way out: nobody else is asked, and the room is the claimant's before anybody's turn.
#[test]
fn room_is_made_once_and_kept_for_whom_it_was_made() {
    let leaving = gave_way(running("short", 10), "a", 20);
    let pass = full(vec![running("long", 90), leaving.clone()]);
    let verdicts = pass.run(&[important("a", 1), job("elder", 0)]);
    let Verdict::Wait(say, _) = &verdicts[0] else { panic!("{verdicts:?}") };
    assert_eq!(
        (say.reason(), say.message().as_str()),
        ("MakingRoom", "It fits nowhere now; on home jobs of lower priority give way to it: short.")
    );
    let mut paused = leaving;
    let status = paused.status.as_mut().unwrap();
    (status.phase, status.attempt.as_mut().unwrap().held_since) = (Phase::Paused, Some(Time(at(5))));
    let mut elder = job("elder", 0);
    elder.metadata.namespace = Some("elsewhere".to_owned());
    let pass = full(vec![running("long", 90), paused]);
    assert_eq!(claims(&pass.run(&[important("a", 1), elder])), ["home", "-"]);
}

#[test]
fn who_gave_way_rests_from_it_and_room_is_not_kept_for_ever() {
    let pass = full(vec![gave_way(running("x", 10), "a", 301), gave_way(running("y", 20), "a", 301)]);
    assert_eq!(word(&pass.run(&[important("a", 1)])[0]), "NoMemberFits", "within the hour");
    let pass = full(vec![gave_way(running("x", 10), "a", 3601), gave_way(running("y", 20), "a", 301)]);
    assert_eq!(asked(&pass.run(&[important("a", 1)])[0]), ["x"]);
}

#[test]
fn on_several_nodes_only_work_whose_node_is_known_gives_way() {
    let (node, mut report) = member("home", 1, "36");
    report.spec.nodes.push(NodeReport { name: "m".to_owned(), ..report.spec.nodes[0].clone() });
    let mut known = running("known", 50);
    let unknown = running("unknown", 10);
    known.status.as_mut().unwrap().attempt.as_mut().unwrap().nodes = vec!["m".to_owned()];
    let pass = Pass { others: vec![known, unknown], ..Pass::over(vec![(node, report)]) };
    assert_eq!(asked(&pass.run(&[important("a", 1)])[0]), ["known"]);
}

/// What is free beside those who leave is kept for the job, too: nobody takes it in the meantime.
#[test]
fn what_is_free_already_is_kept_with_it() {
    let mut two = important("two", 1);
    two.spec.accelerator.as_mut().unwrap().count = 2;
    let pass = full(vec![running("short", 10)]);
    let verdicts = pass.run(&[two, job("other", 9)]);
    assert_eq!((asked(&verdicts[0]), word(&verdicts[1])), (vec!["short"], "NoMemberFits"));
}

#[test]
fn nobody_gives_way_to_what_cannot_be_paid_there() {
    let mut pass = full(vec![running("short", 10), running("long", 90)]);
    let mut cheap = member("cheap", 0, "1");
    cheap.1.spec.nodes[0].accelerators[0].total = 1;
    pass.members.push(cheap);
    pass.funds = Some(Funds { free: eai("0.1"), grant: grant() });
    assert_eq!(word(&pass.run(&[important("a", 1)])[0]), "NoMemberFits", "home's rate takes ten times as much");
}

/// Room that others made is no ticket to what is free elsewhere before another namespace's turn.
#[test]
fn who_has_room_made_for_it_waits_its_turn_elsewhere() {
    let leaving = gave_way(running("short", 10), "a", 20);
    let mut elder = job("elder", 0);
    elder.metadata.namespace = Some("elsewhere".to_owned());
    let mut pass = full(vec![running("long", 90), leaving]);
    pass.members.push(member("cloud", 1, "36"));
    assert_eq!(claims(&pass.run(&[important("a", 1), elder])), ["-", "cloud"]);
}
