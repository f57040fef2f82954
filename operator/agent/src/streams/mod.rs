//! What vendors do with running jobs, through the router: the hub can't reach this cluster, so the agent holds a stream
//! open on which it is told what somebody wants, and opens another for each such session.
//!
//! The hub says what is wanted; whether it may be is decided here, by what its Assignment and the owner allow.

mod events;
mod judge;
mod log;
mod pod;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use eai_api::{
    names::{ARTIFACTS_GROUP, VERSION},
    session::{Answer, Open, STANDING, Wish},
};
use eai_runtime::stream::{self, ConnectError, End, Link, Message, Pace, Socket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{artifacts::Backoff, context::Context};

/// Sessions at once, whatever the hub asks for.
const MOST: usize = 32;

/// How what isn't a log begins.
const BEGIN: Answer = Answer::Begin { offset: 0, anew: false };

/// The agent's streams.
pub struct Streams {
    context: Arc<Context>,
    pace: Pace,
    places: Arc<Semaphore>,
}

impl Streams {
    /// None yet.
    pub fn new(context: Arc<Context>, pace: Pace) -> Arc<Self> {
        Arc::new(Self { context, pace, places: Arc::new(Semaphore::new(MOST)) })
    }

    /// Is there for the hub until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let sessions = TaskTracker::new();
        let mut backoff = Backoff::new();
        loop {
            let ended = tokio::select! {
                () = shutdown.cancelled() => return,
                ended = self.stand(&sessions, &shutdown) => ended,
            };
            match ended {
                // It was there for a while and is to come again.
                Ok(end) => {
                    tracing::debug!(%end, "the standing stream to the hub ends");
                    backoff = Backoff::new();
                }
                // A hub of an earlier version doesn't know it.
                Err(error) => tracing::debug!(%error, "the hub takes no standing stream now"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = backoff.wait() => {}
            }
        }
    }

    /// Holds a standing stream until it ends.
    async fn stand(
        self: &Arc<Self>,
        sessions: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<End, ConnectError> {
        let (socket, _) = stream::connect(&self.context.hub, &self.path(STANDING)).await?;
        let mut link = Link::new(socket, self.pace);
        loop {
            let message = match link.next().await {
                Ok(message) => message,
                Err(end) => return Ok(end),
            };
            let open = message.to_text().ok().and_then(|text| serde_json::from_str::<Open>(text).ok());
            let Some(open) = open.filter(|open| is_name(&open.session)) else {
                // A hub of a later version may want what isn't known here.
                tracing::debug!("the hub asks for something that isn't known here");
                continue;
            };
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                tracing::warn!(MOST, "the hub asks for more sessions than there may be");
                continue;
            };
            let (streams, shutdown) = (Arc::clone(self), shutdown.clone());
            sessions.spawn(async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = streams.session(open, place) => {}
                }
            });
        }
    }

    /// One session, from its asking to its end.
    async fn session(&self, open: Open, _place: OwnedSemaphorePermit) {
        let began = self.begin(&open).await;
        let socket = match stream::connect(&self.context.hub, &self.path(&open.session)).await {
            Ok((socket, _)) => socket,
            Err(error) => return tracing::debug!(%error, "nobody waits for the session any more"),
        };
        let answer = match &began {
            Ok((answer, _)) => answer.clone(),
            Err(message) => Answer::Refused { message: message.clone() },
        };
        let Ok(text) = serde_json::to_string(&answer) else { return };
        let mut link = Link::new(socket, self.pace);
        if link.send(Message::Text(text.into())).await.is_err() {
            return;
        }
        let socket = link.into_socket();
        match began {
            Ok((_, session)) => {
                let end = session.run(socket, self.pace).await;
                tracing::debug!(%end, assignment = open.assignment, "a session ends");
            }
            Err(_) => stream::finish(socket, stream::over(), self.pace.last).await,
        }
    }

    /// Whether the session may be, and what it is; a sentence for the vendor if not.
    async fn begin(&self, open: &Open) -> Result<(Answer, Session), String> {
        let assignment = judge::assignment(&self.context, &open.assignment)?;
        match &open.wish {
            Wish::Log { index, offset, check } => {
                let reader = log::Reader::new(self.context.artifacts.clone(), &open.assignment, *index);
                let (answer, reader) = reader.begin(*offset, check.as_deref()).await?;
                Ok((answer, Session::Log(reader)))
            }
            Wish::Events => Ok((BEGIN, Session::Events(events::of(&self.context, &open.assignment).await?))),
            Wish::Exec { index, command, stdin } => {
                judge::commands(&assignment, &self.context.config.limits)?;
                let pod = judge::pod(&self.context, &open.assignment, *index)?;
                tracing::info!(target: "audit", assignment = open.assignment, pod, ?command, "a vendor runs a command");
                Ok((BEGIN, Session::Pod(Box::new(pod::exec(&self.context, &pod, command, *stdin).await?))))
            }
            Wish::PortForward { index, port } => {
                let pod = judge::pod(&self.context, &open.assignment, *index)?;
                Ok((BEGIN, Session::Pod(Box::new(pod::port(&self.context, &pod, *port).await?))))
            }
        }
    }

    fn path(&self, session: &str) -> String {
        let namespace = &self.context.hub_namespace;
        format!("/apis/{ARTIFACTS_GROUP}/{VERSION}/namespaces/{namespace}/sessions/{session}/attach")
    }
}

/// A session that may be.
enum Session {
    /// Of a log.
    Log(log::Reader),
    /// What there is to tell, and its end.
    Events(Vec<Message>),
    /// With a pod: the stream from its node.
    Pod(Box<Socket>),
}

impl Session {
    async fn run(self, socket: Socket, pace: Pace) -> End {
        match self {
            Self::Log(reader) => stream::pour(socket, reader.messages(), pace).await,
            Self::Events(events) => stream::pour(socket, futures::stream::iter(events), pace).await,
            // Not every node answers pings.
            Self::Pod(pod) => stream::splice(socket, *pod, pace, false).await,
        }
    }
}

/// Whether a session is named like one: the name becomes part of a path.
fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
