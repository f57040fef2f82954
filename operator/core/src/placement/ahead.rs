//! What a decision takes away from the jobs to come.
//!
//! Of members that cost a job the same, the one goes first whose nodes lose the least of what they could still take of
//! the jobs that usually come ([`pack`](super::pack)).

use std::collections::{BTreeMap, HashMap};

use super::{
    model::{Devices, Member, Need, Node, Snapshot},
    pack::{Fill, MOST_DEVICES, Mix, Models, Packer, Shape, State, WHOLE},
};

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// The jobs that usually come, and what the market's nodes are worth to them.
#[derive(Debug, Default)]
pub struct Demand {
    /// Models by number: name and memory of each accelerator in MiB.
    models: Vec<(String, u64)>,
    /// By the accelerators' resource; nodes without accelerators are under the empty name.
    policies: BTreeMap<String, Fill>,
}

impl Demand {
    /// Demand as `jobs` show it: what each pod needs, and how many pods. Running and waiting jobs both tell.
    pub fn new<'a>(snapshot: &Snapshot, jobs: impl IntoIterator<Item = (&'a Need, u32)>) -> Self {
        let mut demand = Self::default();
        let mut nodes: BTreeMap<String, HashMap<State, usize>> = BTreeMap::new();
        for node in snapshot.members.iter().flat_map(|member| &member.nodes) {
            demand.know_models(node);
            if let Some(state) = demand.state(node) {
                *nodes.entry(resource_of(node)).or_default().entry(state).or_default() += 1;
            }
        }
        let mut mixes: BTreeMap<String, Mix> = nodes.keys().map(|name| (name.clone(), Mix::default())).collect();
        for (need, pods) in jobs {
            for (name, mix) in &mut mixes {
                // Jobs without accelerators may go to any node.
                if need.resource.as_ref().is_none_or(|resource| resource == name)
                    && let Some(shape) = demand.shape(need)
                {
                    (0..pods).for_each(|_| mix.count(shape));
                }
            }
        }
        for (name, mix) in mixes {
            let Some(states) = nodes.remove(&name) else { continue };
            let mut states: Vec<(State, usize)> = states.into_iter().collect();
            states.sort_unstable_by_key(|(state, _)| {
                (state.model, state.cpu_milli, state.memory_mib, state.free_milli())
            });
            let mut policy = Fill::new(&mix, &states);
            let each: Vec<State> = states.iter().flat_map(|&(state, n)| std::iter::repeat_n(state, n)).collect();
            policy.update(&mut packer(&each));
            demand.policies.insert(name, policy);
        }
        demand
    }

    /// What the market loses if `pods` pods of `need` go to the member, which they fit, each where it loses the least; in
    /// millionths of an accelerator. `None` where that can't be told.
    pub(super) fn loss(&mut self, member: &Member, need: &Need, pods: u32) -> Option<i64> {
        let shape = self.shape(need)?;
        let mut least: Option<i64> = None;
        for (name, policy) in &mut self.policies {
            let own = member.nodes.iter().filter(|node| resource_of(node) == *name);
            let states: Vec<State> = own.filter_map(|node| state(&self.models, node)).collect();
            if let Some(loss) = gang_loss(policy, &states, shape, pods) {
                least = Some(least.map_or(loss, |other| other.min(loss)));
            }
        }
        least
    }

    fn know_models(&mut self, node: &Node) {
        for devices in &node.devices {
            let model = (devices.model.clone(), devices.memory_mib);
            if !self.models.contains(&model) && self.models.len() < 64 {
                self.models.push(model);
            }
        }
    }

    fn state(&self, node: &Node) -> Option<State> {
        state(&self.models, node)
    }

    /// `None` for what is too large to weigh.
    fn shape(&self, need: &Need) -> Option<Shape> {
        let devices = u8::try_from(need.count).ok().filter(|&n| usize::from(n) <= MOST_DEVICES)?;
        let accepts = |(model, memory_mib): &(String, u64)| {
            let resource = need.resource.clone().unwrap_or_default();
            need.accepts(&Devices { resource, model: model.clone(), memory_mib: *memory_mib, total: 0, free: 0 })
        };
        let fit = (0u32..).zip(&self.models).filter(|(_, model)| accepts(model));
        let bits = fit.fold(0u64, |bits, (i, _)| bits | 1 << i);
        let all = bits.count_ones() as usize == self.models.len();
        Some(Shape {
            cpu_milli: u32::try_from(need.cpu_millis).ok()?,
            memory_mib: u32::try_from(need.memory_bytes.div_ceil(MIB)).ok()?,
            devices,
            share_milli: if devices == 0 { 0 } else { WHOLE },
            models: if devices == 0 || all { Models::ANY } else { Models(bits) },
        })
    }
}

/// The resource of a node's accelerators; nodes have one kind, and of several the first counts here.
fn resource_of(node: &Node) -> String {
    node.devices.first().map(|devices| devices.resource.clone()).unwrap_or_default()
}

/// `None` for a node that is too large to weigh.
fn state(models: &[(String, u64)], node: &Node) -> Option<State> {
    let (mut free, mut model) = (0u32, 0);
    if let Some(devices) = node.devices.first() {
        free = devices.free.min(devices.total);
        model = models.iter().position(|(name, memory)| *name == devices.model && *memory == devices.memory_mib)?;
    }
    let devices = u8::try_from(free).ok().filter(|&n| usize::from(n) <= MOST_DEVICES)?;
    let cpu_milli = u32::try_from(node.cpu_millis).ok()?;
    let memory_mib = u32::try_from(node.memory_bytes / MIB).ok()?;
    Some(State::new(cpu_milli, memory_mib, u8::try_from(model).ok()?, devices))
}

fn packer(states: &[State]) -> Packer {
    let ranked: Vec<(State, u32)> = states.iter().copied().zip(0..).collect();
    Packer::new(&ranked)
}

/// What is lost if all the pods go to these nodes; `None` if they don't fit.
fn gang_loss(policy: &mut Fill, states: &[State], shape: Shape, pods: u32) -> Option<i64> {
    let mut packer = packer(states);
    let id = packer.shape(shape);
    let mut loss = 0i64;
    for _ in 0..pods {
        let placement = packer.best(id, policy)?;
        loss = loss.saturating_sub(placement.choice.score);
        packer.place(id, &placement);
    }
    Some(loss)
}
