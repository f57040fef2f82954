//! The hot part: which of many nodes a pod goes to, by a policy's score.

mod hash;
mod packer;
mod shape;
mod state;

pub use packer::{Choice, Packer, Placement, Policy, ShapeId};
pub use shape::{MOST_DEVICES, Models, Shape, WHOLE};
pub use state::State;
