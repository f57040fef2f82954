//! The current certificate and trust. Both can change while we run: the certificate's files are looked at now and then,
//! the ConfigMap is watched.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt as _, watcher},
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{sync::watch, time::interval};
use tokio_util::sync::CancellationToken;

use super::trust::{self, Trust};

/// How often the certificate's files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// What a new connection is met with.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Our certificate, and the check of theirs.
    pub tls: Arc<ServerConfig>,
    /// Whom to believe.
    pub trust: Arc<Trust>,
}

/// Why our certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read, or holds something else.
    #[error("{path} can't be read as PEM: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key don't belong together, or are of a kind that isn't known.
    #[error("the serving certificate can't be used: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Where our certificate is.
#[derive(Clone, Debug)]
pub struct Files {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

impl Gate {
    /// A gate with the certificate as it is in `files` now.
    pub fn new(files: &Files, trust: Arc<Trust>) -> Result<Self, CertificateError> {
        let pem = |path: &Path| {
            let path = path.to_owned();
            move |source| CertificateError::Pem { path, source }
        };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(&files.certificate).map_err(pem(&files.certificate))?.collect();
        let chain = chain.map_err(pem(&files.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(pem(&files.key))?;
        let mut tls =
            ServerConfig::builder().with_client_cert_verifier(trust.verifier.clone()).with_single_cert(chain, key)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(tls), trust })
    }
}

/// Keeps `gate` as the ConfigMap and the files have it, until `shutdown`. It stays `None` until both are there; what is
/// wrong later leaves the former gate in place, and is logged.
pub async fn keep(client: Client, files: Files, gate: watch::Sender<Option<Gate>>, shutdown: CancellationToken) {
    let maps: Api<ConfigMap> = Api::namespaced(client, trust::NAMESPACE);
    let only = watcher::Config::default().fields(&format!("metadata.name={}", trust::NAME));
    let mut changes = std::pin::pin!(watcher(maps, only).default_backoff().applied_objects());
    let mut look = interval(LOOK);
    let mut trusted: Option<Arc<Trust>> = None;
    let mut seen = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            change = changes.next() => match change {
                Some(Ok(map)) => match Trust::read(&map) {
                    Ok(trust) => trusted = Some(Arc::new(trust)),
                    Err(error) => {
                        tracing::error!(%error, "the API server's front proxy can't be told from others");
                        continue;
                    }
                },
                Some(Err(error)) => {
                    tracing::warn!(%error, "can't watch whom to trust as the API server's front proxy");
                    continue;
                }
                None => return,
            },
            _ = look.tick() => {
                let now = contents(&files).await;
                if seen == now {
                    continue;
                }
                seen = now;
            }
        }
        let Some(trust) = &trusted else { continue };
        match Gate::new(&files, trust.clone()) {
            Ok(new) => drop(gate.send_replace(Some(new))),
            Err(error) => tracing::error!(%error, "the aggregated API can't be served"),
        }
    }
}

/// What is in the files, only compared.
async fn contents(files: &Files) -> Option<(eai_core::digest::Digest, eai_core::digest::Digest)> {
    let digest = async |path: &Path| tokio::fs::read(path).await.ok().map(|bytes| eai_core::digest::Digest::of(&bytes));
    Some((digest(&files.certificate).await?, digest(&files.key).await?))
}
