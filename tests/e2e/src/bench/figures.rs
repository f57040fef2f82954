//! What the moments of one job come to.

use std::time::{Duration, Instant};

use super::spread::Spread;

/// When each step of a job was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The call that creates the AIJob began.
    pub submitted: Instant,
    /// The AIJob names a member, and its lease is asked for.
    pub opening: Instant,
    /// The chain had the block with the transaction that opened the lease.
    pub block: Option<Instant>,
    /// The AIJob says that the lease is open.
    pub open: Instant,
    /// The Assignment is there.
    pub assigned: Instant,
    /// The Job is in the member's API.
    pub created: Instant,
    /// The AIJob has ended and is settled.
    pub ended: Instant,
}

/// What a job's steps took. Each is seen through a watch of its own, so one that follows another at once may be seen
/// first; it then took no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From submission to the API server's answer.
    pub create: Duration,
    /// From submission to the claim.
    pub placed: Duration,
    /// From the claim to the block with its transaction.
    pub to_block: Option<Duration>,
    /// From that block to the AIJob saying that the lease is open.
    pub block_to_open: Option<Duration>,
    /// From the claim to the AIJob saying that the lease is open: the chain's confirmation.
    pub confirm: Duration,
    /// From there to the Assignment.
    pub assigned: Duration,
    /// From the Assignment to the Job in the member's API.
    pub created: Duration,
    /// From submission to the Job.
    pub submit_to_job: Duration,
    /// From submission to the settled end.
    pub submit_to_end: Duration,
}

impl Times {
    /// The differences between moments.
    pub fn new(answered: Instant, seen: &Seen) -> Self {
        let since = |later: Instant, earlier: Instant| later.saturating_duration_since(earlier);
        Self {
            create: since(answered, seen.submitted),
            placed: since(seen.opening, seen.submitted),
            to_block: seen.block.map(|block| since(block, seen.opening)),
            block_to_open: seen.block.map(|block| since(seen.open, block)),
            confirm: since(seen.open, seen.opening),
            assigned: since(seen.assigned, seen.open),
            created: since(seen.created, seen.assigned),
            submit_to_job: since(seen.created, seen.submitted),
            submit_to_end: since(seen.ended, seen.submitted),
        }
    }

    /// What is left of submission to Job without the chain's confirmation.
    pub fn beyond_confirmation(&self) -> Duration {
        self.submit_to_job.saturating_sub(self.confirm)
    }
}

/// One figure of every job.
pub fn spread(jobs: &[Times], figure: impl Fn(&Times) -> Option<Duration>) -> Spread {
    Spread::of(jobs.iter().filter_map(figure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn seen(start: Instant) -> Seen {
        Seen {
            submitted: start,
            opening: at(start, 40),
            block: Some(at(start, 1500)),
            open: at(start, 1640),
            assigned: at(start, 1700),
            created: at(start, 1900),
            ended: at(start, 9000),
        }
    }

    #[test]
    fn the_confirmation_is_taken_off_job_by_job() {
        let start = Instant::now();
        let times = Times::new(at(start, 15), &seen(start));
        assert_eq!(times.confirm, Duration::from_millis(1600));
        assert_eq!(times.submit_to_job, Duration::from_millis(1900));
        assert_eq!(times.beyond_confirmation(), Duration::from_millis(300));
        assert_eq!(times.create, Duration::from_millis(15));
        assert_eq!(times.to_block.zip(times.block_to_open).map(|(a, b)| a + b), Some(times.confirm));
        assert_eq!(times.placed + times.confirm + times.assigned + times.created, times.submit_to_job);
    }

    #[test]
    fn what_is_seen_early_took_no_time() {
        let start = Instant::now();
        let early = Seen { assigned: at(start, 1600), block: None, ..seen(start) };
        let times = Times::new(start, &early);
        assert_eq!(times.assigned, Duration::ZERO);
        assert_eq!(times.block_to_open, None);
        assert_eq!(spread(&[times], |t| t.block_to_open).percentile_ms(50), None);
        assert_eq!(spread(&[times], |t| Some(t.created)).percentile_ms(50), Some(300));
    }
}
