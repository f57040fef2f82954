//! Passing on what comes, at the pace of whoever takes it.

use std::time::Duration;

use futures::{Sink, SinkExt as _, Stream, StreamExt as _, sink};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message, protocol::CloseFrame};

use super::{MOST_BYTES, Socket, cut};

/// What a message costs beside its bytes, so that empty ones aren't free.
const MESSAGE_COST: u64 = 256;

/// How streams are kept alive, and how fast they may go.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between pings.
    pub ping: Duration,
    /// How long an end may say nothing, or take nothing, until it is given up.
    pub silence: Duration,
    /// Bytes a second, each way.
    pub rate: u64,
    /// How long an end that is told of the end may take to say that it has heard.
    pub last: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(20),
            silence: Duration::from_secs(70),
            rate: 8 << 20,
            last: Duration::from_secs(3),
        }
    }
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// One end closed it, as this says.
    #[error("it was closed")]
    Closed(Option<CloseFrame>),
    /// Nothing was heard from an end, pongs neither.
    #[error("an end fell silent")]
    Silent,
    /// An end takes nothing.
    #[error("an end takes nothing any more")]
    Stalled,
    /// The connection broke, or what came on it was no stream.
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// The way from one end to the other.
pub struct Pump<'a, R, W> {
    /// Where messages come from.
    pub from: &'a mut R,
    /// Where they go.
    pub to: &'a mut W,
    /// At which pace.
    pub pace: Pace,
    /// Whether the end that messages come from is lost when it says nothing.
    pub wary: bool,
}

impl<R, W> Pump<'_, R, W>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
    W: Sink<Message, Error = Error> + Unpin,
{
    /// Passes on messages until one end is done. The other is told.
    pub async fn run(mut self) -> End {
        let end = self.pass_on().await;
        let farewell = match &end {
            End::Closed(frame) => Message::Close(frame.clone()),
            End::Stalled => return end,
            other => cut(&other.to_string()),
        };
        // Whoever can't be told notices by itself.
        let _ = timeout(self.pace.last, self.to.send(farewell)).await;
        end
    }

    async fn pass_on(&mut self) -> End {
        let mut pings = interval(self.pace.ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut due) = (Instant::now(), Instant::now());
        loop {
            let message = tokio::select! {
                message = self.from.next() => message,
                _ = pings.tick() => {
                    if self.wary && heard.elapsed() > self.pace.silence {
                        return End::Silent;
                    }
                    if let Err(end) = self.send(Message::Ping(Vec::new().into())).await {
                        return end;
                    }
                    continue;
                }
            };
            let message = match message {
                None => return End::Broken("it ended without a word".to_owned()),
                Some(Err(error)) => return End::Broken(error.to_string()),
                Some(Ok(Message::Close(frame))) => return End::Closed(frame),
                Some(Ok(message)) => message,
            };
            let cost = MESSAGE_COST + message.len() as u64;
            if matches!(message, Message::Binary(_) | Message::Text(_))
                && let Err(end) = self.send(message).await
            {
                return end;
            }
            heard = Instant::now();
            due = due.max(heard) + Duration::from_nanos(cost.saturating_mul(1_000_000_000) / self.pace.rate.max(1));
            // What a burst may be ahead of its rate is a message of the longest.
            let ahead = Duration::from_nanos((MOST_BYTES as u64) * 1_000_000_000 / self.pace.rate.max(1));
            if due > heard + ahead {
                sleep_until(due - ahead).await;
                heard = Instant::now();
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.pace.silence, self.to.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::Broken(error.to_string())),
            Err(_) => Err(End::Stalled),
        }
    }
}

/// Joins two streams until one of them ends; then the other is told, and waited for a moment: a connection that is
/// dropped with something unread takes with it what its other end hasn't read. The other end need not answer pings.
pub async fn splice(one: Socket, other: Socket, pace: Pace, wary_of_other: bool) -> End {
    let (mut to_one, mut from_one) = one.split();
    let (mut to_other, mut from_other) = other.split();
    let there = Pump { from: &mut from_one, to: &mut to_other, pace, wary: true };
    let back = Pump { from: &mut from_other, to: &mut to_one, pace, wary: wary_of_other };
    let (end, left) = tokio::select! {
        end = there.run() => (end, &mut from_other),
        end = back.run() => (end, &mut from_one),
    };
    drain(left, pace.last).await;
    end
}

/// Pours what `source` has into a stream, and what comes on it into `sink`, until the stream is closed or the source
/// closes it.
pub async fn join<S, K>(socket: Socket, source: S, sink: K, pace: Pace) -> End
where
    S: Stream<Item = Message>,
    K: Sink<Message, Error = Error>,
{
    let (mut to, mut from) = socket.split();
    let (mut source, mut sink) = (std::pin::pin!(source.map(Ok)), std::pin::pin!(sink));
    let out = Pump { from: &mut source, to: &mut to, pace, wary: false };
    let back = Pump { from: &mut from, to: &mut sink, pace, wary: true };
    let end = tokio::select! {
        end = out.run() => end,
        end = back.run() => return end,
    };
    drain(&mut from, pace.last).await;
    end
}

/// Pours what `source` has into a stream, and listens only for its end.
pub async fn pour(socket: Socket, source: impl Stream<Item = Message>, pace: Pace) -> End {
    join(socket, source, sink::drain().sink_map_err(|never| match never {}), pace).await
}

/// Says the last word on a stream, and waits a moment until it was heard.
pub async fn finish(mut socket: Socket, word: Message, patience: Duration) {
    if let Ok(Ok(())) = timeout(patience, socket.send(word)).await {
        drain(&mut socket, patience).await;
    }
}

async fn drain<R: Stream<Item = Result<Message, Error>> + Unpin>(from: &mut R, patience: Duration) {
    let _ = timeout(patience, async { while let Some(Ok(_)) = from.next().await {} }).await;
}
