//! Fetching from the hub, a part at a time.

use std::time::Duration;

use eai_api::names::DIGEST_HEADER;
use eai_core::digest::Digest;
use http::{Method, Request, Response, StatusCode, header};
use kube::{Client, client::Body};

/// Bytes in a part.
const PART: u64 = 2 << 20;
/// How long a part may take.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A part of something that the hub has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The part.
    pub bytes: Vec<u8>,
    /// What the whole hashes to.
    pub digest: Digest,
    /// The length of the whole.
    pub total: u64,
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The hub has no such thing.
    #[error("the hub has none")]
    Missing,
    /// It may come later.
    #[error("the hub can't give it now: {0}")]
    Again(String),
}

/// The part of what is at `path` that begins at `offset`.
pub async fn part(hub: &Client, path: &str, offset: u64) -> Result<Fetched, GetError> {
    let again = |why: String| GetError::Again(why);
    let range = format!("bytes={offset}-{}", offset + PART - 1);
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(header::RANGE, range)
        .body(Body::empty())
        .map_err(|error| again(error.to_string()))?;
    let got = async {
        let response = hub.send(request).await.map_err(|error| again(error.to_string()))?;
        read(response, offset).await
    };
    tokio::time::timeout(TIMEOUT, got).await.unwrap_or_else(|_| Err(again("it took too long".to_owned())))
}

async fn read(response: Response<Body>, offset: u64) -> Result<Fetched, GetError> {
    let (head, body) = response.into_parts();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    match head.status {
        StatusCode::NOT_FOUND => return Err(GetError::Missing),
        // Nothing, of something that is empty.
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {}
        status => return Err(GetError::Again(status.to_string())),
    }
    let digest = text(DIGEST_HEADER).parse::<Digest>().map_err(|error| GetError::Again(error.to_string()))?;
    let bytes = body.collect_bytes().await.map_err(|error| GetError::Again(error.to_string()))?.to_vec();
    let total = match head.status {
        StatusCode::OK if offset == 0 => Some(bytes.len() as u64),
        StatusCode::OK => None,
        _ => text(header::CONTENT_RANGE.as_str()).rsplit_once('/').and_then(|(_, total)| total.parse().ok()),
    };
    let total = total.ok_or_else(|| GetError::Again("the hub doesn't say how much there is".to_owned()))?;
    Ok(Fetched { bytes, digest, total })
}
