//! Who goes on as a hub: its generation in the contract `HubRegistry`, and the leases that it may have lost sight of.

use std::sync::Arc;

use alloy::sol_types::SolCall as _;
use async_trait::async_trait;
use eai_core::address::Address;
use tracing::info;

use crate::{
    bindings::IHubRegistry, convert, error::LedgerError, escrow_ledger::EscrowLedger, ids::Holder, ledger::Ledger as _,
    reader::Opening,
};

/// Gas that raising a generation may use.
const RAISE_GAS: u64 = 80_000;

/// Who goes on as a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The generation; at least 1.
    pub generation: u64,
    /// Whose it is: what that hub wrote into its record before it raised the generation.
    pub holder: Holder,
}

/// A hub's generation on chain, and what was opened in its name.
#[async_trait]
pub trait Tenures: Send + Sync {
    /// Who goes on as the hub with this key; `None` if nobody ever said.
    async fn tenure(&self) -> Result<Option<Tenure>, LedgerError>;

    /// Goes on as `tenure`. Refused unless its generation is higher than the present one; so, after an error, look at
    /// [`Tenures::tenure`] before anything else.
    async fn raise(&self, tenure: Tenure) -> Result<(), LedgerError>;

    /// The leases of this hub key that were opened in the blocks `first` to `last`, oldest first. Ask for a few thousand
    /// blocks at a time.
    async fn openings(&self, first: u64, last: u64) -> Result<Vec<Opening>, LedgerError>;
}

/// [`Tenures`] over JSON-RPC, by the key of a hub's ledger: they share what that sends.
pub struct HubRegistry {
    ledger: Arc<EscrowLedger>,
    at: Address,
}

impl HubRegistry {
    /// The registry at `at`. Nothing is sent.
    pub const fn new(ledger: Arc<EscrowLedger>, at: Address) -> Self {
        Self { ledger, at }
    }
}

#[async_trait]
impl Tenures for HubRegistry {
    async fn tenure(&self) -> Result<Option<Tenure>, LedgerError> {
        let call = IHubRegistry::tenureOfCall { hubKey: convert::to_address(self.ledger.hub_key()) };
        let found = self.ledger.reader().rpc().call(self.at, &call).await?;
        let tenure = Tenure { generation: found.generation, holder: found.holder.into() };
        Ok((tenure.generation != 0).then_some(tenure))
    }

    async fn raise(&self, tenure: Tenure) -> Result<(), LedgerError> {
        let call = IHubRegistry::raiseCall { generation: tenure.generation, holder: tenure.holder.into() };
        let receipt = self.ledger.sender().send_to(self.at, call.abi_encode(), RAISE_GAS).await?;
        info!(tx = %receipt.transaction_hash, generation = tenure.generation, "the hub's generation is raised on chain");
        Ok(())
    }

    async fn openings(&self, first: u64, last: u64) -> Result<Vec<Opening>, LedgerError> {
        let hub_key = self.ledger.hub_key();
        let openings = self.ledger.reader().openings(first, last).await?;
        Ok(openings.into_iter().filter(|opening| opening.terms.hub_key == hub_key).collect())
    }
}
