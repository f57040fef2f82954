//! Where a job goes: snapshot, filter, score, decide, explain.
//!
//! A decision depends on the snapshot, the request and the demand alone, so the same input always gives the same answer.
//! The cheapest offer wins; among equals [`decide_ahead`] asks [`pack`] which member the jobs to come would miss least,
//! and [`decide`] takes the tightest fit.
//!
//! [`Turns`] says whose turn it is, [`victims`] who gives way, and [`Snapshot::take_out_bad`] what isn't believed.

mod ahead;
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

pub use ahead::Demand;
pub use check::{BadInput, MOST_DEVICES, MOST_NODES, MOST_PODS};
pub use decide::{Decision, decide, decide_ahead};
pub use fair::{Queue, Turn, Turns, Wait};
pub use model::{Constraint, Devices, Member, Need, Node, Offered, Request, Snapshot};
pub use preempt::{Claimant, Running, victims};
pub use refusal::{Refusal, Shortage};
pub use usage::{Share, Usage};
