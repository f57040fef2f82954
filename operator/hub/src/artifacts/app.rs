//! One request: whom it is from, what it is about, and the answer.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Query,
    http::{Method, Request, Response, StatusCode, Uri},
};
use eai_api::names::member_of_namespace;
use eai_runtime::stream;
use kube::Client;
use prometheus::IntCounterVec;
use serde::de::DeserializeOwned;
use tokio::{sync::Semaphore, time::timeout};

use crate::placement::Quotes;

use super::{
    authorize::{Action, Authorizer, Question},
    discovery,
    error::Refusal,
    identity::{HeaderNames, Identity},
    path::{self, Artifact, Deed, Live, Owner, Target, What},
    serve_quote, serve_read, serve_write,
    sessions::{Sessions, agent, vendor},
    store::Store,
};

/// Uploads at once; more of them wait, and their senders with them.
pub const UPLOADS: usize = 8;
/// How long the API server may take to answer a question of ours.
const ASK: Duration = Duration::from_secs(10);
/// How long a request may take until its answer begins, a body of 4 MiB included.
const REQUEST: Duration = Duration::from_mins(2);

/// What requests are answered from.
pub struct App {
    /// The API server, as ourselves.
    pub client: Client,
    /// Who may what.
    pub authorizer: Arc<Authorizer>,
    /// The files.
    pub store: Store,
    /// A turn for each upload: one costs a core for as long as its body takes, and this process has more to do.
    pub uploads: Semaphore,
    /// Where quotes are asked for.
    pub quotes: Quotes,
    /// What vendors do with running jobs.
    pub sessions: Arc<Sessions>,
    /// Requests by verb, subject and status.
    pub requests: IntCounterVec,
}

impl App {
    /// Answers a request that came over a connection of the API server's.
    pub async fn answer(&self, request: Request<Body>, names: &HeaderNames) -> Response<Body> {
        let (method, target) = (request.method().clone(), path::parse(request.uri().path()));
        let subject = match &target {
            Some(Target::Artifact(Artifact { owner: Owner::AIJob, .. })) => "aijobs",
            Some(Target::Artifact(Artifact { owner: Owner::Assignment, .. })) => "assignments",
            Some(Target::Quotes(_)) => "quotes",
            Some(Target::Live(_)) => "live",
            Some(Target::Session { .. }) => "sessions",
            _ => "other",
        };
        let answer = match timeout(REQUEST, self.serve(request, target, names)).await {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => refusal.response(),
            Err(_) => Refusal::timeout("this took too long").response(),
        };
        // Other methods than these are one line, so that nobody can make up labels.
        let verb = if [Method::GET, Method::HEAD, Method::PUT, Method::POST].contains(&method) {
            method.as_str()
        } else {
            "other"
        };
        self.requests.with_label_values(&[verb, subject, answer.status().as_str()]).inc();
        answer
    }

    async fn serve(
        &self,
        request: Request<Body>,
        target: Option<Target>,
        names: &HeaderNames,
    ) -> Result<Response<Body>, Refusal> {
        let who = Identity::read(request.headers(), names)
            .ok_or_else(|| Refusal::unauthorized("the API server named no user"))?;
        let read = matches!(*request.method(), Method::GET | Method::HEAD);
        let target = target.ok_or_else(|| Refusal::not_found("there is no such resource"))?;
        if let Target::Artifact(artifact) = target {
            return self.artifact(request, artifact, who).await;
        }
        if let Target::Live(_) | Target::Session { .. } = target
            && *request.method() != Method::GET
        {
            return Err(Refusal::method_not_allowed("streams are asked for by GET"));
        }
        if let Target::Live(live) = target {
            return vendor::serve(self, who, live, request).await;
        }
        if let Target::Session { namespace, name } = target {
            return agent::serve(self, who, namespace, name, request).await;
        }
        if let Target::Quotes(namespace) = target {
            if *request.method() != Method::POST {
                return Err(Refusal::method_not_allowed("quotes are asked for by POST and aren't kept"));
            }
            return serve_quote::serve(self, who, namespace, request.into_body()).await;
        }
        if !read {
            return Err(Refusal::method_not_allowed("this can only be read"));
        }
        Ok(match target {
            Target::Health | Target::Artifact(_) | Target::Quotes(_) | Target::Live(_) | Target::Session { .. } => {
                Response::new(Body::from("ok"))
            }
            Target::Groups => discovery::groups(request.headers()),
            Target::Group => discovery::group(),
            Target::Resources => discovery::resources(),
            Target::OpenApiV2 => discovery::open_api_v2(),
            Target::OpenApiV3 => discovery::open_api_v3(),
        })
    }

