//! What every part of the hub is given.

use std::{error::Error, sync::Arc};

use eai_chain::{Ledger, Stakes, Tenures};
use eai_core::fencing::Policy;
use kube::{Client, runtime::events::Recorder};
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, doubts::Doubts, heartbeat::Heartbeats, placement::Quotes, tally::Tallies};

/// What every part of the hub is given: one per process, shared.
pub struct Context {
    /// The hub cluster's API server, as the operator's own ServiceAccount.
    pub client: Client,
    /// Flags and environment.
    pub config: Config,
    /// The chain, with the hub's key.
    pub ledger: Arc<dyn Ledger>,
    /// Who goes on as this hub, where a `HubRegistry` is configured.
    pub tenures: Option<Arc<dyn Tenures>>,
    /// Where stakes are read, if the hub was told of a NodeRegistry.
    pub stakes: Option<Arc<dyn Stakes>>,
    /// Events (events.k8s.io/v1) on the objects we act on.
    pub recorder: Recorder,
    /// Where metrics are registered; the health server serves it.
    pub registry: Registry,
    /// How long the right to run is lent.
    pub fencing: Policy,
    /// What is heard of members, by whoever leads.
    pub heartbeats: Arc<Heartbeats>,
    /// What members have of work that somebody wants to know of, counted by whoever leads.
    pub tallies: Arc<Tallies>,
    /// What members were found to say that can't be, by whoever leads.
    pub doubts: Arc<Doubts>,
    /// Where the aggregated API asks for quotes, and whoever leads takes the questions.
    pub quotes: Quotes,
    /// Cancelled when the process is to end: on SIGTERM, or when the leader lease is lost. A controller then takes no
    /// new work, finishes what it is writing and returns.
    pub shutdown: CancellationToken,
}

impl Context {
    /// The same handles under another shutdown token.
    #[must_use]
    pub fn with_shutdown(&self, shutdown: CancellationToken) -> Self {
        Self {
            client: self.client.clone(),
            config: self.config.clone(),
            ledger: self.ledger.clone(),
            tenures: self.tenures.clone(),
            stakes: self.stakes.clone(),
            recorder: self.recorder.clone(),
            registry: self.registry.clone(),
            fencing: self.fencing,
            heartbeats: self.heartbeats.clone(),
            tallies: self.tallies.clone(),
            doubts: self.doubts.clone(),
            quotes: self.quotes.clone(),
            shutdown,
        }
    }
}

/// A context as it is handed around.
pub type Shared = Arc<Context>;

/// A part of the hub can't go on; the process ends with this and is started again.
#[derive(Debug, thiserror::Error)]
#[error("{part} can't go on: {source}")]
pub struct Fatal {
    /// Which part.
    pub part: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl Fatal {
    /// `part` can't go on because of `source`.
    pub fn new(part: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { part, source: source.into() }
    }
}
