//! EAI's pure domain: money, metering, placement, fencing and sealing.
//!
//! Nothing here knows Kubernetes, a chain or a clock: time is an argument, randomness is the operating system's, and
//! every amount is an exact integer.

pub mod address;
pub mod class;
pub mod digest;
pub mod epoch;
pub mod fencing;
pub mod image;
pub mod metering;
pub mod money;
pub mod offer;
pub mod placement;
pub mod quantity;
pub mod release;
pub mod seal;
