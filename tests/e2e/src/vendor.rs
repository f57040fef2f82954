//! Vendors made for one scenario: a key of their own, a namespace of their own, and exactly the EAI they are given.

use std::{fs::File, io::Read as _, path::PathBuf};

use alloy::{
    primitives::{Address as OnChain, U256, hex},
    providers::{Provider as _, ProviderBuilder},
    sol,
    sol_types::SolCall as _,
};
use eai_chain::{Account, Key, LeaseId};
use eai_core::{address::Address, money::Amount};
use serde_json::{Value, json};

use crate::{
    balances::Contracts,
    error::{Error, Result},
    people::Person,
    run,
    stage::Stage,
};

sol! {
    function transfer(address to, uint256 value) external returns (bool);
}

/// Somebody who submits jobs.
pub struct Vendor {
    /// Their account on the chain.
    pub person: Person,
    /// Their namespace on the hub.
    pub namespace: String,
    key: PathBuf,
}

impl Vendor {
    /// Makes a vendor with a namespace that begins with `name`, `eai` of the token outside the escrow, and nothing
    /// authorised. Only for development chains, whose node signs for its funded accounts.
    pub async fn new(stage: &Stage, contracts: &Contracts, name: &str, eai: Amount) -> Result<Self> {
        let person = Person::with_key(&random_key()?)?;
        let account = person.address.to_string();
        let namespace = format!("{name}-{}", &account[2..8]);
        let key = stage.dir.join("keys").join(&namespace);
        run::write_secret(&key, &person.key)?;
        stage.hub.kubectl(&["create", "namespace", &namespace])?;
        let chain = Unlocked::new(contracts)?;
        chain.send(stage.people.foundation.address, person.address, 10u128.pow(18), &[]).await?;
        let call = transferCall { to: OnChain::from(person.address.0), value: U256::from(eai.wei()) };
        chain.send(stage.people.foundation.address, contracts.token, 0, &call.abi_encode()).await?;
        Ok(Self { person, namespace, key })
    }

    /// Runs `kubectl eai` as them, in their namespace.
    pub fn eai(&self, stage: &Stage, arguments: &[&str]) -> Result<String> {
        run::output(stage.eai(Some(&self.key))?.args(["-n", &self.namespace]).args(arguments))
    }

    /// Puts EAI into the escrow.
    pub fn deposit(&self, stage: &Stage, amount: &str) -> Result<()> {
        self.eai(stage, &["deposit", amount]).map(|_| ())
    }

    /// Lets the hub spend for jobs of their namespace.
    pub fn authorize(&self, stage: &Stage, cap: &str, max_rate: &str) -> Result<()> {
        self.eai(stage, &["authorize", "--cap", cap, "--max-rate", max_rate, "--expires", "1d"]).map(|_| ())
    }

    /// What they have in all, in the escrow or out of it, but not in leases.
    pub async fn wealth(&self, contracts: &Contracts) -> Result<Amount> {
        let bad = |error: eai_chain::LedgerError| Error::unexpected("the chain", error);
        let reader = contracts.reader()?;
        let free = reader.balance(self.person.address).await.map_err(bad)?;
        let tokens = reader.token_balance(self.person.address).await.map_err(bad)?;
        Ok(free.saturating_add(tokens))
    }

    /// Begins to close a lease of theirs, as a payer can without the hub.
    pub async fn start_closing(&self, contracts: &Contracts, lease: LeaseId) -> Result<()> {
        let bad = |error: eai_chain::LedgerError| Error::unexpected("the chain", error);
        let key = Key::parse(&self.person.key).map_err(|error| Error::unexpected("the vendor's key", error))?;
        let account = Account::new(contracts.endpoint(), key).map_err(bad)?;
        let opening = account.reader().opening(lease).await.map_err(bad)?;
        let opening = opening.ok_or_else(|| Error::unexpected("the chain", format!("it has no lease {lease}")))?;
        account.start_closing(&opening.terms).await.map_err(bad).map(|_| ())
    }

    /// Deletes the namespace with all in it and waits until it is gone.
    pub fn leave(&self, stage: &Stage, seconds: u64) -> Result<()> {
        let timeout = format!("--timeout={seconds}s");
        stage.hub.kubectl(&["delete", "namespace", &self.namespace, "--ignore-not-found", &timeout]).map(|_| ())
    }
}

/// A fresh private key from the operating system's randomness.
pub(crate) fn random_key() -> Result<String> {
    let path = PathBuf::from("/dev/urandom");
    let mut bytes = [0; 32];
    let read = File::open(&path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| Error::File { path, source })?;
    // Below the curve's order, whatever was drawn.
    bytes[0] >>= 1;
    Ok(hex::encode_prefixed(bytes))
}

/// A node that signs for accounts itself.
struct Unlocked(alloy::providers::RootProvider);

impl Unlocked {
    fn new(contracts: &Contracts) -> Result<Self> {
        let url = contracts.rpc.parse().map_err(|error| Error::unexpected("the RPC URL", error))?;
        Ok(Self(ProviderBuilder::new().disable_recommended_fillers().connect_http(url)))
    }

    /// Sends a transaction and waits until it is in a block.
    async fn send(&self, from: Address, to: Address, wei: u128, data: &[u8]) -> Result<()> {
        let bad = |error: &dyn std::fmt::Display| Error::unexpected("the chain", error.to_string());
        let transaction =
            json!({"from": from, "to": to, "value": format!("0x{wei:x}"), "data": hex::encode_prefixed(data)});
        let hash: String =
            self.0.raw_request("eth_sendTransaction".into(), [transaction]).await.map_err(|error| bad(&error))?;
        for _ in 0..300 {
            let receipt: Option<Value> = self
                .0
                .raw_request("eth_getTransactionReceipt".into(), [hash.clone()])
                .await
                .map_err(|error| bad(&error))?;
            match receipt {
                Some(receipt) if receipt["status"] == "0x1" => return Ok(()),
                Some(_) => return Err(bad(&format!("transaction {hash} failed"))),
                None => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
            }
        }
        Err(bad(&format!("transaction {hash} isn't in a block after a minute")))
    }
}
