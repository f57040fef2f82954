//! Standing offers: the owner's prices, signed, and signed anew before they run out.

use eai_api::member_report::OfferReport;
use eai_chain::{Domain, Key, KeyError, sign_offer};
use eai_core::{class::Class, offer::Offer};

use crate::config::Config;

/// The owner's offers as last signed.
pub struct Offers {
    key: Key,
    signed: Vec<OfferReport>,
    /// When they are signed anew, in Unix seconds.
    renew_at: u64,
}

impl Offers {
    /// None signed yet.
    pub const fn new(key: Key) -> Self {
        Self { key, signed: Vec::new(), renew_at: 0 }
    }

    /// Offers that hold for at least half of their validity from `now` (Unix seconds).
    pub fn current(&mut self, config: &Config, now: u64) -> Result<&[OfferReport], KeyError> {
        if now >= self.renew_at || self.signed.is_empty() {
            self.signed = self.sign(config, now.saturating_add(config.offer_valid_seconds))?;
            self.renew_at = now.saturating_add(config.offer_valid_seconds / 2);
        }
        Ok(&self.signed)
    }

    /// When they are signed anew, in Unix seconds.
    pub const fn renew_at(&self) -> u64 {
        self.renew_at
    }

    fn sign(&self, config: &Config, valid_until: u64) -> Result<Vec<OfferReport>, KeyError> {
        let domain = Domain { chain_id: config.chain.id, escrow: config.chain.escrow };
        let one = |price: &crate::config::Price| {
            let offer = Offer {
                provider: self.key.address(),
                member: config.member.clone(),
                class: Class(price.class.clone()),
                rate: price.rate,
                start_within: config.start_within_seconds,
                valid_until,
                nonce: config.offer_nonce,
            };
            let signed = sign_offer(offer, domain, &self.key)?;
            let (offer, signature) = (signed.offer, signed.signature);
            Ok(OfferReport {
                provider: offer.provider,
                class: offer.class.0,
                rate: offer.rate,
                start_within: offer.start_within,
                valid_until: offer.valid_until,
                nonce: offer.nonce,
                signature,
            })
        };
        config.prices.iter().map(one).collect()
    }
}
