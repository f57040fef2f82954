//! What vendors do with running jobs, through the router: following a log, looking at events, running a command,
//! reaching a port.
//!
//! A member's agent holds one standing stream to the hub, on which it is told what is wanted ([`agent`]). For each
//! session it opens another, says whether it will, and the hub joins that to the vendor's ([`vendor`]). The hub passes
//! messages on one by one and looks into none but the first.
//!
//! Every stream is opened as a request of its own, so the API server authenticates each; rights are asked for again
//! while it lasts. The standing stream ends on one replica of the hub, and a vendor who is answered by another finds
//! the member not connected: sessions need a hub of one replica.

pub mod agent;
mod limits;
mod record;
pub mod vendor;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use eai_api::{
    names::member_of_namespace,
    session::{Answer, Open, Wish},
};
use eai_runtime::stream::{Message, Pace, Socket};
use futures::StreamExt as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    authorize::{Authorizer, Question},
    error::Refusal,
};

pub use self::limits::Limits;

/// Sessions that an agent may have to be told of at once.
const TOLD: usize = 32;

/// How much and how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of streams.
    pub pace: Pace,
    /// At once.
    pub limits: Limits,
    /// How long an agent may take to open a session, and then to say whether it will.
    pub answer: Duration,
    /// Between looks whether both sides of a session still may.
    pub recheck: Duration,
    /// Between looks whether an agent still may, while nobody wants anything.
    pub standing_recheck: Duration,
    /// How long a standing stream lasts; then its agent opens another, with its token of then.
    pub standing_life: Duration,
    /// Messages that may come on a standing stream between two pings: an agent has nothing to say there.
    pub standing_messages: u32,
    /// Standing streams in all.
    pub standing: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            limits: Limits::default(),
            answer: Duration::from_secs(15),
            recheck: Duration::from_secs(10),
            standing_recheck: Duration::from_secs(10),
            standing_life: Duration::from_hours(1),
            standing_messages: 20,
            standing: 4096,
        }
    }
}

/// The sessions of this replica.
pub struct Sessions {
    authorizer: Arc<Authorizer>,
    bounds: Bounds,
    shutdown: CancellationToken,
    /// Sessions begun, and when this process did: no session is named like one of another process's.
    count: AtomicU64,
    began: u128,
    state: Mutex<State>,
    places: limits::Places,
}

/// A session's stream, and what its agent must be allowed all the while.
type Opened = (Socket, Question);

#[derive(Default)]
struct State {
    /// Where each member's agent is told what is wanted, by namespace, and which of its streams that is.
    standing: HashMap<String, (u64, mpsc::Sender<Open>)>,
    /// Sessions that no agent has opened yet: whose agent may, and where the stream goes.
    awaited: HashMap<String, (String, oneshot::Sender<Opened>)>,
}

/// A session that is waited for; it isn't any more once this is dropped.
struct Awaited<'a> {
    sessions: &'a Sessions,
    name: String,
    stream: oneshot::Receiver<Opened>,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.sessions.state().awaited.remove(&self.name);
    }
}

impl Sessions {
    /// None yet.
    pub fn new(authorizer: Arc<Authorizer>, bounds: Bounds, shutdown: CancellationToken) -> Arc<Self> {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let places = limits::Places::new(bounds.limits);
        let (count, state) = (AtomicU64::new(1), Mutex::default());
        Arc::new(Self { authorizer, bounds, shutdown, count, began, state, places })
    }

    /// Asks the agent of the member whose namespace this is for a session. Returns its stream, and the answer as it came.
    async fn open(&self, namespace: &str, assignment: String, wish: Wish) -> Result<(Opened, Message), Refusal> {
        let member = member_of_namespace(namespace).unwrap_or_default();
        let mut awaited = self.await_stream(namespace);
        let open = Open { session: awaited.name.clone(), assignment, wish };
        let told = self.state().standing.get(namespace).map(|(_, agent)| agent.try_send(open));
        match told {
            Some(Ok(())) => {}
            Some(Err(mpsc::error::TrySendError::Full(_))) => {
                return Err(Refusal::too_many(format!("member {member} is asked for too much at once; try again")));
            }
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => {
                let said = format!(
                    "member {member} isn't connected to this hub now; try again in a moment. What is kept of the log is \
                     there without it: kubectl eai logs, without -f"
                );
                return Err(Refusal::bad_gateway(said));
            }
        }
        let late = || Refusal::bad_gateway(format!("member {member} doesn't answer; try again in a moment"));
        let stream = timeout(self.bounds.answer, &mut awaited.stream).await;
        let (mut stream, question) = stream.ok().and_then(Result::ok).ok_or_else(late)?;
        let first = timeout(self.bounds.answer, first(&mut stream)).await.map_err(|_| late())?;
        match first {
            Some((Answer::Begin { .. }, text)) => Ok(((stream, question), text)),
            Some((Answer::Refused { message }, _)) => {
                // What a member says is shown to vendors: a sentence, not a book.
                let message: String = message.chars().filter(|c| !c.is_control()).take(500).collect();
                Err(Refusal::conflict(format!("member {member}: {message}")))
            }
            None => Err(Refusal::bad_gateway(format!("member {member} answers with something that is no answer"))),
        }
    }

    fn await_stream(&self, namespace: &str) -> Awaited<'_> {
        let name = format!("{:x}-{:x}", self.began, self.count.fetch_add(1, Ordering::Relaxed));
        let (sender, stream) = oneshot::channel();
        self.state().awaited.insert(name.clone(), (namespace.to_owned(), sender));
        Awaited { sessions: self, name, stream }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first message of a stream, if it is an answer.
async fn first(stream: &mut Socket) -> Option<(Answer, Message)> {
    loop {
        match stream.next().await?.ok()? {
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Text(text) => {
                let answer = serde_json::from_str(&text).ok()?;
                return Some((answer, Message::Text(text)));
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
impl Sessions {
    /// Whether a member's agent is connected.
    pub fn is_standing(&self, namespace: &str) -> bool {
        self.state().standing.contains_key(namespace)
    }

    /// Whether no session is under way or waited for.
    pub fn is_idle(&self) -> bool {
        self.state().awaited.is_empty() && self.places.are_free()
    }
}
