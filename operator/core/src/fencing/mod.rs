//! Fencing: no work runs twice, and none is paid twice, whatever clusters, hubs and connections do.
//!
//! The hub lends a member the right to run an attempt for a while: a [`Grant`]. Hub and member agree on no clock. A grant
//! echoes a heartbeat, and it holds from when the member *sent* that heartbeat, so that what is late is short. The hub
//! counts from a later moment, when it came to know of the grant, and waits longer than the grant can last. So the
//! member's end comes first, whoever is cut off from whom.
//!
//! | part | whose | what it decides |
//! |---|---|---|
//! | [`heartbeats`] | agent | which heartbeats it sent, and when |
//! | [`term`] | agent | how long an attempt may run, when it is fenced, the Job's own deadline |
//! | [`lending`] | hub | what to grant now |
//! | [`expiry`] | hub | when an attempt of a silent member may be given to another |
//! | [`silence`] | hub | whether so many fell silent at once that the hub doubts itself |
//! | [`billing`] | hub | which reading of which epoch counts, and what a late one is told |
//!
//! Everything here is a function of its arguments. The model in `operator/model` explores these very functions.

pub mod billing;
pub mod clock;
pub mod expiry;
pub mod grant;
pub mod heartbeats;
pub mod lending;
pub mod policy;
pub mod silence;
pub mod term;

pub use clock::{BootMs, SteadyMs};
pub use expiry::{Expiry, Known, Tenure};
pub use grant::{Grant, Heartbeat, HeartbeatError, Instance};
pub use heartbeats::Heartbeats;
pub use policy::{OnLoss, Policy};
pub use term::{Refused, Term, Verdict};
