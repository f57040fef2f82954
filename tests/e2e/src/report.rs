//! What the demo leaves behind: a table for people and result.json for programs, both held against the chain.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::Table;
use eai_core::{address::Address, epoch::Epoch, money::Amount};
use serde::Serialize;
use serde_json::Value;

use crate::{
    balances::Balances,
    error::{Error, Result},
    jobs,
    usage::Runs,
};

/// `target/demo/result.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// From the first step to the last.
    pub seconds: u64,
    /// The hub's cluster couldn't open a connection to the home member while it ran jobs; `null` where that wasn't tried.
    pub home_unreachable_from_hub: Option<bool>,
    /// Everybody's EAI, read from the chain.
    pub balances: BeforeAfter,
    /// The jobs.
    pub jobs: Vec<JobLine>,
}

/// Balances around the jobs.
#[derive(Clone, Debug, Serialize)]
pub struct BeforeAfter {
    /// Tokens by holder before the vendor's deposit, in wei.
    pub before: crate::balances::Wei,
    /// The same after every job was settled and everybody withdrew what was theirs.
    pub after: crate::balances::Wei,
}

/// One job. Amounts are wei as decimal strings.
#[derive(Clone, Debug, Serialize)]
pub struct JobLine {
    /// The AIJob's name.
    pub name: String,
    /// Where it ran.
    pub member: String,
    /// How it ended.
    pub phase: String,
    /// What it used, in unit-milliseconds, as paid.
    pub usage_ms: u64,
    /// The same added up from what containerd says; `null` where it can't be asked.
    pub containerd_usage_ms: Option<u64>,
    /// EAI per unit-hour.
    pub price: String,
    /// What the lease held in all.
    pub deposited: String,
    /// What the provider got of it.
    pub paid: String,
    /// What the payer got back.
    pub refunded: String,
    /// What is still in it.
    pub held: String,
    /// The lease.
    pub lease: String,
    /// The transaction that closed it.
    pub tx: String,
    /// The first output, or the log where there is none.
    pub output_digest: String,
    /// How much `usage_ms` may differ from what containerd says: a second for each container.
    #[serde(skip)]
    pub tolerance_ms: u64,
    /// Unix milliseconds at which the lease was opened, and at which the first container started.
    #[serde(skip)]
    pub opened_and_started_ms: Option<(i64, i64)>,
}

impl JobLine {
    /// From the AIJob, the lease on the chain and what containerd says.
    pub fn new(job: &Value, lease: &eai_chain::LeaseView, runs: Option<&Runs>) -> Result<Self> {
        let attempt = &job["status"]["attempt"];
        let milli_per_pod = {
            let pods = job["spec"]["parallelism"].as_u64().unwrap_or(1).max(1);
            attempt["milliUnits"].as_u64().unwrap_or(0) / pods
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rate: Amount =
            text(&attempt["rate"]).parse().map_err(|error| Error::unexpected("the AIJob's rate", error))?;
        let wei = |amount: Amount| amount.wei().to_string();
        let output = job["status"]["outputs"].get(0).or_else(|| job["status"]["logs"].get(0));
        let opened = i64::try_from(lease.opened_at).unwrap_or(i64::MAX).saturating_mul(1000);
        Ok(Self {
            name: text(&job["metadata"]["name"]),
            member: text(&job["status"]["member"]),
            phase: jobs::phase(job).to_owned(),
            usage_ms: attempt["usageMs"].as_u64().unwrap_or(0),
            containerd_usage_ms: runs.map(|runs| runs.usage_ms(milli_per_pod)),
            price: wei(rate),
            deposited: wei(lease.hold),
            paid: wei(lease.paid),
            refunded: wei(lease.refunded),
            held: wei(lease.held),
            lease: text(&attempt["lease"]["id"]),
            tx: text(&attempt["lease"]["closeTx"]),
            output_digest: output.map(|output| text(&output["digest"])).unwrap_or_default(),
            tolerance_ms: runs.map_or(0, |runs| runs.tolerance_ms(milli_per_pod)),
            opened_and_started_ms: runs.and_then(|runs| runs.first_start).map(|start| (opened, start / 1_000_000)),
        })
    }

    /// What is wrong with this line, if anything.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, what: String| {
            if wrong {
                faults.push(format!("{}: {what}", self.name));
            }
        };
        let wei = |text: &str| text.parse::<u128>().unwrap_or(u128::MAX);
        let sum = wei(&self.paid).saturating_add(wei(&self.refunded)).saturating_add(wei(&self.held));
        fault(self.phase != "Succeeded", format!("ended {}", self.phase));
        fault(
            wei(&self.deposited) != sum,
            format!("deposited {} but paid, refunded and held are {sum}", self.deposited),
        );
        fault(self.paid == "0", "the miner got nothing".to_owned());
        fault(self.output_digest.is_empty(), "left nothing to fetch".to_owned());
        if let Some(truth) = self.containerd_usage_ms {
            let off = truth.abs_diff(self.usage_ms);
            let what = format!("paid for {} ms, containerd says {truth} ms", self.usage_ms);
            fault(off > self.tolerance_ms, what);
        }
        if let Some((opened, started)) = self.opened_and_started_ms {
            fault(started < opened, format!("a container started at {started}, its lease was confirmed at {opened}"));
        }
        faults
    }
}

