//! What a decision takes away from the jobs to come.
//!
//! Of members that cost a job the same, the one goes first whose nodes lose the least of what they could still take of
//! the jobs that usually come ([`pack`](super::pack)).

use std::collections::{BTreeMap, HashMap};

use super::{
    model::{Devices, Member, Need, Node, Snapshot},
    pack::{Fill, MOST_DEVICES, Mix, Models, Packer, Policy, Shape, State, WHOLE},
};

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;
/// Models that are told apart; more of them aren't weighed.
const MOST_MODELS: usize = 64;
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
    scores: HashMap<(Shape, State), (i64, u16)>,
}

/// What a member's nodes have free, as far as it can be weighed: by resource, equal nodes together.
pub(super) type Stock = Vec<(String, Vec<(State, u32)>)>;

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
        let knew = self.models.len();
        nodes().for_each(|node| self.know_models(node));
        if self.models.len() != knew {
            // Which models a shape accepts reads otherwise now.
            self.classes.clear();
        }
        let mut states: BTreeMap<String, HashMap<State, usize>> = BTreeMap::new();
        for node in nodes() {
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
            learned += usize::from(self.classes.entry(name).or_default().keep_up(mix, &sorted(states)));
        }
        learned
    }

    /// What can be weighed of a member's nodes.
    pub(super) fn stock(&self, member: &Member) -> Stock {
        let mut stock: BTreeMap<&str, HashMap<State, u32>> = BTreeMap::new();
        for node in &member.nodes {
            if let Some(state) = state(&self.models, node) {
                *stock.entry(resource_of(node)).or_default().entry(state).or_default() += 1;
            }
        }
        stock.into_iter().map(|(name, states)| (name.to_owned(), sorted(states))).collect()
    }

    /// What the market loses if `pods` pods of `need` go to a member with this stock, each where it loses the least; in
    /// millionths of an accelerator. `None` where that can't be told.
    pub(super) fn loss(&mut self, stock: &Stock, need: &Need, pods: u32) -> Option<i64> {
        let shape = self.shape(need)?;
        let own = stock.iter().filter(|(name, _)| goes_to(need, name));
        let losses = own.filter_map(|(name, states)| self.classes.get_mut(name)?.loss(states, shape, pods));
        losses.min()
    }

    /// The nodes of `member` where pods of `need` are best placed one after another, by place in its list. Fewer than
    /// `pods` where nothing is known or they are too many to weigh.
    pub(super) fn nodes(&mut self, member: &Member, need: &Need, pods: u32) -> Vec<usize> {
        let mut chosen = Vec::new();
        let Some(shape) = self.shape(need) else { return chosen };
        let mut states: Vec<Option<State>> = member.nodes.iter().map(|node| state(&self.models, node)).collect();
        for _ in 0..pods.min(MOST_WEIGHED) {
            let mut best: Option<(i64, usize, State)> = None;
            for (name, class) in
                self.classes.iter_mut().filter(|(name, class)| goes_to(need, name) && !class.is_blank())
            {
                let own = |at: &usize| resource_of(&member.nodes[*at]) == name;
                for at in (0..states.len()).filter(own) {
                    let Some(state) = states[at] else { continue };
                    let Some(found) = class.best(&[(state, 1)], shape) else { continue };
                    if best.is_none_or(|(score, ..)| found.score > score) {
                        best = Some((found.score, at, state.with(&shape, found.from)));
                    }
                }
            }
            let Some((_, at, next)) = best else { return chosen };
            states[at] = Some(next);
            chosen.push(at);
        }
        chosen
    }

    fn know_models(&mut self, node: &Node) {
        for devices in &node.devices {
            let known = self.models.iter().any(|(name, mib)| *name == devices.model && *mib == devices.memory_mib);
            if !known && self.models.len() < MOST_MODELS {
                self.models.push((devices.model.clone(), devices.memory_mib));
            }
        }
    }

    /// `None` for what is too large to weigh.
    fn shape(&self, need: &Need) -> Option<Shape> {
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
    fn is_blank(&self) -> bool {
        self.policy.is_blank()
    }

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

    /// What is lost if all the pods go to nodes in these states; `None` if they don't fit or nothing is known.
    fn loss(&mut self, states: &[(State, u32)], shape: Shape, pods: u32) -> Option<i64> {
        if self.is_blank() {
            return None;
        }
        let weighed = pods.min(MOST_WEIGHED);
        if weighed == 1 {
            return Some(-self.best(states, shape)?.score);
        }
        let mut states = states.to_vec();
        let mut lost = 0i64;
        for _ in 0..weighed {
            let best = self.best(&states, shape)?;
            lost = lost.saturating_sub(best.score);
            states[best.at].1 -= 1;
            let next = states[best.at].0.with(&shape, best.from);
            states.push((next, 1));
        }
        Some(lost.saturating_mul(i64::from(pods)).checked_div(i64::from(weighed)).unwrap_or(0))
    }

    /// The state where a pod is best placed, of those that nodes are in; the first among equals.
    fn best(&mut self, states: &[(State, u32)], shape: Shape) -> Option<Best> {
        if self.scores.len() > MOST_SCORES {
            self.scores.clear();
        }
        let mut best: Option<Best> = None;
        for (at, (state, n)) in states.iter().enumerate() {
            if *n == 0 || !state.fits(&shape) {
                continue;
            }
            let (score, from) = *self.scores.entry((shape, *state)).or_insert_with(|| {
                let worth = self.policy.worth(state);
                let choice = self.policy.choose(state, worth, &shape);
                (choice.score, choice.from)
            });
            if best.is_none_or(|best| score > best.score) {
                best = Some(Best { at, score, from });
            }
        }
        best
    }
}

/// Where a pod is best placed.
#[derive(Clone, Copy)]
struct Best {
    /// The state's place in the list.
    at: usize,
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

/// In an order of their own, so that equal input always gives equal decisions.
fn sorted<N>(states: HashMap<State, N>) -> Vec<(State, N)> {
    let mut states: Vec<(State, N)> = states.into_iter().collect();
    states.sort_unstable_by(|(a, _), (b, _)| {
        let key = |state: &State| (state.model, state.cpu_milli, state.memory_mib, state.free_milli());
        key(a).cmp(&key(b)).then_with(|| a.free().cmp(b.free()))
    });
    states
}
