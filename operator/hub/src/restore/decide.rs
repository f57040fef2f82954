//! Which hub goes on, and as which generation: a pure function of what it was told, what it wrote, and the chain.

use eai_chain::Tenure;

use super::record::Record;

/// What whoever leads does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as what the chain says.
    Go(Tenure),
    /// It raises the generation to this one first.
    Raise(u64),
    /// Another hub goes on, as this generation.
    Superseded(u64),
}

/// Decides for a hub that was `asked` to have a generation, with `record` in its ConfigMap, when `chain` says who goes on.
/// `newer`: the chain has a lease of that very generation which the record ought to know, and doesn't.
pub fn decide(asked: u64, record: &Record, chain: Option<Tenure>, newer: bool) -> Verdict {
    let Some(chain) = chain else { return Verdict::Raise(asked.max(record.highest())) };
    if !record.is_ours(chain) {
        // Whose word counts is the admin's to say: this one's, if told a generation that nobody had yet.
        return if asked > chain.generation { Verdict::Raise(asked) } else { Verdict::Superseded(chain.generation) };
    }
    let least = chain.generation.saturating_add(u64::from(newer));
    if asked.max(least) > chain.generation { Verdict::Raise(asked.max(least)) } else { Verdict::Go(chain) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::pedantic)]
    use eai_chain::Holder;

    use super::*;

    const fn tenure(generation: u64, holder: u8) -> Tenure {
        Tenure { generation, holder: Holder([holder; 32]) }
    }

    #[test]
    fn who_goes_on_is_decided_by_what_was_told_written_and_raised() {
        let (ours, other) = (tenure(3, 1), tenure(3, 2));
        let holds = |held| Record { held: Some(held), ..Record::default() };
        let raising = |held, raising| Record { raising: Some(raising), ..holds(held) };
        let settled = |settled_in| Record { settled_in, ..Record::default() };
        use Verdict::{Go, Raise, Superseded};
        #[rustfmt::skip]
        let table = [
            ("a new hub", 1, Record::default(), None, false, Raise(1)),
            ("a new hub that is told a generation", 4, Record::default(), None, false, Raise(4)),
            ("one from before there was a registry", 1, settled(2), None, false, Raise(2)),
            ("the same, restored", 3, settled(2), None, false, Raise(3)),
            ("its raise never arrived", 1, raising(tenure(1, 1), tenure(2, 1)), Some(tenure(1, 1)), false, Go(tenure(1, 1))),
            ("its first raise never arrived", 1, Record { raising: Some(ours), ..Record::default() }, None, false, Raise(3)),
            ("its raise arrived and wasn't noted", 1, raising(tenure(2, 1), ours), Some(ours), false, Go(ours)),
            ("a restart", 1, holds(ours), Some(ours), false, Go(ours)),
            ("a restart with the same word", 3, holds(ours), Some(ours), false, Go(ours)),
            ("restored, and told so", 4, holds(ours), Some(ours), false, Raise(4)),
            ("restored, and not told", 1, holds(ours), Some(ours), true, Raise(4)),
            ("restored, told and seen", 9, holds(ours), Some(ours), true, Raise(9)),
            ("restored, told less than the chain says, and seen", 2, holds(ours), Some(ours), true, Raise(4)),
            ("another of the same generation", 1, holds(ours), Some(other), false, Superseded(3)),
            ("another of a higher generation", 3, holds(ours), Some(tenure(4, 2)), false, Superseded(4)),
            ("another of the generation that it is told", 4, holds(ours), Some(tenure(4, 2)), false, Superseded(4)),
            ("the admin says that it goes on all the same", 5, holds(ours), Some(tenure(4, 2)), false, Raise(5)),
            ("restored from before the last restore", 1, holds(tenure(2, 1)), Some(ours), false, Superseded(3)),
            ("nothing on record, and the key was in use", 1, Record::default(), Some(ours), false, Superseded(3)),
            ("the same, and the admin's word", 4, Record::default(), Some(ours), false, Raise(4)),
            ("what somebody else does with its leases is no news to one that is replaced", 1, holds(ours), Some(other), true, Superseded(3)),
        ];
        for (what, asked, record, chain, newer, wanted) in table {
            assert_eq!(decide(asked, &record, chain, newer), wanted, "{what}");
        }
    }

    #[test]
    fn whatever_is_decided_never_lowers_a_generation_nor_takes_anothers_without_a_word() {
        let tenures = [None, Some(tenure(1, 1)), Some(tenure(2, 1)), Some(tenure(2, 2)), Some(tenure(3, 1))];
        let count = tenures.len();
        for number in 0..count.pow(3) * 4 * 2 * 2 {
            let (held, raising, chain) = (number % count, number / count % count, number / count.pow(2) % count);
            let (held, raising, chain) = (tenures[held], tenures[raising], tenures[chain]);
            let rest = number / count.pow(3);
            let (asked, newer, settled_in) = (1 + rest as u64 % 4, rest / 4 % 2 == 1, rest as u64 / 8 * 2);
            let record = Record { held, raising, settled_in, ..Record::default() };
            match decide(asked, &record, chain, newer) {
                Verdict::Go(tenure) => assert!(Some(tenure) == chain && record.is_ours(tenure) && !newer),
                Verdict::Raise(to) => {
                    assert!(to > chain.map_or(0, |chain| chain.generation), "the chain would refuse it");
                    assert!(chain.is_none_or(|chain| record.is_ours(chain)) || to == asked, "nobody said so");
                }
                Verdict::Superseded(by) => {
                    assert!(chain.is_some_and(|chain| chain.generation == by && !record.is_ours(chain) && asked <= by));
                }
            }
        }
    }
}