/// Whose balances may change, and by what.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Who pays.
    pub vendor: Address,
    /// Who is paid, by member.
    pub owners: BTreeMap<String, Address>,
    /// The contract that holds what isn't withdrawn.
    pub escrow: Address,
    /// Nobody else used hub and chain meanwhile, as on a testbed of the demo's own: then nothing else may have changed.
    pub alone: bool,
    /// The home member is behind a router, as on the testbed: it must have been out of the hub's reach.
    pub routed: bool,
}

impl Report {
    /// What doesn't hold: each line's own faults, and everybody's balance against the lines.
    pub fn faults(&self, before: &Balances, after: &Balances, accounts: &Accounts) -> Vec<String> {
        let mut faults: Vec<String> = self.jobs.iter().flat_map(JobLine::faults).collect();
        let wei = |text: &str| text.parse::<i128>().unwrap_or(i128::MAX);
        let mut due: BTreeMap<Address, i128> = BTreeMap::new();
        for job in &self.jobs {
            let Some(owner) = accounts.owners.get(&job.member) else {
                faults.push(format!("{}: ran on {:?}, which nobody owns", job.name, job.member));
                continue;
            };
            for (address, change) in [(accounts.vendor, -wei(&job.paid) - wei(&job.held)), (*owner, wei(&job.paid))] {
                *due.entry(address).or_default() += change;
            }
        }
        for address in before.addresses().into_iter().chain(after.addresses()).collect::<BTreeSet<_>>() {
            let (change, due) = (after.change(before, address), due.get(&address).copied().unwrap_or(0));
            // Owners may have earned from others, too.
            let right = change == due || (!accounts.alone && address != accounts.vendor && change > due);
            let ours = accounts.alone || address == accounts.vendor || due != 0;
            if address != accounts.escrow && ours && !right {
                faults.push(format!("the balance of {address} changed by {change} wei, by the jobs it is {due}"));
            }
        }
        let held: i128 = self.jobs.iter().map(|job| wei(&job.held)).sum();
        let locked = after.locked(accounts.escrow) - before.locked(accounts.escrow);
        if accounts.alone && locked != held {
            faults.push(format!("the escrow keeps {locked} wei more that is nobody's, the leases hold {held}"));
        }
        if accounts.routed && self.home_unreachable_from_hub != Some(true) {
            faults.push("it wasn't seen that the hub can't open a connection to the home member".to_owned());
        }
        faults
    }

    /// The closing table.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.set_header(["JOB", "MEMBER", "PHASE", "TIME", "EAI/HOUR", "PAID", "REFUNDED", "TRANSACTION"]);
        let eai = |wei: &str| Amount::from_wei(wei.parse().unwrap_or(0)).to_string();
        for job in &self.jobs {
            table.add_row([
                job.name.clone(),
                job.member.clone(),
                job.phase.clone(),
                format!("{}.{:03} s", job.usage_ms / 1000, job.usage_ms % 1000),
                eai(&job.price),
                short(&eai(&job.paid)),
                short(&eai(&job.refunded)),
                job.tx.chars().take(18).collect(),
            ]);
        }
        table.to_string()
    }
}

/// Nine decimals are enough for a table; result.json has every wei.
fn short(amount: &str) -> String {
    match amount.split_once('.') {
        Some((whole, fraction)) if fraction.len() > 9 => format!("{whole}.{}…", &fraction[..9]),
        _ => amount.to_owned(),
    }
}

