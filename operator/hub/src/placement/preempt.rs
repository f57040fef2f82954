//! Who gives way to a job that fits nowhere.
//!
//! Only work of the same namespace gives way, that asked to be preemptible and has a lower priority: a priority counts for
//! nothing among namespaces. It is paused: its pods end with grace, its lease stays, and it goes on when there is room again.
//! The room it leaves is its namespace's own, so the job it was left for has it before anybody's turn.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use eai_api::{
    AIJob,
    aijob::{Attempt, GaveWay, LeaseState},
};
use eai_core::{
    metering::{MilliUnits, cost, usage},
    money::Amount,
    placement::{Claimant, Market, Member, Refusal, Request, Running, victims},
};
use kube::ResourceExt as _;

use super::members;

/// Seconds for which the room that was made is kept for whom it was made.
pub const KEPT_SECONDS: i64 = 300;
/// Seconds after which a job may give way again.
const REST_SECONDS: i64 = 3600;
/// Jobs of one namespace for which room is looked for in a pass.
const MOST_LOOKS: u32 = 32;

/// Work that may give way, by namespace and member.
#[derive(Default)]
pub struct Field {
    running: HashMap<(String, String), Vec<Arc<AIJob>>>,
    /// Who gave way, by the UID of the job that they gave way to.
    leaving: HashMap<String, Vec<Arc<AIJob>>>,
    /// Who gives way in this pass.
    asked: HashSet<String>,
    /// How often room was looked for in this pass, by namespace.
    looks: HashMap<String, u32>,
    now_ms: u64,
}

/// Room that is made.
pub enum Making {
    /// These jobs are to give way on this member.
    Ask(String, Vec<Arc<AIJob>>),
    /// These were asked to already.
    Wait(String, Vec<Arc<AIJob>>),
}

impl Field {
    /// What of `jobs` runs and may give way at `now_ms` (Unix milliseconds).
    pub fn new(jobs: &[Arc<AIJob>], now_ms: u64) -> Self {
        let mut field = Self { now_ms, ..Self::default() };
        for job in jobs {
            let Some(attempt) = live(job) else { continue };
            if let Some(gave_way) = attempt.gave_way.as_ref().filter(|gave_way| field.is_within(gave_way, KEPT_SECONDS))
            {
                field.leaving.entry(gave_way.uid.clone()).or_default().push(job.clone());
            }
            let rests = attempt.gave_way.as_ref().is_some_and(|gave_way| field.is_within(gave_way, REST_SECONDS));
            if job.spec.preemptible && attempt.held_since.is_none() && !rests {
                let key = (job.namespace().unwrap_or_default(), attempt.member.clone());
                field.running.entry(key).or_default().push(job.clone());
            }
        }
        field
    }

    fn is_within(&self, gave_way: &GaveWay, seconds: i64) -> bool {
        let now = i64::try_from(self.now_ms / 1000).unwrap_or(i64::MAX);
        now.saturating_sub(gave_way.since.0.as_second()) < seconds
    }

    /// Whether room was made for the job with this UID.
    pub fn is_claimant(&self, uid: &str) -> bool {
        self.leaving.contains_key(uid)
    }

    /// The member on which room was made for the job with this UID.
    pub fn made_on(&self, uid: &str) -> Option<&str> {
        self.leaving.get(uid)?.iter().find_map(|job| live(job)).map(|attempt| attempt.member.as_str())
    }

    /// Whether anybody in the job's namespace may give way, or did to it, as far as that is still looked at.
    pub fn may_help(&self, job: &AIJob) -> bool {
        let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
        let looks = self.looks.get(namespace).copied().unwrap_or(0) < MOST_LOOKS;
        (looks && self.running.keys().any(|(of, _)| of == namespace))
            || job.metadata.uid.as_deref().is_some_and(|uid| self.is_claimant(uid))
    }

