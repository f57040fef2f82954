//! Who can pay for what, while a pass hands out money that isn't spent yet.

use std::collections::HashMap;

use eai_chain::{Authorization, NamespaceId};
use eai_core::{address::Address, money::Amount};

use crate::{aijob::words::Unfunded, settle::Funds};

/// What payers have left in the course of a pass.
#[derive(Clone, Debug, Default)]
pub struct Till {
    /// The chain's clock, in Unix seconds.
    time: u64,
    free: HashMap<Address, Amount>,
    grants: HashMap<(Address, NamespaceId), Authorization>,
}

impl Till {
    /// An empty till at `time` (Unix seconds of the chain's clock).
    pub fn new(time: u64) -> Self {
        Self { time, ..Self::default() }
    }

    /// Puts in what the chain says of a payer.
    pub fn fill(&mut self, payer: Address, namespace: NamespaceId, funds: Funds) {
        self.free.insert(payer, funds.free);
        self.grants.insert((payer, namespace), funds.grant);
    }

    /// Whether the chain's word on a payer is known.
    pub fn knows(&self, payer: Address, namespace: NamespaceId) -> bool {
        self.free.contains_key(&payer) && self.grants.contains_key(&(payer, namespace))
    }

    /// Takes `hold` out for a lease at `rate`, or says why that can't be.
    pub fn draw(&mut self, payer: Address, namespace: NamespaceId, rate: Amount, hold: Amount) -> Result<(), Unfunded> {
        self.check(payer, namespace, rate, hold)?;
        self.set_aside(payer, namespace, hold);
        Ok(())
    }

    /// Takes out what was promised earlier and isn't on the chain yet.
    pub fn set_aside(&mut self, payer: Address, namespace: NamespaceId, hold: Amount) {
        if let Some(free) = self.free.get_mut(&payer) {
            *free = free.saturating_sub(hold);
        }
        if let Some(grant) = self.grants.get_mut(&(payer, namespace)) {
            grant.used = grant.used.saturating_add(hold);
        }
    }

    /// Whether a lease at `rate` that holds `hold` could be opened. Checked as the escrow does.
    pub fn check(&self, payer: Address, namespace: NamespaceId, rate: Amount, hold: Amount) -> Result<(), Unfunded> {
        let grant = self.grants.get(&(payer, namespace)).copied().unwrap_or_default();
        if grant.expiry == 0 {
            return Err(Unfunded::NotAuthorised);
        }
        if self.time >= grant.expiry {
            return Err(Unfunded::Expired);
        }
        if rate > grant.max_rate {
            return Err(Unfunded::Rate { asked: rate, allowed: grant.max_rate });
        }
        let left = grant.left(self.time);
        if hold > left {
            return Err(Unfunded::Cap { needed: hold, left });
        }
        let free = self.free.get(&payer).copied().unwrap_or_default();
        if hold > free {
            return Err(Unfunded::Balance { needed: hold, free });
        }
        Ok(())
    }
}
