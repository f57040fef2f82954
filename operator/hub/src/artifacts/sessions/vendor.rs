//! Vendors' streams: whether they may, and joining theirs to the agent's.

use std::{future::pending, sync::Arc};

use axum::{
    body::Body,
    http::{Request, Response},
};
use eai_api::{AIJob, aijob::Phase, names::member_namespace, session::Wish};
use eai_runtime::stream::{self, Socket, splice};
use futures::SinkExt as _;
use kube::Api;
use serde::Deserialize;
use tokio::time::{Instant, interval_at, timeout};

use super::{Sessions, limits::Place};
use crate::artifacts::{
    app::{App, query},
    authorize::{Action, Question},
    error::Refusal,
    identity::Identity,
    path::{Deed, Live},
    server::TrustChanges,
};

/// The query of a vendor's request.
#[derive(Deserialize)]
struct LiveQuery {
    /// The wish, as JSON.
    wish: String,
}

/// Joins a vendor's stream to one of the agent of the member that runs the job.
pub async fn serve(
    app: &App,
    who: Identity,
    live: Live,
    mut request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let wish: LiveQuery = query(request.uri())?;
    let wish: Wish =
        serde_json::from_str(&wish.wish).map_err(|error| Refusal::bad_request(format!("wish: {error}")))?;
    if deed(&wish) != live.deed {
        return Err(Refusal::bad_request("the wish is for something else than the path says"));
    }
    let user = who.user.clone();
    let question = |action| Question { identity: who.clone(), namespace: live.namespace.clone(), action };
    let mut needed = vec![question(Action::GetJob(live.name.clone()))];
    needed.extend(right(live.deed).map(|what| question(Action::Use(live.name.clone(), what))));
    for question in &needed {
        if !app.asked(app.authorizer.allows(question.clone())).await? {
            return Err(forbidden(&user, &live, &question.action));
        }
    }
    let jobs: Api<AIJob> = Api::namespaced(app.client.clone(), &live.namespace);
    let job = app.asked(jobs.get_opt(&live.name)).await?;
    let missing = || Refusal::not_found(format!("there is no AIJob {} in namespace {}", live.name, live.namespace));
    let job = job.ok_or_else(missing)?;
    let (uid, namespace, assignment) = running(&job)?;
    has_index(&job, &wish)?;
    let trust = request.extensions().get::<TrustChanges>().cloned();
    let (response, upgrade) = stream::accept(&mut request)
        .ok_or_else(|| Refusal::bad_request("this is a stream, which kubectl eai asks for as a websocket"))?;
    let sessions = Arc::clone(&app.sessions);
    let place = sessions.places.take(&user, &uid, &namespace)?;
    let (agent, answer) = sessions.open(&namespace, assignment, wish).await?;
    tokio::spawn(async move {
        let Some(mut vendor) = stream::accepted(upgrade).await else { return };
        let patience = sessions.bounds.pace.silence;
        if !matches!(timeout(patience, vendor.send(answer)).await, Ok(Ok(()))) {
            return;
        }
        let joined = Joined { sessions: &sessions, needed, _place: place };
        joined.run(vendor, agent, trust).await;
    });
    Ok(response)
}

/// A session under way.
struct Joined<'a> {
    sessions: &'a Sessions,
    /// What the vendor must be allowed all the while.
    needed: Vec<Question>,
    _place: Place,
}

impl Joined<'_> {
    async fn run(self, vendor: Socket, agent: Socket, trust: Option<TrustChanges>) {
        let trust_changed = async {
            match trust {
                Some(trust) => trust.changed().await,
                None => pending().await,
            }
        };
        // Whoever is cut off comes again, and is told why not.
        tokio::select! {
            end = splice(vendor, agent, self.sessions.bounds.pace) => tracing::debug!(%end, "a session ends"),
            () = self.no_longer_allowed() => tracing::info!("a session is cut: its vendor may no longer"),
            () = trust_changed => {}
            () = self.sessions.shutdown.cancelled() => {}
        }
    }

    async fn no_longer_allowed(&self) {
        let every = self.sessions.bounds.recheck;
        let mut looks = interval_at(Instant::now() + every, every);
        loop {
            looks.tick().await;
            for question in &self.needed {
                // An API server that doesn't answer takes nobody's rights.
                if let Ok(false) = self.sessions.authorizer.allows(question.clone()).await {
                    return;
                }
            }
        }
    }
}

fn deed(wish: &Wish) -> Deed {
    match wish {
        Wish::Log { .. } => Deed::Log,
        Wish::Events => Deed::Events,
        Wish::Exec { .. } => Deed::Exec,
        Wish::PortForward { .. } => Deed::PortForward,
    }
}

/// What is to be allowed beside getting the job.
fn right(deed: Deed) -> Option<&'static str> {
    match deed {
        Deed::Log | Deed::Events => None,
        Deed::Exec => Some("exec"),
        Deed::PortForward => Some("portforward"),
    }
}

fn forbidden(user: &str, live: &Live, action: &Action) -> Refusal {
    let Live { namespace, name, .. } = live;
    match action {
        Action::Use(_, what) => {
            Refusal::forbidden(format!("{user} may not create aijobs/{what} for AIJob {name} in namespace {namespace}"))
        }
        _ => Refusal::forbidden(format!("{user} may not get AIJob {name} in namespace {namespace}")),
    }
}

/// The job's UID, and where its attempt is: the member's namespace and the Assignment.
fn running(job: &AIJob) -> Result<(String, String, String), Refusal> {
    let status = job.status.clone().unwrap_or_default();
    if status.phase.is_final() {
        return Err(Refusal::conflict(format!(
            "the job has ended: {}; its log is kept: kubectl eai logs",
            status.phase
        )));
    }
    let attempt = status.attempt.filter(|_| status.phase != Phase::Pending);
    let attempt =
        attempt.ok_or_else(|| Refusal::conflict(format!("the job isn't with a member: it is {}", status.phase)))?;
    let uid = job.metadata.uid.clone().unwrap_or_default();
    let name = attempt.epoch.name(&uid);
    Ok((uid, member_namespace(&attempt.member), name))
}

/// Whether the job has the completion that is meant.
fn has_index(job: &AIJob, wish: &Wish) -> Result<(), Refusal> {
    let (Wish::Log { index, .. } | Wish::Exec { index, .. } | Wish::PortForward { index, .. }) = wish else {
        return Ok(());
    };
    let most = job.spec.completions;
    if *index >= most {
        return Err(Refusal::not_found(format!("the job has {most} completions, counted from 0; there is no {index}")));
    }
    Ok(())
}
