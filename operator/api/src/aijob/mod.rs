//! AIJob: what a vendor wants run, for how much at most, and what became of it.

pub mod policy;
mod spec;
mod status;

pub use policy::{
    ExitCodeOperator, FailureAction, FailurePolicy, OnExitCodes, PodFailurePolicy, PodFailureRule, SuccessPolicy,
    SuccessRule,
};
pub use spec::*;
pub use status::*;
