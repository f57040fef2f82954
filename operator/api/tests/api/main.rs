//! What the kinds promise, checked without a cluster: what is refused and with which words, that whatever is accepted can
//! be read, and that crds/ is what the code says.
//!
//! `table/` is data, because the end-to-end tests put the same rows to a real API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod generated;
mod generator;
mod readable;
mod refusals;
mod round_trips;
mod samples;
mod server;
mod shown;
