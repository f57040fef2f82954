//! A job, its Assignment and the chain's answers, as tests begin with them.

use eai_api::{
    AIJob, AIJobStatus, Assignment, AssignmentSpec, AssignmentStatus,
    aijob::{AIJobSpec, Attempt, Lease, LeaseState},
    artifact::CheckpointArtifact,
    assignment::{AssignmentPhase, JobRef, Workload},
};
use eai_chain::{HubId, NamespaceId, OpenOutcome, Opened, SettleOutcome, Settled, TxHash};
use eai_core::{address::Address, class::Class, metering::MilliUnits, money::Amount, placement::Shortage};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use crate::{
    aijob::{
        build::{ChainNews, Plan, Rules, Sight, Situation, build, money},
        claim::{Claim, Parties, claim, first_hold},
    },
    fencing::{Ends, Tether},
    heartbeat::Voice,
};

/// 2026-01-01T00:00:00Z.
pub const START: u64 = 1_767_225_600;

pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(START + seconds).unwrap()).unwrap()
}

pub fn time(seconds: u64) -> Time {
    Time(at(seconds))
}

pub fn eai(text: &str) -> Amount {
    text.parse().unwrap()
}

pub fn payer() -> Address {
    Address([0xaa; 20])
}

pub fn parties() -> Parties {
    Parties { hub_key: Address([0x11; 20]), namespace: NamespaceId::of(HubId([7; 32]), "ns-uid") }
}

/// One GPU for at most 100 s, at most 36 EAI per hour: 0.01 EAI a second.
pub fn job() -> AIJob {
    let spec: AIJobSpec = serde_json::from_value(serde_json::json!({
        "image": format!("registry.test/trainer@sha256:{}", "0".repeat(64)),
        "accelerator": { "resource": "nvidia.com/gpu" },
        "maxPrice": "36",
        "maxDurationSeconds": 100,
        "payment": { "account": payer() },
    }))
    .unwrap();
    let mut job = AIJob::new("train", spec);
    job.metadata.namespace = Some("team".to_owned());
    job.metadata.uid = Some("3b1f-job".to_owned());
    job.metadata.generation = Some(1);
    job.metadata.creation_timestamp = Some(time(0));
    job.metadata.resource_version = Some("1".to_owned());
    job
}

pub fn rules() -> Rules {
    Rules::default()
}

pub fn claim_of(job: &AIJob, member: &str) -> Claim {
    let units = money::gang_units(&job.spec).unwrap();
    let rate = eai("36");
    Claim {
        member: member.to_owned(),
        provider: Address([0xbb; 20]),
        class: Class("nvidia.com/gpu".to_owned()),
        rate,
        units: MilliUnits(units.0),
        hold: first_hold(job, rate, units, &rules()),
        start_within: 30,
        nodes: Vec::new(),
    }
}

/// A job whose member is claimed at second `when`.
pub fn claimed(mut job: AIJob, when: u64) -> AIJob {
    let status = claim(&job, &claim_of(&job, "home"), parties(), &rules(), START + when, at(when));
    job.status = Some(status);
    job
}

/// A job whose lease is open.
pub fn leased(job: AIJob, when: u64) -> AIJob {
    let mut job = claimed(job, when);
    let attempt = attempt_mut(&mut job);
    attempt.lease.state = LeaseState::Open;
    attempt.lease.opened_at = Some(time(when));
    job.status.as_mut().unwrap().phase = eai_api::aijob::Phase::Starting;
    job
}

pub fn attempt(job: &AIJob) -> &Attempt {
    job.status.as_ref().unwrap().attempt.as_ref().unwrap()
}

pub fn attempt_mut(job: &mut AIJob) -> &mut Attempt {
    job.status.as_mut().unwrap().attempt.as_mut().unwrap()
}

pub fn lease(status: &AIJobStatus) -> &Lease {
    &status.attempt.as_ref().unwrap().lease
}

