//! Tests of the life of a job.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod checkpoints;
mod drained;
mod ends;
mod escrow;
mod faults;
mod fenced;
mod fixtures;
mod lies;
mod life;
mod money;
mod tries;
mod world;
mod world_tests;