    async fn artifact(
        &self,
        request: Request<Body>,
        artifact: Artifact,
        who: Identity,
    ) -> Result<Response<Body>, Refusal> {
        let follows = artifact.owner == Owner::AIJob && artifact.what == What::Log && *request.method() == Method::GET;
        if follows && stream::is_asked_for(request.headers()) {
            let Artifact { namespace, name, .. } = artifact;
            return vendor::serve(self, who, Live { namespace, name, deed: Deed::Log }, request).await;
        }
        let (parts, body) = request.into_parts();
        match (artifact.owner, parts.method.clone()) {
            (Owner::AIJob, method @ (Method::GET | Method::HEAD)) => {
                let query = query(&parts.uri)?;
                serve_read::serve(self, who, artifact, query, &method, &parts.headers).await
            }
            (Owner::Assignment, Method::PUT | Method::POST) => {
                let query = query(&parts.uri)?;
                serve_write::serve(self, who, artifact, query, &parts.headers, body).await
            }
            (Owner::Assignment, method @ (Method::GET | Method::HEAD)) if artifact.what == What::Checkpoint => {
                let query = query(&parts.uri)?;
                serve_read::serve_checkpoint(self, who, artifact, query, &method, &parts.headers).await
            }
            (Owner::AIJob, _) => Err(Refusal::method_not_allowed("logs and outputs of an AIJob can only be read")),
            (Owner::Assignment, _) => {
                Err(Refusal::method_not_allowed("logs and outputs of an Assignment can only be written"))
            }
        }
    }

    /// Lets through the agent of the member whose namespace this is; returns what it must be allowed from now on.
    pub async fn agent(&self, who: Identity, namespace: &str) -> Result<Question, Refusal> {
        if member_of_namespace(namespace).is_none() {
            return Err(Refusal::not_found(format!("{namespace} is no member's namespace")));
        }
        let user = who.user.clone();
        let question =
            Question { identity: who, namespace: namespace.to_owned(), action: Action::UpdateAssignmentStatus };
        if self.asked(self.authorizer.allows(question.clone())).await? {
            return Ok(question);
        }
        Err(Refusal::forbidden(format!("{user} may not update Assignments' status in namespace {namespace}")))
    }

    /// Waits for an answer of the API server, for a while.
    pub async fn asked<T>(&self, question: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Refusal> {
        match timeout(ASK, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the API server didn't answer a question about artifacts");
                Err(Refusal::unavailable("the hub couldn't ask its API server; try again"))
            }
            Err(_) => Err(Refusal::unavailable("the hub's API server is slow to answer; try again")),
        }
    }

    /// Waits for the disk.
    pub async fn stored<T>(&self, work: impl Future<Output = io::Result<T>>) -> Result<T, Refusal> {
        work.await.map_err(|error| {
            tracing::error!(%error, "reading an artifact failed");
            Refusal::internal()
        })
    }
}

pub fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    Query::try_from_uri(uri).map(|Query(query)| query).map_err(|error| Refusal::bad_request(error.to_string()))
}

/// The answer to whoever isn't the API server.
pub fn stranger() -> Response<Body> {
    let response = Refusal::unauthorized("only the API server's front proxy is heard here; use kubectl").response();
    debug_assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    response
}
