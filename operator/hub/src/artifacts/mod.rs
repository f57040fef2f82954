//! The aggregated API (group `artifacts.eai.network`) through which logs and outputs travel and quotes are asked for.
//!
//! A vendor's `kubectl` asks the API server, which authenticates them, asks whether they may, and passes the request on
//! to us with their name in headers. The headers count only over a connection with the front proxy's certificate
//! ([`trust`]); whom they name must be allowed to get the AIJob, to update the Assignment's status, or, for a quote,
//! to create AIJobs. What is done with a running job goes through its member's agent ([`sessions`]). No log or output is ever held in memory: bodies go to the disk and come from it in pieces.
//!
//! What the operator's ServiceAccount needs for it: the Role `extension-apiserver-authentication-reader` of kube-system;
//! subjectaccessreviews create; aijobs get/list; assignments get.

mod app;
mod authorize;
mod discovery;
mod error;
mod gate;
mod identity;
mod path;
mod range;
mod serve_quote;
mod serve_read;
mod serve_write;
mod server;
mod sessions;
mod store;
mod subject;
mod sweep;
#[cfg(test)]
mod tests;
mod trust;

use std::{path::Path, sync::Arc};

use eai_api::artifact::CheckpointArtifact;
use eai_core::epoch::Epoch;
use prometheus::{IntCounterVec, Opts};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use self::{
    app::App,
    authorize::Authorizer,
    gate::Files,
    path::What,
    sessions::{Bounds, Sessions},
    store::{Key, Store},
};
use crate::context::{Fatal, Shared};

/// Whether the hub whose artefacts are at `root` has this checkpoint of a job's attempt, all of it.
pub fn has_checkpoint(root: &Path, job_uid: &str, epoch: Epoch, told: &CheckpointArtifact) -> bool {
    let key = Key::new(job_uid, epoch, told.index, What::Checkpoint);
    key.is_some_and(|key| Store::has(root, &key, told.digest, told.size_bytes))
}

/// Serves until `ctx.shutdown` is cancelled; called on every replica. What no AIJob has any more it removes by itself.
pub async fn serve(ctx: Shared) -> Result<(), Fatal> {
    let fatal = |source: std::io::Error| Fatal::new("artifacts", source);
    let store = Store::open(&ctx.config.artifacts_dir).await.map_err(fatal)?;
    let listener = TcpListener::bind(ctx.config.artifacts_listen).await.map_err(fatal)?;
    let authorizer = Arc::new(Authorizer::new(ctx.client.clone(), authorize::REMEMBERED));
    let app = App {
        client: ctx.client.clone(),
        authorizer: authorizer.clone(),
        sessions: Sessions::new(authorizer, Bounds::default(), ctx.shutdown.clone()),
        store: store.clone(),
        uploads: Semaphore::new(app::UPLOADS),
        quotes: ctx.quotes.clone(),
        requests: requests(&ctx.registry)?,
    };
    let (gate, passers) = watch::channel(None);
    let files = Files { certificate: ctx.config.tls_cert.clone(), key: ctx.config.tls_key.clone() };
    tokio::join!(
        gate::keep(ctx.client.clone(), files, gate, ctx.shutdown.clone()),
        sweep::run(ctx.client.clone(), store, ctx.shutdown.clone()),
        server::serve(listener, Arc::new(app), passers, ctx.shutdown.clone()),
    );
    Ok(())
}

fn requests(registry: &prometheus::Registry) -> Result<IntCounterVec, Fatal> {
    let about =
        Opts::new("eai_artifact_requests_total", "Requests to the aggregated API, by verb, subject and status.");
    let counter = IntCounterVec::new(about, &["verb", "subject", "code"]).map_err(|e| Fatal::new("artifacts", e))?;
    registry.register(Box::new(counter.clone())).map_err(|e| Fatal::new("artifacts", e))?;
    Ok(counter)
}
