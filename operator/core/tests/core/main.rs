//! What the core promises, module by module.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod address;
mod digest;
mod epoch;
mod fencing;
mod image;
mod metering;
mod money;
mod offer;
mod quantity;
mod release;
mod seal;
