//! The process: what is built once, who leads, and how it ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eai_chain::{EscrowLedger, HubRegistry, Key, NodeRegistry, Stakes, Tenure, Tenures, endpoint::Endpoint};
use eai_runtime::{
    clock,
    health::{self, Readiness},
    leader::Election,
    shutdown, telemetry, tls,
};
use kube::{
    Client,
    client::ClientBuilder,
    runtime::events::{Recorder, Reporter},
};
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::{
    artifacts, cleanup, compute_node,
    config::{Cli, Command, Config, LogFormat},
    context::{Context, Fatal, Shared},
    heartbeat::Heartbeats,
    jobs,
    metrics::Metrics,
    placement::Quotes,
    restore,
};

/// How often the chain is asked whether a transaction is in a block.
const RECEIPT_POLL: Duration = Duration::from_millis(100);
/// The Lease over which replicas elect their leader.
const LEADER_LEASE: &str = "eai-operator";

/// Does what the command line asks for.
pub async fn run(cli: Cli) -> Result<(), Fatal> {
    tls::init();
    telemetry::init(match cli.config.log_format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    });
    clock::ahead_by(cli.config.clock_ahead_seconds);
    let client = client().await.map_err(|error| Fatal::new("the API server's address", error))?;
    match cli.command {
        Some(Command::Cleanup) => cleanup::run(client, &cli.config.namespace).await,
        None => Box::pin(operate(client, cli.config)).await,
    }
}

/// A client for the hub's cluster, whose answers tell the time.
async fn client() -> Result<Client, kube::Error> {
    let config = kube::Config::infer().await.map_err(kube::Error::InferConfig)?;
    Ok(ClientBuilder::try_from(config)?.with_layer(&clock::hub()).build())
}

async fn operate(client: Client, config: Config) -> Result<(), Fatal> {
    let shutdown = shutdown::on_signal().map_err(|error| Fatal::new("signals", error))?;
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).map_err(|error| Fatal::new("metrics", error))?;
    let identity = identity();
    let reporter = Reporter { controller: "eai-operator".to_owned(), instance: Some(identity.clone()) };
    let ledger = Arc::new(ledger(&config)?);
    let registry_at = config.hub_registry;
    let stakes = stakes(&config)?;
    let ctx = Context {
        tenures: registry_at.map(|at| Arc::new(HubRegistry::new(ledger.clone(), at)) as Arc<dyn Tenures>),
        ledger,
        stakes,
        recorder: Recorder::new(client.clone(), reporter),
        client,
        fencing: config.fencing(),
        heartbeats: Arc::new(Heartbeats::new(Instant::now())),
        tallies: Arc::default(),
        doubts: Arc::default(),
        config,
        registry,
        quotes: Quotes::default(),
        shutdown: shutdown.clone(),
    };
    let readiness = Readiness::default();
    let serving = async {
        let parts = async {
            let ready = readiness.clone();
            let trouble = move || ready.trouble();
            let health = health::serve(ctx.config.health_listen, trouble, ctx.registry.clone(), shutdown.clone());
            let artifacts = artifacts::serve(Arc::new(ctx.with_shutdown(shutdown.clone())));
            readiness.set(true);
            let (health, artifacts) = futures::join!(health, artifacts);
            health.map_err(|error| Fatal::new("health and metrics", error)).and(artifacts)
        };
        parts.await
    };
    let leading = lead(&ctx, metrics, &identity, shutdown.clone());
    // Whichever part fails ends the process; on a clean stop both end by themselves.
    futures::try_join!(serving, leading)?;
    tracing::info!("stopped");
    Ok(())
}

/// Runs the controllers while this replica leads.
async fn lead(ctx: &Context, metrics: Metrics, identity: &str, shutdown: CancellationToken) -> Result<(), Fatal> {
    let leading = if ctx.config.leader_elect {
        let election = Election::new(ctx.client.clone(), &ctx.config.namespace, LEADER_LEASE, identity);
        match election.acquire(shutdown.clone()).await {
            Some(leading) => leading,
            None => return Ok(()),
        }
    } else {
        shutdown.child_token()
    };
    let ctx = ctx.with_shutdown(leading.clone());
    let Some((config, tenure)) = tenure(&ctx, &leading).await? else { return lost(&shutdown) };
    // Whoever leads counts silence from when it began to.
    let heartbeats = Arc::new(Heartbeats::new(Instant::now()));
    let ctx: Shared = Arc::new(Context { heartbeats, tallies: Arc::default(), config, ..ctx });
    let watching = async {
        match ctx.tenures.clone().zip(tenure) {
            Some((tenures, tenure)) => restore::watch(ctx.clone(), tenures, tenure).await,
            None => Ok(()),
        }
    };
    futures::try_join!(compute_node::run(ctx.clone()), jobs::run(ctx.clone(), metrics), watching)?;
    lost(&shutdown)
}

/// What this replica leads as: with the generation that the chain says, where that is asked. `None` if it leads no more.
async fn tenure(ctx: &Context, leading: &CancellationToken) -> Result<Option<(Config, Option<Tenure>)>, Fatal> {
    let config = ctx.config.clone();
    let Some(tenures) = &ctx.tenures else { return Ok(Some((config, None))) };
    let taken = restore::take(ctx, tenures, leading).await?;
    Ok(taken.map(|tenure| (Config { generation: tenure.generation, ..config }, Some(tenure))))
}

/// The end of leading: in order, or not.
fn lost(shutdown: &CancellationToken) -> Result<(), Fatal> {
    if shutdown.is_cancelled() { Ok(()) } else { Err(Fatal::new("leading", "the leader lease was lost")) }
}

fn ledger(config: &Config) -> Result<EscrowLedger, Fatal> {
    let part = "the chain";
    let escrow = config.escrow.ok_or_else(|| Fatal::new(part, "no Escrow is configured (--escrow)"))?;
    if config.rpc_url.is_empty() || config.chain_id == 0 {
        return Err(Fatal::new(part, "no RPC endpoint or chain id is configured (--rpc-url, --chain-id)"));
    }
    let key = Key::load(&config.hub_key_file).map_err(|error| Fatal::new("the hub's key", error))?;
    let mut endpoint = Endpoint::new(&config.rpc_url, config.chain_id, escrow);
    // Somebody waits for each lease; a look at the receipt is cheap.
    endpoint.settings.poll = RECEIPT_POLL;
    endpoint.settings.first_block = config.first_block;
    EscrowLedger::new(endpoint, key).map_err(|error| Fatal::new(part, error))
}

/// Where stakes are read, if anywhere.
fn stakes(config: &Config) -> Result<Option<Arc<dyn Stakes>>, Fatal> {
    let (Some(escrow), Some(registry)) = (config.escrow, config.node_registry) else { return Ok(None) };
    let endpoint = Endpoint::new(&config.rpc_url, config.chain_id, escrow);
    let registry = NodeRegistry::new(endpoint, registry).map_err(|error| Fatal::new("the chain", error))?;
    Ok(Some(Arc::new(registry)))
}

/// The pod's name: who this replica is in elections and events.
fn identity() -> String {
    let named = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME"));
    named.unwrap_or_else(|_| format!("eai-operator-{}", std::process::id()))
}
