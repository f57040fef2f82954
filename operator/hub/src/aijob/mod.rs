//! AIJob: claimed, leased, run, metered and settled.

pub mod build;
mod claim;
pub mod words;
