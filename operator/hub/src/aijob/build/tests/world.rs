//! A small world around one job: an API server, a chain, members that run work, and two hubs that each see it late.

use std::collections::{BTreeMap, HashMap};

use eai_api::{
    AIJob, AIJobStatus, Assignment,
    aijob::Phase,
    assignment::{AssignmentPhase, Desired},
    names::SETTLEMENT_FINALIZER,
};
use eai_chain::LeaseState as OnChain;
use eai_core::{
    metering::{MilliUnits, UsageMs, cost, usage},
    money::Amount,
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::fixtures::{START, claim_of, parties, rules};
use crate::{
    aijob::{
        build::{Asked, Bill, ChainNews, Look, Sight, Situation, Stage, Wish, build, ending, stage},
        claim::claim,
    },
    assignment::build as leftovers,
};

/// A lease as the escrow has it.
#[derive(Clone, Debug)]
pub struct OnLedger {
    pub hold: Amount,
    pub paid: Amount,
    pub refunded: Amount,
    pub state: OnChain,
    pub opened_ms: u64,
    pub closing_ms: Option<u64>,
    pub rate: Amount,
    pub units: MilliUnits,
}

/// What is asked of the chain and not in a block yet.
#[derive(Clone, Debug)]
pub enum Pending {
    Open { hub: usize, id: String, hold: Amount, open_by: u64, rate: Amount, units: MilliUnits },
    TopUp { hub: usize, id: String, total: Amount },
    Settle { hub: usize, id: String, bill: Bill },
}

/// A member's work for one Assignment, as it really is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub running: bool,
    pub ran_ms: u64,
    pub started: bool,
}

/// What one hub process remembers.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    job: Option<AIJob>,
    assignments: BTreeMap<String, Assignment>,
    pub(super) news: HashMap<String, ChainNews>,
    sights: HashMap<String, (AssignmentPhase, u64, Sight)>,
}

/// How an agent moves next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Go,
    Fail,
    Lose,
    Refuse,
}

/// The world.
pub struct World {
    pub job: AIJob,
    version: u64,
    pub assignments: BTreeMap<String, Assignment>,
    pub work: BTreeMap<String, Work>,
    pub leases: BTreeMap<String, OnLedger>,
    pub(super) pending: Vec<Pending>,
    pub free: Amount,
    pub now_ms: u64,
    pub(super) hubs: [Memory; 2],
    /// Members report three times what ran.
    pub lies: bool,
    /// Member `home` neither hears nor answers; what runs there runs on.
    pub silent: bool,
    /// Until when work on member `home` is waited for, in Unix milliseconds, if that is being emptied.
    pub drain: Option<u64>,
}

impl World {
    pub fn new(mut job: AIJob, free: Amount) -> Self {
        job.metadata.resource_version = Some("1".to_owned());
        let mut world = Self {
            job,
            version: 1,
            assignments: BTreeMap::new(),
            work: BTreeMap::new(),
            leases: BTreeMap::new(),
            pending: Vec::new(),
            free,
            now_ms: START * 1000,
            hubs: [Memory::default(), Memory::default()],
            lies: false,
            silent: false,
            drain: None,
        };
        world.sync(0);
        world.sync(1);
        world
    }

    pub fn phase(&self) -> Phase {
        self.job.status.as_ref().map(|s| s.phase).unwrap_or_default()
    }

    pub fn running(&self) -> usize {
        self.work.values().filter(|w| w.running).count()
    }

    fn now(&self) -> Timestamp {
        millis(self.now_ms)
    }

    pub(super) fn chain_time(&self) -> u64 {
        self.now_ms / 1000
    }

