//! Who takes part, and their keys on the chain.

use eai_chain::Key;
use eai_core::address::Address;

use crate::error::{Error, Result};

/// The first private keys of the phrase that development chains fund ("test test ... junk"): known to everybody and
/// worth nothing anywhere else.
pub const DEVELOPMENT_KEYS: [&str; 6] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
];

/// Somebody with a key.
#[derive(Clone)]
pub struct Person {
    /// Their account.
    pub address: Address,
    /// Their private key, `0x` and hexadecimal.
    pub key: String,
}

impl Person {
    /// Whoever holds this private key.
    pub fn with_key(key: &str) -> Result<Self> {
        let parsed = Key::parse(key).map_err(|error| Error::unexpected("a private key", error))?;
        Ok(Self { address: parsed.address(), key: key.trim().to_owned() })
    }
}

/// Everyone in the demo.
#[derive(Clone)]
pub struct People {
    /// Deploys the contracts and holds most of the genesis allocation.
    pub foundation: Person,
    /// The hub's key: opens leases, signs vouchers.
    pub hub: Person,
    /// Pays for the jobs.
    pub vendor: Person,
    /// The members' owners, in the members' order.
    pub miners: Vec<Person>,
}

impl People {
    /// From private keys in this order: foundation, hub, vendor, then the members' owners.
    pub fn with_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let people = keys.into_iter().map(Person::with_key).collect::<Result<Vec<_>>>()?;
        let [foundation, hub, vendor, miners @ ..] = people.as_slice() else {
            return Err(Error::unexpected("the keys", "foundation, hub and vendor each need one, and every member"));
        };
        let (foundation, hub, vendor) = (foundation.clone(), hub.clone(), vendor.clone());
        Ok(Self { foundation, hub, vendor, miners: miners.to_vec() })
    }
}
