//! A provider's standing offer: what it sells, and for how much.

use serde::{Deserialize, Serialize};

use crate::{address::Address, class::Class, money::Amount};

/// The terms a provider signs (EIP-712 type `Offer` of the Escrow contract). A lease can only be opened against one, at
/// most at its rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Who signs, and is paid.
    pub provider: Address,
    /// The member (`ComputeNode`) the offer is for.
    pub member: String,
    /// What is offered.
    pub class: Class,
    /// EAI per unit-hour: one accelerator, or one core, for an hour.
    pub rate: Amount,
    /// Seconds within which the provider promises to run what it wins.
    pub start_within: u32,
    /// Unix seconds after which the offer is void.
    pub valid_until: u64,
    /// The provider's offer nonce in the Escrow; raising it there voids every earlier offer.
    pub nonce: u64,
}

/// An offer and its 65-byte signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedOffer {
    /// The terms.
    #[serde(flatten)]
    pub offer: Offer,
    /// `0x` and the signature's r, s and v in hexadecimal.
    pub signature: String,
}
