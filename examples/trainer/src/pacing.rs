//! How long a job has run and whether it may end: a demonstration asks for a few seconds at least.

use std::time::{Duration, Instant};

/// A job's stopwatch.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    at_least: Duration,
    last_line: Option<Instant>,
}

impl Pace {
    /// Starts the watch for a job that shall run at least that long.
    pub fn start(at_least: Duration) -> Self {
        Self { start: Instant::now(), at_least, last_line: None }
    }

    /// Whether the least time has passed.
    pub fn is_over(&self) -> bool {
        self.start.elapsed() >= self.at_least
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Whether a line of progress is due: at most one a second, so that a long run's log stays short.
    pub fn line_is_due(&mut self) -> bool {
        let due = self.last_line.is_none_or(|last| last.elapsed() >= Duration::from_secs(1));
        if due {
            self.last_line = Some(Instant::now());
        }
        due
    }
}
