//! A hub cluster in memory, for tests of everything between the pure parts and the network: an API server that keeps
//! versions and tells watchers, a chain that mines blocks, and members whose agents run work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod api;
mod chain;
mod member;
mod object;
mod operator;
mod watch;

pub use chain::Chain;
pub use member::{Agents, Manner};
pub use operator::{JOBS, Operator, Running, phase, reason, spec};
