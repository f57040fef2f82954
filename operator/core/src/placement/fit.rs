//! Whether a gang fits into a member, and taking it out of what is free.

use std::collections::BTreeMap;

use super::{
    model::{Devices, Gang, Member, Need, Node, WHOLE_MILLI},
    refusal::Shortage,
};

/// How many pods of `need` a node holds.
fn pods_on(node: &Node, need: &Need) -> u64 {
    let cpu = node.cpu_millis.checked_div(need.cpu_millis).unwrap_or(u64::MAX);
    let memory = node.memory_bytes.checked_div(need.memory_bytes).unwrap_or(u64::MAX);
    cpu.min(memory).min(pods_by_devices(node, need))
}

fn pods_by_devices(node: &Node, need: &Need) -> u64 {
    if !need.is_share() {
        return u64::from(devices_free(node, need)).checked_div(u64::from(need.count)).unwrap_or(u64::MAX);
    }
    let share = |free: u16| u64::from(free / need.share_milli);
    let of = |d: &Devices| {
        let parts = d.parts.iter().map(|&part| share(part.min(WHOLE_MILLI))).sum::<u64>();
        u64::from(d.free.min(d.total)).saturating_mul(share(WHOLE_MILLI)).saturating_add(parts)
    };
    node.devices.iter().filter(|d| need.accepts(d)).fold(0, |sum, d| sum.saturating_add(of(d)))
}

/// Whole accelerators on a node that will do and are free. More free than there are is a false report; the total counts.
fn devices_free(node: &Node, need: &Need) -> u32 {
    node.devices.iter().filter(|d| need.accepts(d)).fold(0, |sum, d| sum.saturating_add(d.free.min(d.total)))
}

/// How many pods of `need` nodes hold together.
pub(super) fn room<'a>(nodes: impl IntoIterator<Item = &'a Node>, need: &Need) -> u64 {
    nodes.into_iter().fold(0u64, |sum, node| sum.saturating_add(pods_on(node, need)))
}

/// The nodes that a gang may be spread over, by place in the member's list: all, or for each interconnect its own.
fn spreads(nodes: &[Node], one_island: bool) -> Vec<Vec<usize>> {
    if !one_island {
        return vec![(0..nodes.len()).collect()];
    }
    let mut islands: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate().filter(|(_, node)| !node.island.is_empty()) {
        islands.entry(&node.island).or_default().push(i);
    }
    islands.into_values().collect()
}

/// How many pods of the gang's need can be on a member together.
pub(super) fn most<'a>(nodes: impl IntoIterator<Item = &'a Node>, gang: &Gang<'_>) -> u64 {
    if !gang.one_island {
        return room(nodes, gang.need);
    }
    let mut islands: BTreeMap<&str, u64> = BTreeMap::new();
    for node in nodes.into_iter().filter(|node| !node.island.is_empty()) {
        let room = islands.entry(&node.island).or_default();
        *room = room.saturating_add(pods_on(node, gang.need));
    }
    islands.into_values().max().unwrap_or(0)
}

/// Gives back what `pods` pods of `need` took on a node, no more than there is in all.
pub(super) fn release(node: &mut Node, need: &Need, pods: u32) {
    node.cpu_millis = node.cpu_millis.saturating_add(need.cpu_millis.saturating_mul(u64::from(pods)));
    node.memory_bytes = node.memory_bytes.saturating_add(need.memory_bytes.saturating_mul(u64::from(pods)));
    if need.is_share() {
        (0..pods).for_each(|_| release_share(node, need));
        return;
    }
    let mut devices = need.count.saturating_mul(pods);
    for d in node.devices.iter_mut().filter(|d| need.accepts(d)) {
        let in_parts = u32::try_from(d.parts.len()).unwrap_or(u32::MAX);
        let back = d.total.saturating_sub(d.free).saturating_sub(in_parts).min(devices);
        d.free += back;
        devices -= back;
    }
}

