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

use super::{Sessions, limits::Place, record::Record};
use crate::artifacts::{
    app::{App, query},
    authorize::{Action, Question},
    error::Refusal,
    identity::Identity,
    path::{Deed, Live},
    server::TrustChanges,
};

/// The longest command.
const MOST_WORDS: usize = 64;
const MOST_COMMAND: usize = 4096;

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
    let job = job(app, &live, &user, &needed).await?;
    let (uid, namespace, assignment) = running(&job)?;
    has_index(&job, &wish)?;
    let command = match &wish {
        Wish::Exec { command, .. } => Some(may_run(&job, command)?),
        _ => None,
    };
    let trust = request.extensions().get::<TrustChanges>().cloned();
    let (response, upgrade) = stream::accept(&mut request)
        .ok_or_else(|| Refusal::bad_request("this is a stream, which kubectl eai asks for as a websocket"))?;
    let sessions = Arc::clone(&app.sessions);
    let place = sessions.places.take(&user, &uid, &namespace)?;
    // Nothing is run that isn't on record.
    let mut record = match command {
        Some(command) => Some(app.asked(Record::begin(&app.client, &job, &user, command)).await?),
        None => None,
    };
    let opened = sessions.open(&namespace, assignment, wish).await;
    if let (Err(refusal), Some(record)) = (&opened, &mut record) {
        record.ends(format!("it may not have been run: {refusal}"));
    }
    let ((agent, agents), answer) = opened?;
    needed.push(agents);
    tokio::spawn(async move {
        let Some(mut vendor) = stream::accepted(upgrade).await else { return };
        let patience = sessions.bounds.pace.silence;
        if !matches!(timeout(patience, vendor.send(answer)).await, Ok(Ok(()))) {
            return;
        }
        let joined = Joined { sessions: &sessions, needed, _place: place };
        let end = joined.run(vendor, agent, trust).await;
        if let Some(record) = &mut record {
            record.ends(end);
        }
    });
    Ok(response)
}

/// The job, for a user who may do all that is needed.
async fn job(app: &App, live: &Live, user: &str, needed: &[Question]) -> Result<AIJob, Refusal> {
    for question in needed {
        if !app.asked(app.authorizer.allows(question.clone())).await? {
            return Err(forbidden(user, live, &question.action));
        }
    }
    let jobs: Api<AIJob> = Api::namespaced(app.client.clone(), &live.namespace);
    let missing = || Refusal::not_found(format!("there is no AIJob {} in namespace {}", live.name, live.namespace));
    app.asked(jobs.get_opt(&live.name)).await?.ok_or_else(missing)
}

/// A session under way.
struct Joined<'a> {
    sessions: &'a Sessions,
    /// What vendor and agent must be allowed all the while.
    needed: Vec<Question>,
    _place: Place,
}

impl Joined<'_> {
    /// Passes on messages until one end is done, or may no longer. Says how it ended.
    async fn run(self, vendor: Socket, agent: Socket, trust: Option<TrustChanges>) -> String {
        let trust_changed = async {
            match trust {
                Some(trust) => trust.changed().await,
                None => pending().await,
            }
        };
        // Whoever is cut off comes again, and is told why not.
        tokio::select! {
            end = splice(vendor, agent, self.sessions.bounds.pace, true) => end.to_string(),
            () = self.no_longer_allowed() => "its vendor, or its member, may no longer".to_owned(),
            () = trust_changed => "whom the hub trusts has changed".to_owned(),
            () = self.sessions.shutdown.cancelled() => "the hub stopped".to_owned(),
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

/// The command as one line, if the job allows commands and this can be one.
fn may_run(job: &AIJob, command: &[String]) -> Result<String, Refusal> {
    if !job.spec.allow_exec {
        let said = "the job allows no commands; for another job set spec.allowExec, which can't change";
        return Err(Refusal::forbidden(said));
    }
    let length: usize = command.iter().map(String::len).sum();
    if command.is_empty() || command.len() > MOST_WORDS || length > MOST_COMMAND {
        let said = format!("a command has from 1 to {MOST_WORDS} words, and {MOST_COMMAND} bytes at most");
        return Err(Refusal::bad_request(said));
    }
    Ok(command.join(" "))
}
