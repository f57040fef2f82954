//! What a decision takes away from the jobs to come.
//!
//! Of members that cost a job the same, the one goes first whose nodes lose the least of what they could still take of
//! the jobs that usually come ([`pack`](super::pack)).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    model::{Devices, Member, Need, Node, Snapshot},
    pack::{FastHash, Fill, MOST_DEVICES, Mix, Models, Packer, Policy, Shape, State, WHOLE},
};

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;
/// Models that are told apart; more of them aren't weighed.
const MOST_MODELS: usize = 64;
/// Resources whose nodes are weighed; those of fewer nodes aren't.
const MOST_RESOURCES: usize = 16;
/// Pods of a gang that are weighed one by one; more of them are taken to lose as much each.
const MOST_WEIGHED: u32 = 16;
/// Scores that are remembered.
const MOST_SCORES: usize = 1 << 16;
/// Demand is learned anew when this part of it is other than it was.
const DRIFT: f64 = 0.1;

/// The jobs that usually come, and what the market's nodes are worth to them.
#[derive(Debug, Default)]
pub struct Demand {
    /// Models by number: name and memory of each accelerator in MiB.
    models: Vec<(String, u64)>,
    /// By the accelerators' resource; nodes without accelerators are under the empty name.
    classes: BTreeMap<String, Class>,
}

/// One resource's nodes, and what comes to them.
#[derive(Debug, Default)]
struct Class {
    mix: Mix,
    nodes: usize,
    policy: Fill,
    /// What placing a shape on a state scores, and which accelerator its share is best taken from.
    scores: HashMap<(Shape, State), Best, FastHash>,
}

/// What a member's nodes have free, as far as it can be weighed: by resource and state, the nodes by place in its list.
pub(super) type Stock = BTreeMap<String, BTreeMap<State, BTreeSet<usize>>>;