/// Gives a share back to the fullest accelerator that can have held it: which one it was isn't known.
fn release_share(node: &mut Node, need: &Need) {
    for d in node.devices.iter_mut().filter(|d| need.accepts(d)) {
        let in_parts = u32::try_from(d.parts.len()).unwrap_or(u32::MAX);
        if d.total > d.free.saturating_add(in_parts) {
            d.parts.push(need.share_milli);
            return;
        }
        let held = d.parts.iter().enumerate().filter(|(_, part)| part.saturating_add(need.share_milli) <= WHOLE_MILLI);
        if let Some((at, _)) = held.min_by_key(|(_, part)| **part) {
            d.parts[at] += need.share_milli;
            if d.parts[at] == WHOLE_MILLI {
                d.parts.swap_remove(at);
                d.free += 1;
            }
            return;
        }
    }
}

/// Accelerators that would be left free on a member once the gang is there, or what is missing for it.
pub(super) fn fit(member: &Member, gang: &Gang<'_>) -> Result<u64, Shortage> {
    let room = most(&member.nodes, gang);
    if room < u64::from(gang.pods) {
        return Err(shortage(member, gang, room));
    }
    let free: u64 = member.nodes.iter().map(|node| u64::from(devices_free(node, gang.need))).sum();
    let takes = if gang.need.is_share() { 0 } else { u64::from(gang.need.count) * u64::from(gang.pods) };
    Ok(free.saturating_sub(takes))
}

/// The scarcest thing: accelerators, then cores, then memory; or room, when each would do on its own.
fn shortage(member: &Member, gang: &Gang<'_>, room: u64) -> Shortage {
    let Gang { need, pods, .. } = gang;
    let sum = |value: &dyn Fn(&Node) -> u64| member.nodes.iter().fold(0u64, |s, n| s.saturating_add(value(n)));
    let pods = u64::from(*pods);
    if let Some(resource) = need.resource.as_ref().filter(|_| !need.is_share()) {
        let free = sum(&|n| u64::from(devices_free(n, need)));
        let needed = u64::from(need.count) * pods;
        if free < needed {
            let total = sum(&|n| n.devices.iter().filter(|d| need.accepts(d)).map(|d| u64::from(d.total)).sum::<u64>());
            return Shortage { resource: resource.clone(), free, total: Some(total), needed };
        }
    }
    let (cpu, memory) = (sum(&|n| n.cpu_millis), sum(&|n| n.memory_bytes));
    let (cpu_needed, memory_needed) = (need.cpu_millis.saturating_mul(pods), need.memory_bytes.saturating_mul(pods));
    if cpu < cpu_needed {
        return Shortage { resource: "cpu".to_owned(), free: cpu, total: None, needed: cpu_needed };
    }
    if memory < memory_needed {
        return Shortage { resource: "memory".to_owned(), free: memory, total: None, needed: memory_needed };
    }
    let apart = gang.one_island && super::fit::room(&member.nodes, need) >= pods;
    let resource = if apart { Shortage::ISLAND } else { Shortage::ROOM };
    Shortage { resource: resource.to_owned(), free: room, total: None, needed: pods }
}

/// Takes one pod out of a node, if it holds one; says whether it does.
pub(super) fn take_pod(node: &mut Node, need: &Need) -> bool {
    let fits = pods_on(node, need) > 0;
    if fits {
        take_from(node, need, 1);
    }
    fits
}

