//! The claim: the write that makes one member's attempt the job's only one.

use eai_api::{
    AIJob, AIJobStatus,
    aijob::{Attempt, Lease, LeaseState, Phase},
};
use eai_chain::{JobId, LeaseTerms, NamespaceId};
use eai_core::{address::Address, class::Class, epoch::Epoch, metering::MilliUnits, money::Amount};
use k8s_openapi::jiff::Timestamp;

use super::{
    build::{
        checkpoints, money,
        rules::Rules,
        situation::{from_unix, unix_seconds, whole_seconds},
    },
    words::{self, Say},
};

/// What a claim is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The member.
    pub member: String,
    /// Who is paid.
    pub provider: Address,
    /// What is billed.
    pub class: Class,
    /// EAI per unit-hour.
    pub rate: Amount,
    /// All units that run at once.
    pub units: MilliUnits,
    /// What the lease is to hold.
    pub hold: Amount,
    /// Seconds within which the member promises to run the work.
    pub start_within: u32,
    /// The member's nodes where the pods are best placed.
    pub nodes: Vec<String>,
}

/// Who opens leases, and for whom: what a lease's terms need beyond the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    /// The hub's account.
    pub hub_key: Address,
    /// The job's namespace, to the chain.
    pub namespace: NamespaceId,
}

/// The epoch of the job's next attempt. Attempts never share one, not even when a lease was refused.
pub fn next_epoch(status: &AIJobStatus, generation: u64) -> Epoch {
    let past = status.past_attempts.iter().map(|p| p.epoch);
    let last = past.chain(status.attempt.as_ref().map(|a| a.epoch)).max();
    match last {
        Some(last) if last.generation >= generation => last.next(),
        _ => Epoch { generation, attempt: 1 },
    }
}

/// The status that claims `claim.member` for `job` at `now`, when the chain's clock says `chain_time`.
pub fn claim(
    job: &AIJob,
    claim: &Claim,
    parties: Parties,
    rules: &Rules,
    chain_time: u64,
    now: Timestamp,
) -> AIJobStatus {
    let mut status = job.status.clone().unwrap_or_default();
    let epoch = next_epoch(&status, rules.generation);
    let fetch = checkpoints::fetch_seconds(&status);
    let promise = u64::from(claim.start_within).saturating_add(rules.start_grace_seconds).saturating_add(fetch);
    let mut attempt = Attempt {
        epoch,
        member: claim.member.clone(),
        class: claim.class.to_string(),
        rate: claim.rate,
        milli_units: claim.units.0,
        provider: claim.provider,
        lease: Lease {
            id: String::new(),
            state: LeaseState::Opening,
            hold: claim.hold,
            open_by: Some(from_unix(chain_time.saturating_add(rules.open_seconds))),
            paid: Amount::ZERO,
            refunded: Amount::ZERO,
            open_tx: None,
            close_tx: None,
            opened_at: None,
        },
        nodes: claim.nodes.clone(),
        claimed_at: Some(whole_seconds(now)),
        start_by: Some(from_unix(unix_seconds(now).saturating_add(promise))),
        stop_by: None,
        held_since: None,
        fenced_for_seconds: None,
        lapsed_at: None,
        drained_at: None,
        gave_way: None,
        pauses: 0,
        observed: eai_core::metering::Observed::default(),
        usage_ms: 0,
        outcome: None,
    };
    attempt.lease.id = terms(job, &attempt, parties).id().to_string();
    status.phase = Phase::Opening;
    status.member = Some(claim.member.clone());
    status.units = Some(units_text(claim.units, &claim.class));
    status.refusals.clear();
    status.attempt = Some(attempt);
    let placed = format!("{} takes the job at {} EAI per {}-hour.", claim.member, claim.rate, unit_name(&claim.class));
    let generation = job.metadata.generation;
    let say = Say::Opening { member: claim.member.clone(), trouble: None };
    words::write(&mut status, &say, generation, now);
    words::placed(&mut status, placed, generation, now);
    status
}

/// The terms of an attempt's lease. Its id is their hash, so a hub that knows the attempt finds the lease.
pub fn terms(job: &AIJob, attempt: &Attempt, parties: Parties) -> LeaseTerms {
    LeaseTerms {
        payer: job.spec.payment.account,
        provider: attempt.provider,
        hub_key: parties.hub_key,
        namespace: parties.namespace,
        job: JobId::of(job.metadata.uid.as_deref().unwrap_or_default()),
        epoch: attempt.epoch,
        rate: attempt.rate,
        units: MilliUnits(attempt.milli_units),
    }
}

/// What is left of the budget for a new attempt; `None` without a budget.
pub fn budget_left(job: &AIJob) -> Option<Amount> {
    let past = job.status.as_ref().map_or(&[][..], |status| &status.past_attempts);
    money::budget_left(&job.spec, past)
}

/// What a new attempt's lease holds at first.
pub fn first_hold(job: &AIJob, rate: Amount, units: MilliUnits, rules: &Rules) -> Amount {
    money::first_hold(&job.spec, money::Price { rate, units }, rules.hold_seconds, budget_left(job))
}

/// Such as `2 nvidia.com/gpu` or `0.5 cpu`.
fn units_text(units: MilliUnits, class: &Class) -> String {
    let (whole, rest) = (units.0 / 1000, units.0 % 1000);
    let number =
        if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}").trim_end_matches('0').to_owned() };
    format!("{number} {class}")
}

fn unit_name(class: &Class) -> String {
    if class.is_cpu() { "core".to_owned() } else { class.to_string() }
}
