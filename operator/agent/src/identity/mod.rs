//! Who this member is: its keys, made here and never leaving it, and what the hub gave it in return.

mod join;
mod membership;
mod renew;
mod secret;
#[cfg(test)]
mod tests;

pub use join::{Applicant, POLL, join};
pub use membership::Keeper;
pub use renew::{LOOK, Renewal};
pub use secret::{Identity, IdentityError, Membership, NAME as SECRET};
