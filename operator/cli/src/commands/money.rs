//! The caller's account in the Escrow.

use eai_chain::{Account, Reader};
use eai_core::{address::Address, money::Amount};
use serde::Serialize;

use crate::{
    arguments::{Authorize, ChainArguments},
    chain::Chain,
    error::{Error, Result},
    hub::Hub,
    output::{self, Format},
};

/// Puts EAI into the account.
pub async fn deposit(hub: &Hub, arguments: &ChainArguments, amount: Amount) -> Result<()> {
    let account = account(hub, arguments).await?;
    let tx = account.deposit(amount).await?;
    println!("deposited {amount} EAI; {} free in the Escrow", account.reader().balance(account.address()).await?);
    println!("transaction {tx}");
    Ok(())
}

/// Takes EAI out; all that is free if no amount is given.
pub async fn withdraw(
    hub: &Hub,
    arguments: &ChainArguments,
    amount: Option<Amount>,
    to: Option<Address>,
) -> Result<()> {
    let account = account(hub, arguments).await?;
    let free = account.reader().balance(account.address()).await?;
    let amount = amount.unwrap_or(free);
    if amount.is_zero() || amount > free {
        return Err(Error::Failed(format!(
            "{free} EAI are free in the Escrow; what leases hold comes back when they close"
        )));
    }
    let to = to.unwrap_or_else(|| account.address());
    let tx = account.withdraw(amount, to).await?;
    println!("withdrew {amount} EAI to {to}\ntransaction {tx}");
    Ok(())
}

/// Lets the hub spend for the namespace.
pub async fn authorize(hub: &Hub, arguments: &ChainArguments, wanted: &Authorize) -> Result<()> {
    let chain = Chain::of(hub, arguments).await?;
    let account = chain.account(arguments)?;
    let namespace = hub.namespace_id(chain.info.hub_id, &hub.job_namespace).await?;
    // The chain's clock decides when it ends, so it's the one to count from.
    let expiry = account.reader().head().await?.time.saturating_add(wanted.expires.0);
    let tx = account.authorize(chain.info.hub_key, namespace, wanted.cap, wanted.max_rate, expiry).await?;
    println!(
        "hub {} may spend up to {} EAI, at most {} per unit-hour, for jobs of namespace {}\ntransaction {tx}",
        chain.info.hub_key, wanted.cap, wanted.max_rate, hub.job_namespace
    );
    println!("in the AIJob: spec.payment.account: \"{}\"", account.address());
    Ok(())
}

/// Takes the authorisation back.
pub async fn revoke(hub: &Hub, arguments: &ChainArguments) -> Result<()> {
    let chain = Chain::of(hub, arguments).await?;
    let account = chain.account(arguments)?;
    let namespace = hub.namespace_id(chain.info.hub_id, &hub.job_namespace).await?;
    let tx = account.revoke(chain.info.hub_key, namespace).await?;
    println!("no new leases for namespace {} from now on; open ones still settle\ntransaction {tx}", hub.job_namespace);
    Ok(())
}

async fn account(hub: &Hub, arguments: &ChainArguments) -> Result<Account> {
    Chain::of(hub, arguments).await?.account(arguments)
}

/// What an account has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    account: Address,
    /// Outside the Escrow.
    tokens: Amount,
    /// In the Escrow, in no lease.
    free: Amount,
    authorizations: Vec<Line>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    hub_key: Address,
    namespace_id: String,
    cap: Amount,
    used: Amount,
    max_rate: Amount,
    /// Unix seconds.
    expiry: u64,
}

/// What the account has, and what it authorised.
pub async fn balance(hub: &Hub, arguments: &ChainArguments, format: Format) -> Result<()> {
    let chain = Chain::of(hub, arguments).await?;
    let (reader, account) = (chain.reader()?, arguments.key()?.address());
    output::print(format, &read_balance(&reader, account).await?, Balance::text)
}

async fn read_balance(reader: &Reader, account: Address) -> Result<Balance> {
    let grants = reader.authorizations(account).await?;
    let lines = grants.into_iter().map(|grant| Line {
        hub_key: grant.hub_key,
        namespace_id: grant.namespace.to_string(),
        cap: grant.authorization.cap,
        used: grant.authorization.used,
        max_rate: grant.authorization.max_rate,
        expiry: grant.authorization.expiry,
    });
    Ok(Balance {
        account,
        tokens: reader.token_balance(account).await?,
        free: reader.balance(account).await?,
        authorizations: lines.collect(),
    })
}

impl Balance {
    fn text(&self) -> String {
        let fields = output::fields(&[
            ("Account", self.account.to_string()),
            ("Tokens", format!("{} EAI", self.tokens)),
            ("In the Escrow, free", format!("{} EAI", self.free)),
        ]);
        if self.authorizations.is_empty() {
            return format!("{fields}\n\nNo hub may spend from it: kubectl eai authorize");
        }
        let rows: Vec<_> = self.authorizations.iter().map(Line::row).collect();
        format!("{fields}\n\n{}", output::table(["HUB KEY", "NAMESPACE ID", "CAP", "USED", "MAX RATE", "UNTIL"], &rows))
    }
}

impl Line {
    fn row(&self) -> [String; 6] {
        let until = i64::try_from(self.expiry).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
        [
            self.hub_key.to_string(),
            self.namespace_id.chars().take(12).collect(),
            self.cap.to_string(),
            self.used.to_string(),
            self.max_rate.to_string(),
            until.map_or_else(|| "forever".to_owned(), |until| until.to_string()),
        ]
    }
}

/// One payment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    lease: String,
    amount: Amount,
    usage_ms: u64,
    tx: String,
    block: u64,
}

/// What the caller's members earned.
#[derive(Debug, Serialize)]
struct Earnings {
    account: Address,
    /// In the Escrow, to withdraw.
    free: Amount,
    total: Amount,
    payments: Vec<Payment>,
}

/// Every payment to the account.
pub async fn earnings(hub: &Hub, arguments: &ChainArguments, format: Format) -> Result<()> {
    let chain = Chain::of(hub, arguments).await?;
    let (reader, account) = (chain.reader()?, arguments.key()?.address());
    let payments = reader.earnings(account).await?;
    let total = payments.iter().fold(Amount::ZERO, |sum, payment| sum.saturating_add(payment.amount));
    let payments = payments.into_iter().map(|payment| Payment {
        lease: payment.lease.to_string(),
        amount: payment.amount,
        usage_ms: payment.usage.0,
        tx: payment.tx.to_string(),
        block: payment.block,
    });
    let earnings = Earnings { account, free: reader.balance(account).await?, total, payments: payments.collect() };
    output::print(format, &earnings, Earnings::text)
}

impl Earnings {
    fn text(&self) -> String {
        let rows: Vec<_> = self
            .payments
            .iter()
            .map(|p| {
                [
                    p.block.to_string(),
                    p.lease.chars().take(12).collect(),
                    p.usage_ms.to_string(),
                    p.amount.to_string(),
                    p.tx.clone(),
                ]
            })
            .collect();
        let table = output::table(["BLOCK", "LEASE", "USAGE-MS", "EAI", "TRANSACTION"], &rows);
        format!("{table}\n\n{} earned {} EAI; {} are free to withdraw", self.account, self.total, self.free)
    }
}
