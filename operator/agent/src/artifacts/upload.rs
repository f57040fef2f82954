//! Uploads to the hub: its aggregated API, reached through its API server like everything else.

use std::time::Duration;

use eai_api::names::{ARTIFACTS_GROUP, VERSION};
use http::{Method, Request, StatusCode};
use kube::{
    Client,
    client::Body,
    core::{Status, response::StatusSummary},
};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Why an upload wasn't taken.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The hub can't be reached, or can't take it now: the same request may succeed later.
    #[error("the hub can't take it now: {0}")]
    Again(String),
    /// The hub's part and ours don't fit: the upload begins anew.
    #[error("the hub asks to begin anew: {0}")]
    Restart(String),
    /// The hub will never take it.
    #[error("the hub refuses it: {0}")]
    Refused(String),
}

/// How often an upload is begun anew before it is given up.
pub const MAX_RESTARTS: u32 = 8;

impl PutError {
    /// Whether it makes no sense to go on after so many tries. A hub that is away is waited for as long as it takes.
    pub const fn is_hopeless(&self, tries: u32) -> bool {
        match self {
            Self::Again(_) => false,
            Self::Restart(_) => tries >= MAX_RESTARTS,
            Self::Refused(_) => true,
        }
    }
}

/// Where an Assignment's artifacts go.
#[derive(Clone, Debug)]
pub struct Target {
    /// `cn-MEMBER`.
    pub namespace: String,
    /// The Assignment.
    pub assignment: String,
}

impl Target {
    /// The path of a log.
    pub fn log(&self, index: u32, total: u64, digest: &str) -> String {
        format!("{}/log?index={index}&total={total}&digest={digest}", self.base())
    }

    /// The path of a part of an output.
    pub fn output(&self, name: &str, index: u32, offset: u64, total: u64, digest: &str) -> String {
        format!("{}/outputs/{name}?index={index}&offset={offset}&total={total}&digest={digest}", self.base())
    }

    /// The path of a part of a checkpoint.
    pub fn checkpoint(&self, index: u32, offset: u64, total: u64, digest: &str) -> String {
        format!("{}&offset={offset}&total={total}&digest={digest}", self.checkpoint_of(index))
    }

    /// The path of the checkpoint that a pod of `index` goes on from.
    pub fn checkpoint_of(&self, index: u32) -> String {
        format!("{}/checkpoint?index={index}", self.base())
    }

    fn base(&self) -> String {
        let Self { namespace, assignment } = self;
        format!("/apis/{ARTIFACTS_GROUP}/{VERSION}/namespaces/{namespace}/assignments/{assignment}")
    }
}

/// Sends `body` to `path`.
pub async fn put(hub: &Client, path: &str, body: Vec<u8>) -> Result<(), PutError> {
    let request = Request::builder()
        .method(Method::PUT)
        .uri(path)
        .header(http::header::CONTENT_TYPE, "application/octet-stream")
        .body(Body::from(body))
        .map_err(|error| PutError::Refused(error.to_string()))?;
    let sent = async {
        let response = hub.send(request).await.map_err(|error| PutError::Again(error.to_string()))?;
        let status = response.status();
        let body = response.into_body().collect_bytes().await.map_err(|error| PutError::Again(error.to_string()))?;
        judge(status, &body)
    };
    tokio::time::timeout(TIMEOUT, sent).await.unwrap_or_else(|_| Err(PutError::Again("it took too long".to_owned())))
}

fn judge(status: StatusCode, body: &[u8]) -> Result<(), PutError> {
    let said = match serde_json::from_slice::<Status>(body) {
        // Not every gateway answers 5xx for what it couldn't do; a failed Status is a failure.
        Ok(said) if said.status == Some(StatusSummary::Failure) || !status.is_success() => said.message,
        _ if status.is_success() => return Ok(()),
        _ => status.to_string(),
    };
    match status {
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::RANGE_NOT_SATISFIABLE => {
            Err(PutError::Restart(said))
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::METHOD_NOT_ALLOWED => {
            Err(PutError::Refused(said))
        }
        // Rights and tokens come back, and so do Assignments that a cache hasn't seen.
        _ => Err(PutError::Again(format!("{status}: {said}"))),
    }
}

/// Waits before the next try: from a second, doubling, to half a minute.
#[derive(Debug)]
pub struct Backoff(u32);

impl Backoff {
    /// Fresh.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Waits, longer each time.
    pub async fn wait(&mut self) {
        tokio::time::sleep(Duration::from_millis(1000 << self.0.min(5)).min(Duration::from_secs(30))).await;
        self.0 += 1;
    }

    /// How often it has waited.
    pub const fn tries(&self) -> u32 {
        self.0
    }
}
