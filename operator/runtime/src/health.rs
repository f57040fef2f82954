//! `/livez`, `/readyz` and `/metrics` over plain HTTP, for probes and Prometheus.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Whether this process can do its work; shared by those who know and the probe that asks.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether the process is ready.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Why the process isn't ready; `None` if it is.
    pub fn trouble(&self) -> Option<String> {
        (!self.0.load(Ordering::Relaxed)).then(|| "not ready".to_owned())
    }
}

/// Serves until `shutdown`; returns the error that ended it earlier. `trouble` says why the process isn't ready, if it
/// isn't; `/readyz` answers with that.
pub async fn serve(
    address: SocketAddr,
    trouble: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
    registry: Registry,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    axum::serve(listener, router(trouble, registry)).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// What [`serve`] serves.
pub fn router(trouble: impl Fn() -> Option<String> + Clone + Send + Sync + 'static, registry: Registry) -> Router {
    let readyz = move || {
        let answer = match trouble() {
            None => (StatusCode::OK, "ok".to_owned()),
            Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, trouble),
        };
        std::future::ready(answer)
    };
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(registry)
}

async fn metrics(State(registry): State<Registry>) -> impl IntoResponse {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => (StatusCode::OK, [("content-type", encoder.format_type().to_owned())], text),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, [("content-type", "text/plain".to_owned())], error.to_string().into())
        }
    }
}
