//! From members as they are watched to the snapshot that decisions are taken from.

use std::collections::{BTreeMap, HashMap, HashSet};

use eai_api::{
    AIJob, AIJobStatus, ComputeNode, MemberReport,
    aijob::{Attempt, LeaseState, Network, Phase},
    condition::{self, AVAILABLE},
    member_report::NodeReport,
};
use eai_core::{
    offer::SignedOffer,
    placement::{Constraint, Devices, Member, Need, Node, Offered, Request, Snapshot},
    quantity::{QuantityError, parse_milli, parse_units},
};
use kube::ResourceExt as _;

use super::offers::Offers;

/// A member's ComputeNode, its report if there is one, and its good offers.
pub struct Known<'a> {
    /// The enrolment.
    pub node: &'a ComputeNode,
    /// The report.
    pub report: Option<&'a MemberReport>,
    /// Offers that may be taken up.
    pub offers: Vec<SignedOffer>,
}

/// The snapshot: what `members` have free, less what `jobs` hold there that no report counts yet.
pub fn snapshot<'a>(members: &[Known<'_>], jobs: impl IntoIterator<Item = &'a AIJob>) -> Snapshot {
    let accepted = members.iter().filter(|m| m.node.spec.accepted && m.node.metadata.deletion_timestamp.is_none());
    let mut snapshot = Snapshot { members: accepted.map(member).collect() };
    let counted: HashMap<String, HashSet<&str>> = members
        .iter()
        .filter_map(|m| Some((m.node.name_any(), m.report?.spec.counted.iter().map(String::as_str).collect())))
        .collect();
    for job in jobs {
        let Some(attempt) = job.status.as_ref().and_then(holds_capacity) else { continue };
        let name = attempt.epoch.name(job.metadata.uid.as_deref().unwrap_or_default());
        let reported = counted.get(&attempt.member).is_some_and(|names| names.contains(name.as_str()));
        if let (false, Ok(request)) = (reported, request(job)) {
            snapshot.reserve(&attempt.member, &request.need, request.parallelism);
        }
    }
    snapshot
}

/// The attempt, if it uses, or is about to use, its member's capacity. Work that is paused gives it up, and resumes when
/// there is room again: nobody can keep others off what they don't pay for.
pub fn holds_capacity(status: &AIJobStatus) -> Option<&Attempt> {
    let paused = |a: &Attempt| status.phase == Phase::Paused && a.held_since.is_some();
    let holds = |a: &Attempt| matches!(a.lease.state, LeaseState::Opening | LeaseState::Open);
    status.attempt.as_ref().filter(|a| a.outcome.is_none() && holds(a) && !paused(a))
}

fn member(known: &Known<'_>) -> Member {
    let spec = &known.node.spec;
    let name = known.node.name_any();
    let closed = closed(known);
    let attributes = BTreeMap::from([
        ("form", format!("{:?}", spec.form)),
        ("site", format!("{:?}", spec.site)),
        ("region", spec.region.clone()),
        ("member", name.clone()),
    ]);
    let report = known.report.map(|r| &r.spec);
    let mut offers = BTreeMap::new();
    for offer in &known.offers {
        if let Some(best) = Offers::best(&known.offers, &offer.offer.class) {
            let offered = Offered { rate: best.offer.rate, valid_until: best.offer.valid_until };
            offers.insert(offer.offer.class.clone(), offered);
        }
    }
    Member {
        name,
        closed,
        attributes,
        sandbox: report.is_some_and(|r| r.probes.sandbox),
        internet: report.is_some_and(|r| r.probes.internet_isolated),
        offers,
        nodes: report.map(|r| r.nodes.iter().map(node).collect()).unwrap_or_default(),
    }
}

/// Why a member takes no new work at all, if it doesn't.
fn closed(known: &Known<'_>) -> Option<String> {
    if known.node.spec.cordon {
        return Some("is cordoned".to_owned());
    }
    let conditions = known.node.status.as_ref().map_or(&[][..], |status| &status.conditions);
    if !condition::is_true(conditions, AVAILABLE) {
        let why = conditions.iter().find(|c| c.type_ == AVAILABLE).map(|c| c.message.trim_end_matches('.'));
        return Some(why.filter(|why| !why.is_empty()).map_or("isn't available now".to_owned(), ToOwned::to_owned));
    }
    known.report.is_none().then(|| "hasn't reported yet what it has".to_owned())
}

fn node(report: &NodeReport) -> Node {
    let devices = report.accelerators.iter().map(|a| Devices {
        resource: a.resource.clone(),
        model: a.model.clone(),
        memory_mib: a.memory_mib,
        total: a.total,
        free: a.free,
    });
    Node { cpu_millis: report.free_cpu_millis, memory_bytes: report.free_memory_bytes, devices: devices.collect() }
}

/// What a job asks for.
pub fn request(job: &AIJob) -> Result<Request, QuantityError> {
    let spec = &job.spec;
    let accelerator = spec.accelerator.as_ref();
    let need = Need {
        cpu_millis: parse_milli(&spec.resources.cpu)?,
        memory_bytes: parse_units(&spec.resources.memory)?,
        resource: accelerator.map(|a| a.resource.clone()),
        count: accelerator.map_or(0, |a| a.count),
        models: accelerator.map(|a| a.models.clone()).unwrap_or_default(),
        memory_mib: accelerator.and_then(|a| a.memory_mib).unwrap_or(0),
    };
    let one_of = |attribute, allowed: Vec<String>| Constraint { attribute, allowed };
    let past = job.status.as_ref().map_or(&[][..], |status| &status.past_attempts);
    Ok(Request {
        need,
        parallelism: spec.parallelism.min(spec.completions),
        max_price: spec.max_price,
        constraints: vec![
            one_of("form", spec.placement.forms.iter().map(|f| format!("{f:?}")).collect()),
            one_of("site", spec.placement.sites.iter().map(|s| format!("{s:?}")).collect()),
            one_of("region", spec.placement.regions.clone()),
            one_of("member", spec.placement.members.clone()),
        ],
        internet: spec.network == Network::Internet,
        avoid: past.iter().map(|p| p.member.clone()).collect(),
    })
}
