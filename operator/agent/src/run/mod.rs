//! `eai-agent run`: puts the parts together and keeps them going until it is told to stop.

mod watched;

use std::sync::Arc;

use eai_api::Assignment;
use eai_chain::Key;
use eai_runtime::{
    clock::{self, ServerTime},
    health,
    stream::Pace,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt as _, runtime::reflector::ObjectRef};
use tokio::{
    sync::{
        Notify,
        mpsc::{UnboundedSender, unbounded_channel},
        oneshot, watch,
    },
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::watched::Watches;
use crate::{
    artifacts::{Artifacts, Clients},
    clients::{self, Bearer, ClientError},
    config::{Config, Mode},
    context::{Context, Stores, Tracks},
    fence::{self, Pulse},
    health::Health,
    identity::{Applicant, Identity, IdentityError, Keeper, LOOK, POLL},
    link::Heartbeat,
    metrics::Metrics,
    probe::Prober,
    refusal::Probes,
    report::Reporter,
    streams::Streams,
    sweep::Sweeper,
    update::{self, Updater, standby::Standby},
    work,
};

/// A heartbeat older than this makes the agent unready, in seconds.
const READY_SECONDS: i64 = 40;

/// Why the agent can't run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The owner's key.
    #[error("the owner's key: {0}")]
    Key(#[from] eai_chain::KeyError),
    /// A cluster's client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The member's cluster.
    #[error("the member's cluster: {0}")]
    Member(#[from] kube::Error),
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The operating system has no randomness for it.
    #[error("randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// Its metrics.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A part of the agent ended by itself, which only a fault in it can bring about.
    #[error("a part of the agent ended by itself; see the log above")]
    PartEnded,
    /// The operating system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What the parts are put together from.
struct Base {
    config: Config,
    key: Key,
    metrics: Metrics,
    health: Health,
    member: Client,
    hub: Client,
    bearer: Bearer,
    pulse: Arc<Pulse>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

/// Runs until TERM or INT.
pub async fn run(config: Config) -> Result<(), RunError> {
    let shutdown = eai_runtime::shutdown::on_signal()?;
    let key = Key::load(&config.owner_key_file)?;
    let metrics = Metrics::new()?;
    let time = ServerTime::default();
    let member = clients::member(&config, &metrics.requests, time.clone()).await?;
    let bearer = Bearer::default();
    let hub = match &config.hub {
        Some(hub) => clients::hub(hub, bearer.clone(), &metrics.requests)?,
        None => clients::hub_beside(&metrics.requests)?,
    };
    let health = Health::default();
    let pulse = Arc::new(Pulse::draw(time)?);
    let mut base = Base { config, key, metrics, health, member, hub, bearer, pulse, shutdown, tasks: JoinSet::new() };
    base.serve();
    if !base.alone().await {
        return Ok(());
    }
    let kubernetes = base.member.apiserver_version().await?.git_version;
    let (identity, refused) = base.enter().await?;
    let Some(identity) = identity else { return Ok(()) };
    base.work(identity, refused, kubernetes);
    let ended = tokio::select! {
        () = base.shutdown.cancelled() => false,
        // Every part runs until it is told to stop: one that ends by itself has failed, and the rest is no agent.
        _ = base.tasks.join_next() => !base.shutdown.is_cancelled(),
    };
    base.shutdown.cancel();
    // What is under way is either done within a moment or taken up again at the next start.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while base.tasks.join_next().await.is_some() {}
    })
    .await;
    if ended { Err(RunError::PartEnded) } else { Ok(()) }
}

impl Base {
    fn serve(&mut self) {
        let (listen, registry) = (self.config.listen, self.metrics.registry.clone());
        let (health, shutdown) = (self.health.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            if let Err(error) = health::serve(listen, move || health.trouble(), registry, shutdown.clone()).await {
                tracing::error!(%error, %listen, "can't serve health and metrics");
                shutdown.cancel();
            }
        });
    }

    /// Waits until no other agent of this member is at work; false if it was told to stop. A Deployment that isn't updated
    /// by itself ends the old one first (`Recreate`).
    async fn alone(&self) -> bool {
        if !update::enabled(&self.config) {
            return true;
        }
        let standby = Standby {
            config: self.config.clone(),
            member: self.member.clone(),
            hub: self.hub.clone(),
            bearer: self.bearer.clone(),
            pod: self.pod(),
            health: self.health.clone(),
        };
        standby.wait(self.shutdown.clone()).await
    }

    fn pod(&self) -> String {
        std::env::var("POD_NAME").unwrap_or_else(|_| self.config.member.clone())
    }

    /// Becomes, or is still, a member. No identity if the agent was told to stop meanwhile.
    async fn enter(&mut self) -> Result<(Option<Identity>, Arc<Notify>), RunError> {
        let refused = Arc::new(Notify::new());
        let (identity, known) = Identity::load(self.member.clone(), &self.config.agent_namespace).await?;
        if self.config.mode == Mode::Push {
            return Ok((Some(identity), refused));
        }
        let namespaces: Api<Namespace> = Api::all(self.member.clone());
        let applicant = Applicant {
            config: self.config.clone(),
            hub: self.hub.clone(),
            bearer: self.bearer.clone(),
            keys: Arc::clone(&identity.keys),
            owner: self.key.address(),
            cluster_uid: namespaces.get("kube-system").await?.uid().unwrap_or_default(),
            poll: POLL,
            health: self.health.clone(),
        };
        let keeper = Keeper {
            identity: identity.clone(),
            bearer: self.bearer.clone(),
            namespace: self.hub_namespace(),
            look: LOOK,
            refused: Arc::clone(&refused),
            metrics: Arc::new(self.metrics.clone()),
        };
        let (ready, is_ready) = oneshot::channel();
        self.tasks.spawn(keeper.run(applicant, known, ready, self.shutdown.clone()));
        Ok((is_ready.await.ok().map(|()| identity), refused))
    }

    fn hub_namespace(&self) -> String {
        eai_api::names::member_namespace(&self.config.member)
    }

    /// Starts everything that a member does.
    fn work(&mut self, identity: Identity, refused: Arc<Notify>, kubernetes: String) {
        let (reconnects, reconnected) = watch::channel(0);
        let (reached, last_reached) = watch::channel(0);
        let (found, findings) = watch::channel(Probes::default());
        let (wake, queue) = unbounded_channel();
        let (told, own) = watch::channel(update::unknown(&self.config));
        let (offered, offers) = watch::channel(None);
        let changed = Arc::new(Notify::new());
        let watched = Watches { base: self, wake: &wake, changed: &changed }.start(reconnected);
        let context = Arc::new(self.context(identity, watched.stores, findings.clone(), wake.clone()));
        let heartbeat = Heartbeat {
            member: self.member.clone(),
            hub: self.hub.clone(),
            namespace: self.hub_namespace(),
            holder: self.pod(),
            pulse: Arc::clone(&self.pulse),
            reconnects,
            reached,
            refused,
            metrics: Arc::new(self.metrics.clone()),
        };
        let reporter = Reporter {
            context: Arc::clone(&context),
            nodes: watched.nodes,
            pods: watched.light_pods,
            changed: Arc::clone(&changed),
            kubernetes,
            updates: own,
            offered,
        };
        let updater = Updater {
            config: self.config.clone(),
            member: self.member.clone(),
            pod: self.pod(),
            offered: offers,
            told,
        };
        let prober = Prober { config: self.config.clone(), member: self.member.clone(), found };
        let shutdown = || self.shutdown.clone();
        self.tasks.spawn(heartbeat.run(shutdown()));
        self.tasks.spawn(reporter.run(self.key.clone(), shutdown()));
        self.tasks.spawn(updater.run(shutdown()));
        self.tasks.spawn(prober.run(shutdown()));
        self.tasks.spawn(Sweeper::new(Arc::clone(&context)).run(shutdown()));
        self.tasks.spawn(fence::watch(Arc::clone(&context), wake.clone(), shutdown()));
        self.tasks.spawn(Streams::new(Arc::clone(&context), Pace::default()).run(shutdown()));
        self.tasks.spawn(on_probes(Arc::clone(&context), findings, wake, changed, shutdown()));
        self.tasks.spawn(keep_ready(self.health.clone(), last_reached, shutdown()));
        self.tasks.spawn(work::run(context, queue, shutdown()));
    }

    fn context(
        &self,
        identity: Identity,
        stores: Stores,
        probes: watch::Receiver<Probes>,
        wake: UnboundedSender<ObjectRef<Assignment>>,
    ) -> Context {
        let clients = Clients {
            member: self.member.clone(),
            hub: self.hub.clone(),
            work_namespace: self.config.work_namespace.clone(),
            hub_namespace: self.hub_namespace(),
            agent_binary: self.config.agent_binary.clone(),
            scratch: scratch(&self.config),
        };
        Context {
            artifacts: Artifacts::new(clients, stores.pods.clone(), wake),
            config: self.config.clone(),
            member: self.member.clone(),
            hub: self.hub.clone(),
            hub_namespace: self.hub_namespace(),
            keys: Arc::clone(&identity.keys),
            pulse: Arc::clone(&self.pulse),
            identity,
            stores,
            probes,
            metrics: self.metrics.clone(),
            tracks: Tracks::default(),
            admission: tokio::sync::Mutex::new(()),
        }
    }
}

/// Where log tails are kept, without those of the last run: logs are read anew.
fn scratch(config: &Config) -> std::path::PathBuf {
    let path = config.scratch_dir.join("eai-logs");
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "can't clear the log tails of the last run");
        }
        _ => {}
    }
    path
}

/// What the probes find decides what may begin.
async fn on_probes(
    context: Arc<Context>,
    mut probes: watch::Receiver<Probes>,
    wake: UnboundedSender<ObjectRef<Assignment>>,
    changed: Arc<Notify>,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            result = probes.changed() => if result.is_err() { return },
        }
        changed.notify_one();
        for assignment in context.stores.assignments.state() {
            let _ = wake.send(ObjectRef::from_obj(&*assignment));
        }
    }
}

/// Ready while the hub hears from this member.
async fn keep_ready(health: Health, last: watch::Receiver<i64>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let age = clock::now().as_second().saturating_sub(*last.borrow());
        health.set_heard(age < READY_SECONDS);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
        }
    }
    health.set_heard(false);
}
