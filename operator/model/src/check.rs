//! Running an exploration.

use std::{collections::BTreeMap, time::Instant};

use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::{
    moves::{Claims, Exploration, Move},
    scope::Scope,
    state::State,
};

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Found {
    /// States that were reached, each once.
    pub states: usize,
    /// The longest path to one.
    pub depth: usize,
    /// Seconds.
    pub seconds: f64,
    /// Properties that don't hold, each with a shortest way there.
    pub broken: BTreeMap<&'static str, Vec<Move>>,
}

/// Explores `scope`, until every state is seen or every property is broken.
pub fn explore(scope: Scope, claims: Claims) -> Found {
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = Exploration { scope, claims }
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let broken = checker.discoveries().into_iter().map(|(name, path)| (name, path.into_actions())).collect();
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        seconds: began.elapsed().as_secs_f64(),
        broken,
    }
}

/// Whether following `way` breaks anything that is claimed. Moves that can't happen are left out.
pub fn breaks(scope: Scope, claims: Claims, way: &[Move]) -> bool {
    let model = &Exploration { scope, claims };
    let properties = model.properties();
    let holds = |state: &State| properties.iter().all(|property| (property.condition)(model, state));
    model.init_states().into_iter().any(|mut state| {
        way.iter().any(|step| {
            state = model.next_state(&state, *step).unwrap_or_else(|| state.clone());
            !holds(&state)
        })
    })
}
