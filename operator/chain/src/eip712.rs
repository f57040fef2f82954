//! What providers and hubs sign, under the Escrow's EIP-712 domain ("EAI Escrow", version "1").

use std::{fmt, str::FromStr};

use alloy::{
    primitives::{self, B256, U256, hex},
    sol_types::{Eip712Domain, SolStruct as _, eip712_domain},
};
use eai_core::{
    address::Address,
    metering::UsageMs,
    money::Amount,
    offer::{Offer, SignedOffer},
};

use crate::{
    bindings::IEscrow,
    convert,
    ids::UsageRoot,
    key::{Key, KeyError},
    lease::LeaseTerms,
};

/// The chain and the Escrow that a signature is good for, and for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Domain {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The Escrow's address.
    pub escrow: Address,
}

impl Domain {
    fn to_sol(self) -> Eip712Domain {
        eip712_domain! {
            name: "EAI Escrow",
            version: "1",
            chain_id: self.chain_id,
            verifying_contract: convert::to_address(self.escrow),
        }
    }

    /// The digest that the provider of `offer` signs.
    pub fn offer_digest(self, offer: &Offer) -> [u8; 32] {
        offer_to_sol(offer).eip712_signing_hash(&self.to_sol()).0
    }

    /// The digest that the hub of `voucher`'s lease signs.
    pub fn voucher_digest(self, voucher: &Voucher) -> [u8; 32] {
        voucher.to_sol().eip712_signing_hash(&self.to_sol()).0
    }
}

/// An ECDSA signature: r, s and v, 65 bytes. Written as `0x` and 130 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 65]);

/// Why a signature isn't accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not 65 bytes in hexadecimal, or no point on the curve.
    #[error("a signature is 0x and 130 hexadecimal digits: r, s and v")]
    Malformed,
    /// By another key, or for another chain, escrow or text.
    #[error("the signature is by {found}, not by {expected}; or it was made for other terms, another chain or escrow")]
    WrongSigner {
        /// Who should have signed.
        expected: Address,
        /// Whose signature it would be on these terms.
        found: Address,
    },
}

impl Signature {
    /// Whose signature over `digest` this is.
    pub fn signer(&self, digest: &[u8; 32]) -> Result<Address, SignatureError> {
        let signature = primitives::Signature::from_raw_array(&self.0).map_err(|_| SignatureError::Malformed)?;
        // The chain refuses the mirrored form of a signature, so it is refused here too.
        if signature.normalize_s().is_some() {
            return Err(SignatureError::Malformed);
        }
        let address =
            signature.recover_address_from_prehash(&B256::from(*digest)).map_err(|_| SignatureError::Malformed)?;
        Ok(convert::from_address(address))
    }

    /// Succeeds if this is `expected`'s signature over `digest`.
    pub fn verify(&self, digest: &[u8; 32], expected: Address) -> Result<(), SignatureError> {
        let found = self.signer(digest)?;
        if found == expected { Ok(()) } else { Err(SignatureError::WrongSigner { expected, found }) }
    }

    /// r, s and v (27 or 28).
    pub(crate) fn parts(&self) -> Result<(B256, B256, u8), SignatureError> {
        let signature = primitives::Signature::from_raw_array(&self.0).map_err(|_| SignatureError::Malformed)?;
        Ok((signature.r().into(), signature.s().into(), 27 + u8::from(signature.v())))
    }

    /// The compact form (ERC-2098): r, and s with v's parity in its top bit.
    pub(crate) fn compact(&self) -> Result<(B256, B256), SignatureError> {
        let signature = primitives::Signature::from_raw_array(&self.0).map_err(|_| SignatureError::Malformed)?;
        let parity = U256::from(u8::from(signature.v())) << 255;
        Ok((B256::from(signature.r()), B256::from(signature.s() | parity)))
    }
}

