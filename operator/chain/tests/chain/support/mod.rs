//! A chain of one's own for each test.

pub mod anvil;
pub mod contracts;
pub mod world;
