//! What EAI must show on real clusters, one module for each promise. Run by `tests/e2e.sh` on a stage that
//! `eai-demo run --keep` left up, one test at a time; `uninstalling` is the last.
//!
//! Every wait is bounded. Each test has a vendor of its own, with a key, a namespace and exactly the EAI it is given, and
//! takes them down again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod admission;
mod batch;
mod hostile;
mod intruding;
mod money;
mod placing;
mod racing;
mod refused;
mod restarts;
mod restoring;
mod revoked;
mod rights;
mod stolen;
mod streams;
mod support;
mod tokens;
mod uninstalling;
mod updating;
