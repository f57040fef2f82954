//! Which of many nodes a pod goes to, fast, and so that the most can be placed in the long run.

mod engine;
mod fill;
mod hash;
mod mix;
mod packer;
mod rates;
mod reserve;
mod shape;
mod state;
mod streams;

pub use engine::Engine;
pub use fill::Fill;
pub use mix::Mix;
pub use packer::{Choice, Packer, Placement, Policy};
pub use shape::{MOST_DEVICES, Models, Shape, ShapeId, WHOLE};
pub use state::State;
