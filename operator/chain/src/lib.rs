//! The chain in domain verbs: open a lease, settle a voucher, deposit, authorise.
//!
//! Three layers, each usable alone:
//!
//! - pure: [`ids`], [`eip712`] and [`key`] need no network. An agent signs its offers with these.
//! - [`Reader`] and [`Account`] talk to one Escrow over JSON-RPC, for people's tools.
//! - [`Ledger`] is what the hub sees of the chain, [`Stakes`] what it weighs members by; [`EscrowLedger`] and
//!   [`NodeRegistry`] are they over JSON-RPC.
//!
//! [`Readiness`] and [`Delivery`] are what is signed for contracts that no part uses yet.
//!
//! Amounts cross the border to the chain's 256-bit words without ever being cut: what doesn't fit is an error.

pub mod account;
pub mod eip712;
pub mod endpoint;
pub mod error;
pub mod escrow_ledger;
pub mod ids;
pub mod key;
pub mod lease;
pub mod ledger;
pub mod reader;
pub mod refusal;
pub mod stakes;
pub mod tenure;

mod bindings;
mod convert;
mod events;
mod rpc;
mod sender;

pub use account::Account;
pub use bindings::{Delivery, Readiness};
pub use eip712::{Domain, SignedVoucher, Voucher, sign_offer, verify_offer};
pub use endpoint::{Endpoint, Settings};
pub use error::LedgerError;
pub use escrow_ledger::EscrowLedger;
pub use ids::{Holder, HubId, JobId, LeaseId, NamespaceId, TxHash, UsageRoot};
pub use key::{Key, KeyError};
pub use lease::{
    Authorization, Head, LeaseState, LeaseTerms, LeaseView, OpenOutcome, OpenRequest, Opened, SettleOutcome, Settled,
    Skipped, TopUp, TopUpOutcome, ToppedUp,
};
pub use ledger::Ledger;
pub use reader::{Earning, Grant, Opening, Reader};
pub use refusal::Refusal;
pub use stakes::{NodeRegistry, Stakes};
pub use tenure::{HubRegistry, Tenure, Tenures};
