//! What the owner sets: from whom, what, how much, for how long, for what price, and what it may reach.

use eai_api::{
    AssignmentSpec,
    aijob::{Network, OnHubLoss},
    assignment::{Role, Workload},
};
use eai_core::class::Class;

use super::{Probes, Reason, Refusal, Terms, Verdict, refuse};
use crate::{config::Limits, demand::Demand};

/// The longest job UID: with the epoch and an index it must fit a host name.
const MAX_UID: usize = 40;

/// The name is that of the job and epoch, so that no attempt can pose as another; and it can name a Job.
pub(super) fn identity(name: &str, spec: &AssignmentSpec) -> Result<(), Refusal> {
    let uid = &spec.job.uid;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<u8>| b.is_some_and(|b| b != b'-');
    let valid = uid.len() <= MAX_UID && uid.bytes().all(plain) && edge(uid.bytes().next()) && edge(uid.bytes().last());
    // Pods are called like the Job, with their index behind: at most 63 characters in all.
    if !valid || spec.epoch.name(uid) != name || name.len() > 57 {
        return refuse(Reason::NameMismatch, format!("the name isn't that of job {uid:?} at epoch {}", spec.epoch));
    }
    if spec.role != Role::Winner {
        return refuse(Reason::RoleNotSupported, "role: this agent runs work that it has won and doesn't race");
    }
    Ok(())
}

/// The hub's generation never goes back: an older one is a hub restored from a backup, or someone with its old key.
pub(super) fn generation(spec: &AssignmentSpec, terms: Terms) -> Result<(), Refusal> {
    let (given, highest) = (spec.epoch.generation, terms.highest_generation);
    if given < highest {
        return refuse(
            Reason::StaleGeneration,
            format!("epoch: hub generation {given} is over; this member has worked for generation {highest}"),
        );
    }
    Ok(())
}

/// The class is what the work uses, and the rate at least what the owner asks for it.
pub(super) fn price(spec: &AssignmentSpec, terms: Terms) -> Result<(), Refusal> {
    let used = spec.workload.accelerator.as_ref().map_or(Class::CPU, |a| a.resource.as_str());
    if spec.class != used {
        return refuse(
            Reason::PriceMismatch,
            format!("class: {} isn't what the work uses, which is {used}", spec.class),
        );
    }
    let Some(price) = terms.config.price(used) else {
        return refuse(Reason::ResourceNotOffered, format!("class: {used} isn't offered here"));
    };
    if spec.rate < price {
        return refuse(
            Reason::PriceMismatch,
            format!("rate: {} EAI per unit-hour of {used}; the owner asks {price}", spec.rate),
        );
    }
    Ok(())
}

/// The work is within the owner's limits, alone and with what runs already.
pub(super) fn resources(workload: &Workload, terms: Terms) -> Result<(), Refusal> {
    let limits = &terms.config.limits;
    if let Some(accelerator) = &workload.accelerator
        && !limits.accelerators.contains_key(&accelerator.resource)
    {
        return refuse(
            Reason::ResourceNotOffered,
            format!("accelerator.resource: {} isn't offered here", accelerator.resource),
        );
    }
    let demand = Demand::of(workload);
    within(&demand, &Demand::default(), limits, Reason::AboveLimit, "; the owner allows")?;
    within(&demand, terms.in_use, limits, Reason::NoRoom, " with what runs already; the owner allows")
}

/// `demand` fits beside `in_use`. Only what it asks for is looked at: a limit that was lowered below what runs already
/// isn't for other work to keep.
fn within(demand: &Demand, in_use: &Demand, limits: &Limits, reason: Reason, words: &str) -> Result<(), Refusal> {
    let over = |name: &str, asked: u64, used: u64, limit: Option<u64>| {
        let together = asked.saturating_add(used);
        match limit {
            Some(limit) if asked > 0 && together > limit => {
                refuse(reason, format!("{name}: {together}{words} {limit}"))
            }
            _ => Ok(()),
        }
    };
    over("pods", demand.pods, in_use.pods, Some(u64::from(limits.max_pods)))?;
    over("millicores", demand.cpu_millis, in_use.cpu_millis, limits.max_cpu)?;
    over("bytes of memory", demand.memory_bytes, in_use.memory_bytes, limits.max_memory)?;
    for (resource, &limit) in &limits.accelerators {
        let (asked, used) = (demand.accelerators_of(resource), in_use.accelerators_of(resource));
        over(resource, asked, used, Some(u64::from(limit)))?;
    }
    Ok(())
}

/// No pod runs for longer than the owner allows.
pub(super) fn duration(workload: &Workload, terms: Terms) -> Result<(), Refusal> {
    let asked = workload.max_duration_seconds;
    match terms.config.limits.max_duration_seconds {
        Some(limit) if asked > limit => {
            refuse(Reason::TooLong, format!("maxDurationSeconds: {asked}; the owner allows {limit}"))
        }
        _ if asked == 0 || asked > 31_536_000 => {
            refuse(Reason::TooLong, format!("maxDurationSeconds: {asked} isn't from 1 second to a year"))
        }
        _ => Ok(()),
    }
}

/// Work runs on without the hub only where the owner allows that.
pub(super) fn hub_loss(spec: &AssignmentSpec, terms: Terms) -> Result<(), Refusal> {
    if spec.on_hub_loss == OnHubLoss::Continue && !terms.config.limits.allow_continue {
        return refuse(
            Reason::ContinueNotAllowed,
            "onHubLoss: Continue; the owner doesn't let work run on that has lost sight of the hub (limits.allowContinue)",
        );
    }
    Ok(())
}

/// The owner has allowed what the work may reach.
pub(super) fn network_allowed(workload: &Workload, terms: Terms) -> Result<(), Refusal> {
    match workload.network {
        Network::None if terms.config.runtime_class.is_empty() => refuse(
            Reason::NoSandbox,
            "network: nothing here keeps work off the network; the owner has set no sandbox (runtimeClass)",
        ),
        Network::Internet if !terms.config.limits.allow_internet => {
            refuse(Reason::InternetNotAllowed, "network: the owner doesn't allow the internet")
        }
        Network::None | Network::Internet => Ok(()),
    }
}

/// A probe has shown that what the work may not reach is out of its reach.
pub(super) fn network_enforced(workload: &Workload, terms: Terms) -> Verdict {
    let Probes { sandbox, internet_isolated } = terms.probes;
    let (found, reason, message) = match workload.network {
        Network::None => (sandbox, Reason::NoSandbox, "network: the probe of the sandbox found a network in it"),
        Network::Internet => (
            internet_isolated,
            Reason::InternetNotIsolated,
            "network: the probe reached the owner's own network from a pod that may only reach the internet",
        ),
    };
    match found {
        Some(true) => Verdict::Admit,
        Some(false) => Verdict::Refuse(Refusal { reason, message: message.to_owned() }),
        None => Verdict::AwaitProbes,
    }
}
