//! The hub's controllers: members join, jobs are placed, leased, metered and settled.

mod aijob;
pub mod artifacts;
mod assignment;
mod cleanup;
pub mod compute_node;
pub mod config;
pub mod context;
mod doubts;
mod drain;
#[cfg(test)]
mod drain_tests;
mod fencing;
mod heartbeat;
mod herald;
mod hub;
mod hub_info;
mod jobs;
#[cfg(test)]
mod jobs_tests;
mod metrics;
mod placement;
mod release;
pub mod restore;
pub mod run;
mod settle;
mod tally;
#[cfg(test)]
mod testing;
mod world;
