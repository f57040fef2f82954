use proptest::prelude::*;

use super::fixtures::{any_node, any_pod, ranked};
use crate::placement::pack::{Choice, Packer, Placement, Policy, Shape, State};

/// Tight by what is left, so that there are many ties.
struct Tight;

impl Policy for Tight {
    fn choose(&mut self, state: &State, _worth: i64, shape: &Shape) -> Choice {
        let from = state.choices(shape).next().unwrap_or(0);
        Choice { score: -i64::from(state.free_milli() / 500), from }
    }
}

/// The answer by looking at every node.
fn brute(packer: &Packer, ranks: &[u32], shape: &Shape) -> Option<Placement> {
    let nodes = (0u32..).take(packer.len()).filter(|n| packer.state(*n).unwrap().fits(shape));
    let all = nodes.map(|node| Placement { node, choice: Tight.choose(packer.state(node).unwrap(), 0, shape) });
    all.max_by_key(|p| (p.choice.score, std::cmp::Reverse(ranks[p.node as usize])))
}

proptest! {
    /// What the heaps answer is what looking at every node answers, through placements and departures.
    #[test]
    fn the_best_is_the_best_of_all(
        nodes in prop::collection::vec(any_node(), 1..12),
        pods in prop::collection::vec((any_pod(), any::<prop::sample::Index>(), 0..4), 1..80),
    ) {
        let mut packer = Packer::new(&ranked(&nodes));
        let ranks: Vec<u32> = (0..).take(nodes.len()).collect();
        for (pod, at, leave) in pods {
            let id = packer.shape(pod);
            let best = packer.best(id, &mut Tight);
            prop_assert_eq!(best, brute(&packer, &ranks, &pod));
            if let Some(best) = best {
                packer.place(id, &best);
            }
            if leave == 0 {
                let node = at.index(nodes.len());
                packer.set(u32::try_from(node).unwrap(), &nodes[node]);
            }
            if leave == 1 {
                packer.forget_scores_of(|state| state.cpu_milli % 2000 == 0);
            }
        }
    }

    /// Names are ranks: other ranks change only which of equal nodes is taken.
    #[test]
    fn ranks_break_ties_and_nothing_else(
        nodes in prop::collection::vec(any_node(), 1..10),
        pod in any_pod(),
    ) {
        let there = ranked(&nodes);
        let back: Vec<_> = nodes.iter().copied().zip((0..).take(nodes.len()).collect::<Vec<u32>>().into_iter().rev()).collect();
        let score = |nodes: &[(State, u32)]| {
            let mut packer = Packer::new(nodes);
            let id = packer.shape(pod);
            packer.best(id, &mut Tight).map(|p| p.choice.score)
        };
        prop_assert_eq!(score(&there), score(&back));
    }
}

#[test]
fn nothing_fits_into_nothing() {
    let mut packer = Packer::new(&[]);
    let id = packer.shape(super::fixtures::whole(0, 1));
    assert!(packer.is_empty() && packer.best(id, &mut Tight).is_none());
}

#[test]
fn a_pod_that_ends_makes_room_again() {
    let node = State::new(1000, 0, 0, 1);
    let mut packer = Packer::new(&[(node, 0)]);
    let id = packer.shape(super::fixtures::whole(1000, 1));
    let first = packer.best(id, &mut Tight).unwrap();
    packer.place(id, &first);
    assert_eq!(packer.best(id, &mut Tight), None);
    packer.set(0, &node);
    assert_eq!(packer.best(id, &mut Tight), Some(first));
}
