//! The hub's controllers: members join, jobs are placed, leased, metered and settled.

pub mod artifacts;
pub mod compute_node;
pub mod config;
pub mod context;
