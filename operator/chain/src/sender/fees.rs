//! What a transaction offers for its place in a block.

use alloy::providers::utils::Eip1559Estimation;

/// EIP-1559 fees, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    pub max_fee: u128,
    pub priority: u128,
}

impl Fees {
    /// Fees enough to take the place of a transaction with these: a quarter more (nodes ask for a tenth), and no less
    /// than what is usual now.
    #[must_use]
    pub fn raised(self, usual: Self) -> Self {
        let more = |fee: u128| fee.saturating_add((fee / 4).max(1));
        Self { max_fee: more(self.max_fee).max(usual.max_fee), priority: more(self.priority).max(usual.priority) }
    }
}

impl From<Eip1559Estimation> for Fees {
    fn from(estimate: Eip1559Estimation) -> Self {
        Self { max_fee: estimate.max_fee_per_gas, priority: estimate.max_priority_fee_per_gas }
    }
}

#[cfg(test)]
mod tests;
