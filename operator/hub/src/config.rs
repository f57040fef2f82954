//! Flags of `eai-operator`; each can be given as an environment variable too.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use eai_core::{address::Address, fencing::Policy};

/// EAI's operator: federates member clusters and runs AIJobs on them.
#[derive(Clone, Debug, Parser)]
#[command(name = "eai-operator", version, about)]
pub struct Cli {
    /// What to do; without it, run the operator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Everything else.
    #[command(flatten)]
    pub config: Config,
}

/// What to do instead of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Remove what would keep namespaces and objects from going away, before the hub is uninstalled.
    Cleanup,
}

/// Where things are and how often they happen.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// The operator's own namespace.
    #[arg(long, env = "EAI_NAMESPACE", default_value = "eai-system", global = true)]
    pub namespace: String,
    /// The chain's JSON-RPC endpoint.
    #[arg(long, env = "EAI_RPC_URL", default_value = "", global = true)]
    pub rpc_url: String,
    /// The endpoint that others are told of; the operator's own if empty.
    #[arg(long, env = "EAI_PUBLIC_RPC_URL", default_value = "", global = true)]
    pub public_rpc_url: String,
    /// The chain's id; the operator refuses to work on another.
    #[arg(long, env = "EAI_CHAIN_ID", default_value_t = 0, global = true)]
    pub chain_id: u64,
    /// The Escrow contract.
    #[arg(long, env = "EAI_ESCROW", global = true)]
    pub escrow: Option<Address>,
    /// The EAI token.
    #[arg(long, env = "EAI_TOKEN", global = true)]
    pub token: Option<Address>,
    /// The contract `HubRegistry`, where the hub's generation stands. Without it the chain isn't asked, and a restored hub
    /// must be told its generation.
    #[arg(long, env = "EAI_HUB_REGISTRY", global = true)]
    pub hub_registry: Option<Address>,
    /// The block in which the Escrow was deployed: searches for past leases begin there.
    #[arg(long, env = "EAI_FIRST_BLOCK", default_value_t = 0, global = true)]
    pub first_block: u64,
    /// The NodeRegistry, whose stakes weigh members when many fall silent at once; without it each weighs the same.
    #[arg(long, env = "EAI_NODE_REGISTRY", global = true)]
    pub node_registry: Option<Address>,
    /// File with the hub's secp256k1 key in hexadecimal.
    #[arg(long, env = "EAI_HUB_KEY_FILE", default_value = "/etc/eai/hub-key/key", global = true)]
    pub hub_key_file: PathBuf,
    /// This hub's id (0x and 64 hexadecimal digits); the hash of the kube-system namespace's UID if empty.
    #[arg(long, env = "EAI_HUB_ID", default_value = "", global = true)]
    pub hub_id: String,
    /// The hub's generation: raised whenever the hub is restored from a backup. With a `HubRegistry` the chain's counts,
    /// if that is higher: see docs/restore.md.
    #[arg(long, env = "EAI_GENERATION", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..), global = true)]
    pub generation: u64,
    /// Where logs and outputs are kept.
    #[arg(long, env = "EAI_ARTIFACTS_DIR", default_value = "/var/lib/eai/artifacts")]
    pub artifacts_dir: PathBuf,
    /// Where the aggregated API listens.
    #[arg(long, env = "EAI_ARTIFACTS_LISTEN", default_value = "0.0.0.0:8443")]
    pub artifacts_listen: SocketAddr,
    /// Its certificate chain, PEM.
    #[arg(long, env = "EAI_TLS_CERT", default_value = "/etc/eai/tls/tls.crt")]
    pub tls_cert: PathBuf,
    /// Its private key, PEM.
    #[arg(long, env = "EAI_TLS_KEY", default_value = "/etc/eai/tls/tls.key")]
    pub tls_key: PathBuf,
    /// The agent's image, for members in push mode.
    #[arg(long, env = "EAI_AGENT_IMAGE", default_value = "")]
    pub agent_image: String,
    /// Where health and metrics are served.
    #[arg(long, env = "EAI_HEALTH_LISTEN", default_value = "0.0.0.0:8080")]
    pub health_listen: SocketAddr,
    /// How to write logs.
    #[arg(long, env = "EAI_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
    /// Whether to run the controllers only while holding the leader lease.
    #[arg(long, env = "EAI_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
    /// Milliseconds for which lease openings are gathered into one transaction.
    #[arg(long, env = "EAI_OPEN_WINDOW_MS", default_value_t = 50)]
    pub open_window_ms: u64,
    /// Milliseconds for which vouchers are gathered into one transaction.
    #[arg(long, env = "EAI_SETTLE_WINDOW_MS", default_value_t = 500)]
    pub settle_window_ms: u64,
    /// Seconds between vouchers of work that runs on.
    #[arg(long, env = "EAI_SETTLE_INTERVAL_SECONDS", default_value_t = 600)]
    pub settle_interval_seconds: u64,
    /// Seconds of run that a lease holds money for at first, and that a top-up adds.
    #[arg(long, env = "EAI_HOLD_SECONDS", default_value_t = 3600)]
    pub hold_seconds: u64,
    /// Seconds for which a member is lent the right to run work, from when it was last heard. Work of a member that isn't
    /// heard any more ends then, and is begun elsewhere a while later: see docs/fencing.md.
    #[arg(long, env = "EAI_GRANT_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(60..=86_400))]
    pub grant_seconds: u64,
    /// How many seconds the operator is to be ahead of its machine's time of day: for trying what a wrong clock does.
    #[arg(long, env = "EAI_CLOCK_AHEAD_SECONDS", default_value_t = 0, allow_negative_numbers = true, hide = true)]
    pub clock_ahead_seconds: i64,
    /// How much of what is scarce a namespace is due, as NAMESPACE=WEIGHT,...; twice the weight is twice the share. Others
    /// have a weight of 1.
    #[arg(long, env = "EAI_QUEUE_WEIGHTS", value_delimiter = ',', value_parser = queue_weight)]
    pub queue_weights: Vec<(String, u32)>,
}

