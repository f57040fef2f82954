//! Reading a log along, from any byte of it that is kept.

use std::time::Duration;

use eai_api::session::{Answer, CHECK_BYTES};
use eai_core::digest::Digest;
use eai_runtime::stream::{Message, cut, over};
use futures::{Stream, stream::unfold};

use crate::artifacts::{Artifacts, Live, Piece};

/// The most of a log in one message.
const PIECE: u64 = 32 << 10;
/// How long a reader who has more than this agent does is waited for: it may be reading the log anew after a restart.
const CATCHING_UP: Duration = Duration::from_secs(10);

/// Somebody who reads a log along.
pub struct Reader {
    artifacts: Artifacts,
    assignment: String,
    index: u32,
    /// The offset of what comes next.
    at: u64,
    ended: bool,
}

impl Reader {
    /// A reader of this completion's log.
    pub fn new(artifacts: Artifacts, assignment: &str, index: u32) -> Self {
        Self { artifacts, assignment: assignment.to_owned(), index, at: 0, ended: false }
    }

    /// Where reading can go on for somebody who has `offset` bytes, the last of which hash to `check`.
    pub async fn begin(mut self, offset: u64, check: Option<&str>) -> Result<(Answer, Self), String> {
        let mut live = self.live().ok_or("nothing of the log is there yet; it comes once the container runs")?;
        let caught_up =
            async { while live.spool().end() < offset && !live.progress().finished && live.changed().await {} };
        // Whether it was in time shows below.
        let _ = tokio::time::timeout(CATCHING_UP, caught_up).await;
        let live = self.live().unwrap_or(live);
        let (at, anew) = resume(&live, offset, check).map_err(|error| {
            tracing::error!(%error, "a log can't be read back; see scratchDir");
            "its agent can't read the log back".to_owned()
        })?;
        self.at = at;
        Ok((Answer::Begin { offset: at, anew }, self))
    }

    /// What there is of the log, as it comes, until the work is over.
    pub fn messages(self) -> impl Stream<Item = Message> {
        unfold(self, |mut reader| async move {
            if reader.ended {
                return None;
            }
            let message = reader.next().await;
            reader.ended = matches!(message, Message::Close(_));
            Some((message, reader))
        })
    }

    async fn next(&mut self) -> Message {
        loop {
            let Some(mut live) = self.live() else { return over() };
            let progress = live.progress();
            let piece = live.spool().read(self.at, PIECE);
            let Piece { offset, bytes } = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    tracing::error!(%error, "a log can't be read back; see scratchDir");
                    return cut("the agent can't read the log back");
                }
            };
            if offset != self.at {
                // The reader comes again, and is told what it has missed.
                return cut("what comes next is no longer kept");
            }
            if !bytes.is_empty() {
                self.at += bytes.len() as u64;
                return Message::Binary(bytes.into());
            }
            // The index may have another pod by now, whose log goes on behind this one's.
            if (progress.finished || !live.changed().await) && self.live().is_none_or(|now| now.is(&live)) {
                return over();
            }
        }
    }

    fn live(&self) -> Option<Live> {
        self.artifacts.live(&self.assignment, self.index)
    }
}

/// Where somebody who has `offset` bytes goes on, and whether what they have isn't of this log.
fn resume(live: &Live, offset: u64, check: Option<&str>) -> std::io::Result<(u64, bool)> {
    let mut spool = live.spool();
    let (start, end) = (spool.start(), spool.end());
    if offset > end {
        return Ok((start, true));
    }
    if offset < start {
        return Ok((start, false));
    }
    let from = offset.saturating_sub(CHECK_BYTES);
    if let Some(check) = check.filter(|_| from >= start) {
        let known = spool.read(from, offset - from)?;
        if Digest::of(&known.bytes).to_string() != check {
            return Ok((start, true));
        }
    }
    Ok((offset, false))
}
