//! What a pass decides.

use eai_api::aijob::{AttemptResult, LeaseState, Outcome, PastAttempt, Phase};
use eai_core::{epoch::Epoch, metering::MilliUnits, money::Amount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::aijob::{
    claim::{Parties, claim},
    words::reason,
};

#[test]
fn the_cheapest_member_that_fits_is_claimed() {
    let pass = Pass::over(vec![member("dear", 4, "30"), member("cheap", 1, "20")]);
    let verdicts = pass.run(&[job("a", 0), job("b", 1)]);
    assert_eq!(claims(&verdicts), ["cheap", "dear"]);
    let Verdict::Claim(first) = &verdicts[0] else { panic!() };
    assert_eq!((first.rate, first.units, first.start_within), (eai("20"), MilliUnits(1000), 30));
    assert_eq!(first.provider, owner().address());
    let whole = eai("20").wei() * 100 / 3600;
    assert_eq!(first.hold, Amount::from_wei(whole), "100 s at 20 an hour");
}

#[test]
fn capacity_is_handed_out_once() {
    let pass = Pass::over(vec![member("home", 2, "36")]);
    let verdicts = pass.run(&[job("a", 0), job("b", 1), job("c", 2)]);
    assert_eq!(claims(&verdicts), ["home", "home", "-"]);
    let Verdict::Wait(say, lines) = &verdicts[2] else { panic!() };
    assert_eq!(lines[..], ["home: 0 of 2 nvidia.com/gpu free, 1 needed"]);
    assert_eq!(say.message(), "No member takes the job now; it waits. home: 0 of 2 nvidia.com/gpu free, 1 needed.");
}

#[test]
fn a_thousand_jobs_on_a_deposit_for_ten_start_ten() {
    let mut pass = Pass::over(vec![member("home", 1000, "36")]);
    pass.funds = Some(Funds { free: eai("10.5"), grant: grant() });
    let jobs: Vec<AIJob> = (0..1000).map(|i| job(&format!("j{i:04}"), 0)).collect();
    let verdicts = pass.run(&jobs);
    assert_eq!(claims(&verdicts).iter().filter(|c| **c == "home").count(), 10);
    assert_eq!(claims(&verdicts[..10]), ["home"; 10], "the first ten");
    let Verdict::Wait(say, _) = &verdicts[10] else { panic!() };
    assert_eq!(say.reason(), "InsufficientFunds");
    let text = say.message();
    assert!(
        text.contains("a hold of 1 EAI") && text.contains("0.5 free") && text.contains("kubectl eai deposit"),
        "{text}"
    );
}

#[test]
fn a_smaller_job_behind_one_that_cant_be_paid_still_starts() {
    let mut pass = Pass::over(vec![member("home", 9, "36")]);
    pass.funds = Some(Funds { free: eai("0.6"), grant: grant() });
    let mut small = job("small", 1);
    small.spec.max_duration_seconds = 50;
    assert_eq!(claims(&pass.run(&[job("big", 0), small])), ["-", "home"]);
}

#[test]
fn claims_whose_leases_arent_open_yet_hold_their_capacity() {
    let mut pass = Pass::over(vec![member("home", 1, "36")]);
    let mut other = job("other", 0);
    let verdicts = pass.run(&[other.clone()]);
    let Verdict::Claim(made) = &verdicts[0] else { panic!() };
    let parties = Parties { hub_key: Address([9; 20]), namespace: namespace() };
    let now = Timestamp::from_second(i64::try_from(NOW).unwrap()).unwrap();
    other.status = Some(claim(&other, made, parties, &Rules::default(), NOW, now));
    pass.others = vec![other.clone()];
    assert_eq!(claims(&pass.run(&[job("next", 1)])), ["-"]);
    // Once the member counts it, it isn't counted twice.
    let epoch = Epoch { generation: 1, attempt: 1 };
    pass.members[0].1.spec.counted = vec![epoch.name("other")];
    assert_eq!(claims(&pass.run(&[job("next", 1)])), ["home"]);
    // And one that is over holds nothing.
    pass.members[0].1.spec.counted.clear();
    let outcome = Outcome { result: AttemptResult::Succeeded, reason: "Completed".to_owned(), message: String::new() };
    pass.others[0].status.as_mut().unwrap().attempt.as_mut().unwrap().outcome = Some(outcome);
    assert_eq!(claims(&pass.run(&[job("next", 1)])), ["home"]);
}

#[test]
fn work_that_is_paused_gives_its_capacity_up_until_it_is_to_run_again() {
    let mut pass = Pass::over(vec![member("home", 1, "36")]);
    let mut other = job("other", 0);
    let verdicts = pass.run(&[other.clone()]);
    let Verdict::Claim(made) = &verdicts[0] else { panic!() };
    let parties = Parties { hub_key: Address([9; 20]), namespace: namespace() };
    let now = Timestamp::from_second(i64::try_from(NOW).unwrap()).unwrap();
    let mut status = claim(&other, made, parties, &Rules::default(), NOW, now);
    status.phase = Phase::Paused;
    let attempt = status.attempt.as_mut().unwrap();
    attempt.lease.state = LeaseState::Open;
    attempt.held_since = Some(Time(now));
    other.status = Some(status);
    pass.others = vec![other.clone()];
    assert_eq!(claims(&pass.run(&[job("next", 1)])), ["home"]);
    pass.others[0].status.as_mut().unwrap().attempt.as_mut().unwrap().held_since = None;
    assert_eq!(claims(&pass.run(&[job("next", 1)])), ["-"], "it is about to run again");
    let attempt = pass.others[0].status.as_ref().unwrap().attempt.as_ref().unwrap();
    pass.members[0].1.spec.counted = vec![attempt.epoch.name("other")];
    assert_eq!(claims(&pass.run(&[job("next", 1)])), ["-"], "a member lists what it paused, and counts nothing for it");
}

#[test]
fn a_budget_that_buys_no_useful_run_opens_no_lease() {
    let pass = Pass::over(vec![member("home", 1, "36")]);
    let mut mean = job("mean", 0);
    for (budget, word_is) in [("0.000000000000000001", "BudgetTooSmall"), ("0.0999", "BudgetTooSmall"), ("0.1", "")] {
        mean.spec.budget = Some(eai(budget));
        let verdicts = pass.run(&[mean.clone()]);
        match &verdicts[0] {
            Verdict::Claim(claim) => assert_eq!((word_is, claim.hold), ("", eai(budget))),
            verdict => assert_eq!(word(verdict), word_is),
        }
    }
    let verdicts = pass.run(&[{
        mean.spec.budget = Some(eai("0.05"));
        mean.clone()
    }]);
    let Verdict::Wait(say, _) = &verdicts[0] else { panic!() };
    let text = say.message();
    assert!(text.contains("0.05 EAI left") && text.contains("for 10 s") && text.contains("0.1 EAI or more"), "{text}");
    // All of a shorter job is enough.
    mean.spec.max_duration_seconds = 5;
    assert_eq!(claims(&pass.run(&[mean])), ["home"]);
}

#[test]
fn a_member_that_takes_no_work_says_why() {
    let mut cordoned = member("cordoned", 1, "36");
    cordoned.0.spec.cordon = true;
    let mut silent = member("silent", 1, "36");
    let conditions = &mut silent.0.status.as_mut().unwrap().conditions;
    condition::set(conditions, AVAILABLE, Status::False, "Silent", "silent for 41 s.", None, Timestamp::UNIX_EPOCH);
    let mut stranger = member("stranger", 1, "1");
    stranger.0.spec.accepted = false;
    let verdicts = Pass::over(vec![cordoned, silent, stranger]).run(&[job("a", 0)]);
    let Verdict::Wait(_, lines) = &verdicts[0] else { panic!() };
    assert_eq!(lines[..], ["cordoned: is cordoned", "silent: silent for 41 s"]);
}

#[test]
fn without_members_the_job_waits_for_one() {
    let verdicts = Pass::over(Vec::new()).run(&[job("a", 0)]);
    let Verdict::Wait(say, _) = &verdicts[0] else { panic!() };
    assert!(say.message().contains("No member has joined"));
}

#[test]
fn only_what_the_owner_signed_is_believed() {
    let mut forged = member("forged", 1, "36");
    forged.1.spec.offers[0].rate = eai("1");
    let thief = Key::parse(&"22".repeat(32)).unwrap();
    let mut stolen = member("stolen", 1, "36");
    stolen.1.spec.offers = vec![signed("stolen", "nvidia.com/gpu", "1", &thief)];
    let mut other = member("other", 1, "36");
    other.1.spec.offers = vec![signed("elsewhere", "nvidia.com/gpu", "1", &owner())];
    let mut late = member("late", 1, "36");
    late.1.spec.offers[0].valid_until = NOW;
    let verdicts = Pass::over(vec![forged, stolen, other, late]).run(&[job("a", 0)]);
    assert_eq!(claims(&verdicts), ["-"]);
}

#[test]
fn a_budget_that_earlier_attempts_spent_must_be_raised() {
    let mut spent = job("spent", 0);
    spent.spec.budget = Some(eai("0.5"));
    spent.status = Some(past("home", "WorkFailed", AttemptResult::Failed, "0.5"));
    let pass = Pass::over(vec![member("home", 1, "36")]);
    assert_eq!(word(&pass.run(&[spent.clone()])[0]), "BudgetReached");
    spent.spec.budget = Some(eai("0.7"));
    let verdicts = pass.run(&[spent]);
    let Verdict::Claim(claim) = &verdicts[0] else { panic!("{verdicts:?}") };
    assert_eq!(claim.hold, eai("0.2"), "what is left of it");
}

fn past(member: &str, why: &str, result: AttemptResult, paid: &str) -> eai_api::AIJobStatus {
    let lease = serde_json::from_value(serde_json::json!({
        "id": "0x", "state": "Closed", "hold": "1", "paid": paid, "refunded": "0",
    }));
    let outcome = Outcome { result, reason: why.to_owned(), message: format!("{member} said so") };
    let epoch = Epoch { generation: 1, attempt: 1 };
    let attempt = PastAttempt { epoch, member: member.to_owned(), outcome, usage_ms: 0, lease: lease.unwrap() };
    eai_api::AIJobStatus { past_attempts: vec![attempt], ..Default::default() }
}

#[test]
fn a_member_that_refused_the_job_isnt_asked_again() {
    let mut refused = job("refused", 0);
    refused.status = Some(past("home", reason::REFUSED, AttemptResult::Lost, "0"));
    let both = vec![member("home", 1, "20"), member("cloud", 1, "36")];
    assert_eq!(claims(&Pass::over(both).run(&[refused.clone()])), ["cloud"]);
    // Another may have room later.
    let busy = vec![member("home", 1, "20"), member("cloud", 0, "36")];
    assert_eq!(word(&Pass::over(busy).run(&[refused.clone()])[0]), "NoMemberFits");
    // Nobody else ever will.
    let dear = vec![member("home", 1, "20"), member("cloud", 1, "99")];
    let verdicts = Pass::over(dear).run(&[refused.clone()]);
    let Verdict::GiveUp(say) = &verdicts[0] else { panic!("{verdicts:?}") };
    assert!(say.message().contains("home said so"), "{}", say.message());
    assert_eq!(word(&Pass::over(vec![member("home", 1, "20")]).run(&[refused])[0]), "GiveUp");
}

#[test]
fn a_member_that_failed_the_job_is_taken_last() {
    let mut lost = job("lost", 0);
    lost.status = Some(past("home", reason::WORK_LOST, AttemptResult::Lost, "0"));
    let both = vec![member("home", 1, "20"), member("cloud", 1, "36")];
    assert_eq!(claims(&Pass::over(both).run(&[lost.clone()])), ["cloud"]);
    assert_eq!(claims(&Pass::over(vec![member("home", 1, "20")]).run(&[lost])), ["home"]);
}

#[test]
fn without_word_from_the_chain_nothing_is_claimed() {
    let mut pass = Pass::over(vec![member("home", 1, "36")]);
    pass.funds = None;
    assert_eq!(word(&pass.run(&[job("a", 0)])[0]), "Unknown", "another pass follows");
    pass.trouble = Some("no answer");
    assert_eq!(word(&pass.run(&[job("a", 0)])[0]), "ChainUnavailable");
}

#[test]
fn the_same_world_gives_the_same_claims() {
    let pass = Pass::over(vec![member("b", 3, "30"), member("a", 3, "30"), member("c", 1, "29")]);
    let jobs: Vec<AIJob> = (0..9).map(|i| job(&format!("j{i}"), i)).collect();
    let first = pass.run(&jobs);
    assert_eq!(claims(&first), ["c", "a", "a", "a", "b", "b", "b", "-", "-"]);
    assert_eq!(pass.run(&jobs), first);
}

/// A job that ended so on `member`.
fn ended_on(name: &str, member: &str, result: AttemptResult, why: &str) -> AIJob {
    let mut ended = job(name, 0);
    let status = past(member, why, result, "0");
    ended.status = Some(eai_api::AIJobStatus { phase: Phase::Failed, ..status });
    ended.status.as_mut().unwrap().past_attempts[0].usage_ms = 1;
    ended
}

/// Three attempts lost and one seen through: 2 of 6, with one of either that everybody is given.
#[test]
fn a_member_is_trusted_by_what_it_saw_through() {
    let mut pass = Pass::over(vec![member("flaky", 1, "10"), member("new", 1, "30")]);
    let lost = (0..3).map(|i| ended_on(&format!("l{i}"), "flaky", AttemptResult::Lost, reason::WORK_LOST));
    pass.others = lost.collect();
    pass.others.push(ended_on("ok", "flaky", AttemptResult::Failed, reason::WORK_FAILED));
    pass.others.push(ended_on("no", "flaky", AttemptResult::Lost, reason::REFUSED));
    let mut idle = ended_on("idle", "flaky", AttemptResult::Cancelled, reason::CANCELLED);
    idle.status.as_mut().unwrap().past_attempts[0].usage_ms = 0;
    pass.others.push(idle);
    let wants = |trust| {
        let mut job = job("a", 0);
        job.spec.placement.minimum_trust = trust;
        job
    };
    assert_eq!(claims(&pass.run(&[wants(33)])), ["flaky"]);
    assert_eq!(claims(&pass.run(&[wants(34)])), ["new"], "the vendor's own fault and a refusal are nobody's loss");
    let verdicts = pass.run(&[wants(51)]);
    let Verdict::Wait(_, lines) = &verdicts[0] else { panic!() };
    let said = |name: &str, has: u8| format!("{name}: saw {has} % of its work through, the job wants at least 51 %");
    assert_eq!(lines[..], [said("flaky", 33), said("new", 50)]);
}

#[test]
fn nobody_is_claimed_who_assures_less_than_the_job_wants() {
    let mut wanting = job("a", 0);
    wanting.spec.placement.minimum_assurance = eai_api::aijob::Assurance::Attested;
    let verdicts = Pass::over(vec![member("home", 1, "10")]).run(&[wanting]);
    let Verdict::Wait(_, lines) = &verdicts[0] else { panic!() };
    assert_eq!(lines[..], ["home: assures L1 Sandboxed, the job wants at least L2 Attested"]);
}

#[test]
fn at_one_price_work_goes_where_its_image_is() {
    let mut pass = Pass::over(vec![member("a", 1, "10"), member("b", 1, "10")]);
    assert_eq!(claims(&pass.run(&[job("a", 0)])), ["a"]);
    pass.members[1].1.spec.images = vec![format!("sha256:{}", "0".repeat(64))];
    assert_eq!(claims(&pass.run(&[job("a", 0)])), ["b"]);
}

#[test]
fn a_gang_that_wants_one_interconnect_gets_it() {
    let (node, mut report) = member("a", 2, "10");
    report.spec.nodes.push(report.spec.nodes[0].clone());
    for (node, on) in report.spec.nodes.iter_mut().zip(["x", "y"]) {
        node.interconnect = on.to_owned();
    }
    let mut gang = job("a", 0);
    (gang.spec.completions, gang.spec.parallelism) = (4, 4);
    let pass = Pass::over(vec![(node, report)]);
    assert_eq!(claims(&pass.run(&[gang.clone()])), ["a"]);
    gang.spec.placement.same_interconnect = true;
    let verdicts = pass.run(&[gang]);
    let Verdict::Wait(_, lines) = &verdicts[0] else { panic!() };
    assert_eq!(lines[..], ["a: room for 2 of 4 pods on one interconnect"]);
}

/// Twenty thousand jobs of one namespace, each of another kind, keep nobody else waiting: most have no turn and are
/// told so, and the other namespace's job has its own.
#[test]
fn a_crowd_keeps_nobody_else_waiting() {
    let pass = Pass::over(vec![member("home", 2, "10")]);
    let crowd = (0..20_000u32).map(|i| {
        let mut one = job(&format!("c{i:06}"), 0);
        one.metadata.namespace = Some("crowd".to_owned());
        one.spec.accelerator.as_mut().unwrap().count = 9;
        one.spec.resources.memory = format!("{}Mi", i + 1);
        one
    });
    let mut jobs: Vec<AIJob> = crowd.collect();
    jobs.push(job("alone", 5));
    let verdicts: HashMap<String, Verdict> = pass.turns(&jobs).into_iter().collect();
    assert_eq!(word(&verdicts["alone"]), "Claim");
    let said = |reason: &str| verdicts.values().filter(|verdict| word(verdict) == reason).count();
    assert_eq!((said("NoMemberFits"), said("TooManyWaiting")), (5_000, 15_000), "each has a reason");
    assert_eq!(word(&verdicts["c000000"]), "NoMemberFits");
}

#[test]
fn what_can_never_be_is_refused_by_its_field_and_the_rest_goes_on() {
    let mut huge = job("huge", 0);
    huge.spec.accelerator.as_mut().unwrap().count = 5000;
    let verdicts = Pass::over(vec![member("home", 1, "10")]).run(&[huge, job("fine", 1)]);
    let Verdict::Wait(say, _) = &verdicts[0] else { panic!() };
    assert_eq!(
        (say.reason(), say.message()),
        ("BadQuantity", "spec: accelerator.count: 5000 is more than 1024.".to_owned())
    );
    assert_eq!(claims(&verdicts), ["-", "home"]);
}

/// The member that failed it before is cheaper, and what the payer has is enough for that one alone.
#[test]
fn a_job_that_can_only_be_paid_where_it_failed_before_goes_there() {
    let mut again = job("again", 0);
    again.status = Some(past("cheap", reason::WORK_LOST, AttemptResult::Lost, "0"));
    let mut pass = Pass::over(vec![member("cheap", 1, "10"), member("dear", 1, "30")]);
    assert_eq!(claims(&pass.run(&[again.clone()])), ["dear"]);
    pass.funds = Some(Funds { free: eai("0.5"), grant: grant() });
    assert_eq!(claims(&pass.run(&[again])), ["cheap"]);
}
