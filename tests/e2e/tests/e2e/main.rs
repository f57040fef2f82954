//! What EAI must show on real clusters, one module for each promise. Run by `tests/e2e.sh` on a stage that
//! `eai-demo run --keep` left up, one test at a time, in the order of their names: `uninstalling` is the last.
//!
//! Every wait is bounded. Each test has a vendor of its own, with a key, a namespace and exactly the EAI it is given, and
//! takes them down again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod admission;
mod batch;
mod hostile;
mod money;
mod placing;
mod racing;
mod refused;
mod restarts;
mod revoked;
mod rights;
mod stolen;
mod streams;
mod support;
mod tokens;
mod uninstalling;
