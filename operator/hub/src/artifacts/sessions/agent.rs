//! Agents' streams: the standing one, and one for each session that it was asked for.

use std::{future::pending, sync::Arc};

use axum::{
    body::Body,
    http::{Request, Response},
};
use eai_api::session::{Open, STANDING};
use eai_runtime::stream::{self, Message, Socket, cut, over};
use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, interval_at, sleep, timeout},
};

use super::{Sessions, TOLD};
use crate::artifacts::{app::App, authorize::Question, error::Refusal, identity::Identity, server::TrustChanges};

/// Takes an agent's stream.
pub async fn serve(
    app: &App,
    who: Identity,
    namespace: String,
    name: String,
    mut request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let question = app.agent(who, &namespace).await?;
    let trust = request.extensions().get::<TrustChanges>().cloned();
    let (response, upgrade) = stream::accept(&mut request).ok_or_else(|| Refusal::bad_request("this is a stream"))?;
    let sessions = Arc::clone(&app.sessions);
    if name != STANDING {
        // Another member's agent learns nothing of it, and takes nothing from it.
        let awaited = {
            let mut state = sessions.state();
            let theirs = state.awaited.get(&name).is_some_and(|(of, _)| *of == namespace);
            if theirs { state.awaited.remove(&name) } else { None }
        };
        let (_, stream) = awaited.ok_or_else(|| Refusal::not_found("nobody waits for this session"))?;
        tokio::spawn(async move {
            if let Some(socket) = stream::accepted(upgrade).await {
                // Whoever waited may have gone; the stream goes with it.
                let _ = stream.send((socket, question));
            }
        });
        return Ok(response);
    }
    {
        let standing = &sessions.state().standing;
        if standing.len() >= sessions.bounds.standing && !standing.contains_key(&namespace) {
            return Err(Refusal::too_many("the hub holds as many members' streams as it can"));
        }
    }
    tokio::spawn(async move {
        let Some(socket) = stream::accepted(upgrade).await else { return };
        let (number, told) = sessions.stand(&namespace);
        tracing::debug!(namespace, "an agent is connected");
        let standing = Standing { sessions: &sessions, question, told, socket };
        let why = standing.hold(trust).await;
        tracing::debug!(namespace, why, "an agent's standing stream ends");
        sessions.fall(&namespace, number);
    });
    Ok(response)
}

impl Sessions {
    /// From now on the member's agent is told here; whoever was before is told nothing more.
    fn stand(&self, namespace: &str) -> (u64, mpsc::Receiver<Open>) {
        let (agent, told) = mpsc::channel(TOLD);
        let number = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.state().standing.insert(namespace.to_owned(), (number, agent));
        (number, told)
    }

    fn fall(&self, namespace: &str, number: u64) {
        let mut state = self.state();
        if state.standing.get(namespace).is_some_and(|(of, _)| *of == number) {
            state.standing.remove(namespace);
        }
    }
}

/// An agent's standing stream.
struct Standing<'a> {
    sessions: &'a Sessions,
    question: Question,
    told: mpsc::Receiver<Open>,
    socket: Socket,
}

impl Standing<'_> {
    /// Tells the agent what is wanted until one of the two is done. Says why it ended.
    async fn hold(mut self, trust: Option<TrustChanges>) -> &'static str {
        let trust_changed = async {
            match trust {
                Some(trust) => trust.changed().await,
                None => pending().await,
            }
        };
        let (sessions, bounds) = (self.sessions, self.sessions.bounds);
        let life = sleep(bounds.standing_life);
        let why = tokio::select! {
            why = self.tell() => why,
            () = trust_changed => "whom the hub trusts has changed",
            () = sessions.shutdown.cancelled() => "the hub stops",
            () = life => "it has lasted long enough",
        };
        let word = if why == "it has lasted long enough" { over() } else { cut(why) };
        stream::finish(self.socket, word, bounds.pace.last).await;
        why
    }

    async fn tell(&mut self) -> &'static str {
        let bounds = self.sessions.bounds;
        let mut pings = interval(bounds.pace.ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = interval_at(Instant::now() + bounds.standing_recheck, bounds.standing_recheck);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut came) = (Instant::now(), 0);
        loop {
            let word = tokio::select! {
                open = self.told.recv() => match open {
                    Some(open) => match serde_json::to_string(&open) {
                        Ok(text) => Message::Text(text.into()),
                        Err(_) => continue,
                    },
                    None => return "another stream of the member's took its place",
                },
                message = self.socket.next() => {
                    came += 1;
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) if came <= bounds.standing_messages => continue,
                        Some(Ok(Message::Close(_))) | None => return "the agent closed it",
                        Some(Ok(_)) => return "an agent has nothing to say here",
                        Some(Err(_)) => return "the connection broke",
                    }
                },
                _ = pings.tick() => {
                    came = 0;
                    if heard.elapsed() > bounds.pace.silence {
                        return "the agent fell silent";
                    }
                    Message::Ping(Vec::new().into())
                },
                _ = looks.tick() => {
                    // An API server that doesn't answer takes nobody's rights.
                    if let Ok(false) = self.sessions.authorizer.allows(self.question.clone()).await {
                        return "the agent has lost its rights";
                    }
                    continue;
                }
            };
            match timeout(bounds.pace.silence, self.socket.send(word)).await {
                Ok(Ok(())) => {}
                _ => return "the agent takes nothing",
            }
        }
    }
}
