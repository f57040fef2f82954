//! Members' standing offers, each checked once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use eai_api::{ComputeNode, MemberReport, member_report::OfferReport};
use eai_chain::{Domain, verify_offer};
use eai_core::{
    class::Class,
    money::Amount,
    offer::{Offer, SignedOffer},
};
use kube::ResourceExt as _;

/// The most verdicts that are remembered; members renew their offers, so old ones are of no use.
const MOST: usize = 10_000;

/// Which offers are good.
pub struct Offers {
    domain: Domain,
    verdicts: Mutex<Verdicts>,
}

#[derive(Default)]
struct Verdicts {
    /// Whether a provider signed these terms, by the terms' digest and the signature.
    signed: HashMap<([u8; 32], String), bool>,
    /// Signatures of offers that the chain refused.
    refused: HashSet<String>,
}

impl Offers {
    /// No verdicts yet; signatures are checked for `domain`.
    pub fn new(domain: Domain) -> Self {
        Self { domain, verdicts: Mutex::default() }
    }

    /// The offers of a member that its owner signed, that haven't expired at `now` (Unix seconds) and that the chain
    /// didn't refuse.
    pub fn of(&self, node: &ComputeNode, report: &MemberReport, now: u64) -> Vec<SignedOffer> {
        let member = node.name_any();
        let signed = report.spec.offers.iter().filter(|o| o.provider == node.spec.owner && o.valid_until > now);
        signed.map(|offer| assemble(&member, offer)).filter(|offer| self.is_good(offer)).collect()
    }

    /// The best of a member's offers for `class`: the cheapest, and of those the one that lasts longest.
    pub fn best<'a>(offers: &'a [SignedOffer], class: &Class) -> Option<&'a SignedOffer> {
        let sells = offers.iter().filter(|o| o.offer.class == *class);
        sells.min_by_key(|o| (o.offer.rate, std::cmp::Reverse(o.offer.valid_until)))
    }

    /// An offer under which a lease at `rate` can be opened: the one that lasts longest.
    pub fn covering(
        &self,
        node: &ComputeNode,
        report: &MemberReport,
        class: &str,
        rate: Amount,
        now: u64,
    ) -> Option<SignedOffer> {
        let offers = self.of(node, report, now).into_iter();
        offers.filter(|o| o.offer.class.0 == class && o.offer.rate >= rate).max_by_key(|o| o.offer.valid_until)
    }

    /// The chain refused this offer; it isn't used again.
    pub fn refuse(&self, offer: &SignedOffer) {
        let mut verdicts = self.lock();
        if verdicts.refused.len() >= MOST {
            verdicts.refused.clear();
        }
        verdicts.refused.insert(offer.signature.clone());
    }

    fn is_good(&self, offer: &SignedOffer) -> bool {
        let key = (self.domain.offer_digest(&offer.offer), offer.signature.clone());
        let mut verdicts = self.lock();
        if verdicts.refused.contains(&offer.signature) {
            return false;
        }
        if let Some(good) = verdicts.signed.get(&key) {
            return *good;
        }
        let good = verify_offer(offer, self.domain).is_ok();
        if verdicts.signed.len() >= MOST {
            verdicts.signed.clear();
        }
        verdicts.signed.insert(key, good);
        good
    }

    fn lock(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn assemble(member: &str, report: &OfferReport) -> SignedOffer {
    let offer = Offer {
        provider: report.provider,
        member: member.to_owned(),
        class: Class(report.class.clone()),
        rate: report.rate,
        start_within: report.start_within,
        valid_until: report.valid_until,
        nonce: report.nonce,
    };
    SignedOffer { offer, signature: report.signature.clone() }
}
