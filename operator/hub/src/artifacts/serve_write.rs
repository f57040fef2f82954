//! Members' agents write the logs, outputs and checkpoints of their Assignments.

use axum::{
    body::Body,
    http::{HeaderMap, Response, StatusCode, header},
};
use eai_api::{Assignment, artifact::LOG_LIMIT_BYTES};
use eai_core::{digest::Digest, epoch::Epoch};
use kube::Api;
use serde_json::json;

use super::{
    app::App,
    error::{Refusal, json_response},
    identity::Identity,
    path::{Artifact, What, WriteQuery},
    store::{Chunk, Key, UploadError},
};

/// The longest part of an output.
const CHUNK_LIMIT: u64 = 4 << 20;

/// Takes one part of a log or an output.
pub async fn serve(
    app: &App,
    who: Identity,
    artifact: Artifact,
    query: WriteQuery,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response<Body>, Refusal> {
    let Artifact { namespace, name, what, .. } = artifact;
    app.agent(who, &namespace).await?;
    let chunk = chunk(&query, &what, length(headers)?)?;
    let assignments: Api<Assignment> = Api::namespaced(app.client.clone(), &namespace);
    let assignment = app.asked(assignments.get_opt(&name)).await?;
    let assignment =
        assignment.ok_or_else(|| Refusal::not_found(format!("there is no Assignment {name} in {namespace}")))?;
    permitted(&assignment, &what, query.index, chunk.total)?;
    let (uid, epoch) = identity(&assignment, &name)?;
    let key = Key::new(uid, epoch, query.index, what).ok_or_else(|| Refusal::bad_request("no such artifact can be"))?;
    // Held until the part is written. The semaphore is never closed.
    let _turn = app.uploads.acquire().await.map_err(|_| Refusal::internal())?;
    let written = app.store.write(&key, chunk, body.into_data_stream()).await.map_err(refusal)?;
    let code = if written.complete { StatusCode::CREATED } else { StatusCode::OK };
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "code": code.as_u16(), "message": format!("{} of {} bytes", written.received, chunk.total) });
    Ok(json_response(code, status.to_string()))
}

/// The body's length, which must be said beforehand.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| Refusal::bad_request("Content-Length is no number"))
}

/// What is sent, checked against what may be.
fn chunk(query: &WriteQuery, what: &What, length: Option<u64>) -> Result<Chunk, Refusal> {
    let digest: Digest = query.digest.parse().map_err(|error| Refusal::bad_request(format!("digest: {error}")))?;
    let limit = match what {
        What::Log => LOG_LIMIT_BYTES,
        What::Output(_) | What::Checkpoint => CHUNK_LIMIT,
    };
    if length.is_some_and(|length| length > limit) {
        return Err(Refusal::too_large(format!("a part holds at most {limit} bytes: send it in several")));
    }
    let total = query.total.or(length).ok_or_else(|| Refusal::bad_request("say total, the length of the whole"))?;
    if *what == What::Log && (query.offset != 0 || total > limit) {
        return Err(Refusal::too_large(format!("a log is its last {limit} bytes, sent at once")));
    }
    if query.offset > total {
        return Err(Refusal::bad_request("offset lies beyond total"));
    }
    Ok(Chunk { digest, total, offset: query.offset, limit })
}

/// Whether the Assignment has such an artifact.
fn permitted(assignment: &Assignment, what: &What, index: u32, total: u64) -> Result<(), Refusal> {
    let workload = &assignment.spec.workload;
    if index >= workload.completions {
        return Err(Refusal::invalid(format!("index: the job has {} completions", workload.completions)));
    }
    let name = match what {
        What::Log => return Ok(()),
        What::Checkpoint => return checkpoint_permitted(assignment, total),
        What::Output(name) => name,
    };
    let Some(output) = workload.outputs.iter().find(|output| output.name == *name) else {
        return Err(Refusal::invalid(format!("the job declares no output {name}")));
    };
    if total > output.max_bytes {
        return Err(Refusal::too_large(format!("output {name} may hold {} bytes, not {total}", output.max_bytes)));
    }
    Ok(())
}

/// Whether the Assignment may leave a checkpoint of such a length, now.
fn checkpoint_permitted(assignment: &Assignment, total: u64) -> Result<(), Refusal> {
    let Some(wanted) = &assignment.spec.workload.checkpoint else {
        return Err(Refusal::invalid("the job keeps no checkpoints"));
    };
    if total > wanted.max_bytes {
        return Err(Refusal::too_large(format!("a checkpoint may hold {} bytes, not {total}", wanted.max_bytes)));
    }
    if assignment.spec.acknowledged.finished {
        return Err(Refusal::bad_request("the attempt is over: nobody goes on from this any more"));
    }
    Ok(())
}

/// The job and attempt that an Assignment is of. Its name says so too, and must agree.
pub(super) fn identity<'a>(assignment: &'a Assignment, name: &str) -> Result<(&'a str, Epoch), Refusal> {
    let spec = &assignment.spec;
    if Epoch::from_name(name) != Ok((spec.job.uid.as_str(), spec.epoch)) {
        return Err(Refusal::invalid(format!("Assignment {name} isn't named by its job and epoch")));
    }
    Ok((&spec.job.uid, spec.epoch))
}

fn refusal(error: UploadError) -> Refusal {
    match error {
        UploadError::Busy => Refusal::conflict(error.to_string()),
        UploadError::WrongOffset(at) => Refusal::wrong_offset(at),
        UploadError::TooLong(_) => Refusal::too_large(error.to_string()),
        UploadError::BrokenOff(_) => Refusal::timeout(error.to_string()),
        UploadError::WrongDigest { .. } => Refusal::invalid(format!("{error}; the upload was dropped, begin again")),
        UploadError::Full => {
            tracing::error!("no space is left for artifacts");
            Refusal::full()
        }
        UploadError::Io(error) => {
            tracing::error!(%error, "storing an artifact failed");
            Refusal::internal()
        }
    }
}