    /// Room for `job`, which fits nowhere on `market`, on a member at whose rate it can be paid; `None` if nobody
    /// gives way to it.
    pub fn make_room(
        &mut self,
        job: &AIJob,
        request: &Request,
        market: &Market<'_>,
        payable: impl Fn(Amount) -> bool,
    ) -> Option<Making> {
        let uid = job.uid().unwrap_or_default();
        if let Some(leaving) = self.leaving.get(&uid) {
            return Some(Making::Wait(self.made_on(&uid).unwrap_or_default().to_owned(), leaving.clone()));
        }
        let namespace = job.namespace().unwrap_or_default();
        let own: HashSet<&str> =
            self.running.keys().filter(|(of, _)| *of == namespace).map(|(_, m)| m.as_str()).collect();
        let looks = self.looks.entry(namespace.clone()).or_default();
        // So that one namespace's crowd doesn't hold up the pass.
        if own.is_empty() || *looks >= MOST_LOOKS {
            return None;
        }
        *looks += 1;
        let claimant = Claimant {
            need: request.need.clone(),
            pods: request.parallelism,
            one_island: request.one_island && request.parallelism > 1,
            priority: job.spec.priority,
            // What gave way itself goes on where it is, and is never here.
            gave_way: false,
        };
        let short = market.refusals(request).filter(|(_, refusal)| matches!(refusal, Refusal::Short(_)));
        let short: HashSet<&str> = short.map(|(name, _)| name).filter(|name| own.contains(name)).collect();
        let class = request.need.class();
        let paid = |member: &&Member| member.offers.get(&class).is_some_and(|offer| payable(offer.rate));
        let members = market.members().iter().filter(|member| short.contains(member.name.as_str())).filter(paid);
        let sets = members.filter_map(|member| {
            let (jobs, running) = self.on(&namespace, member);
            let chosen = victims(member, &running, &claimant).filter(|chosen| !chosen.is_empty())?;
            let lost = chosen.iter().map(|&i| running[i].lost).sum::<u128>();
            Some((lost, &member.name, chosen.into_iter().map(|i| jobs[i].clone()).collect::<Vec<_>>()))
        });
        let (_, member, jobs) = sets.min_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)))?;
        self.asked.extend(jobs.iter().filter_map(|job| job.uid()));
        Some(Making::Ask(member.clone(), jobs))
    }

    /// The work of a namespace on a member that may give way and whose nodes are known.
    fn on(&self, namespace: &str, member: &Member) -> (Vec<Arc<AIJob>>, Vec<Running>) {
        let jobs = self.running.get(&(namespace.to_owned(), member.name.clone())).into_iter().flatten();
        let jobs = jobs.filter(|job| job.uid().is_some_and(|uid| !self.asked.contains(&uid)));
        jobs.filter_map(|job| Some((job.clone(), self.running(job, member)?))).unzip()
    }

    fn running(&self, job: &AIJob, member: &Member) -> Option<Running> {
        let (attempt, request) = (live(job)?, members::request(job).ok()?);
        let node = match (member.nodes.as_slice(), attempt.nodes.as_slice()) {
            ([_], _) => 0,
            (nodes, [name]) => nodes.iter().position(|node| node.name == *name)?,
            _ => return None,
        };
        // All since it was started last: nothing tells of checkpoints yet.
        let ran_ms = self.now_ms.saturating_sub(attempt.observed.running_since_ms.unwrap_or(self.now_ms));
        Some(Running {
            need: request.need,
            pods: vec![(node, request.parallelism)],
            priority: job.spec.priority,
            preemptible: job.spec.preemptible,
            // In money, which is the same unit for accelerators and cores.
            lost: cost(attempt.rate, usage(MilliUnits(attempt.milli_units), ran_ms)).wei(),
        })
    }
}

/// The attempt, if its lease is open and it goes on.
fn live(job: &AIJob) -> Option<&Attempt> {
    let attempt = job.status.as_ref()?.attempt.as_ref()?;
    (attempt.lease.state == LeaseState::Open && attempt.outcome.is_none()).then_some(attempt)
}
