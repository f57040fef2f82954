//! The whole of EAI on real clusters: what the demo shows, the end-to-end tests try and the bench measures.
//!
//! Everything is done as its users do it: `helm install`, `kubectl apply`, `kubectl eai`. The chain is read directly, so
//! that what the hub claims is checked against it.

pub mod balances;
pub mod bearer;
pub mod bench;
pub mod chaos;
pub mod cluster;
pub mod compat;
pub mod demo;
pub mod deploy;
pub mod error;
pub mod existing;
pub mod fund;
pub mod ghost;
pub mod jobs;
pub mod join;
pub mod people;
pub mod report;
pub mod run;
pub mod stage;
pub mod usage;
pub mod vendor;

pub use cluster::Cluster;
pub use error::{Error, Result};
pub use stage::Stage;
