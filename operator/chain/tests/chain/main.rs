//! What the chain crate promises: pure parts against known values, the rest against a real EVM node with the real
//! contracts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod accounts;
mod faults;
mod https;
mod idempotence;
mod ids;
mod key;
mod life;
mod racing;
mod restart;
mod signatures;
mod skips;
mod stakes;
mod support;
mod tenures;
