//! What the owner doesn't allow. Pure checks over an Assignment's narrow spec, each giving a reason and a sentence.
//!
//! The hub checks much of this too, and its API server validates every field. Nothing here relies on that: whoever holds
//! a stolen hub key can write any Assignment, and this is the wall between that and the owner's machines.

mod env;
mod image;
mod owner;
mod shape;
#[cfg(test)]
mod tests;

use eai_api::AssignmentSpec;

pub use env::{Secrets, open_secrets};

use crate::{config::Config, demand::Demand};

/// What a check may look at besides the spec.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The owner's configuration.
    pub config: &'a Config,
    /// What the probes found.
    pub probes: Probes,
    /// The highest hub generation that work was ever taken from.
    pub highest_generation: u64,
    /// What other work on this member asks for already.
    pub in_use: &'a Demand,
}

/// What the probes found; `None` until they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// A pod under the sandbox's RuntimeClass ran and had no network.
    pub sandbox: Option<bool>,
    /// A pod allowed onto the internet reached nothing of the owner's.
    pub internet_isolated: Option<bool>,
}

/// Why an Assignment isn't run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In one word.
    pub reason: Reason,
    /// In a sentence that names the values.
    pub message: String,
}

/// Why, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The name isn't that of its job and epoch.
    NameMismatch,
    /// From a generation of the hub that is over.
    StaleGeneration,
    /// A role this agent doesn't play.
    RoleNotSupported,
    /// No usable image reference by digest.
    BadImage,
    /// An image from elsewhere than the owner allows.
    RegistryNotAllowed,
    /// Counts that make no sense or are too high to report on.
    BadShape,
    /// A resource the owner doesn't offer.
    ResourceNotOffered,
    /// More than the owner ever allows.
    AboveLimit,
    /// More than the owner allows beside what runs already.
    NoRoom,
    /// A longer run than the owner allows.
    TooLong,
    /// Work without network where nothing enforces that.
    NoSandbox,
    /// Internet where the owner doesn't allow it.
    InternetNotAllowed,
    /// Internet where isolation from the owner's network isn't shown.
    InternetNotIsolated,
    /// Work that runs on without the hub, where the owner doesn't allow it.
    ContinueNotAllowed,
    /// Environment, command or arguments that can't be used.
    BadEnvironment,
    /// Secrets that can't be opened.
    SecretsNotForUs,
    /// Outputs that can't be kept.
    BadOutputs,
    /// A class or rate that was never offered.
    PriceMismatch,
}

/// What is to be done with an Assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run it.
    Admit,
    /// Don't, for good.
    Refuse(Refusal),
    /// Look again when the probes are done.
    AwaitProbes,
}

fn refuse(reason: Reason, message: impl Into<String>) -> Result<(), Refusal> {
    Err(Refusal { reason, message: message.into() })
}

/// Judges the Assignment called `name`.
pub fn judge(name: &str, spec: &AssignmentSpec, terms: Terms) -> Verdict {
    let checks: [&dyn Fn() -> Result<(), Refusal>; 13] = [
        &|| owner::identity(name, spec),
        &|| owner::generation(spec, terms),
        &|| image::image(&spec.workload, terms),
        &|| shape::counts(&spec.workload),
        &|| shape::policies(&spec.workload),
        &|| shape::outputs(&spec.workload, terms),
        &|| shape::checkpoint(&spec.workload, terms),
        &|| env::environment(&spec.workload),
        &|| owner::price(spec, terms),
        &|| owner::resources(&spec.workload, terms),
        &|| owner::duration(&spec.workload, terms),
        &|| owner::hub_loss(spec, terms),
        &|| owner::network_allowed(&spec.workload, terms),
    ];
    for check in checks {
        if let Err(refusal) = check() {
            return Verdict::Refuse(refusal);
        }
    }
    owner::network_enforced(&spec.workload, terms)
}
