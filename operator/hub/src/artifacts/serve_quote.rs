//! Vendors ask what would become of a job.

use axum::{
    body::{Body, to_bytes},
    http::{Response, StatusCode},
};
use eai_api::AIJob;

use super::{
    app::App,
    authorize::{Action, Question},
    error::{Refusal, json_response},
    identity::Identity,
};

/// The longest job that is read: what an API server takes of an object.
const MOST_BYTES: usize = 1 << 20;

/// Quotes the job in `body` for `namespace`, to whoever could make it there.
pub async fn serve(app: &App, who: Identity, namespace: String, body: Body) -> Result<Response<Body>, Refusal> {
    let user = who.user.clone();
    let question = Question { identity: who, namespace: namespace.clone(), action: Action::CreateJob };
    if !app.asked(app.authorizer.allows(question)).await? {
        return Err(Refusal::forbidden(format!("{user} may not create AIJobs in namespace {namespace}")));
    }
    let body = to_bytes(body, MOST_BYTES).await;
    let body = body.map_err(|_| Refusal::too_large(format!("a job to quote has at most {MOST_BYTES} bytes")))?;
    let mut job: AIJob =
        serde_json::from_slice(&body).map_err(|error| Refusal::invalid(format!("this is no AIJob: {error}")))?;
    // What became of some job is no part of the question.
    (job.status, job.metadata.namespace) = (None, Some(namespace));
    let quote = app.quotes.ask(job).await.map_err(|error| Refusal::unavailable(error.to_string()))?;
    let text = serde_json::to_string(&quote).map_err(|error| {
        tracing::error!(%error, "a quote can't be written");
        Refusal::internal()
    })?;
    Ok(json_response(StatusCode::CREATED, text))
}
