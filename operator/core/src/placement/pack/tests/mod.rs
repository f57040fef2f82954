//! Properties that hold for every order of arrival, and examples of what the policy is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine;
mod fixtures;
mod packer;
mod state;
mod streams;
