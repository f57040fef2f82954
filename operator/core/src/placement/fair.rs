//! Whose turn it is among queues.
//!
//! The queue with the smallest dominant share for its weight goes next (dominant resource fairness); of equals, the one
//! whose next job waits longest. Only work that was placed counts; a queue's own order is its own affair.

use std::collections::BTreeSet;

use super::usage::{Share, Usage};

/// A queue: a namespace, and what waits in it.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// Its name; breaks ties that the wait leaves.
    pub name: String,
    /// Set by the admin; twice the weight is twice the share. 0 counts as 1.
    pub weight: u32,
    /// What its running work takes.
    pub used: Usage,
    /// The waiting jobs, in the queue's own order.
    pub waiting: Vec<Wait>,
}

/// A waiting job as a queue counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// What it would take.
    pub usage: Usage,
    /// Since when its place in the queue waits, in any unit. Without it, of two queues whose jobs come one by one and
    /// leave nothing behind, the same would win each time.
    pub since: i64,
}

/// One waiting job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The queue's place in the list that [`Turns`] was given.
    pub queue: usize,
    /// The job's place in the queue.
    pub job: usize,
}

/// Where a queue stands: its share, since when its next job waits, its name and its place in the list.
type Place<'a> = (u128, i64, &'a str, usize);

/// Gives turns until every waiting job had one.
#[derive(Debug)]
pub struct Turns<'a> {
    queues: &'a [Queue],
    total: &'a Usage,
    used: Vec<Usage>,
    next: Vec<usize>,
    order: BTreeSet<Place<'a>>,
    last: Option<Turn>,
}

impl<'a> Turns<'a> {
    /// Turns among `queues` for what `total` has.
    pub fn new(queues: &'a [Queue], total: &'a Usage) -> Self {
        let used: Vec<Usage> = queues.iter().map(|queue| queue.used.clone()).collect();
        let mut turns = Self { queues, total, used, next: vec![0; queues.len()], order: BTreeSet::new(), last: None };
        (0..queues.len()).for_each(|queue| turns.line_up(queue));
        turns
    }

    /// Counts the job that had the last turn as placed.
    pub fn placed(&mut self) {
        if let Some(turn) = self.last.take() {
            if let Some(place) = self.place(turn.queue) {
                self.order.remove(&place);
            }
            self.used[turn.queue].add(&self.queues[turn.queue].waiting[turn.job].usage);
            self.line_up(turn.queue);
        }
    }

    /// A queue's dominant share for each unit of its weight.
    pub fn share(&self, queue: usize) -> Share {
        let weight = u128::from(self.queues[queue].weight.max(1));
        Share(self.used[queue].dominant(self.total).0 / weight)
    }

    /// Where the queue stands; `None` once all its jobs had a turn.
    fn place(&self, queue: usize) -> Option<Place<'a>> {
        let next = self.queues[queue].waiting.get(self.next[queue])?;
        Some((self.share(queue).0, next.since, &self.queues[queue].name, queue))
    }

    fn line_up(&mut self, queue: usize) {
        if let Some(place) = self.place(queue) {
            self.order.insert(place);
        }
    }
}

impl Iterator for Turns<'_> {
    type Item = Turn;

    fn next(&mut self) -> Option<Turn> {
        let (.., queue) = self.order.pop_first()?;
        let turn = Turn { queue, job: self.next[queue] };
        self.next[queue] += 1;
        self.line_up(queue);
        self.last = Some(turn);
        Some(turn)
    }
}
