//! One decision.

use super::{
    ahead::Demand,
    fit::{fit, take},
    model::{Member, Offered, Request, Snapshot},
    refusal::Refusal,
};

/// Where a job goes, and at what price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The member.
    pub member: String,
    /// Its offer.
    pub offer: Offered,
}

/// Places `request` at `now` (Unix seconds) and takes what it uses out of `snapshot`, or says of every member why not.
///
/// Among members that fit: one that hasn't failed the job before, then the lowest price, then the fewest accelerators
/// and cores left over, then the name.
pub fn decide(snapshot: &mut Snapshot, request: &Request, now: u64) -> Result<Decision, Vec<(String, Refusal)>> {
    decide_ahead(snapshot, request, now, &mut Demand::default())
}

/// As [`decide`], but among members of one price the one goes first that loses the least of what it could still take of
/// the jobs to come.
pub fn decide_ahead(
    snapshot: &mut Snapshot,
    request: &Request,
    now: u64,
    demand: &mut Demand,
) -> Result<Decision, Vec<(String, Refusal)>> {
    let mut refusals = Vec::new();
    let mut best: Option<(Score<'_>, usize, Offered)> = None;
    for (i, member) in snapshot.members.iter().enumerate() {
        match filter(member, request, now) {
            Err(refusal) => refusals.push((member.name.clone(), refusal)),
            Ok((offer, left)) => {
                let failed_before = request.avoid.contains(&member.name);
                // Worth is looked at only where it can decide: it is what costs time.
                let dearer = |(other, ..): &(Score<'_>, usize, Offered)| {
                    (other.failed_before, other.rate) < (failed_before, offer.rate)
                };
                if best.as_ref().is_some_and(dearer) {
                    continue;
                }
                let loss = demand.loss(member, &request.need, request.parallelism).unwrap_or(0);
                let score = Score::new(member, request, offer, loss, left);
                if best.as_ref().is_none_or(|(other, ..)| score < *other) {
                    best = Some((score, i, offer));
                }
            }
        }
    }
    let Some((_, i, offer)) = best else {
        refusals.sort_by(|a, b| a.0.cmp(&b.0));
        return Err(refusals);
    };
    let member = &mut snapshot.members[i];
    take(member, &request.need, request.parallelism);
    Ok(Decision { member: member.name.clone(), offer })
}

/// Lower is better, field by field.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Score<'a> {
    failed_before: bool,
    rate: crate::money::Amount,
    loss: i64,
    devices_left: u64,
    cpu_left: u64,
    name: &'a str,
}

impl<'a> Score<'a> {
    fn new(member: &'a Member, request: &Request, offer: Offered, loss: i64, devices_left: u64) -> Self {
        let cpu_left = member.nodes.iter().fold(0u64, |sum, n| sum.saturating_add(n.cpu_millis));
        let failed_before = request.avoid.contains(&member.name);
        Self { failed_before, rate: offer.rate, loss, devices_left, cpu_left, name: &member.name }
    }
}

/// The member's offer and the accelerators that would be left, or why it doesn't take the job.
fn filter(member: &Member, request: &Request, now: u64) -> Result<(Offered, u64), Refusal> {
    if let Some(why) = &member.closed {
        return Err(Refusal::Closed(why.clone()));
    }
    for constraint in &request.constraints {
        let has = member.attributes.get(constraint.attribute).cloned().unwrap_or_default();
        if !constraint.allowed.is_empty() && !constraint.allowed.contains(&has) {
            let wanted = constraint.allowed.clone();
            return Err(Refusal::Constraint { attribute: constraint.attribute, has, wanted });
        }
    }
    if request.internet && !member.internet {
        return Err(Refusal::NoInternet);
    }
    if !request.internet && !member.sandbox {
        return Err(Refusal::NoSandbox);
    }
    let class = request.need.class();
    let Some(offer) = member.offers.get(&class).copied() else { return Err(Refusal::NotOffered(class)) };
    if offer.valid_until <= now {
        return Err(Refusal::OfferExpired(class));
    }
    if offer.rate > request.max_price {
        return Err(Refusal::Price { asks: offer.rate, pays: request.max_price });
    }
    let left = fit(member, &request.need, request.parallelism).map_err(Refusal::Short)?;
    Ok((offer, left))
}
