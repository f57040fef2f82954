//! What a grant means, decision by decision.

use eai_api::{
    Assignment,
    aijob::OnHubLoss,
    assignment::{AssignmentPhase as Phase, Desired},
};
use eai_core::fencing::BootMs;
use k8s_openapi::api::batch::v1::Job;

use super::*;
use crate::{
    testing::{BOOT, at, ended, granted, ms, pod, pod_with, running, until, waiting},
    work::{
        build::{
            grant::{self, End, LENT},
            job::unattended_deadline,
        },
        snapshot::Snapshot,
    },
};

/// An Assignment with a grant.
fn lent() -> Assignment {
    begun(granted(assignment(spec()), 1))
}

fn lent_with(change: impl FnOnce(&mut eai_api::AssignmentSpec)) -> Assignment {
    let mut assignment = lent();
    change(&mut assignment.spec);
    assignment
}

/// An end so many seconds after a start, and at the latest at `until`.
fn ends(seconds: u64, until: u64) -> End {
    End { seconds, until_ms: ms(i64::try_from(until).unwrap()) }
}

/// Its Job, as made under a grant, with this end.
fn job_ending(assignment: &Assignment, status: Value, end: u64) -> Job {
    let mut job = made_job(assignment, status);
    grant::lend(&mut job, Some(ends(end, end)));
    job
}

fn suspended(mut job: Job) -> Job {
    job.spec.as_mut().unwrap().suspend = Some(true);
    job
}

/// What is seen at `seconds` by an agent that was last granted to run until `end`, or remembers no grant.
fn seen(assignment: &Assignment, job: Option<&Job>, pods: &[Pod], seconds: i64, end: Option<u64>) -> Snapshot {
    let mut snapshot = snapshot(assignment.clone(), job, pods, seconds);
    if let Some(end) = end {
        snapshot.term = until(end);
    }
    snapshot
}

fn halted() -> Value {
    json!({ "conditions": [{ "type": "Suspended", "status": "True" }] })
}

fn is_fence(step: &Step) -> bool {
    matches!(
        step,
        Step::Suspend(_)
            | Step::Resume(_)
            | Step::Deadline(_)
            | Step::Extend(_)
            | Step::Interrupt { .. }
            | Step::End { .. }
    )
}

/// The steps that have to do with grants.
fn fencing(plan: &Plan) -> Vec<Step> {
    plan.steps.iter().filter(|step| is_fence(step)).cloned().collect()
}

fn interrupt(index: u32) -> Step {
    Step::Interrupt { pod: format!("{}-{index}-pod-{index}", crate::testing::NAME), at: 0 }
}

#[test]
fn work_begins_only_under_a_grant() {
    let fresh = granted(assignment(spec()), 1);
    let mut goes_on = fresh.clone();
    goes_on.spec.on_hub_loss = OnHubLoss::Continue;
    for assignment in [fresh, goes_on] {
        // With three seconds left it would end before it began.
        for (end, begins) in [(None, false), (Some(10), false), (Some(13), false), (Some(14), true), (Some(600), true)]
        {
            let plan = decide(&seen(&assignment, None, &[], 10, end));
            if begins {
                assert_eq!(plan.steps, [Step::Admit], "{end:?}");
            } else {
                assert_eq!(plan.steps, [Step::Judge], "{end:?}");
                assert_eq!((plan.status.phase, plan.status.reason.as_str()), (Phase::Pending, "AwaitingGrant"));
            }
        }
    }
}

#[test]
fn what_waited_paused_for_a_grant_is_pending() {
    let mut fresh = granted(assignment(spec()), 1);
    fresh.status = Some(AssignmentStatus { phase: Phase::Paused, ..AssignmentStatus::default() });
    assert_eq!(decide(&seen(&fresh, None, &[], 10, None)).status.phase, Phase::Pending);
}

