//! Turns among queues.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::placement::{Queue, Share, Turn, Turns, Usage, Wait};

fn usage(cpu_millis: u64, gpus: u64) -> Usage {
    Usage { cpu_millis, memory_bytes: 0, devices: BTreeMap::from([("gpu".to_owned(), gpus)]) }
}

fn queue(name: &str, weight: u32, waiting: Vec<Usage>) -> Queue {
    let waiting = waiting.into_iter().map(|usage| Wait { usage, since: 0 }).collect();
    Queue { name: name.to_owned(), weight, used: Usage::default(), waiting }
}

fn all_placed(queues: &[Queue], total: &Usage) -> Vec<Turn> {
    let mut turns = Turns::new(queues, total);
    let mut order = Vec::new();
    while let Some(turn) = turns.next() {
        turns.placed();
        order.push(turn);
    }
    order
}

/// The example of the paper: 9 cores and 18 GB; A wants 1 core and 4 GB, B 3 cores and 1 GB. A gets three, B two.
#[test]
fn shares_as_the_paper_does() {
    let total = Usage { cpu_millis: 9000, memory_bytes: 18, devices: BTreeMap::new() };
    let want = |cpu_millis, memory_bytes| Usage { cpu_millis, memory_bytes, devices: BTreeMap::new() };
    let queues = [queue("a", 1, vec![want(1000, 4); 9]), queue("b", 1, vec![want(3000, 1); 9])];
    let mut left = total.clone();
    let mut turns = Turns::new(&queues, &total);
    let mut placed = [0, 0];
    while let Some(turn) = turns.next() {
        let job = &queues[turn.queue].waiting[turn.job].usage;
        if job.cpu_millis <= left.cpu_millis && job.memory_bytes <= left.memory_bytes {
            left.cpu_millis -= job.cpu_millis;
            left.memory_bytes -= job.memory_bytes;
            placed[turn.queue] += 1;
            turns.placed();
        }
    }
    assert_eq!(placed, [3, 2]);
}

#[test]
fn twice_the_weight_is_twice_the_share() {
    let queues = [queue("a", 2, vec![usage(0, 1); 20]), queue("b", 1, vec![usage(0, 1); 20])];
    let order = all_placed(&queues, &usage(1, 100));
    let of_a = order[..15].iter().filter(|turn| turn.queue == 0).count();
    assert_eq!(of_a, 10);
}

/// Two queues whose jobs come one by one, run alone and leave nothing behind take turns: the name gives no advantage.
#[test]
fn of_equals_the_longest_wait_goes_first() {
    let mut queues = [queue("a", 1, vec![usage(0, 1)]), queue("b", 1, vec![usage(0, 1)])];
    let total = usage(1, 1);
    let mut served = Vec::new();
    for now in 0..6 {
        let first = Turns::new(&queues, &total).next().unwrap();
        queues[first.queue].waiting[0].since = now + 1; // its next job, which came as this one ended
        served.push(first.queue);
    }
    assert_eq!(served, [0, 1, 0, 1, 0, 1]);
}

#[test]
fn what_runs_already_counts() {
    let mut queues = [queue("a", 1, vec![usage(0, 1); 4]), queue("b", 1, vec![usage(0, 1); 4])];
    queues[0].used = usage(0, 3);
    let order: Vec<usize> = all_placed(&queues, &usage(1, 100)).iter().map(|turn| turn.queue).collect();
    assert_eq!(order, [1, 1, 1, 0, 1, 0, 0, 0]);
}

#[test]
fn a_job_that_cannot_be_placed_costs_its_queue_nothing() {
    let queues = [queue("a", 1, vec![usage(0, 99), usage(0, 1)]), queue("b", 1, vec![usage(0, 1)])];
    let total = usage(1, 10);
    let mut turns = Turns::new(&queues, &total);
    assert_eq!(turns.next(), Some(Turn { queue: 0, job: 0 }));
    assert_eq!(turns.next(), Some(Turn { queue: 0, job: 1 }));
    turns.placed();
    assert_eq!(turns.next(), Some(Turn { queue: 1, job: 0 }));
    assert_eq!(turns.next(), None);
}

#[test]
fn of_what_there_is_none_of_nothing_is_taken() {
    assert_eq!(usage(5, 5).dominant(&Usage::default()), Share(0));
    assert_eq!(usage(5, 0).dominant(&usage(10, 0)), Share(Share::WHOLE.0 / 2));
}

proptest! {
    /// While both have jobs waiting, no queue is ahead of another by more than one of its jobs is worth.
    #[test]
    fn nobody_is_ahead_by_more_than_a_job(
        queues in prop::collection::vec((1u32..5, prop::collection::vec((0u64..50, 0u64..8), 1..20)), 2..6),
    ) {
        let total = usage(1000, 100);
        let queues: Vec<Queue> = queues
            .into_iter()
            .enumerate()
            .map(|(i, (weight, jobs))| queue(&i.to_string(), weight, jobs.iter().map(|&(c, g)| usage(c, g)).collect()))
            .collect();
        let most = |q: &Queue| {
            let jobs = q.waiting.iter().map(|job| job.usage.dominant(&total).0);
            jobs.max().unwrap_or(0) / u128::from(q.weight) + 2
        };
        let mut turns = Turns::new(&queues, &total);
        let mut left: Vec<usize> = queues.iter().map(|q| q.waiting.len()).collect();
        while let Some(turn) = turns.next() {
            turns.placed();
            left[turn.queue] -= 1;
            for (i, ahead) in queues.iter().enumerate() {
                for j in (0..queues.len()).filter(|&j| left[j] > 0) {
                    prop_assert!(turns.share(i).0 <= turns.share(j).0 + most(ahead));
                }
            }
        }
        prop_assert!(left.iter().all(|&n| n == 0));
    }

    /// Every job has its turn, each queue's in its own order, and again the same way.
    #[test]
    fn every_job_has_a_turn(jobs in prop::collection::vec(0usize..10, 1..6), placed in any::<u64>()) {
        let queues: Vec<Queue> =
            jobs.iter().enumerate().map(|(i, &n)| queue(&i.to_string(), 1, vec![usage(1, 1); n])).collect();
        let total = usage(100, 100);
        let run = || {
            let mut turns = Turns::new(&queues, &total);
            let mut order = Vec::new();
            while let Some(turn) = turns.next() {
                if placed >> (order.len() % 64) & 1 == 1 {
                    turns.placed();
                }
                order.push(turn);
            }
            order
        };
        let order = run();
        for (i, &n) in jobs.iter().enumerate() {
            let own: Vec<usize> = order.iter().filter(|turn| turn.queue == i).map(|turn| turn.job).collect();
            prop_assert_eq!(own, (0..n).collect::<Vec<_>>());
        }
        prop_assert_eq!(order, run());
    }
}
