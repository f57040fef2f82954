//! Which reading of which epoch counts, and what becomes of one that doesn't.
//!
//! This rests on no clock and on nobody's being alive. Readings are cumulative within an epoch, only the current epoch's
//! settles, and what has settled never falls. So work that runs twice, because an assumption of the fence broke, is still
//! paid once.

use crate::{epoch::Epoch, metering::UsageMs};

/// What a member says that an attempt used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// The attempt.
    pub epoch: Epoch,
    /// Used in all since its beginning.
    pub usage: UsageMs,
}

/// What was settled of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The attempt.
    pub epoch: Epoch,
    /// Settled of it.
    pub settled: UsageMs,
    /// Whether its bill is final.
    pub closed: bool,
}

/// What was settled of a job, attempt by attempt; the last is the current one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Book {
    lines: Vec<Line>,
}

/// What a reading that counts comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// So much is settled now, more than before.
    Settled(UsageMs),
    /// So much was settled already: the reading came twice, or was overtaken.
    Unchanged(UsageMs),
}

/// What a reading that doesn't count is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Answer {
    /// The attempt is over and its bill is final.
    #[error("the attempt's bill is final, {settled:?} settled")]
    Final {
        /// What was settled of it.
        settled: UsageMs,
    },
    /// The job went on elsewhere.
    #[error("the job went on as epoch {by}, {settled:?} settled of this one")]
    Superseded {
        /// The epoch that took its place.
        by: Epoch,
        /// What was settled of it.
        settled: UsageMs,
    },
    /// This hub has no record of the attempt: it was made in a part of the record that a restore lost, or for another
    /// job.
    #[error("there is no record of this attempt")]
    Unrecorded,
    /// A later attempt than this hub has heard of: it is behind, and must read again.
    #[error("this hub hasn't heard of this attempt yet")]
    Ahead,
}

impl Book {
    /// The current attempt.
    pub fn current(&self) -> Option<&Line> {
        self.lines.last()
    }

    /// What was settled of each attempt.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Begins an attempt, which closes the last. False if there was a later one, or this one, before: nothing changes.
    pub fn begin(&mut self, epoch: Epoch) -> bool {
        self.resume(Line { epoch, settled: UsageMs(0), closed: false })
    }

    /// The same for an attempt of which something was settled already.
    pub fn resume(&mut self, line: Line) -> bool {
        if self.lines.last().is_some_and(|last| last.epoch >= line.epoch) {
            return false;
        }
        if let Some(last) = self.lines.last_mut() {
            last.closed = true;
        }
        self.lines.push(line);
        true
    }

    /// Makes the current attempt's bill final, if it is `epoch`'s.
    pub fn close(&mut self, epoch: Epoch) {
        if let Some(last) = self.lines.last_mut().filter(|last| last.epoch == epoch) {
            last.closed = true;
        }
    }

    /// What is to be done with `reading`. Changes nothing.
    pub fn judge(&self, reading: Reading) -> Result<Counted, Answer> {
        let Some(last) = self.lines.last() else { return Err(Answer::Ahead) };
        if reading.epoch > last.epoch {
            return Err(Answer::Ahead);
        }
        let line = self.lines.iter().find(|line| line.epoch == reading.epoch).ok_or(Answer::Unrecorded)?;
        if line.epoch != last.epoch {
            return Err(Answer::Superseded { by: last.epoch, settled: line.settled });
        }
        if line.closed {
            return Err(Answer::Final { settled: line.settled });
        }
        if reading.usage > line.settled {
            Ok(Counted::Settled(reading.usage))
        } else {
            Ok(Counted::Unchanged(line.settled))
        }
    }

    /// Settles `reading` if it counts.
    pub fn settle(&mut self, reading: Reading) -> Result<Counted, Answer> {
        let counted = self.judge(reading)?;
        if let (Counted::Settled(usage), Some(last)) = (counted, self.lines.last_mut()) {
            last.settled = usage;
        }
        Ok(counted)
    }
}
