//! What the chain says everybody has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy::{
    primitives::Address as Account,
    providers::{Provider as _, ProviderBuilder},
    rpc::types::Filter,
    sol,
    sol_types::SolEvent as _,
};
use eai_chain::{Endpoint, EscrowLedger, HubRegistry, Key, Reader, Tenure, Tenures as _};
use eai_core::address::Address;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

sol! {
    event Transfer(address indexed from, address indexed to, uint256 value);
}

/// All EAI there is, in wei.
pub const SUPPLY: u128 = 2_500_000_000 * 10u128.pow(18);

/// Where the chain and the contracts are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contracts {
    /// JSON-RPC.
    pub rpc: String,
    /// EIP-155.
    pub chain_id: u64,
    /// EAIToken.
    pub token: Address,
    /// Escrow.
    pub escrow: Address,
    /// `HubRegistry`, where the deployment has it.
    #[serde(default)]
    pub hub_registry: Option<Address>,
}

impl Contracts {
    /// The chain, to read.
    pub fn reader(&self) -> Result<Reader> {
        Reader::new(self.endpoint()).map_err(|error| Error::unexpected("the chain", error))
    }

    /// What the chain says of the generation of the hub with this key; `None` where there is no registry, or no entry.
    pub async fn tenure(&self, hub_key: &str) -> Result<Option<Tenure>> {
        let bad = |error: eai_chain::LedgerError| Error::unexpected("the chain", error);
        let Some(at) = self.hub_registry else { return Ok(None) };
        let key = Key::parse(hub_key).map_err(|error| Error::unexpected("the hub's key", error))?;
        let ledger = EscrowLedger::new(self.endpoint(), key).map_err(bad)?;
        HubRegistry::new(Arc::new(ledger), at).tenure().await.map_err(bad)
    }

    /// The chain, to connect to.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.rpc.clone(), self.chain_id, self.escrow)
    }

    /// Every address that ever sent or received EAI.
    async fn holders(&self) -> Result<BTreeSet<Address>> {
        let bad = |error: &dyn std::fmt::Display| Error::unexpected("the chain", error.to_string());
        let url = self.rpc.parse().map_err(|error| Error::unexpected("the RPC URL", error))?;
        let provider = ProviderBuilder::new().connect_http(url);
        let token = Account::from(self.token.0);
        let filter = Filter::new().address(token).event_signature(Transfer::SIGNATURE_HASH).from_block(0);
        let mut holders = BTreeSet::new();
        for log in provider.get_logs(&filter).await.map_err(|e| bad(&e))? {
            let transfer = log.log_decode::<Transfer>().map_err(|e| bad(&e))?;
            holders.extend([transfer.inner.from, transfer.inner.to].map(|a| Address(a.into_array())));
        }
        Ok(holders)
    }
}

/// Wei by address, as decimal strings.
pub type Wei = BTreeMap<String, String>;

/// Everybody's EAI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balances {
    /// Tokens by holder; what is in the escrow is the escrow contract's. They sum to the supply.
    pub tokens: Wei,
    /// What is free in the escrow: deposits in no lease, earnings not withdrawn.
    pub free: Wei,
}

impl Balances {
    /// Reads every address that ever had EAI. An error if what they hold isn't all there is.
    pub async fn read(contracts: &Contracts) -> Result<Self> {
        let reader = contracts.reader()?;
        let (mut tokens, mut free, mut sum) = (Wei::new(), Wei::new(), 0u128);
        for holder in contracts.holders().await? {
            let held = reader.token_balance(holder).await.map_err(|error| Error::unexpected("the chain", error))?;
            sum = sum.saturating_add(held.wei());
            if !held.is_zero() {
                tokens.insert(holder.to_string(), held.wei().to_string());
            }
            let idle = reader.balance(holder).await.map_err(|error| Error::unexpected("the chain", error))?;
            free.insert(holder.to_string(), idle.wei().to_string());
        }
        if sum != SUPPLY {
            return Err(Error::unexpected("the token", format!("{sum} wei are held, {SUPPLY} exist")));
        }
        Ok(Self { tokens, free })
    }

    /// Everybody who has, or had, EAI.
    pub fn addresses(&self) -> BTreeSet<Address> {
        self.tokens.keys().chain(self.free.keys()).filter_map(|address| address.parse().ok()).collect()
    }

    /// How much more an address has than it had `before`, in tokens and free in the escrow, in wei.
    pub fn change(&self, before: &Self, address: Address) -> i128 {
        let of = |balances: &Self| wei(&balances.tokens, address) + wei(&balances.free, address);
        of(self) - of(before)
    }

    /// What the escrow keeps that is in nobody's account there, in wei: what its leases hold.
    pub fn locked(&self, escrow: Address) -> i128 {
        let free: i128 = self.free.values().filter_map(|wei| wei.parse::<i128>().ok()).sum();
        wei(&self.tokens, escrow) - free
    }
}

/// What a book says of an address, in wei; the whole supply fits.
fn wei(book: &Wei, address: Address) -> i128 {
    book.get(&address.to_string()).and_then(|wei| wei.parse().ok()).unwrap_or(0)
}
