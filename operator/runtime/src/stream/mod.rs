//! Streams (websockets) as hub, agent and CLI use them: through API servers, with small buffers, and joined two by two.
//!
//! Nothing is ever queued: a message is read only once the one before it was passed on, so that a slow reader slows its
//! writer down and costs no memory. Idle streams carry pings, because routers forget connections that say nothing.

mod link;
mod splice;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use kube::{
    Client,
    client::Body,
    core::{Status, response::StatusSummary},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

pub use link::Link;
pub use splice::{End, Pace, finish, join, pour, splice};
pub use tokio_tungstenite::tungstenite::{Error, Message};

/// The longest message.
pub const MOST_BYTES: usize = 256 << 10;
/// How much is read at a time.
const BUFFER: usize = 16 << 10;
/// The protocol of streams, after Kubernetes': binary messages whose first byte says which stream they are of; with the
/// version 5, an input can end.
pub const PROTOCOL: &str = "v5.channel.k8s.io";
/// The one before it, of API servers older than 1.30.
pub const OLD_PROTOCOL: &str = "v4.channel.k8s.io";
/// How long an answer to a request for a stream may take.
const ANSWER: Duration = Duration::from_secs(30);
/// The most that is read of a refusal.
const MOST_REFUSAL: usize = 64 << 10;

/// A stream.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Why a stream can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server refuses: its code and its words.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it says.
        message: String,
    },
    /// It can't be reached, or answers something else than HTTP; it may work later.
    #[error("no stream could be opened: {0}")]
    Broken(String),
}

/// Opens a stream at `path` of an API server.
pub async fn connect(client: &Client, path: &str) -> Result<(Socket, bool), ConnectError> {
    let opened = tokio::time::timeout(ANSWER, open(client, path)).await;
    opened.unwrap_or_else(|_| Err(ConnectError::Broken("the server doesn't answer".to_owned())))
}

async fn open(client: &Client, path: &str) -> Result<(Socket, bool), ConnectError> {
    let broken = |error: &dyn std::fmt::Display| ConnectError::Broken(error.to_string());
    let key = generate_key();
    let request = Request::get(path)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key)
        .header(header::SEC_WEBSOCKET_PROTOCOL, format!("{PROTOCOL}, {OLD_PROTOCOL}"))
        .body(Body::empty())
        .map_err(|error| broken(&error))?;
    let response = client.send(request).await.map_err(|error| broken(&error))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(response).await);
    }
    if !says(&response, &header::SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes())) {
        return Err(ConnectError::Broken("the server's handshake isn't a websocket's".to_owned()));
    }
    let closes = says(&response, &header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| broken(&error))?;
    Ok((socket(upgraded, Role::Client).await, closes))
}

fn says(response: &Response<Body>, name: &HeaderName, wanted: &str) -> bool {
    response.headers().get(name).is_some_and(|value| value == wanted)
}

async fn refused(response: Response<Body>) -> ConnectError {
    let (code, body) = (response.status(), axum::body::Body::new(response.into_body()));
    // No more is read of a refusal than one needs.
    let body = axum::body::to_bytes(body, MOST_REFUSAL).await.unwrap_or_default();
    let said = serde_json::from_slice::<Status>(&body).ok().filter(|s| s.status == Some(StatusSummary::Failure));
    let message = said.map_or_else(|| format!("the server answers {code}"), |status| status.message);
    ConnectError::Refused { code: code.as_u16(), message }
}

/// Whether a request asks for a stream.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    let is = |name, word: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    is(header::UPGRADE, "websocket") && is(header::CONNECTION, "upgrade")
}

/// The server's half of a handshake that was begun: what is answered, and where the stream comes out.
pub fn accept<B, A: Default>(request: &mut Request<B>) -> Option<(Response<A>, OnUpgrade)> {
    let headers = request.headers();
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_asked_for(headers))?;
    let version = headers.get(header::SEC_WEBSOCKET_VERSION)?;
    let accepted = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok().filter(|_| version == "13")?;
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let offered = offered.is_some_and(|list| list.split(',').any(|name| name.trim() == PROTOCOL));
    let mut response = Response::new(A::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    if offered {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Some((response, hyper::upgrade::on(request)))
}

/// The server's end of a stream that was accepted, once the answer is out.
pub async fn accepted(upgrade: OnUpgrade) -> Option<Socket> {
    let upgraded = tokio::time::timeout(ANSWER, upgrade).await.ok()?.ok()?;
    Some(socket(upgraded, Role::Server).await)
}

async fn socket(upgraded: Upgraded, role: Role) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MOST_BYTES)
        .max_message_size(Some(MOST_BYTES))
        .max_frame_size(Some(MOST_BYTES));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), role, Some(config)).await
}

/// The end of a stream that came to its end.
pub fn over() -> Message {
    close(CloseCode::Normal, "")
}

/// The end of one that didn't, and why.
pub fn cut(why: &str) -> Message {
    close(CloseCode::Error, why)
}

/// Whether a stream came to its end.
pub fn is_over(frame: Option<&CloseFrame>) -> bool {
    frame.is_some_and(|frame| frame.code == CloseCode::Normal)
}

fn close(code: CloseCode, why: &str) -> Message {
    // A closing frame holds 123 bytes of text.
    let mut end = why.len().min(120);
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    Message::Close(Some(CloseFrame { code, reason: why.get(..end).unwrap_or_default().into() }))
}
