//! Refusals as the API server's clients know them: `metav1.Status`.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde_json::json;

/// A request that isn't served: what it was, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status.
    pub code: StatusCode,
    /// Kubernetes' word for it.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Where an upload stands, if the request was at odds with that.
    pub offset: Option<u64>,
}

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), offset: None }
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// Nobody we know.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    /// Somebody who may not.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// There is no such thing, or not yet.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// Not with this verb.
    pub fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// It took too long to arrive.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "Timeout", message)
    }

    /// At odds with what is there.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// The upload stands elsewhere.
    pub fn wrong_offset(stands_at: u64) -> Self {
        let message = format!("this upload stands at {stands_at} bytes: go on from there, or begin again at 0");
        Self { offset: Some(stands_at), ..Self::conflict(message) }
    }

    /// More than is allowed.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// Not what it claims to be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    /// More at once than is allowed. Refused as Kubernetes refuses what is beyond a quota: clients ask again by themselves
    /// where they are told 429 or 503, and nobody would read why.
    pub fn too_many(message: impl Into<String>) -> Self {
        Self::forbidden(message)
    }

    /// A member that is asked for something doesn't answer.
    pub fn bad_gateway(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "BadGateway", message)
    }

    /// The hub's store is full.
    pub fn full() -> Self {
        let message = "the hub has no space left for logs and outputs; its admin must add some";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", message)
    }

    /// Something we rest on doesn't answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// Our fault. What exactly is in our log and nobody else's business.
    pub fn internal() -> Self {
        let message = "the hub failed to serve this; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// The answer that says so.
    pub fn response(&self) -> Response<Body> {
        let causes =
            self.offset.map(|at| json!([{ "reason": "Offset", "field": "offset", "message": at.to_string() }]));
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": self.code.as_u16(),
            "reason": self.reason, "message": self.message, "details": { "causes": causes.unwrap_or(json!([])) },
        });
        json_response(self.code, status.to_string())
    }
}

/// An answer of JSON text.
pub fn json_response(code: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
