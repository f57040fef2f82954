//! Ways to both API servers, as their administrator.

use std::fmt::Display;

use eai_api::AIJob;
use eai_testbed::Tunnel;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    run,
    stage::Stage,
};

/// Ways to the hub and to the member.
pub struct Clients {
    /// The hub's API server.
    pub hub: Client,
    /// The member's.
    pub member: Client,
    /// The member is behind its router: it can be reached from here while this is there.
    _tunnel: Tunnel,
}

impl Clients {
    /// Connects to both.
    pub async fn connect(stage: &Stage, member: &str) -> Result<Self> {
        let tunnel = tunnel(&stage.member(member)?.cluster)?;
        Ok(Self {
            hub: client(&run::read(&stage.hub.kubeconfig()?)?).await?,
            member: client(tunnel.kubeconfig()).await?,
            _tunnel: tunnel,
        })
    }

    /// The AIJobs of a namespace.
    pub fn jobs(&self, namespace: &str) -> Api<AIJob> {
        Api::namespaced(self.hub.clone(), namespace)
    }
}

fn tunnel(cluster: &Cluster) -> Result<Tunnel> {
    let why = "the bench measures the testbed's clusters alone";
    let (testbed, name) = cluster.testbed().ok_or_else(|| Error::unexpected(&cluster.name, why))?;
    Ok(testbed.cluster(name)?.tunnel()?)
}

async fn client(kubeconfig: &str) -> Result<Client> {
    let bad = |error: &dyn Display| Error::unexpected("a kubeconfig", error.to_string());
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|e| bad(&e))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.map_err(|e| bad(&e))?).map_err(|e| bad(&e))
}
