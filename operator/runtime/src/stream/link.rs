//! One end of a stream that mostly listens.

use futures::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{End, Pace, Socket};

/// One end of a stream that mostly listens: it is kept alive, and its silence is noticed, while somebody waits for what
/// comes.
pub struct Link {
    socket: Socket,
    pace: Pace,
    pings: Interval,
    heard: Instant,
}

impl Link {
    /// That of `socket`.
    pub fn new(socket: Socket, pace: Pace) -> Self {
        let mut pings = interval(pace.ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { socket, pace, pings, heard: Instant::now() }
    }

    /// The next message that says something.
    pub async fn next(&mut self) -> Result<Message, End> {
        // Time in which nobody listened isn't the other end's silence.
        self.heard = Instant::now();
        loop {
            let message = tokio::select! {
                message = self.socket.next() => message,
                _ = self.pings.tick() => {
                    if self.heard.elapsed() > self.pace.silence {
                        return Err(End::Silent);
                    }
                    self.send(Message::Ping(Vec::new().into())).await?;
                    continue;
                }
            };
            self.heard = Instant::now();
            match message {
                None => return Err(End::Broken("it ended without a word".to_owned())),
                Some(Err(error)) => return Err(End::Broken(error.to_string())),
                Some(Ok(Message::Close(frame))) => return Err(End::Closed(frame)),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(message)) => return Ok(message),
            }
        }
    }

    /// Says something.
    pub async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.pace.silence, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::Broken(error.to_string())),
            Err(_) => Err(End::Stalled),
        }
    }

    /// The stream itself.
    pub fn into_socket(self) -> Socket {
        self.socket
    }
}
