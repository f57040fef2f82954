//! Whether so many members fell silent at once that the hub should doubt itself rather than them.
//!
//! When a hub loses its own connection every member looks dead. Then expiry pauses for one validity. The weight of a
//! member is its stake, so that a crowd of cheap members can't bring a pause about; and pauses are rare in a row, so that
//! nobody can stop the hub from moving jobs for good.

use super::{clock::SteadyMs, policy::Policy};

/// Members that fell silent within so many thousandths of a validity of each other fell silent at once.
const AT_ONCE_PERMILLE: u64 = 300;
/// Pauses begin at least so many validities apart.
const APART: u64 = 3;

/// What each of an owner's `members` weighs, who has staked `stake`: an equal part of it, whether it is heard or not. So a
/// stake weighs the same however many members stand on it, and enrolling more gains nothing. Rounded down, but to one at
/// least: who has staked anything isn't one of those without a stake, who weigh more than a part that is rounded away.
#[must_use]
pub fn part(stake: u128, members: usize) -> u128 {
    let members = u128::try_from(members).unwrap_or(u128::MAX).max(1);
    (stake / members).max(u128::from(stake > 0))
}

/// A member as the weighing sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Its stake, in any unit; 0 for none. Of an owner with several members, its [`part`].
    pub stake: u128,
    /// Since when it is silent; `None` while it is heard.
    pub silent_since: Option<SteadyMs>,
}

/// What the hub remembers of mass silences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pauses {
    began: Option<SteadyMs>,
}

impl Pauses {
    /// Looks at all members at `now`, and begins a pause if one is due and allowed.
    #[must_use]
    pub fn look(self, policy: &Policy, members: &[Voice], now: SteadyMs) -> Self {
        let rested = self.began.is_none_or(|began| now.since(began) >= policy.valid_for_ms.saturating_mul(APART));
        if rested && is_mass_silence(policy, members, now) { Self { began: Some(now) } } else { self }
    }

    /// Until when expiry pauses; `None` if it doesn't at `now`.
    pub fn frozen_until(&self, policy: &Policy, now: SteadyMs) -> Option<SteadyMs> {
        self.began.map(|began| began.after(policy.valid_for_ms)).filter(|until| now < *until)
    }
}

/// Whether members of more than half of the weight fell silent within a short time before `now`. Who has been silent for
/// longer is no longer counted at all.
pub fn is_mass_silence(policy: &Policy, members: &[Voice], now: SteadyMs) -> bool {
    let window = u64::try_from(u128::from(policy.valid_for_ms) * u128::from(AT_ONCE_PERMILLE) / 1000);
    let recent = |since: SteadyMs| window.is_ok_and(|window| now.since(since) <= window);
    let counted: Vec<&Voice> = members.iter().filter(|m| m.silent_since.is_none_or(recent)).collect();
    let fell: Vec<&Voice> = counted.iter().filter(|m| m.silent_since.is_some()).copied().collect();
    // One that falls silent alone is one that failed, however much it staked.
    fell.len() >= 2 && 2 * weight(&fell, &counted) > weight(&counted, &counted)
}

/// The weight of `some` of `all`. Those without a stake count one least unit each, the least stake that anybody has, and
/// together at most half of what the others staked: less than a third of the whole. Where nobody has a stake each counts
/// the same.
fn weight(some: &[&Voice], all: &[&Voice]) -> u128 {
    // Bounded, so that sums of any stakes fit.
    let stake = |voice: &Voice| voice.stake.min(u128::MAX >> 32);
    let cheap = |voices: &[&Voice]| voices.iter().filter(|v| v.stake == 0).count() as u128;
    let staked = |voices: &[&Voice]| voices.iter().map(|v| stake(v)).fold(0, u128::saturating_add);
    let Some(unit) = all.iter().map(|v| stake(v)).filter(|s| *s > 0).min() else { return cheap(some) };
    // Doubled, so that half of an odd stake is exact.
    let most = staked(all);
    let all_cheap = cheap(all).saturating_mul(2 * unit);
    let its = cheap(some).saturating_mul(2 * unit);
    let capped = if all_cheap > most { share(most, cheap(some), cheap(all)) } else { its };
    (2 * staked(some)).saturating_add(capped)
}

/// `whole x part / parts`, rounded down, without overflow.
fn share(whole: u128, part: u128, parts: u128) -> u128 {
    let parts = parts.max(1);
    (whole / parts).saturating_mul(part).saturating_add((whole % parts).saturating_mul(part) / parts)
}