/// The Assignment of a job's current attempt, made at second `when`.
pub fn assignment(job: &AIJob, when: u64) -> Assignment {
    let attempt = attempt(job);
    let uid = job.metadata.uid.clone().unwrap();
    let name = attempt.epoch.name(&uid);
    let mut assignment = Assignment::new(
        &name,
        AssignmentSpec {
            job: JobRef { namespace: "team".to_owned(), name: "train".to_owned(), uid },
            epoch: attempt.epoch,
            role: eai_api::assignment::Role::Winner,
            workload: Workload {
                image: job.spec.image.clone(),
                command: Vec::new(),
                args: Vec::new(),
                env: Vec::new(),
                sealed_env: None,
                accelerator: job.spec.accelerator.clone(),
                cpu_millis: 1000,
                memory_bytes: 1 << 30,
                completions: job.spec.completions,
                parallelism: job.spec.parallelism,
                same_interconnect: false,
                preferred_nodes: Vec::new(),
                network: job.spec.network,
                allow_exec: job.spec.allow_exec,
                outputs: Vec::new(),
                max_duration_seconds: job.spec.max_duration_seconds,
                failure_policy: job.spec.failure_policy.clone(),
                success_policy: job.spec.success_policy.clone(),
                checkpoint: job.spec.checkpoint.clone(),
                restore: Vec::new(),
            },
            class: attempt.class.clone(),
            rate: attempt.rate,
            lease_id: attempt.lease.id.clone(),
            desired: eai_api::assignment::Desired::Run,
            grant: None,
            on_hub_loss: job.spec.on_hub_loss,
            acknowledged: eai_api::assignment::Acknowledged::default(),
        },
    );
    assignment.metadata.namespace = Some(format!("cn-{}", attempt.member));
    assignment.metadata.creation_timestamp = Some(time(when));
    assignment.metadata.uid = Some(format!("{name}-uid"));
    assignment
}

/// The member reports `phase`.
pub fn reports(mut assignment: Assignment, phase: AssignmentPhase, usage_ms: u64) -> Assignment {
    let running = u32::from(phase == AssignmentPhase::Running);
    let before = assignment.status.take().unwrap_or_default();
    assignment.status = Some(AssignmentStatus { phase, running, usage_ms, job_uid: Some("job".to_owned()), ..before });
    assignment
}

/// What fencing says of the work of an agent of an earlier version, which takes no grants.
pub const fn unfenced() -> Tether {
    Tether { voice: Voice::Unnumbered, due: None, again_ms: None, ends: Ends::Unknown, unheard_of: false }
}

/// A situation with everything at rest.
pub struct Case<'a> {
    pub job: &'a AIJob,
    pub assignment: Option<&'a Assignment>,
    pub chain: ChainNews,
    pub now: u64,
    pub watched: bool,
    pub reported: u64,
    pub enrolled: bool,
    pub no_room: Option<Shortage>,
    pub gives_way_to: Option<String>,
    pub silent: bool,
    pub drain: Option<u64>,
    pub tether: Tether,
    pub stored: Vec<CheckpointArtifact>,
}

impl<'a> Case<'a> {
    pub fn new(job: &'a AIJob, assignment: Option<&'a Assignment>, now: u64) -> Self {
        let chain = ChainNews { time: Some(START + now), ..ChainNews::default() };
        Self {
            job,
            assignment,
            chain,
            now,
            watched: true,
            reported: now,
            enrolled: true,
            no_room: None,
            gives_way_to: None,
            silent: false,
            drain: None,
            tether: unfenced(),
            stored: Vec::new(),
        }
    }

    pub fn chain(mut self, set: impl FnOnce(&mut ChainNews)) -> Self {
        set(&mut self.chain);
        self
    }

    pub fn build(self) -> Plan {
        let rules = rules();
        build(&Situation {
            job: self.job,
            assignment: self.assignment,
            sight: Sight { watched: self.watched, reported_ms: (START + self.reported) * 1000 },
            member_enrolled: self.enrolled,
            no_room: self.no_room,
            gives_way_to: self.gives_way_to,
            member_silent: self.silent,
            drain: self.drain.map(at),
            tether: self.tether,
            stored: self.stored,
            chain: self.chain,
            rules: &rules,
            now: at(self.now),
        })
    }
}

pub fn opened(job: &AIJob) -> OpenOutcome {
    let lease = &attempt(job).lease;
    OpenOutcome::Opened(Opened {
        lease: lease.id.parse().unwrap(),
        tx: Some(TxHash([9; 32])),
        opened_at: START,
        hold: lease.hold,
    })
}

pub fn closed(job: &AIJob, paid: Amount) -> SettleOutcome {
    let lease = &attempt(job).lease;
    SettleOutcome::Settled(Settled {
        lease: lease.id.parse().unwrap(),
        tx: Some(TxHash([8; 32])),
        paid,
        refunded: lease.hold.saturating_sub(paid),
        closed: true,
    })
}

/// The one word of the Ready condition.
pub fn reason(plan: &Plan) -> &str {
    &plan.status.conditions.iter().find(|c| c.type_ == "Ready").unwrap().reason
}

/// Its sentence.
pub fn message(plan: &Plan) -> &str {
    &plan.status.conditions.iter().find(|c| c.type_ == "Ready").unwrap().message
}
