//! AIJob: what a vendor wants run, for how much at most, and what became of it.

mod spec;
mod status;

pub use spec::*;
pub use status::*;
