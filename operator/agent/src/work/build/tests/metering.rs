//! The metering protocol against a model of the cluster: events in any order, news that lags, an agent that is killed
//! between any two steps. Whatever happens, every run counts once.

use k8s_openapi::api::batch::v1::Job;
use proptest::prelude::*;

use super::*;
use crate::{
    ledger::{ANNOTATION, Ledger},
    testing::{at, ended, pod_with, running},
    work::snapshot::JobFact,
};

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The Job controller makes a pod of this index, if it has no live one.
    Create(u32),
    /// The oldest pod that waits starts.
    Start,
    /// The oldest pod that runs ends with this exit code.
    End(i32),
    /// The newest pod is asked to go.
    Delete,
    /// The watch catches up.
    See,
    /// The agent looks and does so many of the steps that it decides on; then it is killed, unless that was all.
    Act(usize),
    /// Some time passes, in seconds.
    Wait(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0u32..3).prop_map(Event::Create),
        Just(Event::Start),
        prop_oneof![Just(0), Just(1), Just(143)].prop_map(Event::End),
        Just(Event::Delete),
        Just(Event::See),
        (0usize..6).prop_map(Event::Act),
        (1i64..40).prop_map(Event::Wait),
    ]
}

/// A pod as it truly is.
#[derive(Clone, Debug)]
struct TruePod {
    uid: String,
    index: u32,
    started: Option<i64>,
    ended: Option<(i64, i32)>,
    deleted: bool,
    finalizer: bool,
}

/// The cluster as it truly is, and what the agent's watch last showed.
struct World {
    now: i64,
    made: usize,
    pods: Vec<TruePod>,
    annotation: String,
    seen: (Vec<TruePod>, String),
    /// Milliseconds truly run by pods whose work has ended.
    true_ms: u64,
}

impl World {
    fn new() -> Self {
        let annotation = Ledger::default().write();
        Self { now: 1, made: 0, pods: vec![], seen: (vec![], annotation.clone()), annotation, true_ms: 0 }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Create(index) => {
                let live = self.pods.iter().any(|p| p.index == index && p.ended.is_none());
                if !live {
                    self.made += 1;
                    let uid = format!("uid-{}", self.made);
                    let pod = TruePod { uid, index, started: None, ended: None, deleted: false, finalizer: true };
                    self.pods.push(pod);
                }
            }
            Event::Start => {
                let now = self.now;
                if let Some(pod) = self.pods.iter_mut().find(|p| p.started.is_none() && !p.deleted) {
                    pod.started = Some(now);
                }
            }
            Event::End(exit) => {
                let now = self.now;
                if let Some(pod) = self.pods.iter_mut().find(|p| p.started.is_some() && p.ended.is_none()) {
                    pod.ended = Some((now, exit));
                    self.true_ms += u64::try_from((now - pod.started.unwrap()) * 1000).unwrap();
                }
            }
            Event::Delete => {
                if let Some(pod) = self.pods.last_mut() {
                    pod.deleted = true;
                    if pod.started.is_none() {
                        pod.ended.get_or_insert((self.now, 143));
                    }
                }
            }
            Event::See => self.seen = (self.pods.clone(), self.annotation.clone()),
            Event::Act(steps) => self.act(steps),
            Event::Wait(seconds) => self.now += seconds,
        }
        // The API server forgets what is deleted, over and held by nobody.
        self.pods.retain(|p| p.finalizer || !p.deleted || p.ended.is_none());
    }

    fn job(annotation: &str) -> Job {
        let mut job = made_job(&begun(assignment(workload())), open());
        job.metadata.annotations.as_mut().unwrap().insert(ANNOTATION.to_owned(), annotation.to_owned());
        job
    }

    fn act(&mut self, steps: usize) {
        let (pods, annotation) = self.seen.clone();
        let job = Self::job(&annotation);
        let shown: Vec<Pod> = pods.iter().map(TruePod::show).collect();
        let plan = decide(&snapshot(begun(assignment(workload())), Some(&job), &shown, self.now));
        for step in plan.steps.into_iter().take(steps) {
            match step {
                // The API server tests what the record was; a stale write changes nothing and ends the round.
                Step::Record { before, .. } if before.as_deref() != Some(self.annotation.as_str()) => return,
                Step::Record { ledger, .. } => self.annotation = ledger.write(),
                Step::Release { pod, .. } => {
                    let recorded = Ledger::read(Some(&self.annotation)).unwrap();
                    if let Some(p) = self.pods.iter_mut().find(|p| p.name() == pod) {
                        assert!(recorded.has(&p.uid), "{} was let go before its run was recorded", p.uid);
                        p.finalizer = false;
                    }
                }
                _ => {}
            }
        }
        self.pods.retain(|p| p.finalizer || !p.deleted || p.ended.is_none());
    }

    /// Everything settles: what runs ends, what the watch shows is true, and the agent acts until nothing is left to do.
    fn settle(&mut self) {
        self.now += 10;
        while self.pods.iter().any(|p| p.started.is_some() && p.ended.is_none()) {
            self.happen(Event::End(0));
        }
        for _ in 0..3 {
            self.happen(Event::See);
            self.happen(Event::Act(100));
        }
    }

    fn ledger(&self) -> Ledger {
        Ledger::read(Some(&self.annotation)).unwrap()
    }
}

impl TruePod {
    fn name(&self) -> String {
        self.show().metadata.name.unwrap()
    }

    fn show(&self) -> Pod {
        let status = match (self.started, self.ended) {
            (None, None) => json!({ "phase": "Pending" }),
            (None, Some(_)) => json!({ "phase": "Failed" }),
            (Some(start), None) => running(start),
            (Some(start), Some((finish, exit))) => ended(start, finish, exit),
        };
        let finalizers: &[&str] = if self.finalizer { &["eai.network/metering"] } else { &[] };
        let mut meta = json!({ "finalizers": finalizers });
        if self.deleted {
            meta["deletionTimestamp"] = json!(at(self.now_deleted()).to_string());
        }
        pod_with(self.index, &self.uid, status, meta)
    }

    fn now_deleted(&self) -> i64 {
        self.ended.map_or(1_000_000, |(at, _)| at)
    }
}

fn workload() -> eai_api::AssignmentSpec {
    spec_with(json!({ "completions": 3, "parallelism": 3, "maxDurationSeconds": 31_536_000 }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_run_counts_once_whatever_happens(events in prop::collection::vec(event(), 0..60)) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
            // At no moment is more on record than was run.
            prop_assert!(world.ledger().run_ms() <= world.true_ms);
        }
        world.settle();
        prop_assert_eq!(world.ledger().run_ms(), world.true_ms);
        // And nothing is held that is over.
        prop_assert!(world.pods.iter().all(|p| !p.finalizer || p.ended.is_none()));
    }
}

#[test]
fn a_record_written_by_another_is_not_undone() {
    let mut world = World::new();
    world.happen(Event::Create(0));
    world.happen(Event::Start);
    world.happen(Event::Wait(10));
    world.happen(Event::End(0));
    world.happen(Event::See);
    // Another agent records; ours still sees the record as it was.
    let stale = world.seen.1.clone();
    world.happen(Event::Act(1));
    let after = world.annotation.clone();
    assert_ne!(after, stale);
    world.happen(Event::Act(100));
    assert_eq!(world.annotation, after);
}

#[test]
fn the_fact_is_read_from_the_annotation_alone() {
    let world = World::new();
    let fact = JobFact::read(&World::job(&world.annotation));
    assert_eq!(fact.ledger, Ok(Ledger::default()));
}