#[test]
fn running_work_is_left_alone_or_fenced() {
    // (what the agent remembers, the Job's own end, the pod's steps at 700 s)
    let all = vec![Step::Suspend(true), interrupt(0)];
    for (end, deadline, steps) in [
        // Nothing is granted any more.
        (Some(600), 3_000, all.clone()),
        (Some(700), 3_000, all.clone()),
        (Some(702), 3_000, all.clone()),
        // Its controllers are given a moment to end its pods themselves.
        (Some(703), 3_000, vec![Step::Suspend(true)]),
        // There is time left; the end is where it belongs.
        (Some(704), 704, vec![]),
        (Some(1_300), 1_300, vec![]),
        (Some(1_300), 1_299, vec![]),
        // It isn't.
        (Some(1_300), 1_298, vec![Step::Deadline(ends(1_300, 1_300))]),
        (Some(1_300), 1_301, vec![Step::Deadline(ends(1_300, 1_300))]),
        (Some(1_300), 3_000, vec![Step::Deadline(ends(1_300, 1_300))]),
        // An agent that has begun anew leaves the end where it is, and fences when that comes.
        (None, 3_000, vec![]),
        (None, 704, vec![]),
        (None, 703, vec![Step::Suspend(true)]),
        (None, 702, all.clone()),
        (None, 600, all),
    ] {
        let assignment = lent();
        let job = job_ending(&assignment, open(), deadline);
        let plan = decide(&seen(&assignment, Some(&job), &[pod(0, running(500))], 700, end));
        assert_eq!(fencing(&plan), steps, "{end:?} {deadline}");
        assert_eq!((plan.status.phase, plan.status.running), (Phase::Running, 1));
    }
}

#[test]
fn the_fence_comes_before_all_else() {
    let assignment = lent_with(|spec| (spec.workload.completions, spec.workload.parallelism) = (2, 2));
    let mut other = assignment.clone();
    other.metadata.uid = Some("made-again".to_owned());
    let job = job_ending(&assignment, open(), 3_000);
    let pods = [pod(0, running(500)), pod(1, ended(500, 600, 0))];
    let plan = decide(&seen(&other, Some(&job), &pods, 700, Some(700)));
    assert_eq!(plan.steps[..2], [Step::Suspend(true), interrupt(0)]);
    assert!(matches!(plan.steps[2], Step::Adopt { .. }) && has(&plan, |step| matches!(step, Step::Record { .. })));
    // Also before a record that can't be read.
    let mut broken = job;
    broken.metadata.annotations.as_mut().unwrap().insert(crate::ledger::ANNOTATION.to_owned(), "{".to_owned());
    let plan = decide(&seen(&assignment, Some(&broken), &pods, 700, Some(700)));
    assert_eq!(plan.steps, [Step::Suspend(true), interrupt(0)]);
    let plan = decide(&seen(&assignment, Some(&broken), &pods, 700, Some(710)));
    assert_eq!((plan.steps.len(), plan.again), (0, Some(Duration::from_secs(7))));
    // But never on another's Job.
    broken.metadata.annotations = None;
    assert!(decide(&seen(&assignment, Some(&broken), &pods, 700, Some(700))).steps.is_empty());
}

#[test]
fn every_pod_that_runs_or_may_is_ended_once() {
    let assignment = lent_with(|spec| (spec.workload.completions, spec.workload.parallelism) = (5, 5));
    let job = suspended(job_ending(&assignment, open(), 3_000));
    let going = json!({ "deletionTimestamp": at(720).to_string() });
    let untracked = json!({ "finalizers": ["eai.network/metering"] });
    let pods = [
        pod(0, running(500)),
        pod(1, waiting("ContainerCreating")),
        pod_with(2, "pod-2", running(500), going),
        pod(3, ended(500, 600, 0)),
        pod_with(4, "pod-4", running(500), untracked),
    ];
    let plan = decide(&seen(&assignment, Some(&job), &pods, 700, Some(700)));
    let last = Step::End { pod: pods[4].metadata.name.clone().unwrap() };
    assert_eq!(fencing(&plan), [interrupt(0), interrupt(1), last]);
}

