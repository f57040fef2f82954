//! Whose turn it is among queues.
//!
//! The queue with the smallest dominant share for its weight goes next (dominant resource fairness). Only work that was
//! placed counts; a queue's own order is its own affair.

use std::collections::BTreeSet;

use super::usage::{Share, Usage};

/// A queue: a namespace, and what waits in it.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// Its name; breaks ties.
    pub name: String,
    /// Set by the admin; twice the weight is twice the share. 0 counts as 1.
    pub weight: u32,
    /// What its running work takes.
    pub used: Usage,
    /// What each waiting job would take, in the queue's own order.
    pub waiting: Vec<Usage>,
}

/// One waiting job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The queue's place in the list that [`Turns`] was given.
    pub queue: usize,
    /// The job's place in the queue.
    pub job: usize,
}

/// Gives turns until every waiting job had one.
#[derive(Debug)]
pub struct Turns<'a> {
    queues: &'a [Queue],
    total: &'a Usage,
    used: Vec<Usage>,
    next: Vec<usize>,
    order: BTreeSet<(u128, &'a str, usize)>,
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
            self.order.remove(&self.key(turn.queue));
            self.used[turn.queue].add(&self.queues[turn.queue].waiting[turn.job]);
            self.line_up(turn.queue);
        }
    }

    /// A queue's dominant share for each unit of its weight.
    pub fn share(&self, queue: usize) -> Share {
        let weight = u128::from(self.queues[queue].weight.max(1));
        Share(self.used[queue].dominant(self.total).0 / weight)
    }

    fn key(&self, queue: usize) -> (u128, &'a str, usize) {
        (self.share(queue).0, &self.queues[queue].name, queue)
    }

    fn line_up(&mut self, queue: usize) {
        if self.next[queue] < self.queues[queue].waiting.len() {
            self.order.insert(self.key(queue));
        }
    }
}

impl Iterator for Turns<'_> {
    type Item = Turn;

    fn next(&mut self) -> Option<Turn> {
        let &first = self.order.first()?;
        let queue = first.2;
        let turn = Turn { queue, job: self.next[queue] };
        self.next[queue] += 1;
        if self.next[queue] >= self.queues[queue].waiting.len() {
            self.order.remove(&first);
        }
        self.last = Some(turn);
        Some(turn)
    }
}