/// Takes a gang out of a member, fullest nodes first, and of interconnects the one with the least room; what doesn't fit
/// is not taken. Returns the nodes, by place in the member's list.
pub(super) fn take(member: &mut Member, gang: &Gang<'_>) -> Vec<usize> {
    let (need, mut taken) = (gang.need, Vec::new());
    if gang.pods == 0 {
        return taken;
    }
    let room_in = |nodes: &[usize]| room(nodes.iter().map(|&i| &member.nodes[i]), need);
    let spreads = spreads(&member.nodes, gang.one_island);
    let fitting = spreads.iter().filter(|nodes| room_in(nodes) >= u64::from(gang.pods));
    let Some(nodes) = fitting.min_by_key(|nodes| room_in(nodes)).or_else(|| spreads.first()) else { return taken };
    let mut order = nodes.clone();
    order.sort_by_key(|&i| (devices_free(&member.nodes[i], need), member.nodes[i].cpu_millis, i));
    let mut left = u64::from(gang.pods);
    for i in order {
        let node = &mut member.nodes[i];
        let here = pods_on(node, need).min(left);
        if here > 0 {
            take_from(node, need, here);
            taken.push(i);
        }
        left -= here;
    }
    taken
}

/// Takes out what a gang would use of a member, also where it doesn't fit yet: whole pods as they do, and of what the rest
/// needs as much as is free, from the nodes that have the most.
pub(super) fn hold(member: &mut Member, gang: &Gang<'_>) {
    let (need, fits) = (gang.need, most(&member.nodes, gang).min(u64::from(gang.pods)));
    let pods = u32::try_from(fits).unwrap_or(gang.pods);
    take(member, &Gang { pods, ..*gang });
    let rest = u64::from(gang.pods - pods);
    let mut devices = u64::from(need.count).saturating_mul(rest);
    let mut cpu = need.cpu_millis.saturating_mul(rest);
    let mut memory = need.memory_bytes.saturating_mul(rest);
    let mut order: Vec<usize> = (0..member.nodes.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(devices_free(&member.nodes[i], need)), i));
    for i in order {
        let node = &mut member.nodes[i];
        take_up_to(&mut node.cpu_millis, &mut cpu);
        take_up_to(&mut node.memory_bytes, &mut memory);
        for d in node.devices.iter_mut().filter(|d| need.accepts(d)) {
            let mut free = u64::from(d.free.min(d.total));
            take_up_to(&mut free, &mut devices);
            d.free = u32::try_from(free).unwrap_or(u32::MAX);
        }
    }
}

/// Moves as much as there is of what is wanted.
fn take_up_to(free: &mut u64, wanted: &mut u64) {
    let taken = (*free).min(*wanted);
    *free -= taken;
    *wanted -= taken;
}

/// Takes `pods` pods, which fit, out of a node.
fn take_from(node: &mut Node, need: &Need, pods: u64) {
    node.cpu_millis = node.cpu_millis.saturating_sub(need.cpu_millis.saturating_mul(pods));
    node.memory_bytes = node.memory_bytes.saturating_sub(need.memory_bytes.saturating_mul(pods));
    if need.is_share() {
        (0..pods).for_each(|_| take_share(node, need));
        return;
    }
    let mut devices = u64::from(need.count) * pods;
    for d in node.devices.iter_mut().filter(|d| need.accepts(d)) {
        let taken = u64::from(d.free.min(d.total)).min(devices);
        d.free = d.free.min(d.total).saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        devices -= taken;
    }
}

/// Takes a share out of the tightest accelerator that has it, a whole one last.
fn take_share(node: &mut Node, need: &Need) {
    let share = need.share_milli;
    let parts = node.devices.iter().enumerate().filter(|(_, d)| need.accepts(d));
    let parts = parts.flat_map(|(i, d)| d.parts.iter().enumerate().map(move |(at, &part)| (part, i, at)));
    if let Some((part, i, at)) = parts.filter(|(part, ..)| *part >= share).min() {
        let parts = &mut node.devices[i].parts;
        if part == share {
            parts.swap_remove(at);
        } else {
            parts[at] -= share;
        }
    } else if let Some(d) = node.devices.iter_mut().find(|d| need.accepts(d) && d.free.min(d.total) > 0) {
        d.free = d.free.min(d.total) - 1;
        d.parts.push(WHOLE_MILLI - share);
    }
}
