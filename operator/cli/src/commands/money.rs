//! The caller's account in the Escrow.

use eai_chain::{Account, NamespaceId, Reader, TxHash};
use eai_core::{address::Address, money::Amount};
use serde::Serialize;

use crate::{
    arguments::{Authorize, ChainArguments, Deposit},
    chain::Chain,
    error::{Error, Result},
    hub::Hub,
    output::{self, Format},
};

/// What a transaction did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    /// In a sentence.
    #[serde(skip)]
    says: String,
    account: Address,
    transaction: String,
    /// What was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    /// What is free in the Escrow now.
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<Amount>,
    /// Until when an authorisation holds, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<u64>,
}

impl Done {
    fn new(account: &Account, transaction: TxHash, says: String) -> Self {
        let (account, transaction) = (account.address(), transaction.to_string());
        Self { says, account, transaction, amount: None, free: None, expiry: None }
    }

    fn text(&self) -> String {
        format!("{}\ntransaction {}", self.says, self.transaction)
    }
}

fn print(format: Format, done: &[Done]) -> Result<()> {
    match done {
        [one] => output::print(format, one, Done::text),
        several => {
            output::print(format, &several, |several| several.iter().map(Done::text).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// Puts EAI into the account, and lets the hub spend it if that is asked for.
pub async fn deposit(hub: &Hub, arguments: &ChainArguments, wanted: &Deposit, format: Format) -> Result<()> {
    let chain = Chain::of(hub, arguments).await?;
    let account = chain.account(arguments)?;
    // Looked up first, so that nothing is deposited for a namespace that isn't there.
    let namespace = match wanted.max_rate {
        Some(_) => Some(hub.namespace_id(chain.info.hub_id, &hub.job_namespace).await?),
        None => None,
    };
    let tx = account.deposit(wanted.amount).await?;
    let free = account.reader().balance(account.address()).await?;
    let says = format!("deposited {} EAI; {free} free in the Escrow", wanted.amount);
    let deposited = Done { amount: Some(wanted.amount), free: Some(free), ..Done::new(&account, tx, says) };
    let mut done = vec![deposited];
    if let (Some(max_rate), Some(namespace)) = (wanted.max_rate, namespace) {
        let cap = wanted.cap.unwrap_or(wanted.amount);
        let wanted = Authorize { cap, max_rate, expires: wanted.expires };
        done.push(grant(hub, &chain, &account, namespace, &wanted).await?);
    }
    print(format, &done)
}

/// Takes EAI out; all that is free if no amount is given.
pub async fn withdraw(
    hub: &Hub,
    arguments: &ChainArguments,
    amount: Option<Amount>,
    to: Option<Address>,
    format: Format,
) -> Result<()> {
    let account = Chain::of(hub, arguments).await?.account(arguments)?;
    let free = account.reader().balance(account.address()).await?;
    let amount = amount.unwrap_or(free);
    if amount.is_zero() || amount > free {
        return Err(Error::Failed(format!(
            "{free} EAI are free in the Escrow; what leases hold comes back when they close"
        )));
    }
    let to = to.unwrap_or_else(|| account.address());
    let tx = account.withdraw(amount, to).await?;
    let says = format!("withdrew {amount} EAI to {to}");
    print(format, &[Done { amount: Some(amount), ..Done::new(&account, tx, says) }])
}

/// Lets the hub spend for the namespace.
pub async fn authorize(hub: &Hub, arguments: &ChainArguments, wanted: &Authorize, format: Format) -> Result<()> {
    let chain = Chain::of(hub, arguments).await?;
    let account = chain.account(arguments)?;
    let namespace = hub.namespace_id(chain.info.hub_id, &hub.job_namespace).await?;
    print(format, &[grant(hub, &chain, &account, namespace, wanted).await?])
}

async fn grant(
    hub: &Hub,
    chain: &Chain,
    account: &Account,
    namespace: NamespaceId,
    wanted: &Authorize,
) -> Result<Done> {
    // The chain's clock decides when it ends, so it's the one to count from.
    let expiry = account.reader().head().await?.time.saturating_add(wanted.expires.0);
    let tx = account.authorize(chain.info.hub_key, namespace, wanted.cap, wanted.max_rate, expiry).await?;
    let says = format!(
        "hub {} may spend up to {} EAI, at most {} per unit-hour, for jobs of namespace {}\n\
         in the AIJob: spec.payment.account: \"{}\"",
        chain.info.hub_key,
        wanted.cap,
        wanted.max_rate,
        hub.job_namespace,
        account.address()
    );
    Ok(Done { amount: Some(wanted.cap), expiry: Some(expiry), ..Done::new(account, tx, says) })
}

/// Takes the authorisation back.
pub async fn revoke(hub: &Hub, arguments: &ChainArguments, format: Format) -> Result<()> {
    let chain = Chain::of(hub, arguments).await?;
    let account = chain.account(arguments)?;
    let namespace = hub.namespace_id(chain.info.hub_id, &hub.job_namespace).await?;
    let tx = account.revoke(chain.info.hub_key, namespace).await?;
    let says = format!("no new leases for namespace {} from now on; open ones still settle", hub.job_namespace);
    print(format, &[Done::new(&account, tx, says)])
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn balance(authorizations: Vec<Line>) -> Balance {
        Balance { account: Address([0x11; 20]), tokens: amount("100"), free: amount("12.5"), authorizations }
    }

    #[test]
    fn a_balance_shows_what_is_where_and_who_may_spend_it() {
        let line = Line {
            hub_key: Address([0x22; 20]),
            namespace_id: format!("0x{}", "ab".repeat(32)),
            cap: amount("20"),
            used: amount("7.5"),
            max_rate: amount("2"),
            expiry: 1_767_225_600,
        };
        let expected = "\
Account:              0x1111111111111111111111111111111111111111
Tokens:               100 EAI
In the Escrow, free:  12.5 EAI

HUB KEY                                      NAMESPACE ID   CAP   USED   MAX RATE   UNTIL
0x2222222222222222222222222222222222222222   0xababababab   20    7.5    2          2026-01-01T00:00:00Z";
        assert_eq!(balance(vec![line]).text(), expected);
    }

    #[test]
    fn a_balance_that_nobody_may_spend_says_what_to_do() {
        assert!(balance(Vec::new()).text().ends_with("No hub may spend from it: kubectl eai authorize"));
    }

    #[test]
    fn amounts_are_exact_strings_to_programs() {
        let json = serde_json::to_value(balance(Vec::new())).unwrap();
        assert_eq!((json["tokens"].as_str(), json["free"].as_str()), (Some("100"), Some("12.5")));
    }

    #[test]
    fn earnings_add_up_to_the_wei() {
        let payment = |block, wei| Payment {
            lease: format!("0x{}", "cd".repeat(32)),
            amount: Amount::from_wei(wei),
            usage_ms: 60_000,
            tx: "0xtx".to_owned(),
            block,
        };
        let payments = vec![payment(7, 1), payment(8, 10u128.pow(18))];
        let earnings = Earnings {
            account: Address([0x11; 20]),
            free: amount("1"),
            total: amount("1.000000000000000001"),
            payments,
        };
        let expected = "\
BLOCK   LEASE          USAGE-MS   EAI                    TRANSACTION
7       0xcdcdcdcdcd   60000      0.000000000000000001   0xtx
8       0xcdcdcdcdcd   60000      1                      0xtx

0x1111111111111111111111111111111111111111 earned 1.000000000000000001 EAI; 1 are free to withdraw";
        assert_eq!(earnings.text(), expected);
    }

    #[test]
    fn what_was_done_is_one_sentence_and_its_transaction() {
        let done = Done {
            says: "deposited 5 EAI; 5 free in the Escrow".to_owned(),
            account: Address([0x11; 20]),
            transaction: "0xabc".to_owned(),
            amount: Some(amount("5")),
            free: Some(amount("5")),
            expiry: None,
        };
        assert_eq!(done.text(), "deposited 5 EAI; 5 free in the Escrow\ntransaction 0xabc");
        let json = serde_json::to_value(&done).unwrap();
        assert_eq!((json["transaction"].as_str(), json["amount"].as_str()), (Some("0xabc"), Some("5")));
        assert!(json.get("says").is_none() && json.get("expiry").is_none());
    }
}
