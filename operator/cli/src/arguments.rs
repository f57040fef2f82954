//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use eai_core::{address::Address, money::Amount};

use crate::{duration::Seconds, output::Format};

/// EAI from a shell: as a kubectl plugin, `kubectl eai`.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-eai",
    bin_name = "kubectl eai",
    version,
    about,
    max_term_width = 120,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 forbidden, 5 the chain can't be reached."
)]
pub struct Cli {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    pub output: Format,
    /// Where the hub is.
    #[command(flatten)]
    pub hub: HubArguments,
    /// Where the chain is.
    #[command(flatten)]
    pub chain: ChainArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where the hub is, and which namespace is meant.
#[derive(Args, Debug)]
pub struct HubArguments {
    /// The hub's kubeconfig.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// The namespace of jobs, and of authorisations.
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// The namespace of the hub itself.
    #[arg(long, global = true, env = "EAI_HUB_NAMESPACE", default_value = "eai-system")]
    pub hub_namespace: String,
}

/// Where the chain is, and who the caller is there.
#[derive(Args, Debug)]
pub struct ChainArguments {
    /// The file of your private key on the chain.
    #[arg(long, global = true, env = "EAI_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The chain's JSON-RPC endpoint, instead of the one that the hub names.
    #[arg(long, global = true, env = "EAI_RPC_URL", value_name = "URL", hide_env_values = true)]
    pub rpc_url: Option<String>,
    /// The Escrow, instead of the one that the hub names.
    #[arg(long, global = true, env = "EAI_ESCROW", value_name = "ADDRESS")]
    pub escrow: Option<Address>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The versions of this program and of the hub.
    Version,
    /// Look for what is wrong: with the hub, the chain, your rights and your authorisation.
    Doctor,
    /// Invite a member; prints what its owner installs. For the hub's admin.
    Invite(Invite),
    /// Join a member: with --push the hub runs its agent, which is for the hub's admin; without, prints what its owner
    /// does.
    Join(Join),
    /// Accept a member that asks to join. For the hub's admin.
    Approve {
        /// The member.
        member: String,
    },
    /// Give a member no new work; what it has goes on there. For the hub's admin.
    Cordon {
        /// The member.
        member: String,
    },
    /// Give a member work again, and take back a drain. For the hub's admin.
    Uncordon {
        /// The member.
        member: String,
    },
    /// Empty a member: no new work, what may move goes on elsewhere at once, the rest within a bound. For the hub's admin;
    /// an owner sets drain.by in the agent's chart values.
    Drain {
        /// The member.
        member: String,
        /// How long work that runs is waited for.
        #[arg(long, default_value = "1h", value_name = "DURATION")]
        within: Seconds,
    },
    /// Remove a member: it is emptied, its last usage settled, its rights end, its namespace goes. For the hub's admin.
    Leave(Leave),
    /// The members and what they have.
    Nodes,
    /// What members charge.
    Price {
        /// Only this class, such as nvidia.com/gpu.
        class: Option<String>,
    },
    /// Put EAI into your account in the Escrow.
    Deposit(Deposit),
    /// What you have in and outside the Escrow, and what you authorised.
    Balance,
    /// Take EAI out of your account in the Escrow.
    Withdraw {
        /// How much; all that is free with --all.
        #[arg(required_unless_present = "all")]
        amount: Option<Amount>,
        /// All that is free.
        #[arg(long, conflicts_with = "amount")]
        all: bool,
        /// Where to; your own address if not given.
        #[arg(long)]
        to: Option<Address>,
    },
    /// Let this hub spend from your account for jobs of a namespace.
    Authorize(Authorize),
    /// Take an authorisation back: no new leases from now on; open ones still settle.
    Revoke,
    /// What your members earned.
    Earnings,
    /// Where a job stands.
    Status {
        /// The job.
        job: String,
    },
    /// Why a job isn't running, and what to do about it.
    Explain {
        /// The job.
        job: String,
    },
    /// Where a job would run now and what it would cost, without submitting it.
    Quote {
        /// The file with the job; - for standard input.
        #[arg(short, long = "filename", value_name = "FILE")]
        file: PathBuf,
    },
    /// A job's log: its last MiB.
    Logs(Logs),
    /// What happened to a job: the hub's events, and its member's while it is there.
    Events(Events),
    /// Run a command in a job's container. The job must allow it (spec.allowExec), and its member's owner too.
    Exec(Exec),
    /// Reach a port of a job's container at a port of this machine.
    PortForward(PortForward),
    /// Bring home a job's outputs, checked against their digests.
    Fetch(Fetch),
    /// End a job: what ran is paid, the rest comes back.
    Cancel {
        /// The job.
        job: String,
    },
    /// Print a shell's completion script.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// An invite.
#[derive(Args, Debug)]
pub struct Invite {
    /// The member to invite.
    pub member: String,
    /// How long the invite holds.
    #[arg(long, default_value = "24h")]
    pub expires: Seconds,
    /// The hub's API server as the member reaches it; the kubeconfig's if not given.
    #[arg(long)]
    pub server: Option<String>,
    /// Write the chart's values to this file instead of printing them.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A member to join.
#[derive(Args, Debug)]
pub struct Join {
    /// The member.
    pub member: String,
    /// The hub runs the agent and dials the member. A member that dials the hub joins with an invite.
    #[arg(long, requires_all = ["member_kubeconfig", "config", "owner_key_file"])]
    pub push: bool,
    /// A kubeconfig for the rights that the eai-agent chart gives on the member.
    #[arg(long, value_name = "FILE", requires = "push")]
    pub member_kubeconfig: Option<PathBuf>,
    /// The agent's configuration (agent.yaml).
    #[arg(long, value_name = "FILE", requires = "push")]
    pub config: Option<PathBuf>,
    /// The key of the member's owner: offers are signed with it, its account is paid.
    #[arg(long, value_name = "FILE", requires = "push")]
    pub owner_key_file: Option<PathBuf>,
    /// Permanent, Business or Personal.
    #[arg(long, default_value = "Business")]
    pub form: String,
    /// Cloud, Enterprise, Home or MiningPool.
    #[arg(long, default_value = "Cloud")]
    pub site: String,
    /// In your own words.
    #[arg(long, default_value = "")]
    pub region: String,
}

/// A member to remove.
#[derive(Args, Debug)]
pub struct Leave {
    /// The member.
    pub member: String,
    /// How long work that runs is waited for.
    #[arg(long, default_value = "1h", value_name = "DURATION")]
    pub within: Seconds,
    /// Don't wait: its rights end now, and what it has begins elsewhere once its grants have run out.
    #[arg(long, conflicts_with = "within")]
    pub force: bool,
    /// Don't ask.
    #[arg(long)]
    pub yes: bool,
}

/// A deposit.
#[derive(Args, Debug)]
pub struct Deposit {
    /// How much.
    pub amount: Amount,
    /// Also let this hub spend that much for jobs of the namespace.
    #[arg(long, requires = "max_rate")]
    pub authorize: bool,
    /// With --authorize: the most it may spend in all; the deposit if not given.
    #[arg(long, requires = "authorize")]
    pub cap: Option<Amount>,
    /// With --authorize: the highest price per unit-hour.
    #[arg(long, requires = "authorize")]
    pub max_rate: Option<Amount>,
    /// With --authorize: for how long.
    #[arg(long, default_value = "30d")]
    pub expires: Seconds,
}

/// An authorisation.
#[derive(Args, Debug)]
pub struct Authorize {
    /// The most it may spend in all.
    #[arg(long)]
    pub cap: Amount,
    /// The highest price per unit-hour.
    #[arg(long)]
    pub max_rate: Amount,
    /// For how long.
    #[arg(long, default_value = "30d")]
    pub expires: Seconds,
}

/// Which log.
#[derive(Args, Debug)]
pub struct Logs {
    /// The job.
    pub job: String,
    /// Of which of its completions.
    #[arg(long, default_value_t = 0)]
    pub index: u32,
    /// Of which attempt, counted from 1; the current or last one if not given.
    #[arg(long)]
    pub attempt: Option<u64>,
    /// Go on printing until the job has ended.
    #[arg(short, long)]
    pub follow: bool,
}

/// Whose events.
#[derive(Args, Debug)]
pub struct Events {
    /// The job.
    pub job: String,
    /// Go on printing until the job has ended.
    #[arg(short, long)]
    pub watch: bool,
}

/// Which command.
#[derive(Args, Debug)]
pub struct Exec {
    /// The job.
    pub job: String,
    /// In which of its completions.
    #[arg(long, default_value_t = 0)]
    pub index: u32,
    /// Give it this program's input.
    #[arg(short = 'i', long)]
    pub stdin: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Which port.
#[derive(Args, Debug)]
pub struct PortForward {
    /// The job.
    pub job: String,
    /// Here and there: LOCAL:REMOTE, or one number for both. A LOCAL of 0 is any that is free.
    pub ports: String,
    /// Of which of its completions.
    #[arg(long, default_value_t = 0)]
    pub index: u32,
}

/// What to fetch.
#[derive(Args, Debug)]
pub struct Fetch {
    /// The job.
    pub job: String,
    /// Outputs by name; all if none is given.
    pub outputs: Vec<String>,
    /// Only of this completion.
    #[arg(long)]
    pub index: Option<u32>,
    /// Where to put them.
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["kubectl-eai"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn what_belongs_together_is_given_together() {
        for line in [
            "deposit 5",
            "deposit 5 --authorize --max-rate 2",
            "deposit 5 --authorize --max-rate 2 --cap 3 --expires 7d -n vision",
            "join home-1",
            "join cloud-1 --push --member-kubeconfig k --config c --owner-key-file o",
            "withdraw --all",
            "withdraw 1.5 --to 0x1111111111111111111111111111111111111111",
            "drain home-1",
            "drain home-1 --within 10m",
            "leave home-1 --within 10m --yes",
            "leave home-1 --force",
            "logs digits -f --index 2 --attempt 1",
            "events digits -w",
            "exec digits --index 1 -i -- sh -c ls",
            "port-forward digits 8080:80",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
        for line in [
            "deposit",
            "deposit -5",
            "deposit 5 --authorize",
            "deposit 5 --cap 3",
            "join cloud-1 --push",
            "join cloud-1 --member-kubeconfig k",
            "exec digits",
            "exec digits ls",
            "port-forward digits",
            "withdraw",
            "withdraw 1 --all",
            "authorize --cap 1",
            "drain",
            "drain home-1 --within soon",
            "leave home-1 --force --within 1h",
            "authorize --cap 1 --max-rate 1e3",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
