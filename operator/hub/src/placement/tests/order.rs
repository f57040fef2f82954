//! Whose turn it is.

use eai_core::epoch::Epoch;

use super::*;
use crate::aijob::claim::{Parties, claim};

fn of(namespace: &str, name: &str, age: u64, priority: i32) -> AIJob {
    let mut job = job(name, age);
    job.metadata.namespace = Some(namespace.to_owned());
    job.spec.priority = priority;
    job
}

/// The names in turn, with all members' GPUs free and enough of them.
fn turns(jobs: &[AIJob]) -> Vec<String> {
    Pass::over(vec![member("home", 100, "36")]).turns(jobs).into_iter().map(|(name, _)| name).collect()
}

/// `job` as it runs on `member`.
fn running(mut job: AIJob, pass: &Pass) -> AIJob {
    let verdicts = pass.run(std::slice::from_ref(&job));
    let Verdict::Claim(made) = &verdicts[0] else { panic!("{} isn't claimed", word(&verdicts[0])) };
    let parties = Parties { hub_key: Address([9; 20]), namespace: namespace() };
    let now = Timestamp::from_second(i64::try_from(NOW).unwrap()).unwrap();
    job.status = Some(claim(&job, made, parties, &Rules::default(), NOW, now));
    job
}

#[test]
fn the_oldest_goes_first_in_a_namespace() {
    assert_eq!(turns(&[of("a", "late", 9, 0), of("a", "early", 3, 0), of("a", "mid", 5, 0)]), ["early", "mid", "late"]);
}

#[test]
fn of_namespaces_that_have_nothing_the_longest_wait_goes_first() {
    assert_eq!(turns(&[of("a", "a1", 7, 0), of("b", "b1", 3, 0)]), ["b1", "a1"]);
}

#[test]
fn namespaces_take_turns_however_many_jobs_each_sends() {
    let mut jobs: Vec<AIJob> = (0..4).map(|i| of("greedy", &format!("g{i}"), i, 0)).collect();
    jobs.extend([of("modest", "m0", 8, 0), of("modest", "m1", 9, 0)]);
    assert_eq!(turns(&jobs), ["g0", "m0", "g1", "m1", "g2", "g3"]);
}

#[test]
fn priority_rearranges_ones_own_places_only() {
    let jobs = [of("a", "a1", 1, 0), of("b", "b1", 2, 0), of("a", "a2", 3, 1000), of("b", "b2", 4, -5)];
    assert_eq!(turns(&jobs), ["a2", "b1", "a1", "b2"]);
}

#[test]
fn ties_are_broken_the_same_way_each_time() {
    let mut jobs = vec![of("a", "y", 1, 0), of("a", "x", 1, 0), of("a", "z", 1, 0)];
    assert_eq!(turns(&jobs), ["x", "y", "z"]);
    jobs.reverse();
    assert_eq!(turns(&jobs), ["x", "y", "z"]);
}

#[test]
fn what_runs_counts_until_it_ends() {
    let mut pass = Pass::over(vec![member("home", 3, "36")]);
    pass.others = vec![running(of("a", "runs", 0, 0), &pass)];
    let jobs = [of("a", "a1", 1, 0), of("b", "b1", 9, 0)];
    let first = |pass: &Pass| pass.turns(&jobs)[0].0.clone();
    assert_eq!(first(&pass), "b1", "a has something already");
    pass.members[0].1.spec.counted = vec![Epoch { generation: 1, attempt: 1 }.name("runs")];
    assert_eq!(first(&pass), "b1", "also when the member counts it");
    pass.others.clear();
    assert_eq!(first(&pass), "a1");
}

#[test]
fn a_namespace_with_twice_the_weight_gets_twice_as_much() {
    let mut pass = Pass::over(vec![member("home", 6, "36")]);
    pass.weights.insert("heavy".to_owned(), 2);
    let jobs: Vec<AIJob> =
        (0..6).flat_map(|i| [of("heavy", &format!("h{i}"), i, 0), of("light", &format!("l{i}"), i, 0)]).collect();
    let placed = pass.turns(&jobs).into_iter().filter(|(_, verdict)| matches!(verdict, Verdict::Claim(_)));
    let heavy = placed.filter(|(name, _)| name.starts_with('h')).count();
    assert_eq!(heavy, 4);
}

/// A thousand jobs that fit nowhere neither cost their namespace its turn nor keep others from theirs.
#[test]
fn what_fits_nowhere_keeps_nobody_waiting() {
    let pass = Pass::over(vec![member("home", 2, "36")]);
    let mut jobs: Vec<AIJob> = (0..50).map(|i| of("a", &format!("big{i}"), i, 0)).collect();
    for job in &mut jobs {
        job.spec.accelerator.as_mut().unwrap().count = 64;
    }
    jobs.extend([of("a", "small", 60, 0), of("b", "other", 61, 0)]);
    let placed = pass.turns(&jobs).into_iter().filter(|(_, verdict)| matches!(verdict, Verdict::Claim(_)));
    let mut names: Vec<String> = placed.map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["other", "small"]);
}
