//! Vendors read logs and outputs.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};
use eai_api::{AIJob, Assignment, names::DIGEST_HEADER};
use eai_core::epoch::Epoch;
use kube::Api;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::{
    app::App,
    authorize::{Action, Question},
    error::Refusal,
    identity::Identity,
    path::{Artifact, ReadQuery, What},
    range::{self, Range, Slice},
    serve_write::identity,
    store::{Key, Stored},
};

/// How much of a file is in memory at a time.
const BUFFER: usize = 64 << 10;

/// Serves one artifact of an AIJob.
pub async fn serve(
    app: &App,
    who: Identity,
    artifact: Artifact,
    query: ReadQuery,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let Artifact { namespace, name, what, .. } = artifact;
    let user = who.user.clone();
    let action = Action::GetJob(name.clone());
    let allowed = app.authorizer.allows(Question { identity: who, namespace: namespace.clone(), action });
    if !app.asked(allowed).await? {
        return Err(Refusal::forbidden(format!("{user} may not get AIJob {name} in namespace {namespace}")));
    }
    let jobs: Api<AIJob> = Api::namespaced(app.client.clone(), &namespace);
    let job = app.asked(jobs.get_opt(&name)).await?;
    let job = job.ok_or_else(|| Refusal::not_found(format!("there is no AIJob {name} in namespace {namespace}")))?;
    let key = key(&job, &query, what.clone())?;
    let stored = app.stored(app.store.read(&key)).await?;
    let stored = stored.ok_or_else(|| missing(&job, &query, &what))?;
    let content_type = match what {
        What::Log => "text/plain; charset=utf-8",
        What::Output(_) | What::Checkpoint => "application/octet-stream",
    };
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let asked = range::parse(range, stored.size);
    answer(stored, asked, content_type, method == Method::HEAD).await
}

/// Serves an Assignment's agent the checkpoint that a pod of its goes on from: the attempt's own, if it has left one, or
/// that of the attempt before which its workload names.
pub async fn serve_checkpoint(
    app: &App,
    who: Identity,
    artifact: Artifact,
    query: ReadQuery,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let Artifact { namespace, name, .. } = artifact;
    // Whoever may write them may read them, and nobody else.
    app.agent(who, &namespace).await?;
    let assignments: Api<Assignment> = Api::namespaced(app.client.clone(), &namespace);
    let assignment = app.asked(assignments.get_opt(&name)).await?;
    let assignment =
        assignment.ok_or_else(|| Refusal::not_found(format!("there is no Assignment {name} in {namespace}")))?;
    let (uid, own) = identity(&assignment, &name)?;
    let restore = assignment.spec.workload.restore.iter().find(|from| from.index == query.index);
    for epoch in [Some(own), restore.map(|from| from.epoch)].into_iter().flatten() {
        let key = Key::new(uid, epoch, query.index, What::Checkpoint);
        let key = key.ok_or_else(|| Refusal::bad_request("no such artifact can be"))?;
        if let Some(stored) = app.stored(app.store.read(&key)).await? {
            let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
            let asked = range::parse(range, stored.size);
            return answer(stored, asked, "application/octet-stream", *method == Method::HEAD).await;
        }
    }
    Err(Refusal::not_found("there is no checkpoint to go on from"))
}

/// What is asked for, in the store's terms.
fn key(job: &AIJob, query: &ReadQuery, what: What) -> Result<Key, Refusal> {
    let epoch = if let Some(text) = &query.epoch {
        text.parse::<Epoch>().map_err(|error| Refusal::bad_request(format!("epoch: {error}")))?
    } else {
        let attempt = job.status.as_ref().and_then(|status| status.attempt.as_ref());
        attempt.map(|attempt| attempt.epoch).ok_or_else(|| Refusal::not_found("the job hasn't been tried yet"))?
    };
    let uid = job.metadata.uid.as_deref().unwrap_or_default();
    Key::new(uid, epoch, query.index, what).ok_or_else(|| Refusal::bad_request("no such artifact can be"))
}

/// Why there is nothing, as far as the job tells.
fn missing(job: &AIJob, query: &ReadQuery, what: &What) -> Refusal {
    let index = query.index;
    if index >= job.spec.completions {
        let most = job.spec.completions;
        return Refusal::not_found(format!("the job has {most} completions, counted from 0; there is no {index}"));
    }
    match what {
        What::Log => Refusal::not_found("there is no log yet: it comes once the container has printed something"),
        What::Checkpoint => Refusal::not_found("there is no checkpoint of this attempt"),
        What::Output(name) if !job.spec.outputs.iter().any(|output| output.name == *name) => {
            let names: Vec<_> = job.spec.outputs.iter().map(|output| output.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Refusal::not_found(format!("the job has no output {name}; its spec names {names}"))
        }
        What::Output(name) => Refusal::not_found(format!(
            "output {name} isn't there: it comes when the container has ended, if it wrote the file and kept within maxBytes"
        )),
    }
}

async fn answer(
    mut stored: Stored,
    range: Range,
    content_type: &'static str,
    head_only: bool,
) -> Result<Response<Body>, Refusal> {
    let (code, slice) = match range {
        Range::Whole => (StatusCode::OK, Slice { start: 0, length: stored.size }),
        Range::Part(slice) => (StatusCode::PARTIAL_CONTENT, slice),
        Range::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, Slice { start: 0, length: 0 }),
    };
    let body = if head_only || slice.length == 0 {
        Body::empty()
    } else {
        stored.file.seek(std::io::SeekFrom::Start(slice.start)).await.map_err(|error| {
            tracing::error!(%error, "seeking in an artifact failed");
            Refusal::internal()
        })?;
        Body::from_stream(ReaderStream::with_capacity(stored.file.take(slice.length), BUFFER))
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    let mut set = |name, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, content_type.to_owned());
    set(header::CONTENT_LENGTH, slice.length.to_string());
    set(header::HeaderName::from_static(DIGEST_HEADER), stored.digest.to_string());
    set(header::ETAG, format!("\"{}\"", stored.digest));
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::CACHE_CONTROL, "no-store".to_owned());
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned());
    match code {
        StatusCode::PARTIAL_CONTENT => {
            let last = slice.start + slice.length - 1;
            set(header::CONTENT_RANGE, format!("bytes {}-{last}/{}", slice.start, stored.size));
        }
        StatusCode::RANGE_NOT_SATISFIABLE => set(header::CONTENT_RANGE, format!("bytes */{}", stored.size)),
        _ => {}
    }
    Ok(response)
}
