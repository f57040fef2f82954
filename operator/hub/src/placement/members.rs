//! From members as they are watched to the snapshot that decisions are taken from.

use std::collections::{BTreeMap, HashMap, HashSet};

use eai_api::{
    AIJob, AIJobStatus, ComputeNode, MemberReport, MemberReportSpec,
    aijob::{self, Attempt, AttemptResult, LeaseState, Network, OnHubLoss, PastAttempt, Phase},
    condition::{self, AVAILABLE},
    member_report::NodeReport,
    names::{OUTPUTS_CPU_MILLIS, OUTPUTS_MEMORY_BYTES},
};
use eai_core::{
    offer::SignedOffer,
    placement::{Assurance, Constraint, Devices, Member, Need, Node, Offered, Request, Snapshot},
    quantity::{QuantityError, parse_milli, parse_units},
};
use kube::ResourceExt as _;

use super::offers::Offers;
use crate::{aijob::words::reason, drain};

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
pub fn snapshot<'a>(members: &[Known<'_>], jobs: impl IntoIterator<Item = &'a AIJob> + Clone) -> Snapshot {
    let accepted = members.iter().filter(|m| m.node.spec.accepted && m.node.metadata.deletion_timestamp.is_none());
    let records = records(jobs.clone());
    let mut snapshot = Snapshot { members: accepted.map(|known| member(known, &records)).collect() };
    // Before anything is reserved there, which would make a false report look true.
    for bad in snapshot.take_out_bad() {
        tracing::debug!(%bad, "what a member reports can't be and isn't counted");
    }
    let counted: HashMap<String, HashSet<&str>> = members
        .iter()
        .filter_map(|m| Some((m.node.name_any(), m.report?.spec.counted.iter().map(String::as_str).collect())))
        .collect();
    for job in jobs {
        let Some(attempt) = job.status.as_ref().and_then(holds_capacity) else { continue };
        let name = attempt.epoch.name(job.metadata.uid.as_deref().unwrap_or_default());
        // A member lists what it paused, too, and counts nothing for it until it has started it again.
        let resumes = job.status.as_ref().is_some_and(|status| status.phase == Phase::Paused);
        let reported = !resumes && counted.get(&attempt.member).is_some_and(|names| names.contains(name.as_str()));
        if let (false, Ok(request)) = (reported, request(job)) {
            snapshot.reserve(&attempt.member, &request);
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

/// Attempts that a member was given.
#[derive(Clone, Copy, Default)]
struct Record {
    seen_through: u64,
    lost: u64,
}

impl Record {
    fn count(&mut self, result: AttemptResult, reason: &str, ran: bool) {
        match result {
            // Nothing was begun, or it was ended in good order.
            AttemptResult::Lost
                if [reason::REFUSED, reason::NO_ROOM].contains(&reason) || reason::is_a_move(reason) => {}
            AttemptResult::Lost => self.lost += 1,
            // What was cancelled before it ran shows nothing either.
            AttemptResult::Succeeded | AttemptResult::Failed | AttemptResult::Cancelled => {
                self.seen_through += u64::from(ran);
            }
        }
    }

    /// The part that was seen through, in per cent. One of either is added, so that a member without a record counts as 50
    /// and one attempt doesn't settle it (Laplace's rule of succession).
    fn trust(self) -> u8 {
        let part = (self.seen_through + 1) * 100 / (self.seen_through + self.lost + 2);
        u8::try_from(part).unwrap_or(100)
    }
}

/// What became of the attempts of the jobs there are, by member.
fn records<'a>(jobs: impl IntoIterator<Item = &'a AIJob>) -> HashMap<&'a str, Record> {
    let mut records: HashMap<&str, Record> = HashMap::new();
    for status in jobs.into_iter().filter_map(|job| job.status.as_ref()) {
        for past in &status.past_attempts {
            let ran = past.usage_ms > 0;
            records.entry(&past.member).or_default().count(past.outcome.result, &past.outcome.reason, ran);
        }
        if let Some((attempt, outcome)) = status.attempt.as_ref().and_then(|a| Some((a, a.outcome.as_ref()?))) {
            let ran = attempt.usage_ms > 0;
            records.entry(&attempt.member).or_default().count(outcome.result, &outcome.reason, ran);
        }
    }
    records
}