impl Config {
    /// How long the right to run is lent.
    pub const fn fencing(&self) -> Policy {
        Policy::new(self.grant_seconds.saturating_mul(1_000))
    }

    /// The operator's own ServiceAccount, as a RoleBinding names it.
    pub fn account(&self) -> String {
        format!("{}:eai-operator", self.namespace)
    }
}

/// Reads NAMESPACE=WEIGHT.
fn queue_weight(text: &str) -> Result<(String, u32), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let weight = parts.and_then(|(name, weight)| Some((name.to_owned(), weight.parse().ok()?)));
    let sound = weight.filter(|(_, weight)| (1..=1_000_000).contains(weight));
    sound.ok_or_else(|| "must be NAMESPACE=WEIGHT with a whole weight of 1 to 1000000".to_owned())
}

/// How to write logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn weights(args: &[&str]) -> Result<Vec<(String, u32)>, clap::Error> {
        let args = ["eai-operator"].iter().chain(args);
        Cli::try_parse_from(args).map(|cli| cli.config.queue_weights)
    }

    #[test]
    fn queue_weights_come_one_by_one_or_in_a_list() {
        let wanted = vec![("a".to_owned(), 3), ("b".to_owned(), 1)];
        assert_eq!(weights(&["--queue-weights=a=3", "--queue-weights=b=1"]).unwrap(), wanted);
        assert_eq!(weights(&["--queue-weights=a=3,b=1"]).unwrap(), wanted);
        assert_eq!(weights(&[]).unwrap(), Vec::new());
    }

    #[test]
    fn a_queue_weight_that_says_nothing_is_refused() {
        for bad in ["a", "a=", "=3", "a=0", "a=-1", "a=1.5", "a=1000001"] {
            let error = weights(&[&format!("--queue-weights={bad}")]).unwrap_err().to_string();
            assert!(error.contains("NAMESPACE=WEIGHT"), "{bad}: {error}");
        }
    }
}
