//! What a member asks for, as far as its owner signed it, and what it has, as far as it says. Pure.

use std::{collections::BTreeMap, fmt};

use eai_api::{
    compute_node::{ComputeNodeSpec, Price},
    member_report::{MemberReportSpec, OfferReport},
};
use eai_chain::{Domain, verify_offer};
use eai_core::{
    address::Address,
    class::Class,
    offer::{Offer, SignedOffer},
};

/// A member's offers, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// What it can be taken up on, by class.
    pub prices: Vec<Price>,
    /// Offers that count for nothing, with the reason.
    pub refused: Vec<Refused>,
}

/// An offer that counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What it would have offered.
    pub class: String,
    /// Why it doesn't.
    pub reason: RefusedReason,
}

/// Why an offer counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// It pays somebody else.
    NotTheOwner {
        /// Whom it pays.
        provider: Address,
        /// The ComputeNode's owner.
        owner: Address,
    },
    /// It has run out.
    Expired,
    /// Its provider didn't sign it.
    Signature(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the offer for {} ", self.class)?;
        match &self.reason {
            RefusedReason::NotTheOwner { provider, owner } => {
                write!(f, "pays {provider}, but the ComputeNode's owner is {owner}: give the agent the owner's key")
            }
            RefusedReason::Expired => write!(f, "has expired: see whether the agent runs and its clock is right"),
            RefusedReason::Signature(why) => {
                write!(
                    f,
                    "isn't signed for this chain and escrow ({why}): check chain.id and chain.escrow of the agent"
                )
            }
        }
    }
}

/// Checks every offer of `member`'s report against its `spec` at `now` (Unix seconds). Of two for one class the cheaper
/// counts.
pub fn assess(report: &MemberReportSpec, member: &str, spec: &ComputeNodeSpec, domain: Domain, now: u64) -> Offers {
    let mut prices: BTreeMap<&str, Price> = BTreeMap::new();
    let mut refused = Vec::new();
    for offer in &report.offers {
        if let Err(reason) = check(offer, member, spec, domain, now) {
            refused.push(Refused { class: offer.class.clone(), reason });
            continue;
        }
        let price = Price { class: offer.class.clone(), rate: offer.rate };
        match prices.get(offer.class.as_str()) {
            Some(cheaper) if cheaper.rate <= price.rate => {}
            _ => drop(prices.insert(&offer.class, price)),
        }
    }
    Offers { prices: prices.into_values().collect(), refused }
}

fn check(
    offer: &OfferReport,
    member: &str,
    spec: &ComputeNodeSpec,
    domain: Domain,
    now: u64,
) -> Result<(), RefusedReason> {
    if offer.provider != spec.owner {
        return Err(RefusedReason::NotTheOwner { provider: offer.provider, owner: spec.owner });
    }
    if offer.valid_until <= now {
        return Err(RefusedReason::Expired);
    }
    let signed = SignedOffer {
        offer: Offer {
            provider: offer.provider,
            member: member.to_owned(),
            class: Class(offer.class.clone()),
            rate: offer.rate,
            start_within: offer.start_within,
            valid_until: offer.valid_until,
            nonce: offer.nonce,
        },
        signature: offer.signature.clone(),
    };
    verify_offer(&signed, domain).map_err(|error| RefusedReason::Signature(error.to_string()))
}

/// Accelerators free and in all, such as `nvidia.com/gpu 1/2`; free cores where there is no accelerator. More free than
/// there are is a false report: the total counts.
pub fn summary(report: &MemberReportSpec) -> String {
    let mut resources: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for accelerator in report.nodes.iter().flat_map(|node| &node.accelerators) {
        let (free, total) = resources.entry(&accelerator.resource).or_default();
        *free = free.saturating_add(u64::from(accelerator.free.min(accelerator.total)));
        *total = total.saturating_add(u64::from(accelerator.total));
    }
    if resources.is_empty() {
        let millis = report.nodes.iter().fold(0u64, |sum, node| sum.saturating_add(node.free_cpu_millis));
        return format!("cpu {}.{} free", millis / 1000, millis % 1000 / 100);
    }
    let parts: Vec<_> = resources.iter().map(|(name, (free, total))| format!("{name} {free}/{total}")).collect();
    parts.join(", ")
}
