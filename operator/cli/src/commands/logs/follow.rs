//! A log as it grows: live from the member, and from what the hub keeps where the member can't be reached.

use std::time::Duration;

use eai_api::{
    AIJob, AIJobStatus,
    artifact::LOG_LIMIT_BYTES,
    session::{Answer, CHECK_BYTES, Wish},
};
use eai_core::{digest::Digest, epoch::Epoch};
use tokio::time::sleep;

use super::{check, delta, print, promised, read};
use crate::{
    arguments::Logs,
    error::{Error, Result},
    hub::Hub,
    live,
};

/// Between tries where there is no stream.
const LOOK: Duration = Duration::from_secs(2);

/// Prints until the job has ended.
pub async fn run(hub: &Hub, arguments: &Logs, mut status: AIJobStatus) -> Result<()> {
    let mut shown = Shown::default();
    loop {
        let epoch = status.attempt.as_ref().map(|attempt| attempt.epoch);
        if shown.epoch != epoch {
            finish(hub, arguments, &mut shown).await?;
            shown = Shown { epoch, ..Shown::default() };
        }
        if status.phase.is_final() {
            let log = read(hub, arguments, None).await?;
            check(&arguments.job, &log, promised(&status, arguments.index))?;
            return shown.stored(&log);
        }
        let live = match epoch {
            Some(_) if shown.follows => stream(hub, arguments, &mut shown).await?,
            _ => false,
        };
        if !live {
            if let Some(log) = kept(hub, arguments, epoch).await? {
                shown.stored(&log)?;
            }
            sleep(LOOK).await;
        }
        status = hub.in_namespace::<AIJob>().get(&arguments.job).await?.status.unwrap_or_default();
    }
}

/// Prints the rest of an attempt that is over while the job isn't.
async fn finish(hub: &Hub, arguments: &Logs, shown: &mut Shown) -> Result<()> {
    let Some(epoch) = shown.epoch else { return Ok(()) };
    if let Some(log) = kept(hub, arguments, Some(epoch)).await? {
        shown.stored(&log)?;
    }
    eprintln!("attempt {} is over; the job goes on with another", epoch.attempt);
    Ok(())
}

/// What the hub keeps, if that is anything.
async fn kept(hub: &Hub, arguments: &Logs, epoch: Option<Epoch>) -> Result<Option<Vec<u8>>> {
    match read(hub, arguments, epoch).await {
        // It comes once the container has printed something.
        Err(Error::Hub(kube::Error::Api(said))) if said.is_not_found() => Ok(None),
        read => read.map(Some),
    }
}

/// Prints what comes live. Whether anything did.
async fn stream(hub: &Hub, arguments: &Logs, shown: &mut Shown) -> Result<bool> {
    let wish = Wish::Log { index: arguments.index, offset: shown.offset, check: shown.check() };
    let (mut link, answer) = match live::open(hub, &arguments.job, &wish).await {
        Ok(opened) => opened,
        Err(Error::Hub(kube::Error::Api(said))) if matches!(said.code, 401 | 403) => {
            return Err(Error::Hub(kube::Error::Api(said)));
        }
        // No stream now: the hub or the member's agent is away or of an earlier version. What is kept is there.
        Err(_) => return Ok(false),
    };
    if let Answer::Begin { offset, anew } = answer {
        if anew {
            eprintln!("the member has read the log anew; some lines may be there twice, and some missing");
        } else if offset > shown.offset {
            eprintln!("{} bytes before this are no longer kept", offset - shown.offset);
        }
        shown.offset = offset;
    }
    let mut came = false;
    // However it ends, the job's status tells what to do next.
    while let Ok(message) = link.next().await {
        let bytes = live::bytes(message);
        print(&bytes)?;
        shown.add(&bytes);
        came = true;
    }
    Ok(came)
}

/// What was printed of a log.
struct Shown {
    /// Of which attempt.
    epoch: Option<Epoch>,
    /// Where in the log the next byte is.
    offset: u64,
    /// The last that was printed.
    tail: Vec<u8>,
    /// Whether the offset is known, so that a stream can go on from there.
    follows: bool,
}

impl Default for Shown {
    fn default() -> Self {
        Self { epoch: None, offset: 0, tail: Vec::new(), follows: true }
    }
}

impl Shown {
    /// Shows the member's agent what was printed last, so that it goes on only with the same log.
    fn check(&self) -> Option<String> {
        let most = usize::try_from(CHECK_BYTES).unwrap_or(usize::MAX);
        let last = self.tail.get(self.tail.len().saturating_sub(most)..).unwrap_or_default();
        let all = last.len() as u64 == self.offset.min(CHECK_BYTES);
        (all && !last.is_empty()).then(|| Digest::of(last).to_string())
    }

    fn add(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        let most = usize::try_from(LOG_LIMIT_BYTES).unwrap_or(usize::MAX);
        if self.tail.len() > 2 * most {
            self.tail.drain(..self.tail.len() - most);
        }
    }

    /// Prints what is new in `log`, which is what the hub keeps of the same log.
    fn stored(&mut self, log: &[u8]) -> Result<()> {
        let new = self.take(log);
        print(&new)
    }

    fn take(&mut self, log: &[u8]) -> Vec<u8> {
        let new = delta(&self.tail, log);
        let joined = new.len() < log.len();
        if !joined && !new.is_empty() {
            // It isn't known where it begins: at the start of the log only if nothing was dropped of it.
            if self.tail.is_empty() && (log.len() as u64) < LOG_LIMIT_BYTES / 2 {
                self.offset = 0;
            } else {
                self.follows = false;
                if !self.tail.is_empty() {
                    eprintln!("lines may be missing here: they were gone before they could be read");
                }
            }
        }
        self.add(new);
        new.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8]) -> Shown {
        let mut shown = Shown::default();
        shown.add(text);
        shown
    }

    #[test]
    fn what_the_hub_keeps_goes_on_where_the_stream_stopped() {
        let mut shown = shown(b"one\ntwo\n");
        assert_eq!(shown.take(b"one\ntwo\nthree\n"), b"three\n");
        assert_eq!((shown.offset, shown.follows), (14, true));
        assert_eq!(shown.take(b"two\nthree\n"), b"");
        assert_eq!((shown.offset, shown.follows), (14, true));
    }

    #[test]
    fn where_nothing_joins_no_offset_is_made_up() {
        let mut shown = shown(b"one\n");
        assert_eq!(shown.take(b"later!"), b"later!");
        assert!(!shown.follows);
        let mut fresh = Shown::default();
        fresh.take(&vec![b'x'; 1 << 20]);
        assert!(!fresh.follows);
        let mut fresh = Shown::default();
        fresh.take(b"short");
        assert_eq!((fresh.offset, fresh.follows), (5, true));
    }

    #[test]
    fn the_check_is_of_the_last_kibibyte_or_of_all() {
        assert_eq!(Shown::default().check(), None);
        assert_eq!(shown(b"abc").check(), Some(Digest::of(b"abc").to_string()));
        let long: Vec<u8> = (0..=255).cycle().take(5000).collect();
        assert_eq!(shown(&long).check(), Some(Digest::of(&long[5000 - 1024..]).to_string()));
        // What was dropped before the first byte that came can't be shown.
        let mut late = shown(b"abc");
        late.offset = 3_000_000;
        assert_eq!(late.check(), None);
    }

    #[test]
    fn no_more_than_two_mebibytes_are_remembered() {
        let mut shown = Shown::default();
        for _ in 0..100 {
            shown.add(&vec![0; 100_000]);
        }
        assert!(shown.tail.len() <= 2 << 20 && shown.offset == 10_000_000);
    }
}
