//! Which of many nodes a pod goes to, fast, and so that the most can be placed in the long run.

// Counts and scores are far below 2^52, and what is rounded are estimates; what is promised exactly, what nodes have
// free, is in integers and never cast down.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod engine;
mod fill;
mod groups;
mod hash;
mod index;
mod mix;
mod packer;
mod rates;
mod reserve;
mod shape;
mod state;
mod streams;
#[cfg(test)]
mod tests;

pub use engine::Engine;
pub use fill::Fill;
pub(super) use hash::FastHash;
pub use mix::Mix;
pub use packer::{Choice, Packer, Placement, Policy};
pub use shape::{MOST_DEVICES, Models, Shape, ShapeId, WHOLE};
pub use state::State;
