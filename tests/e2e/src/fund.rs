//! Taking what is free out of the escrow.

use eai_chain::{Account, Key};

use crate::{
    balances::Contracts,
    error::{Error, Result},
    people::Person,
    stage::Stage,
};

/// Everybody takes what is free in their escrow account.
pub async fn withdraw_all(stage: &Stage, contracts: &Contracts) -> Result<()> {
    let people = std::iter::once(&stage.people.vendor).chain(&stage.people.miners);
    for person in people {
        withdraw(contracts, person).await?;
    }
    Ok(())
}

async fn withdraw(contracts: &Contracts, person: &Person) -> Result<()> {
    let bad = |error: &dyn std::fmt::Display| Error::unexpected("the chain", error.to_string());
    let key = Key::parse(&person.key).map_err(|error| bad(&error))?;
    let account = Account::new(contracts.endpoint(), key).map_err(|error| bad(&error))?;
    let free = account.reader().balance(person.address).await.map_err(|error| bad(&error))?;
    if !free.is_zero() {
        account.withdraw(free, person.address).await.map_err(|error| bad(&error))?;
    }
    Ok(())
}