    fn stamp(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// Somebody other than the hub changes the job.
    pub fn edit(&mut self, edit: impl FnOnce(&mut AIJob)) {
        edit(&mut self.job);
        self.job.metadata.resource_version = Some(self.stamp());
    }

    pub fn tick(&mut self, ms: u64) {
        self.now_ms += ms;
        for work in self.work.values_mut().filter(|w| w.running) {
            work.ran_ms += ms;
        }
    }

    /// A hub's watch catches up.
    pub fn sync(&mut self, hub: usize) {
        let now_ms = self.now_ms;
        let memory = &mut self.hubs[hub];
        memory.job = Some(self.job.clone());
        memory.assignments.clone_from(&self.assignments);
        for (name, assignment) in &memory.assignments {
            let status = assignment.status.clone().unwrap_or_default();
            let early = matches!(status.phase, AssignmentPhase::Pending | AssignmentPhase::Starting);
            let first = (status.phase, status.usage_ms, Sight { watched: early, reported_ms: now_ms });
            let seen = memory.sights.entry(name.clone()).or_insert(first);
            seen.2.watched |= early;
            if (seen.0, seen.1) != (status.phase, status.usage_ms) {
                (seen.0, seen.1, seen.2.reported_ms) = (status.phase, status.usage_ms, now_ms);
            }
        }
    }

    /// A hub process ends and starts again.
    pub fn restart(&mut self, hub: usize) {
        self.hubs[hub] = Memory::default();
        self.sync(hub);
    }

    /// A hub looks at the job, on what it remembers, and crashes after so many wishes.
    pub fn reconcile(&mut self, hub: usize, crash_after: usize) {
        let Some(job) = self.hubs[hub].job.clone() else { return };
        let attempt = job.status.as_ref().and_then(|s| s.attempt.clone());
        let name = attempt.as_ref().map(|a| a.epoch.name(job.metadata.uid.as_deref().unwrap()));
        let memory = &self.hubs[hub];
        let assignment = name.as_ref().and_then(|name| memory.assignments.get(name)).cloned();
        let sight = name.as_ref().and_then(|name| memory.sights.get(name)).map(|s| s.2);
        let mut chain = attempt.as_ref().and_then(|a| memory.news.get(&a.lease.id)).cloned().unwrap_or_default();
        chain.time = Some(self.chain_time());
        let rules = rules();
        let plan = build(&Situation {
            job: &job,
            assignment: assignment.as_ref(),
            sight: sight.unwrap_or(Sight { watched: false, reported_ms: self.now_ms }),
            member_enrolled: true,
            no_room: None,
            gives_way_to: None,
            member_silent: false,
            drain: self.drain.filter(|_| attempt.as_ref().is_some_and(|a| a.member == "home")).map(millis),
            tether: super::fixtures::unfenced(),
            stored: Vec::new(),
            chain,
            rules: &rules,
            now: self.now(),
        });
        let same =
            job.status.as_ref() == Some(&plan.status) || job.status.is_none() && plan.status == AIJobStatus::default();
        if !same {
            if job.metadata.resource_version != self.job.metadata.resource_version {
                return;
            }
            self.job.status = Some(plan.status);
            self.job.metadata.resource_version = Some(self.stamp());
            self.hubs[hub].job = Some(self.job.clone());
        }
        let job = self.hubs[hub].job.clone().unwrap();
        for wish in plan.wishes.into_iter().take(crash_after) {
            self.fulfil(hub, &job, wish, !same);
        }
    }

    fn fulfil(&mut self, hub: usize, job: &AIJob, wish: Wish, confirmed: bool) {
        if wish == Wish::Release && job.metadata.resource_version == self.job.metadata.resource_version {
            self.edit(|job| job.metadata.finalizers = None);
        }
        let Some(attempt) = job.status.as_ref().and_then(|s| s.attempt.clone()) else { return };
        let id = attempt.lease.id.clone();
        let name = attempt.epoch.name(job.metadata.uid.as_deref().unwrap());
        let view = self.view(&id);
        let (now_ms, chain_time, free) = (self.now_ms, self.chain_time(), self.free);
        let news = self.hubs[hub].news.entry(id.clone()).or_default();
        match wish {
            Wish::OpenLease if news.open == Asked::No => {
                news.open = Asked::Waiting;
                let open_by = u64::try_from(attempt.lease.open_by.unwrap().0.as_second()).unwrap();
                let (hold, rate, units) = (attempt.lease.hold, attempt.rate, MilliUnits(attempt.milli_units));
                self.pending.push(Pending::Open { hub, id, hold, open_by, rate, units });
            }
            Wish::LookAtLease => news.look = Some(Look { at: chain_time, lease: view }),
            Wish::LookAtFunds => news.addable = Some(free),
            Wish::TopUp(total) => {
                news.top_up = Asked::Waiting;
                self.pending.push(Pending::TopUp { hub, id, total });
            }
            Wish::Settle(bill) if bill.amount > attempt.lease.hold => panic!("a bill above the hold: {bill:?}"),
            Wish::Settle(bill) if news.settle != Asked::Waiting => {
                news.settle = Asked::Waiting;
                self.pending.push(Pending::Settle { hub, id, bill });
            }
            Wish::Assign(desired, grant) => {
                let current = confirmed || job.metadata.resource_version == self.job.metadata.resource_version;
                if current && !self.assignments.contains_key(&name) {
                    let mut made = super::fixtures::assignment(job, 0);
                    (made.spec.desired, made.spec.grant) = (desired, grant);
                    made.metadata.creation_timestamp = Some(seconds(now_ms));
                    made.metadata.resource_version = Some(self.stamp());
                    self.assignments.insert(name.clone(), made.clone());
                    self.work.insert(name.clone(), Work::default());
                    self.hubs[hub].assignments.insert(name, made);
                }
            }
            Wish::Tell(desired, noted, _) => self.tell(hub, &name, desired, noted),
            Wish::Place | Wish::Release | Wish::OpenLease | Wish::Settle(_) => {}
        }
    }

    fn tell(&mut self, hub: usize, name: &str, desired: Desired, noted: eai_api::assignment::Acknowledged) {
        let known = self.hubs[hub].assignments.get(name).and_then(|a| a.metadata.resource_version.clone());
        let version = Some(self.stamp());
        let Some(real) = self.assignments.get_mut(name).filter(|a| a.metadata.resource_version == known) else {
            return;
        };
        (real.spec.desired, real.spec.acknowledged, real.metadata.resource_version) = (desired, noted, version);
        let real = real.clone();
        self.hubs[hub].assignments.insert(name.to_owned(), real);
    }

    /// A hub clears away what attempts left.
    pub fn clear(&mut self, hub: usize) {
        let memory = self.hubs[hub].clone();
        for (name, assignment) in &memory.assignments {
            let record = leftovers::record(assignment, memory.job.as_ref());
            if let leftovers::Step::Tell(desired, noted) = leftovers::build(assignment, &record) {
                self.tell(hub, name, desired, noted);
            }
        }
    }

    /// A hub's placement pass: claims, if it thinks that the job waits.
    pub fn place(&mut self, hub: usize, member: &str) {
        let Some(job) = self.hubs[hub].job.clone() else { return };
        let idle = job.status.as_ref().is_none_or(|s| stage(s) == Stage::Idle);
        let stale = job.metadata.resource_version != self.job.metadata.resource_version;
        if !idle || job.spec.suspend || ending(&job, self.now()).is_some() || stale {
            return;
        }
        let claimed = claim_of(&job, member);
        if claimed.hold > self.free || claimed.hold.is_zero() {
            return;
        }
        self.job.metadata.finalizers = Some(vec![SETTLEMENT_FINALIZER.to_owned()]);
        self.job.status = Some(claim(&job, &claimed, parties(), &rules(), self.chain_time(), self.now()));
        self.job.metadata.resource_version = Some(self.stamp());
        self.hubs[hub].job = Some(self.job.clone());
    }

    /// An agent does what its Assignments say, or something else.
    pub fn agent(&mut self, how: Move) {
        let names: Vec<String> = self.assignments.keys().cloned().collect();
        for name in names {
            let mut assignment = self.assignments[&name].clone();
            if self.silent && assignment.metadata.namespace.as_deref() == Some("cn-home") {
                continue;
            }
            let mut work = self.work[&name];
            super::agent::step(&mut assignment, &mut work, how, self.now_ms, self.lies);
            self.work.insert(name.clone(), work);
            if assignment.status != self.assignments[&name].status {
                assignment.metadata.resource_version = Some(self.stamp());
                self.assignments.insert(name, assignment);
            }
        }
    }

    /// What must always be so.
    pub fn check(&self) {
        assert!(self.running() <= 1, "two attempts run at once");
        for (name, work) in &self.work {
            let lease = &self.assignments[name].spec.lease_id;
            assert!(!work.started || self.leases.contains_key(lease), "work ran before its lease was open");
            if let (Some(lease), false) = (self.leases.get(lease), self.lies) {
                let owed = cost(lease.rate, usage(lease.units, work.ran_ms));
                assert!(lease.paid <= owed, "paid {} for work worth {owed}", lease.paid);
            }
        }
        for lease in self.leases.values() {
            let elapsed = (self.now_ms - lease.opened_ms) / 1000 * 1000;
            assert!(lease.paid <= cost(lease.rate, UsageMs(elapsed)), "paid for more than the time there was");
            let out = lease.paid.checked_add(lease.refunded).unwrap();
            assert!(out <= lease.hold, "more came out of a lease than went in");
        }
        let Some(status) = &self.job.status else { return };
        for (lease, state) in status.attempt.iter().map(|a| (&a.lease, stage(status))) {
            if state == Stage::Over && lease.state == eai_api::aijob::LeaseState::Closed {
                let there = &self.leases[&lease.id];
                assert_eq!((lease.paid, lease.refunded), (there.paid, there.refunded), "the record isn't the chain's");
            }
        }
        if let Some(budget) = self.job.spec.budget {
            let held = self.leases.values().map(|l| l.hold.saturating_sub(l.refunded));
            let spent = held.fold(Amount::ZERO, Amount::saturating_add);
            assert!(spent <= budget, "{spent} spent of a budget of {budget}");
        }
    }
}

fn millis(ms: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap()
}

/// A moment as objects keep it.
pub fn seconds(ms: u64) -> Time {
    Time(Timestamp::from_second(i64::try_from(ms / 1000).unwrap()).unwrap())
}
