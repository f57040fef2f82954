//! Where a job goes: snapshot, filter, score, decide, explain.
//!
//! A decision depends on the snapshot, the request and the demand alone, so the same input always gives the same answer.
//! The cheapest offer wins; among equals [`pack`] says which member the jobs to come would miss least, and where nothing is
//! known of those, the tightest fit wins.
//!
//! [`Market`] decides, [`Turns`] says whose turn it is, [`victims`] who gives way, and [`Snapshot::take_out_bad`] what isn't believed.

mod check;
mod demand;
mod fair;
mod filter;
mod fit;
mod market;
mod model;
pub mod pack;
mod preempt;
mod refusal;
#[cfg(test)]
mod tests;
mod usage;

pub use check::{BadInput, MOST_DEVICES, MOST_NODES, MOST_PODS};
pub use demand::Demand;
pub use fair::{Queue, Turn, Turns, Wait};
pub use market::{Decision, Market};
pub use model::{Assurance, Constraint, Devices, Member, Need, Node, Offered, Request, Snapshot, WHOLE_MILLI};
pub use preempt::{Claimant, Running, victims};
pub use refusal::{Refusal, Shortage};
pub use usage::{Share, Usage};