#[test]
fn work_that_is_over_is_not_suspended_by_the_fence_but_what_runs_of_it_ends() {
    let assignment = lent_with(|spec| (spec.workload.completions, spec.workload.parallelism) = (2, 2));
    let job = job_ending(&assignment, open(), 3_000);
    let both = [pod(0, ended(500, 600, 0)), pod(1, ended(500, 600, 0))];
    assert_eq!(fencing(&decide(&seen(&assignment, Some(&job), &both, 700, Some(700)))), []);
    // One has failed, so that the Job will; its controllers may not be there to end the other.
    let one = [pod(0, ended(500, 600, 1)), pod(1, running(500))];
    let plan = decide(&seen(&assignment, Some(&job), &one, 700, Some(700)));
    assert_eq!(fencing(&plan), [Step::Suspend(true), interrupt(1)]);
    let over = job_ending(&assignment, condition("Complete"), 3_000);
    assert_eq!(fencing(&decide(&seen(&assignment, Some(&over), &both, 700, Some(700)))), []);
}

#[test]
fn a_fence_waits_for_no_outputs_of_paused_work() {
    let assignment = lent_with(|spec| {
        spec.desired = Desired::Pause;
        (spec.workload.completions, spec.workload.parallelism) = (2, 2);
    });
    let job = job_ending(&assignment, open(), 3_000);
    let holding =
        with_outputs(pod(0, json!({})), "Running", crate::testing::terminated(500, 699, 0), json!({ "running": {} }));
    let pods = [holding, pod(1, running(500))];
    assert_eq!(
        fencing(&decide(&seen(&assignment, Some(&job), &pods, 700, Some(710)))),
        [Step::Deadline(ends(710, 710))]
    );
    let plan = decide(&seen(&assignment, Some(&job), &pods, 700, Some(702)));
    assert_eq!(fencing(&plan), [Step::Suspend(true), interrupt(1)]);
}

#[test]
fn stopped_work_is_fenced_too() {
    let assignment = lent_with(|spec| spec.desired = Desired::Stop);
    let job = job_ending(&assignment, open(), 3_000);
    let pods = [pod(0, running(500))];
    assert_eq!(fencing(&decide(&seen(&assignment, Some(&job), &pods, 700, Some(3_000)))), [Step::Suspend(true)]);
    let plan = decide(&seen(&assignment, Some(&suspended(job)), &pods, 700, Some(702)));
    assert_eq!(fencing(&plan), [interrupt(0)]);
}

#[test]
fn what_is_fenced_is_paused_and_says_why_once_all_has_ended() {
    let assignment = lent();
    let job = |status| suspended(job_ending(&assignment, status, 3_000));
    let gone = json!({ "deletionTimestamp": at(729).to_string(), "deletionGracePeriodSeconds": 30,
        "finalizers": ["eai.network/metering"] });
    let ending = [pod_with(0, "pod-0", running(500), gone.clone())];
    let plan = decide(&seen(&assignment, Some(&job(open())), &ending, 710, Some(700)));
    assert_eq!((fencing(&plan).len(), plan.status.phase, plan.status.running), (0, Phase::Running, 1));
    let pulling = [pod_with(0, "pod-0", waiting("ContainerCreating"), gone.clone())];
    let plan = decide(&seen(&assignment, Some(&job(halted())), &pulling, 710, Some(700)));
    assert_ne!(plan.status.phase, Phase::Paused);
    // Its controllers are down: its pods end all the same, and so they are metered.
    let over = [pod_with(0, "pod-0", ended(500, 705, 143), gone)];
    for status in [open(), halted()] {
        for remembered in [Some(700), None] {
            let plan = decide(&seen(&assignment, Some(&job(status.clone())), &over, 710, remembered));
            assert_eq!((plan.status.phase, plan.status.reason.as_str()), (Phase::Paused, "Fenced"));
            assert!(plan.status.message.contains("hasn't renewed"), "{}", plan.status.message);
            assert_eq!((plan.status.usage_ms, plan.status.exit_code), (205_000, None));
            assert!(
                has(&plan, |s| matches!(s, Step::Record { .. })) && has(&plan, |s| matches!(s, Step::Release { .. }))
            );
        }
    }
    // If the hub had it paused, that is what it is told.
    let paused = lent_with(|spec| spec.desired = Desired::Pause);
    let plan = decide(&seen(&paused, Some(&job(halted())), &over, 710, Some(700)));
    assert_eq!((plan.status.phase, plan.status.reason.as_str()), (Phase::Paused, "Paused"));
}

