//! What is known of the chain's head and of payers' funds, at most a block old.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_chain::{Authorization, Head, Ledger, LedgerError, NamespaceId};
use eai_core::{address::Address, money::Amount};

/// Whose funds: an account, and what it allows for a namespace.
pub type Purse = (Address, NamespaceId);

/// How long funds are kept fresh after somebody asked for them.
const INTEREST: Duration = Duration::from_mins(1);

/// How often funds are asked for in a row when we do something meanwhile.
const TRIES: usize = 3;

/// An account's funds for a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funds {
    /// Free in the account.
    pub free: Amount,
    /// What its owner allows.
    pub grant: Authorization,
}

impl Funds {
    /// What could be put into leases at `time` (Unix seconds of the chain's clock).
    pub fn addable(&self, time: u64) -> Amount {
        self.free.min(self.grant.left(time))
    }
}

/// What is known.
#[derive(Default)]
pub struct View(Mutex<Known>);

#[derive(Default)]
struct Known {
    head: Option<Head>,
    /// Counts our own doings, so that an answer that was on its way meanwhile isn't taken for a later one.
    doings: u64,
    purses: HashMap<Purse, (Option<Funds>, Instant)>,
}

impl View {
    /// The latest block known.
    pub fn head(&self) -> Option<Head> {
        self.lock().head
    }

    /// Funds as of the latest block, if they are known; from now on they are kept fresh.
    pub fn funds(&self, purse: Purse) -> Option<Funds> {
        let mut known = self.lock();
        let (funds, asked) = known.purses.entry(purse).or_insert((None, Instant::now()));
        *asked = Instant::now();
        *funds
    }

    /// Funds as of the latest block, if somebody asked for them and they are known.
    pub fn known(&self, purse: Purse) -> Option<Funds> {
        self.lock().purses.get(&purse).and_then(|(funds, _)| *funds)
    }

    /// What we did changed funds: what was known of them is old.
    pub fn doubt(&self) {
        let mut known = self.lock();
        known.doings += 1;
        for (funds, _) in known.purses.values_mut() {
            *funds = None;
        }
    }

    /// Whether anybody wants to know.
    pub fn is_idle(&self) -> bool {
        self.lock().purses.is_empty()
    }

    /// Asks for the latest block; says whether it is a new one.
    pub async fn look(&self, ledger: &dyn Ledger) -> Result<bool, LedgerError> {
        let head = ledger.head().await?;
        let mut known = self.lock();
        let new = known.head != Some(head);
        known.head = Some(head);
        known.purses.retain(|_, (_, asked)| asked.elapsed() <= INTEREST);
        Ok(new)
    }

    /// Fetches what isn't known, or everything that anybody wants; says whether anything changed.
    pub async fn fetch(&self, ledger: &dyn Ledger, everything: bool) -> Result<bool, LedgerError> {
        let mut changed = false;
        for _ in 0..TRIES {
            let (more, doubted) = self.fetch_once(ledger, everything).await?;
            changed |= more;
            if !doubted {
                break;
            }
        }
        Ok(changed)
    }

    /// Says whether anything changed, and whether we did something meanwhile that may make the answers old.
    async fn fetch_once(&self, ledger: &dyn Ledger, everything: bool) -> Result<(bool, bool), LedgerError> {
        let (wanted, doings): (Vec<(Purse, Option<Funds>)>, u64) = {
            let known = self.lock();
            (known.purses.iter().map(|(purse, (funds, _))| (*purse, *funds)).collect(), known.doings)
        };
        let mut changed = false;
        let mut free: HashMap<Address, Amount> = HashMap::new();
        for ((payer, namespace), before) in wanted.into_iter().filter(|(_, before)| before.is_none() || everything) {
            let free = match free.get(&payer) {
                Some(free) => *free,
                None => *free.entry(payer).or_insert(ledger.balance(payer).await?),
            };
            let grant = ledger.authorization(payer, ledger.hub_key(), namespace).await?;
            let now = Some(Funds { free, grant });
            let mut known = self.lock();
            if known.doings != doings {
                return Ok((changed, true));
            }
            changed |= before != now;
            if let Some((slot, _)) = known.purses.get_mut(&(payer, namespace)) {
                *slot = now;
            }
        }
        Ok((changed, false))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
