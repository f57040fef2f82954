//! The two clusters' clients: the member's own and the hub's.

use std::sync::{Arc, PoisonError, RwLock};

use eai_runtime::clock::{self, ServerTime};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use kube::{
    Client, Config as KubeConfig,
    client::{Body, ClientBuilder},
    config::KubeConfigOptions,
};
use prometheus::IntCounterVec;
use tower::util::MapRequestLayer;

use crate::config::{Config, Hub, Mode};

/// Why a cluster's client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file it needs can't be read.
    #[error("can't read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The member's kubeconfig isn't taken.
    #[error("the member's kubeconfig: {0}")]
    Kubeconfig(#[from] eai_runtime::kubeconfig::KubeconfigError),
    /// The member's kubeconfig names something that isn't there.
    #[error("the member's kubeconfig: {0}")]
    Context(#[from] kube::config::KubeconfigError),
    /// Not in a cluster.
    #[error("the agent's own cluster: {0}; the agent runs as a pod")]
    InCluster(#[from] kube::config::InClusterError),
    /// The hub's URL.
    #[error("hub.url: {0}")]
    Url(#[from] http::uri::InvalidUri),
    /// Certificates or keys that can't be used.
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

/// The token that a client's requests carry; it can be replaced at any time. Its value is never shown.
#[derive(Clone, Default)]
pub struct Bearer(Arc<RwLock<Option<HeaderValue>>>);

impl Bearer {
    /// Requests carry `token` from now on. False if it isn't a token at all.
    pub fn set(&self, token: &str) -> bool {
        let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.trim())) else { return false };
        value.set_sensitive(true);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(value);
        true
    }

    /// Requests carry no token from now on.
    pub fn clear(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn get(&self) -> Option<HeaderValue> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A client for the hub at `hub`, whose requests carry `bearer`.
pub fn hub(hub: &Hub, bearer: Bearer, requests: &IntCounterVec) -> Result<Client, ClientError> {
    let mut config = KubeConfig::new(hub.url.parse()?);
    config.root_cert_file.clone_from(&hub.ca_file);
    build(config, Some(bearer), requests, ("hub", clock::hub()))
}

/// A client for the hub where the agent runs beside it.
pub fn hub_beside(requests: &IntCounterVec) -> Result<Client, ClientError> {
    build(KubeConfig::incluster()?, None, requests, ("hub", clock::hub()))
}

/// A client for the cluster that this pod runs in, a member's.
pub fn in_cluster(requests: &IntCounterVec) -> Result<Client, ClientError> {
    build(KubeConfig::incluster()?, None, requests, ("member", ServerTime::default()))
}

/// A client for the member's cluster, whose answers tell the `time` there.
pub async fn member(config: &Config, requests: &IntCounterVec, time: ServerTime) -> Result<Client, ClientError> {
    build(member_cluster(config).await?, None, requests, ("member", time))
}

async fn member_cluster(config: &Config) -> Result<KubeConfig, ClientError> {
    let (Mode::Push, Some(path)) = (config.mode, &config.member_kubeconfig) else {
        return Ok(KubeConfig::incluster()?);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|source| ClientError::Unreadable { path: path.display().to_string(), source })?;
    let kubeconfig = eai_runtime::kubeconfig::parse_strict(&text)?;
    Ok(KubeConfig::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

fn build(
    config: KubeConfig,
    bearer: Option<Bearer>,
    requests: &IntCounterVec,
    (cluster, time): (&'static str, ServerTime),
) -> Result<Client, ClientError> {
    let requests = requests.clone();
    let layer = MapRequestLayer::new(move |mut request: Request<Body>| {
        requests.with_label_values(&[cluster, request.method().as_str()]).inc();
        if let Some(token) = bearer.as_ref().and_then(Bearer::get) {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        request
    });
    Ok(ClientBuilder::try_from(config)?.with_layer(&layer).with_layer(&time).build())
}
