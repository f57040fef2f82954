//! Where the chain is, and how patient to be with it.

use std::time::Duration;

use eai_core::address::Address;

use crate::eip712::Domain;

/// A JSON-RPC node and the Escrow on its chain.
#[derive(Clone)]
pub struct Endpoint {
    /// The node's URL, `http` or `https`. It may hold an access key, so it's in no error and no log of this crate.
    pub rpc_url: String,
    /// The chain's id. A node of another chain is refused.
    pub chain_id: u64,
    /// The Escrow's address.
    pub escrow: Address,
    /// How patient to be.
    pub settings: Settings,
}

/// How patient to be with the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// In how many blocks, its own included, a transaction counts as confirmed; at least 1.
    pub confirmations: u64,
    /// How often to look for a receipt.
    pub poll: Duration,
    /// How long to wait for a confirmation before [`crate::LedgerError::Unconfirmed`].
    pub timeout: Duration,
    /// How long a transaction may lie unmined before its fee is raised.
    pub bump_after: Duration,
    /// How long one request to the node may take.
    pub request_timeout: Duration,
    /// The block at which searches for past events begin: the Escrow's own, to spare a long chain's node.
    pub first_block: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            confirmations: 1,
            poll: Duration::from_millis(200),
            timeout: Duration::from_mins(1),
            bump_after: Duration::from_secs(15),
            request_timeout: Duration::from_secs(10),
            first_block: 0,
        }
    }
}

impl Endpoint {
    /// An endpoint with the usual patience.
    pub fn new(rpc_url: impl Into<String>, chain_id: u64, escrow: Address) -> Self {
        Self { rpc_url: rpc_url.into(), chain_id, escrow, settings: Settings::default() }
    }

    /// What signatures for this endpoint's Escrow are made for.
    pub const fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, escrow: self.escrow }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("chain_id", &self.chain_id)
            .field("escrow", &self.escrow)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
