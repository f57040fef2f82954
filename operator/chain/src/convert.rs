//! Between the domain's types and the chain's words. Nothing is ever cut.

use alloy::primitives::{self, U256};
use eai_core::{address::Address, money::Amount};

use crate::error::LedgerError;

/// An account as the chain's type.
pub const fn to_address(address: Address) -> primitives::Address {
    primitives::Address::new(address.0)
}

/// An account as the domain's type.
pub const fn from_address(address: primitives::Address) -> Address {
    Address(address.into_array())
}

/// An amount as a word.
pub fn to_word(amount: Amount) -> U256 {
    U256::from(amount.wei())
}

/// A word as an amount; an error beyond 2^128, which no sum of EAI can reach.
pub fn amount(word: U256) -> Result<Amount, LedgerError> {
    u128::try_from(word).map(Amount::from_wei).map_err(|_| LedgerError::BadAnswer(format!("an amount of {word} wei")))
}

#[cfg(test)]
mod tests;
