//! The fencing and billing protocol of `eai_core::fencing`, explored exhaustively within stated bounds.
//!
//! One job, two members, two hubs that don't know of each other, a store with conditional writes, and a chain. In every
//! state any message may come now, later or never; a bounded number of faults may strike at any moment. What hub and
//! agent decide is decided by the functions that ship. `docs/fencing.md` says what is claimed, under which assumptions,
//! and what the checker finds when a guard is taken away.

pub mod check;
pub mod fair;
pub mod guards;
pub mod hub;
pub mod member;
pub mod moves;
pub mod property;
pub mod scope;
pub mod state;
pub mod strikes;
