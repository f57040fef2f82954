//! What can go wrong between this program and the chain, and what to do about it.

use std::time::Duration;

use eai_core::address::Address;

use crate::{ids::TxHash, key::KeyError, refusal::Refusal};

/// Why the chain didn't do, or didn't say, what was asked. [`LedgerError::is_transient`] tells whether the same call may
/// succeed later; every call may be repeated without doing anything twice.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No answer from the node. Retry later.
    #[error("the chain's RPC node can't be reached ({0}); it is tried again")]
    Unreachable(String),
    /// The transaction was sent and isn't in a block yet. Repeat the call: what happened meanwhile is found.
    #[error("transaction {tx} isn't confirmed after {} s; it is looked for again", after.as_secs())]
    Unconfirmed {
        /// The last transaction sent.
        tx: TxHash,
        /// How long it was waited for.
        after: Duration,
    },
    /// Other transactions of the same account kept coming in between. Repeat the call.
    #[error("another program keeps sending with account {0}; give every program a key of its own")]
    KeyShared(Address),
    /// The node speaks for another chain than configured.
    #[error("the RPC node is on chain {found}, but chain {expected} is configured; set the right RPC URL or chain id")]
    WrongChain {
        /// The configured chain id.
        expected: u64,
        /// The node's.
        found: u64,
    },
    /// No contract lies at the configured address.
    #[error("no contract lies at {0} on this chain; check the Escrow's address, and that the node is synchronised")]
    NoContract(Address),
    /// The account that sends has too little of the chain's own coin.
    #[error("account {account} can't pay for gas: it has {balance} wei of the chain's coin; send it some")]
    NoGasMoney {
        /// The account.
        account: Address,
        /// What it has, in wei of the chain's coin (not EAI).
        balance: u128,
    },
    /// The contract refused the whole call; nothing changed.
    #[error("{0}")]
    Refused(Refusal),
    /// The node or the chain refused the call for another reason; nothing changed.
    #[error("the chain refused the call: {0}")]
    Rejected(String),
    /// The node answered something that can't be.
    #[error("the RPC node's answer makes no sense: {0}; use another node, or check the addresses")]
    BadAnswer(String),
    /// The call itself is wrong; nothing was sent.
    #[error("{0}")]
    BadRequest(String),
    /// A key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl LedgerError {
    /// Whether the same call may succeed later without anyone doing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unconfirmed { .. } | Self::KeyShared(_))
    }
}