impl Demand {
    /// Demand as `jobs` show it: what each pod needs, and how many pods. Running and waiting jobs both tell.
    pub fn new<'a>(snapshot: &Snapshot, jobs: impl IntoIterator<Item = (&'a Need, u32)>) -> Self {
        let mut demand = Self::default();
        demand.keep_up(snapshot, jobs);
        demand
    }

    /// Takes in the jobs and nodes as they are now. What was learned stays as long as jobs and nodes are much the same;
    /// returns for how many resources it was learned anew.
    pub fn keep_up<'a>(&mut self, snapshot: &Snapshot, jobs: impl IntoIterator<Item = (&'a Need, u32)>) -> usize {
        let nodes = || snapshot.members.iter().flat_map(|member| &member.nodes);
        let models = most_common(nodes().flat_map(models_of), MOST_MODELS);
        if self.models != models {
            // Which models a shape accepts reads otherwise now.
            (self.models, self.classes) = (models, BTreeMap::new());
        }
        let resources = most_common(nodes().map(|node| (resource_of(node).to_owned(), 1)), MOST_RESOURCES);
        let mut states: BTreeMap<String, HashMap<State, usize>> = BTreeMap::new();
        for node in nodes().filter(|node| resources.iter().any(|name| name == resource_of(node))) {
            if let Some(state) = state(&self.models, node) {
                *states.entry(resource_of(node).to_owned()).or_default().entry(state).or_default() += 1;
            }
        }
        let mut mixes: BTreeMap<String, Mix> = states.keys().map(|name| (name.clone(), Mix::default())).collect();
        for (need, pods) in jobs {
            let Some(shape) = self.shape(need) else { continue };
            for (_, mix) in mixes.iter_mut().filter(|(name, _)| goes_to(need, name)) {
                mix.count_many(shape, u64::from(pods));
            }
        }
        self.classes.retain(|name, _| states.contains_key(name));
        let mut learned = 0;
        for (name, states) in states {
            let mix = mixes.remove(&name).unwrap_or_default();
            let mut states: Vec<(State, usize)> = states.into_iter().collect();
            // In an order of their own, so that equal input always gives equal decisions.
            states.sort_unstable();
            learned += usize::from(self.classes.entry(name).or_default().keep_up(mix, &states));
        }
        learned
    }

    /// What can be weighed of a member's nodes.
    pub(super) fn stock(&self, member: &Member) -> Stock {
        let mut stock = Stock::default();
        (0..member.nodes.len()).for_each(|at| self.shelve(&mut stock, member, at));
        stock
    }

    /// Puts the nodes of `member` that changed where they belong now.
    pub(super) fn restock(&self, stock: &mut Stock, member: &Member, changed: &[usize]) {
        for &at in changed {
            let resource = resource_of(&member.nodes[at]);
            if let Some(states) = stock.get_mut(resource) {
                states.retain(|_, nodes| !nodes.remove(&at) || !nodes.is_empty());
            }
            self.shelve(stock, member, at);
        }
    }

    fn shelve(&self, stock: &mut Stock, member: &Member, at: usize) {
        let node = &member.nodes[at];
        if let Some(state) = state(&self.models, node) {
            stock.entry(resource_of(node).to_owned()).or_default().entry(state).or_default().insert(at);
        }
    }

    /// What the market loses if `pods` pods of `need`, which has this shape, go to a member with this stock, each where it loses the least; in
    /// millionths of an accelerator. `None` where that can't be told.
    pub(super) fn loss(&mut self, stock: &Stock, need: &Need, shape: Shape, pods: u32) -> Option<i64> {
        if pods == 1 {
            return Some(-self.best(stock, need, shape)?.2.score);
        }
        let weighed = pods.min(MOST_WEIGHED);
        let (placed, lost) = self.gang(stock, need, shape, weighed);
        (placed.len() == weighed as usize).then(|| lost.saturating_mul(i64::from(pods)) / i64::from(weighed))
    }

    /// The nodes of this stock where pods of `need` are best placed one after another, by place in the member's list. Fewer
    /// than `pods` where nothing is known or they are too many to weigh.
    pub(super) fn nodes(&mut self, stock: &Stock, need: &Need, pods: u32) -> Vec<usize> {
        let Some(shape) = self.shape(need) else { return Vec::new() };
        if pods == 1 {
            let best = self.best(stock, need, shape);
            let first = best.and_then(|(name, state, _)| stock.get(&name)?.get(&state)?.first().copied());
            return first.into_iter().collect();
        }
        self.gang(stock, need, shape, pods.min(MOST_WEIGHED)).0
    }

    /// Places pods one after another; the nodes, and what is lost.
    fn gang(&mut self, stock: &Stock, need: &Need, shape: Shape, pods: u32) -> (Vec<usize>, i64) {
        let own = stock.iter().filter(|(name, _)| goes_to(need, name));
        let mut stock: Stock = own.map(|(name, states)| (name.clone(), states.clone())).collect();
        let (mut placed, mut lost) = (Vec::new(), 0i64);
        for _ in 0..pods {
            let Some((name, state, best)) = self.best(&stock, need, shape) else { break };
            let Some(states) = stock.get_mut(&name) else { break };
            let Some(node) = states.get_mut(&state).and_then(BTreeSet::pop_first) else { break };
            states.retain(|_, nodes| !nodes.is_empty());
            states.entry(state.with(&shape, best.from)).or_default().insert(node);
            lost = lost.saturating_sub(best.score);
            placed.push(node);
        }
        (placed, lost)
    }

    /// Where a pod is best placed: the resource, and the state of the nodes.
    fn best(&mut self, stock: &Stock, need: &Need, shape: Shape) -> Option<(String, State, Best)> {
        let mut best: Option<(&String, State, Best)> = None;
        for (name, states) in stock.iter().filter(|(name, _)| goes_to(need, name)) {
            let Some(class) = self.classes.get_mut(name) else { continue };
            let Some((state, found)) = class.best(states.keys(), shape) else { continue };
            if best.is_none_or(|(.., best)| found.score > best.score) {
                best = Some((name, state, found));
            }
        }
        best.map(|(name, state, best)| (name.clone(), state, best))
    }

    /// `None` for what is too large to weigh.
    pub(super) fn shape(&self, need: &Need) -> Option<Shape> {
        let devices = u8::try_from(need.count).ok().filter(|&n| usize::from(n) <= MOST_DEVICES)?;
        let accepts = |(model, memory_mib): &(String, u64)| {
            let resource = need.resource.clone().unwrap_or_default();
            let (model, memory_mib) = (model.clone(), *memory_mib);
            need.accepts(&Devices { resource, model, memory_mib, divisible: true, ..Devices::default() })
        };
        let fit = (0u32..).zip(&self.models).filter(|(_, model)| accepts(model));
        let bits = fit.fold(0u64, |bits, (i, _)| bits | 1 << i);
        let all = bits.count_ones() as usize == self.models.len();
        let share_milli = if need.is_share() { need.share_milli } else { WHOLE };
        Some(Shape {
            cpu_milli: u32::try_from(need.cpu_millis).ok()?,
            memory_mib: u32::try_from(need.memory_bytes.div_ceil(MIB)).ok()?,
            devices,
            share_milli: if devices == 0 { 0 } else { share_milli },
            models: if devices == 0 || all { Models::ANY } else { Models(bits) },
        })
    }
}