impl From<primitives::Signature> for Signature {
    fn from(signature: primitives::Signature) -> Self {
        Self(signature.as_bytes())
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let digits = text.strip_prefix("0x").ok_or(SignatureError::Malformed)?;
        let mut bytes = [0; 65];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| SignatureError::Malformed)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a hub owes under a lease: all since it was opened, not since the last voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The lease.
    pub terms: LeaseTerms,
    /// Owed in all. The chain pays at most rate x units x the time since the lease was opened, and at most the hold.
    pub amount: Amount,
    /// Used in all.
    pub usage: UsageMs,
    /// Commitment to the metering record behind the figures.
    pub usage_root: UsageRoot,
    /// Whether the lease closes and the rest of its hold returns to the payer.
    pub is_final: bool,
}

impl Voucher {
    fn to_sol(&self) -> IEscrow::Voucher {
        IEscrow::Voucher {
            leaseId: self.terms.id().into(),
            payer: convert::to_address(self.terms.payer),
            provider: convert::to_address(self.terms.provider),
            generation: self.terms.epoch.generation,
            attempt: self.terms.epoch.attempt,
            cumulativeAmount: convert::to_word(self.amount),
            cumulativeUsageMs: U256::from(self.usage.0),
            usageRoot: self.usage_root.into(),
            isFinal: self.is_final,
        }
    }
}

/// A voucher and the hub key's signature of it. Anyone may present it to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedVoucher {
    /// The voucher.
    pub voucher: Voucher,
    /// The hub key's signature.
    pub signature: Signature,
}

impl SignedVoucher {
    /// Succeeds if the lease's hub key signed this voucher for `domain`.
    pub fn verify(&self, domain: Domain) -> Result<(), SignatureError> {
        self.signature.verify(&domain.voucher_digest(&self.voucher), self.voucher.terms.hub_key)
    }

    pub(crate) fn to_sol(&self) -> Result<IEscrow::Settlement, SignatureError> {
        let (r, vs) = self.signature.compact()?;
        let voucher = &self.voucher;
        Ok(IEscrow::Settlement {
            terms: voucher.terms.to_sol(),
            cumulativeAmount: convert::to_word(voucher.amount),
            cumulativeUsageMs: U256::from(voucher.usage.0),
            usageRoot: voucher.usage_root.into(),
            isFinal: voucher.is_final,
            r,
            vs,
        })
    }
}

/// Signs `voucher` with `key`, which must be its lease's hub key for the chain to take it.
pub fn sign_voucher(voucher: Voucher, domain: Domain, key: &Key) -> Result<SignedVoucher, KeyError> {
    let signature = key.sign(domain.voucher_digest(&voucher).into())?;
    Ok(SignedVoucher { voucher, signature })
}

/// Signs `offer` with `key`, which must be its provider's for the chain to take it.
pub fn sign_offer(offer: Offer, domain: Domain, key: &Key) -> Result<SignedOffer, KeyError> {
    let signature = key.sign(domain.offer_digest(&offer).into())?.to_string();
    Ok(SignedOffer { offer, signature })
}

/// Succeeds if the provider's own key signed `offer` for `domain`. A provider that is a contract (ERC-1271) doesn't
/// have one: ask [`crate::Ledger::accepts_offer`], which asks the chain too.
pub fn verify_offer(offer: &SignedOffer, domain: Domain) -> Result<(), SignatureError> {
    let signature: Signature = offer.signature.parse()?;
    signature.verify(&domain.offer_digest(&offer.offer), offer.offer.provider)
}

pub(crate) fn offer_to_sol(offer: &Offer) -> IEscrow::Offer {
    IEscrow::Offer {
        provider: convert::to_address(offer.provider),
        member: offer.member.clone(),
        class: offer.class.0.clone(),
        rate: convert::to_word(offer.rate),
        startWithin: offer.start_within,
        validUntil: offer.valid_until,
        nonce: offer.nonce,
    }
}

#[cfg(test)]
mod tests;
