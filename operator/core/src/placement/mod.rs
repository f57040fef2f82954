//! Where a job goes: snapshot, filter, score, decide, explain.
//!
//! A decision depends on the snapshot and the request alone, so the same input always gives the same answer. The score
//! here is a plain one, the cheapest offer and then the tightest fit; [`decide`] is the one place a better engine takes
//! over.

mod decide;
mod fit;
mod model;
pub mod pack;
mod refusal;
#[cfg(test)]
mod tests;

pub use decide::{Decision, decide};
pub use model::{Constraint, Devices, Member, Need, Node, Offered, Request, Snapshot};
pub use refusal::{Refusal, Shortage};
