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