impl Class {
    /// Says whether it learned anew.
    fn keep_up(&mut self, mix: Mix, states: &[(State, usize)]) -> bool {
        let nodes = states.iter().map(|(_, n)| n).sum();
        let learns = nodes != self.nodes || mix.distance(&self.mix) > DRIFT;
        if learns {
            (self.policy, self.mix, self.nodes) = (Fill::new(&mix, states), mix, nodes);
        }
        let each = states.iter().flat_map(|&(state, n)| std::iter::repeat_n(state, n));
        let ranked: Vec<(State, u32)> = each.zip(0..).collect();
        self.policy.update(&mut Packer::new(&ranked));
        self.scores.clear();
        learns
    }

    /// The state where a pod is best placed, the first among equals; `None` if it fits none or nothing is known.
    fn best<'a>(&mut self, states: impl Iterator<Item = &'a State>, shape: Shape) -> Option<(State, Best)> {
        if self.policy.is_blank() {
            return None;
        }
        if self.scores.len() > MOST_SCORES {
            self.scores.clear();
        }
        let mut best: Option<(State, Best)> = None;
        for state in states.filter(|state| state.fits(&shape)) {
            let found = *self.scores.entry((shape, *state)).or_insert_with(|| {
                let worth = self.policy.worth(state);
                let choice = self.policy.choose(state, worth, &shape);
                Best { score: choice.score, from: choice.from }
            });
            if best.is_none_or(|(_, best)| found.score > best.score) {
                best = Some((*state, found));
            }
        }
        best
    }
}

/// How good it is to place a pod on a node in some state.
#[derive(Clone, Copy, Debug)]
struct Best {
    score: i64,
    /// What the accelerator that it shares has free.
    from: u16,
}

/// Whether pods of `need` may go to nodes with accelerators of `resource`: those without accelerators may go anywhere.
fn goes_to(need: &Need, resource: &str) -> bool {
    need.resource.as_deref().is_none_or(|wanted| wanted == resource)
}

/// The resource of a node's accelerators; nodes have one kind, and of several the first counts here.
fn resource_of(node: &Node) -> &str {
    node.devices.first().map_or("", |devices| &devices.resource)
}

/// `None` for a node that is too large to weigh.
fn state(models: &[(String, u64)], node: &Node) -> Option<State> {
    let (mut free, mut model, mut parts) = (0u32, 0, &[][..]);
    if let Some(devices) = node.devices.first() {
        free = devices.free.min(devices.total);
        parts = &devices.parts;
        model = models.iter().position(|(name, memory)| *name == devices.model && *memory == devices.memory_mib)?;
    }
    let whole = u8::try_from(free).ok().filter(|&n| usize::from(n) + parts.len() <= MOST_DEVICES)?;
    let cpu_milli = u32::try_from(node.cpu_millis).ok()?;
    let memory_mib = u32::try_from(node.memory_bytes / MIB).ok()?;
    Some(State::new(cpu_milli, memory_mib, u8::try_from(model).ok()?, whole).with_parts(parts))
}

/// A node's accelerators by model and memory, and how many of each.
fn models_of(node: &Node) -> impl Iterator<Item = ((String, u64), u64)> + '_ {
    node.devices.iter().map(|d| ((d.model.clone(), d.memory_mib), u64::from(d.total)))
}

/// The most common of `all`, each with its count, in their own order: whatever else a member reports takes no place away
/// from what many have.
fn most_common<T: Ord>(all: impl Iterator<Item = (T, u64)>, most: usize) -> Vec<T> {
    let mut counts: BTreeMap<T, u64> = BTreeMap::new();
    for (one, count) in all {
        let sum = counts.entry(one).or_default();
        *sum = sum.saturating_add(count);
    }
    let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(most);
    let mut common: Vec<T> = counts.into_iter().map(|(one, _)| one).collect();
    common.sort();
    common
}
