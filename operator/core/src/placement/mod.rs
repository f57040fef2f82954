//! Where a job goes: snapshot, filter, score, decide, explain.
//!
//! A decision depends on the snapshot and the request alone, so the same input always gives the same answer. The score
//! here is a plain one, the cheapest offer and then the tightest fit; [`decide`] is the one place a better engine takes
//! over.

mod check;
mod decide;
mod fair;
mod fit;
mod model;
pub mod pack;
mod preempt;
mod refusal;
#[cfg(test)]
mod tests;
mod usage;

pub use check::{BadInput, MOST_DEVICES, MOST_NODES, MOST_PENDING, MOST_PODS};
pub use decide::{Decision, decide};
pub use fair::{Queue, Turn, Turns};
pub use model::{Constraint, Devices, Member, Need, Node, Offered, Request, Snapshot};
pub use preempt::{Claimant, Running, victims};
pub use refusal::{Refusal, Shortage};
pub use usage::{Share, Usage};
