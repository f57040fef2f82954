//! The hub's controllers: members join, jobs are placed, leased, metered and settled.

mod aijob;
pub mod artifacts;
mod assignment;
pub mod compute_node;
pub mod config;
pub mod context;