#[test]
fn suspended_work_goes_on_only_under_a_grant() {
    for on_loss in [OnHubLoss::SelfFence, OnHubLoss::Continue] {
        let assignment = lent_with(|spec| spec.on_hub_loss = on_loss);
        let job = suspended(job_ending(&assignment, halted(), 3_000));
        for end in [None, Some(600), Some(703)] {
            let plan = decide(&seen(&assignment, Some(&job), &[], 700, end));
            assert_eq!((fencing(&plan), plan.status.phase), (vec![], Phase::Paused), "{end:?}");
        }
        let plan = decide(&seen(&assignment, Some(&job), &[], 700, Some(1_300)));
        // Ten seconds are kept back for what words take here; the end is put right once the new start is known.
        let resumes =
            if on_loss == OnHubLoss::SelfFence { Step::Resume(ends(590, 1_300)) } else { Step::Suspend(false) };
        assert_eq!((fencing(&plan), plan.status.phase), (vec![resumes], Phase::Starting));
        // A pause, or a stop, isn't ended by a grant.
        let held = lent_with(|spec| (spec.on_hub_loss, spec.desired) = (on_loss, Desired::Pause));
        assert_eq!(fencing(&decide(&seen(&held, Some(&job), &[], 700, Some(1_300)))), []);
    }
}

#[test]
fn where_the_former_start_stands_an_end_is_kept_clear_of_it_and_then_put_right() {
    let assignment = lent();
    let resumed = |start: i64, end: u64| {
        let mut status = halted();
        status["startTime"] = json!(at(start).to_string());
        let job = suspended(job_ending(&assignment, status, 50));
        fencing(&decide(&seen(&assignment, Some(&job), &[], 2_000, Some(end))))
    };
    // Counted from that start it would be over at once: 2,000 s have passed.
    assert_eq!(resumed(0, 2_600), [Step::Resume(ends(2_030, 2_600))]);
    // Never beyond its grant.
    assert_eq!(resumed(0, 2_020), [Step::Resume(ends(2_020, 2_020))]);
    // It would not, so that no other end is needed.
    assert_eq!(resumed(1_900, 2_600), [Step::Resume(ends(590, 2_600))]);
    assert_eq!(resumed(1_440, 2_600), [Step::Resume(ends(590, 2_600))]);
    assert_eq!(resumed(1_439, 2_600), [Step::Resume(ends(591, 2_600))]);
    // Until its controller has seen that it goes on, the start says nothing.
    let mut status = halted();
    status["startTime"] = json!(at(0).to_string());
    let mut job = job_ending(&assignment, status, 2_030);
    assert_eq!(fencing(&decide(&seen(&assignment, Some(&job), &[], 2_001, Some(2_600)))), []);
    grant::lend(&mut job, Some(ends(2_030, 2_600)));
    assert_eq!(fencing(&decide(&seen(&assignment, Some(&job), &[], 2_029, None))), []);
    // Then it does.
    let job = job_ending(&assignment, json!({ "startTime": at(2_001).to_string() }), 2_030);
    let plan = decide(&seen(&assignment, Some(&job), &[], 2_002, Some(2_600)));
    assert_eq!(fencing(&plan), [Step::Deadline(ends(599, 2_600))]);
}

#[test]
fn an_agent_that_begins_anew_keeps_to_the_end_that_was_written_down() {
    let assignment = lent();
    let mut job = made_job(&assignment, json!({ "startTime": at(20).to_string() }));
    let steps =
        |job: &Job, seconds| fencing(&decide(&seen(&assignment, Some(job), &[pod(0, running(25))], seconds, None)));
    // Made for 590 s of 600, and its controller took 20 s to see it.
    grant::lend(&mut job, Some(ends(590, 600)));
    assert_eq!(steps(&job, 100), [Step::Deadline(ends(580, 600))]);
    grant::lend(&mut job, Some(ends(580, 600)));
    assert_eq!(steps(&job, 100), []);
    // Less was written on purpose.
    grant::lend(&mut job, Some(ends(300, 600)));
    assert_eq!(steps(&job, 100), []);
    // Nor does it wait for a start that nobody writes.
    let mut unseen = made_job(&assignment, json!({}));
    grant::lend(&mut unseen, Some(ends(190, 200)));
    assert_eq!(steps(&unseen, 196), []);
    assert_eq!(steps(&unseen, 198), [Step::Suspend(true), interrupt(0)]);
}

