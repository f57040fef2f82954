//! Between jobs and the chain: openings, top-ups and vouchers in batches, looks at leases, and what payers can pay.

mod desk;
#[cfg(test)]
mod tests;
mod view;
mod worker;

pub use desk::Desk;
pub use view::{Funds, Purse, View};
pub use worker::{Errand, Windows, carry, keep_watch, look};