fn member(known: &Known<'_>, records: &HashMap<&str, Record>) -> Member {
    let spec = &known.node.spec;
    let name = known.node.name_any();
    let closed = closed(known);
    let continues = known.report.is_some_and(|report| report.spec.allows_continue);
    let on_loss = if continues { OnHubLoss::Continue } else { OnHubLoss::SelfFence };
    let attributes = BTreeMap::from([
        ("form", format!("{:?}", spec.form)),
        ("site", format!("{:?}", spec.site)),
        ("region", spec.region.clone()),
        ("member", name.clone()),
        ("onHubLoss", format!("{on_loss:?}")),
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
        trust: records.get(name.as_str()).copied().unwrap_or_default().trust(),
        content: report.map(|r| r.images.iter().cloned().collect()).unwrap_or_default(),
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
    if drain::by(known.node, known.report.map(|report| &report.spec)).is_some() {
        return Some("is being drained".to_owned());
    }
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
        // No member has anything yet that keeps a job to its share of an accelerator.
        divisible: false,
        parts: Vec::new(),
    });
    Node {
        name: report.name.clone(),
        cpu_millis: report.free_cpu_millis,
        memory_bytes: report.free_memory_bytes,
        devices: devices.collect(),
        island: report.interconnect.clone(),
    }
}

/// What of `member`'s report can't be, and so isn't counted, each in a sentence.
pub fn unbelievable(member: &str, report: &MemberReportSpec) -> Vec<String> {
    let nodes = report.nodes.iter().map(node).collect();
    let mut alone = Snapshot { members: vec![Member { name: member.to_owned(), nodes, ..Member::default() }] };
    alone.take_out_bad().iter().map(ToString::to_string).collect()
}

/// What a job asks for.
pub fn request(job: &AIJob) -> Result<Request, QuantityError> {
    let spec = &job.spec;
    let accelerator = spec.accelerator.as_ref();
    // A pod with outputs or checkpoints has a container that keeps them beside the work.
    let beside = !spec.outputs.is_empty() || spec.checkpoint.is_some();
    let (more_cpu, more_memory) = if beside { (OUTPUTS_CPU_MILLIS, OUTPUTS_MEMORY_BYTES) } else { (0, 0) };
    let need = Need {
        cpu_millis: parse_milli(&spec.resources.cpu)?.saturating_add(more_cpu),
        memory_bytes: parse_units(&spec.resources.memory)?.saturating_add(more_memory),
        resource: accelerator.map(|a| a.resource.clone()),
        count: accelerator.map_or(0, |a| a.count),
        models: accelerator.map(|a| a.models.clone()).unwrap_or_default(),
        memory_mib: accelerator.and_then(|a| a.memory_mib).unwrap_or(0),
        share_milli: 0,
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
            one_of("onHubLoss", wanted_on_loss(spec.on_hub_loss)),
        ],
        internet: spec.network == Network::Internet,
        one_island: spec.placement.same_interconnect,
        least_trust: spec.placement.minimum_trust,
        least_assurance: assurance(spec.placement.minimum_assurance),
        content: spec.image.rsplit_once('@').map(|(_, digest)| digest.to_owned()).into_iter().collect(),
        seconds: spec.max_duration_seconds,
        avoid: past.iter().map(|p| p.member.clone()).collect(),
        refused: past.iter().filter(|p| is_refusal(p)).map(|p| (p.member.clone(), p.outcome.message.clone())).collect(),
    })
}

/// What a member must allow. All fence; where work is to run on, its owner has to agree.
fn wanted_on_loss(wish: OnHubLoss) -> Vec<String> {
    if wish == OnHubLoss::Continue { vec![format!("{wish:?}")] } else { Vec::new() }
}

/// Whether the member refused the job for good.
fn is_refusal(past: &PastAttempt) -> bool {
    past.outcome.reason == reason::REFUSED && past.outcome.result == AttemptResult::Lost
}

const fn assurance(wanted: aijob::Assurance) -> Assurance {
    match wanted {
        aijob::Assurance::Isolated => Assurance::Isolated,
        aijob::Assurance::Sandboxed => Assurance::Sandboxed,
        aijob::Assurance::Attested => Assurance::Attested,
        aijob::Assurance::Encrypted => Assurance::Encrypted,
    }
}