#[test]
fn pods_left_of_a_suspended_job_end_also_if_nothing_is_remembered() {
    let assignment = lent();
    let job = suspended(job_ending(&assignment, open(), 200));
    let steps = |seconds| fencing(&decide(&seen(&assignment, Some(&job), &[pod(0, running(25))], seconds, None)));
    assert_eq!((steps(190), steps(197), steps(198)), (vec![], vec![], vec![interrupt(0)]));
    // The end that was counted from its start isn't any more.
    let mut later = suspended(job_ending(&assignment, open(), 100));
    grant::lend(&mut later, Some(ends(100, 900)));
    let plan = decide(&seen(&assignment, Some(&later), &[pod(0, running(150))], 200, None));
    assert_eq!(fencing(&plan), []);
}

#[test]
fn a_grant_is_no_leave_to_run_without_an_agent_for_longer_than_work_takes() {
    let assignment = lent();
    let unattended = unattended_deadline(&assignment.spec.workload);
    assert_eq!((unattended, End::first(&assignment.spec.workload, 0, 86_400_000).seconds), (3_930, 3_930));
    let steps = |deadline: u64, seconds: i64| {
        let job = job_ending(&assignment, open(), deadline);
        fencing(&decide(&seen(&assignment, Some(&job), &[pod(0, waiting("Pulling"))], seconds, Some(86_400))))
    };
    assert_eq!(steps(590, 1), [Step::Deadline(ends(3_930, 86_400))]);
    assert_eq!(steps(3_930, 1), []);
    assert_eq!(steps(3_930, 2_100), []);
    assert_eq!(steps(3_930, 2_200), [Step::Deadline(ends(5_800, 86_400))]);
}

#[test]
fn first_ends_keep_back_what_words_take() {
    let workload = spec().workload;
    for (remaining_ms, end) in [(600_000, 590), (30_000, 20), (20_000, 10), (10_000, 5), (3_001, 1), (500, 1)] {
        assert_eq!(
            End::first(&workload, 7, remaining_ms),
            End { seconds: end, until_ms: remaining_ms + 7 },
            "{remaining_ms}"
        );
    }
}

#[test]
fn work_that_is_to_run_on_does() {
    let assignment = lent_with(|spec| spec.on_hub_loss = OnHubLoss::Continue);
    let mut job = made_job(&assignment, open());
    grant::lend(&mut job, None);
    assert_eq!(job.spec.as_ref().unwrap().active_deadline_seconds, Some(3_930));
    for end in [None, Some(600), Some(3_000)] {
        let at = |seconds| seen(&assignment, Some(&job), &[pod(0, waiting("Pulling"))], seconds, end);
        assert_eq!(fencing(&decide(&at(700))), [], "{end:?}");
        assert_eq!(fencing(&decide(&at(2_200))), [Step::Extend(5_800)], "{end:?}");
        assert_eq!(grant::fence_at(&at(700)), None);
    }
}

#[test]
fn without_grants_all_is_as_it_was() {
    let old = begun(assignment(spec()));
    let job = made_job(&old, open());
    // Whatever is remembered.
    for end in [None, Some(100)] {
        let at = |seconds| seen(&old, Some(&job), &[pod(0, waiting("Pulling"))], seconds, end);
        assert_eq!(fencing(&decide(&at(700))), []);
        assert_eq!(fencing(&decide(&at(2_200))), [Step::Extend(5_800)]);
        assert_eq!(grant::fence_at(&at(2_200)), None);
        let held = suspended(made_job(&old, halted()));
        assert_eq!(fencing(&decide(&seen(&old, Some(&held), &[], 700, end))), [Step::Suspend(false)]);
        assert_eq!(decide(&seen(&assignment(spec()), None, &[], 700, end)).steps, [Step::Admit]);
    }
}

