use eai_core::{
    fencing::billing::{Answer, Book, Counted, Line, Reading},
    metering::UsageMs,
};
use proptest::prelude::*;

use super::epoch;

fn reading(generation: u64, attempt: u64, usage: u64) -> Reading {
    Reading { epoch: epoch(generation, attempt), usage: UsageMs(usage) }
}

fn book() -> Book {
    let mut book = Book::default();
    assert!(book.begin(epoch(1, 1)));
    book
}

#[test]
fn readings_are_cumulative() {
    let mut book = book();
    assert_eq!(book.settle(reading(1, 1, 10)), Ok(Counted::Settled(UsageMs(10))));
    assert_eq!(book.settle(reading(1, 1, 25)), Ok(Counted::Settled(UsageMs(25))));
    assert_eq!(book.current().unwrap().settled, UsageMs(25));
}

#[test]
fn a_reading_twice_or_a_lower_one_changes_nothing() {
    let mut book = book();
    book.settle(reading(1, 1, 25)).unwrap();
    let before = book.clone();
    assert_eq!(book.settle(reading(1, 1, 25)), Ok(Counted::Unchanged(UsageMs(25))));
    assert_eq!(book.settle(reading(1, 1, 3)), Ok(Counted::Unchanged(UsageMs(25))));
    assert_eq!(book.settle(reading(1, 1, 0)), Ok(Counted::Unchanged(UsageMs(25))));
    assert_eq!(book, before);
}

#[test]
fn only_the_current_epoch_settles() {
    let mut book = book();
    book.settle(reading(1, 1, 25)).unwrap();
    assert!(book.begin(epoch(1, 2)));
    let told = Answer::Superseded { by: epoch(1, 2), settled: UsageMs(25) };
    assert_eq!(book.settle(reading(1, 1, 900)), Err(told));
    assert_eq!(told.to_string(), "the job went on as epoch g1-a2, UsageMs(25) settled of this one");
    assert_eq!(book.settle(reading(1, 2, 7)), Ok(Counted::Settled(UsageMs(7))));
    assert_eq!(book.lines()[0], Line { epoch: epoch(1, 1), settled: UsageMs(25), closed: true });
}

#[test]
fn a_final_bill_is_final() {
    let mut book = book();
    book.settle(reading(1, 1, 25)).unwrap();
    book.close(epoch(1, 1));
    assert_eq!(book.settle(reading(1, 1, 26)), Err(Answer::Final { settled: UsageMs(25) }));
    assert_eq!(book.current().unwrap().settled, UsageMs(25));
}

#[test]
fn closing_another_attempt_closes_nothing() {
    let mut book = book();
    book.close(epoch(1, 2));
    assert_eq!(book.settle(reading(1, 1, 1)), Ok(Counted::Settled(UsageMs(1))));
}

#[test]
fn what_was_never_recorded_is_told_so() {
    assert_eq!(Book::default().settle(reading(1, 1, 5)), Err(Answer::Ahead));
    assert_eq!(book().settle(reading(1, 2, 5)), Err(Answer::Ahead));
    let mut restored = book();
    restored.begin(epoch(2, 2));
    // Attempt 2 of generation 1 was made after the backup that generation 2 came from.
    assert_eq!(restored.settle(reading(1, 2, 5)), Err(Answer::Unrecorded));
}

#[test]
fn epochs_only_rise() {
    let mut book = book();
    assert!(!book.begin(epoch(1, 1)));
    assert!(book.begin(epoch(2, 1)));
    assert!(!book.begin(epoch(1, 9)));
    assert_eq!(book.current().unwrap().epoch, epoch(2, 1));
    assert_eq!(book.lines().len(), 2);
}

#[test]
fn an_attempt_can_be_taken_up_with_what_was_settled() {
    let mut book = Book::default();
    assert!(book.resume(Line { epoch: epoch(1, 1), settled: UsageMs(40), closed: false }));
    assert_eq!(book.judge(reading(1, 1, 30)), Ok(Counted::Unchanged(UsageMs(40))));
    assert_eq!(book.judge(reading(1, 1, 50)), Ok(Counted::Settled(UsageMs(50))));
    assert_eq!(book.current().unwrap().settled, UsageMs(40), "judging changes nothing");
}

#[derive(Clone, Debug)]
enum Event {
    Read(u64, u64, u64),
    Begin(u64, u64),
    Close(u64, u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let numbers = || (1u64..3, 1u64..5);
    let one = prop_oneof![
        4 => (numbers(), 0u64..100).prop_map(|((g, a), u)| Event::Read(g, a, u)),
        1 => numbers().prop_map(|(g, a)| Event::Begin(g, a)),
        1 => numbers().prop_map(|(g, a)| Event::Close(g, a)),
    ];
    prop::collection::vec(one, 0..60)
}

proptest! {
    /// Whatever comes in whatever order: what has settled never falls, only the current and open line ever moves, and
    /// what it moves to is what its member said.
    #[test]
    fn only_the_current_line_ever_moves(events in events()) {
        let mut book = Book::default();
        for event in events {
            let before = book.lines().to_vec();
            match event {
                Event::Read(g, a, usage) => {
                    let counted = book.settle(reading(g, a, usage));
                    let moved: Vec<_> = before.iter().zip(book.lines()).filter(|(was, is)| was != is).collect();
                    prop_assert!(moved.len() <= 1 && before.len() == book.lines().len());
                    for (was, is) in moved {
                        prop_assert!(is.epoch == epoch(g, a) && is.settled == UsageMs(usage));
                        prop_assert!(is.settled > was.settled && !was.closed);
                        prop_assert_eq!(book.current(), Some(is));
                        prop_assert_eq!(counted, Ok(Counted::Settled(UsageMs(usage))));
                    }
                }
                Event::Begin(g, a) => drop(book.begin(epoch(g, a))),
                Event::Close(g, a) => book.close(epoch(g, a)),
            }
            let lines = book.lines();
            prop_assert!(lines.windows(2).all(|pair| pair[0].epoch < pair[1].epoch && pair[0].closed));
        }
    }

    /// The same readings, any number of times and in any order, come to the same as the greatest once.
    #[test]
    fn retries_are_idempotent(mut usages in prop::collection::vec(0u64..1000, 1..20), seed: usize) {
        let most = usages.iter().copied().max().unwrap();
        let len = usages.len();
        let again: Vec<_> = usages.iter().cycle().skip(seed % len).take(len * 2).copied().collect();
        usages.extend(again);
        let mut book = book();
        for usage in usages {
            book.settle(reading(1, 1, usage)).unwrap();
        }
        prop_assert_eq!(book.current().unwrap().settled, UsageMs(most));
    }
}