/// The name of a job's current Assignment, and of its batch/v1 Job on the member.
pub fn assignment_name(job: &Value) -> String {
    let epoch = &job["status"]["attempt"]["epoch"];
    let number = |field: &str| epoch[field].as_u64().unwrap_or(0);
    let epoch = Epoch { generation: number("generation"), attempt: number("attempt") };
    epoch.name(job["metadata"]["uid"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const VENDOR: Address = Address([1; 20]);
    const HOME: Address = Address([2; 20]);
    const CLOUD: Address = Address([3; 20]);
    const ESCROW: Address = Address([4; 20]);

    fn balances(tokens: &[(Address, u64)], free: &[(Address, u64)]) -> Balances {
        let book = |of: &[(Address, u64)]| of.iter().map(|(a, wei)| (a.to_string(), wei.to_string())).collect();
        Balances { tokens: book(tokens), free: book(free) }
    }

    fn line(member: &str, paid: u64, refunded: u64) -> JobLine {
        let job = json!({"metadata": {"name": member}, "status": {"phase": "Succeeded", "member": member,
            "attempt": {"rate": "1", "usageMs": 1, "milliUnits": 1000}, "logs": [{"digest": "sha256:0"}]}});
        let lease = eai_chain::LeaseView {
            state: eai_chain::LeaseState::Closed,
            hold: Amount::from_wei(u128::from(paid + refunded)),
            paid: Amount::from_wei(u128::from(paid)),
            refunded: Amount::from_wei(u128::from(refunded)),
            held: Amount::ZERO,
            opened_at: 0,
            closing_at: None,
        };
        JobLine::new(&job, &lease, None).unwrap()
    }

    fn report(unreachable: Option<bool>) -> Report {
        let balances = BeforeAfter { before: BTreeMap::new(), after: BTreeMap::new() };
        let jobs = vec![line("home", 3, 7), line("cloud", 5, 0)];
        Report { seconds: 1, home_unreachable_from_hub: unreachable, balances, jobs }
    }

    fn faults(after: &Balances, unreachable: Option<bool>) -> Vec<String> {
        let before = balances(&[(VENDOR, 100), (ESCROW, 10)], &[(VENDOR, 0), (HOME, 10)]);
        let owners = [("home".to_owned(), HOME), ("cloud".to_owned(), CLOUD)].into();
        let accounts = Accounts { vendor: VENDOR, owners, escrow: ESCROW, alone: true, routed: true };
        report(unreachable).faults(&before, after, &accounts)
    }

    #[test]
    fn on_a_hub_that_others_use_only_ours_is_looked_at() {
        let before = balances(&[(VENDOR, 100)], &[]);
        let owners = [("home".to_owned(), HOME), ("cloud".to_owned(), CLOUD)].into();
        let accounts = Accounts { vendor: VENDOR, owners, escrow: ESCROW, alone: false, routed: false };
        let stranger = Address([9; 20]);
        let busy = balances(&[(VENDOR, 92), (HOME, 30), (CLOUD, 5), (stranger, 7), (ESCROW, 3)], &[]);
        assert_eq!(report(None).faults(&before, &busy, &accounts), Vec::<String>::new());
        let short = balances(&[(VENDOR, 92), (HOME, 30), (CLOUD, 4)], &[]);
        assert_eq!(report(None).faults(&before, &short, &accounts).len(), 1);
        let robbed = balances(&[(VENDOR, 91), (HOME, 30), (CLOUD, 5)], &[]);
        assert_eq!(report(None).faults(&before, &robbed, &accounts).len(), 1);
    }

    #[test]
    fn what_was_paid_is_what_each_has_more() {
        let right = balances(&[(VENDOR, 80), (HOME, 10), (CLOUD, 5), (ESCROW, 15)], &[(VENDOR, 12), (HOME, 3)]);
        assert_eq!(faults(&right, Some(true)), Vec::<String>::new());
    }

    #[test]
    fn a_wei_that_went_to_the_wrong_provider_is_found() {
        let wrong = balances(&[(VENDOR, 80), (HOME, 10), (CLOUD, 6), (ESCROW, 14)], &[(VENDOR, 12), (HOME, 2)]);
        assert_eq!(faults(&wrong, Some(true)).len(), 2);
    }

    #[test]
    fn money_that_a_stranger_got_and_money_that_stays_locked_are_found() {
        let thief = Address([9; 20]);
        let stolen = balances(&[(VENDOR, 92), (HOME, 13), (CLOUD, 4), (thief, 1)], &[]);
        assert_eq!(faults(&stolen, Some(true)).len(), 2);
        let locked = balances(&[(VENDOR, 91), (HOME, 13), (CLOUD, 5), (ESCROW, 1)], &[]);
        assert_eq!(faults(&locked, Some(true)).len(), 2);
    }

    #[test]
    fn a_router_that_was_never_tried_is_a_fault() {
        let right = balances(&[(VENDOR, 92), (HOME, 13), (CLOUD, 5)], &[]);
        assert_eq!(faults(&right, None).len(), 1);
        assert_eq!(faults(&right, Some(false)).len(), 1);
    }
}