#[test]
fn once_lent_it_stays_so_though_its_assignment_is_made_again_without() {
    let bare = begun(assignment(spec()));
    let job = job_ending(&bare, open(), 710);
    assert_eq!(job.metadata.annotations.as_ref().unwrap()[LENT], ms(710).to_string());
    let pods = [pod(0, running(500))];
    assert_eq!(fencing(&decide(&seen(&bare, Some(&job), &pods, 700, None))), []);
    assert_eq!(fencing(&decide(&seen(&bare, Some(&job), &pods, 708, None))), [Step::Suspend(true), interrupt(0)]);
}

#[test]
fn a_start_that_is_ahead_of_the_agents_clock_gains_nothing() {
    let assignment = lent();
    let job = job_ending(&assignment, json!({ "startTime": at(702).to_string() }), 3_000);
    let plan = decide(&seen(&assignment, Some(&job), &[], 700, Some(1_300)));
    assert_eq!(fencing(&plan), [Step::Deadline(ends(598, 1_300))]);
}

#[test]
fn work_begun_without_a_grant_is_fenced_from_its_first_one_on() {
    let assignment = lent();
    let job = made_job(&assignment, open());
    let plan = decide(&seen(&assignment, Some(&job), &[pod(0, running(500))], 700, Some(1_300)));
    assert_eq!(fencing(&plan), [Step::Deadline(ends(1_300, 1_300))]);
}

#[test]
fn the_end_of_a_grant_is_looked_at_on_time() {
    let assignment = lent();
    let looks = |job: &Job, pods: &[Pod], end: Option<u64>| {
        let seen = seen(&assignment, Some(job), pods, 700, end);
        (grant::fence_at(&seen), decide(&seen).again.unwrap())
    };
    let (pods, boot) = ([pod(0, waiting("Pulling"))], |seconds: u64| Some(BOOT.after(seconds * 1_000)));
    let job = |end| job_ending(&assignment, open(), end);
    assert_eq!(looks(&job(800), &pods, Some(800)), (boot(797), Duration::from_secs(97)));
    // Of what isn't remembered the Job's own end is what counts.
    assert_eq!(looks(&job(800), &pods, None), (boot(797), Duration::from_secs(97)));
    // What is due is looked at until it is done.
    let soon = Duration::from_secs(1);
    assert_eq!(looks(&job(800), &pods, Some(702)), (Some(BootMs(0)), soon));
    assert_eq!(looks(&suspended(job(800)), &pods, Some(702)), (Some(BootMs(0)), soon));
    let gone = [pod_with(0, "pod-0", running(1), json!({ "deletionTimestamp": at(729).to_string() }))];
    assert_eq!(looks(&suspended(job(800)), &gone, Some(702)).0, None);
    assert_eq!(looks(&suspended(job(800)), &[], None).0, None);
    // Nothing runs of what is over, or somebody else's.
    assert_eq!(
        grant::fence_at(&seen(&assignment, Some(&job_ending(&assignment, condition("Failed"), 1)), &pods, 700, None)),
        None
    );
    let mut foreign = job(800);
    foreign.metadata.annotations = None;
    assert_eq!(grant::fence_at(&seen(&assignment, Some(&foreign), &pods, 700, Some(702))), None);
    assert_eq!(grant::fence_at(&seen(&assignment, None, &[], 700, Some(702))), None);
    let mut done = assignment.clone();
    done.status.as_mut().unwrap().phase = Phase::Lost;
    assert_eq!(grant::fence_at(&seen(&done, Some(&job(800)), &pods, 700, Some(702))), None);
}

#[test]
fn the_end_of_fenced_work_by_its_cluster_is_named_as_such() {
    let mut status = condition("Failed");
    status["conditions"][0]["reason"] = json!("DeadlineExceeded");
    let why = |assignment: &Assignment| {
        let job = job_ending(assignment, status.clone(), 600);
        let mut over = seen(assignment, Some(&job), &[pod(0, ended(5, 200, 143))], 4_000, None);
        over.artifacts.logs.insert(0, crate::artifacts::LogState::Lost { pod_uid: "pod-0".to_owned() });
        let status = decide(&over).status;
        assert_eq!(status.phase, Phase::Failed);
        status.reason
    };
    assert_eq!(why(&lent()), "FenceExpired");
    assert_eq!(why(&lent_with(|spec| spec.on_hub_loss = OnHubLoss::Continue)), "AgentAway");
}
