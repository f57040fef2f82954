//! What answers for a provider: its stake in the NodeRegistry.

use std::sync::Arc;

use async_trait::async_trait;
use eai_core::{address::Address, money::Amount};

use crate::{
    bindings::INodeRegistry::{self, Role},
    convert,
    endpoint::Endpoint,
    error::LedgerError,
    rpc::Rpc,
};

/// Who has staked what.
#[async_trait]
pub trait Stakes: Send + Sync {
    /// What `node` has staked and isn't taking out. A node is named by the account that its work pays.
    async fn staked(&self, node: Address) -> Result<Amount, LedgerError>;
}

/// Reads one NodeRegistry.
pub struct NodeRegistry {
    rpc: Arc<Rpc>,
    address: Address,
}

impl NodeRegistry {
    /// Prepares a connection to the registry at `address`, on the Escrow's own chain. Nothing is sent, so the chain may be
    /// away.
    pub fn new(endpoint: Endpoint, address: Address) -> Result<Self, LedgerError> {
        Ok(Self { rpc: Arc::new(Rpc::new(endpoint)?), address })
    }
}

#[async_trait]
impl Stakes for NodeRegistry {
    async fn staked(&self, node: Address) -> Result<Amount, LedgerError> {
        let call = INodeRegistry::accountCall { who: convert::to_address(node) };
        let account = self.rpc.call(self.address, &call).await?;
        // A verifier's stake answers for its word, not for a member. What was slashed is no longer in either figure.
        let counts = matches!(account.role, Role::Node) && account.until.is_zero();
        Ok(Amount::from_wei(if counts { account.stake.to() } else { 0 }))
    }
}
