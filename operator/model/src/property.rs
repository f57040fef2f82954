//! What must always hold.

use stateright::Property;

use crate::{
    fair,
    hub::settled,
    moves::{Claims, Exploration},
    state::{MEMBERS, SLOTS, State, Work},
};

/// Nothing is paid twice.
pub const PAID_ONCE: &str = "no accelerator time is paid twice";
/// What has settled stays.
pub const NEVER_FALLS: &str = "what is settled never falls";
/// Nothing runs twice.
pub const RUNS_ONCE: &str = "no two attempts run at once";
/// No job is lost.
pub const NOT_LOST: &str = "a job is pending, at work, or ended for a reason";
/// Jobs end.
pub const ENDS: &str = "once all is well and a member stays, the job ends";

/// The properties that say so. The billing fence holds whatever breaks, the rest under the assumptions.
pub fn of(claims: Claims) -> Vec<Property<Exploration>> {
    let mut all = vec![
        Property::always(PAID_ONCE, |_, state| paid_once(state)),
        Property::always(NEVER_FALLS, |_, state| (0..SLOTS).all(|slot| settled(state, slot) >= state.peak[slot])),
    ];
    if claims != Claims::Billing {
        all.push(Property::always(RUNS_ONCE, |_, state| runs_once(state)));
        all.push(Property::always(NOT_LOST, not_lost));
    }
    if claims == Claims::All {
        all.push(Property::always(ENDS, ends));
    }
    all
}

/// The first `settled` ticks in which an attempt ran: those that are paid.
fn billed(state: &State, slot: usize) -> u64 {
    let (mut left, mut mask) = (state.ran[slot], 0);
    for _ in 0..settled(state, slot) {
        let lowest = left & left.wrapping_neg();
        mask |= lowest;
        left &= !lowest;
    }
    mask
}

fn disjoint(masks: impl Iterator<Item = u64>) -> bool {
    let mut seen = 0;
    masks.into_iter().all(|mask| {
        let apart = seen & mask == 0;
        seen |= mask;
        apart
    })
}

/// No attempt is paid for more than it ran, and no tick is paid to two.
fn paid_once(state: &State) -> bool {
    let within = |slot: usize| settled(state, slot) <= u64::from(state.ran[slot].count_ones());
    (0..SLOTS).all(within) && disjoint((0..SLOTS).map(|slot| billed(state, slot)))
}

fn runs_once(state: &State) -> bool {
    disjoint(state.ran.iter().copied())
}

/// The record names work that there is, or none; and a job that is over was done, or was tried as often as it may be.
fn not_lost(model: &Exploration, state: &State) -> bool {
    let store = &state.store;
    let tried = store.attempts >= u64::from(model.scope.attempts);
    let done = state.work.contains(&Work::Over(true));
    let known = store.current.is_none_or(|slot| state.made(slot).is_some());
    known && (!store.ended || done || tried) && !(store.ended && store.current.is_some())
}

/// Looked at where the exploration ends: every path passes there, whatever struck on the way.
fn ends(model: &Exploration, state: &State) -> bool {
    let gone = (0..MEMBERS).map(Some).chain([None]);
    state.tick < model.scope.ticks || gone.into_iter().all(|gone| fair::ends(state, &model.scope, gone))
}
