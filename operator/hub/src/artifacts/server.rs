//! The TLS listener: how many connections, for how long, and who is at the other end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    app::{App, stranger},
    gate::Gate,
};

/// Connections at once. One holds some 100 KiB at most.
const CONNECTIONS: usize = 256;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a request's head may take to come, and a connection be idle.
const HEAD: Duration = Duration::from_mins(1);
/// How long a connection serves; then it finishes what it is at.
const LIFE: Duration = Duration::from_mins(15);
/// How long it may take to finish.
const LAST: Duration = Duration::from_mins(15);
/// The most a request's head may hold: a user in a thousand groups.
const HEAD_BYTES: usize = 128 << 10;
const HEADERS: usize = 1024;
/// How long a stop waits for requests that are under way.
const STOP: Duration = Duration::from_secs(10);

/// With every request: tells when those who were let in have to come again.
#[derive(Clone)]
pub struct TrustChanges(watch::Receiver<Option<Gate>>);

impl TrustChanges {
    /// Waits until then.
    pub async fn changed(mut self) {
        // Without a sender there is no gate, and nobody to come.
        let _ = self.0.changed().await;
    }
}

/// Serves on `listener` until `shutdown`, then lets what is under way finish. Nobody is heard until `gate` is there.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    gate: watch::Receiver<Option<Gate>>,
    shutdown: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else { continue };
        let Some(current) = gate.borrow().clone() else { continue };
        let (app, gate, shutdown) = (app.clone(), gate.clone(), shutdown.clone());
        connections.spawn(async move {
            connection(stream, app, current, gate, shutdown).await;
            drop(slot);
        });
    }
    connections.close();
    if timeout(STOP, connections.wait()).await.is_err() {
        tracing::warn!("connections of the aggregated API were cut at the end");
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            // Out of file descriptors, say: it passes, and trying at once would only burn time.
            tracing::warn!(%error, "a connection couldn't be accepted");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    app: Arc<App>,
    current: Gate,
    mut gate: watch::Receiver<Option<Gate>>,
    shutdown: CancellationToken,
) {
    gate.mark_unchanged();
    let watched = gate.clone();
    let _ = stream.set_nodelay(true);
    let stream = match timeout(HANDSHAKE, TlsAcceptor::from(current.tls.clone()).accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake failed"),
        Err(_) => return tracing::debug!("a handshake took too long"),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let known = certificate.is_some_and(|certificate| current.trust.allows(certificate));
    let service = service_fn(move |request: Request<Incoming>| {
        let (app, trust) = (app.clone(), current.trust.clone());
        let gate = watched.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(TrustChanges(gate));
            Ok::<_, Infallible>(if known { app.answer(request, &trust.headers).await } else { stranger() })
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        // Who was let in under the former trust has to come again.
        _ = gate.changed() => None,
        () = shutdown.cancelled() => None,
        () = sleep(LIFE) => None,
    };
    let ended = if let Some(ended) = ended {
        Ok(ended)
    } else {
        serving.as_mut().graceful_shutdown();
        timeout(LAST, serving).await
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke off"),
        Err(_) => tracing::warn!("a connection that didn't come to its end was cut"),
    }
}
