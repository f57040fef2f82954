//! Watches: every change of a kind, in order, to everyone who asked, as late as they asked for.

use std::{convert::Infallible, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A change: its kind, its version and its event as a line.
type Change = (String, u64, Vec<u8>);

/// Everything that changed, and who is told.
#[derive(Default)]
pub struct Watches {
    log: Vec<Change>,
    watchers: Vec<(String, UnboundedSender<Vec<u8>>)>,
}

impl Watches {
    /// The changes of `kind` after version `since`, each `lag` after it happened.
    pub fn subscribe(
        &mut self,
        kind: &str,
        since: u64,
        lag: Duration,
    ) -> impl Stream<Item = Result<Vec<u8>, Infallible>> + Send + use<> {
        let (sender, receiver) = unbounded_channel();
        for (_, _, line) in self.log.iter().filter(|(k, version, _)| k == kind && *version > since) {
            sender.send(line.clone()).unwrap();
        }
        self.watchers.push((kind.to_owned(), sender));
        lines(receiver).then(move |line| async move {
            tokio::time::sleep(lag).await;
            Ok(line)
        })
    }

    /// Tells everyone of a change.
    pub fn tell(&mut self, kind: &str, version: u64, event: &Value) {
        let mut line = serde_json::to_vec(event).unwrap();
        line.push(b'\n');
        self.watchers.retain(|(k, watcher)| k != kind || watcher.send(line.clone()).is_ok());
        self.log.push((kind.to_owned(), version, line));
    }
}

fn lines(receiver: UnboundedReceiver<Vec<u8>>) -> impl Stream<Item = Vec<u8>> + Send {
    stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) })
}
