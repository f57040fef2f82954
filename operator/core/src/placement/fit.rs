//! Whether a gang fits into a member, and taking it out of what is free.

use super::{
    model::{Member, Need, Node},
    refusal::Shortage,
};

/// How many pods of `need` a node holds.
fn pods_on(node: &Node, need: &Need) -> u64 {
    let cpu = node.cpu_millis.checked_div(need.cpu_millis).unwrap_or(u64::MAX);
    let memory = node.memory_bytes.checked_div(need.memory_bytes).unwrap_or(u64::MAX);
    cpu.min(memory).min(u64::from(devices_free(node, need)).checked_div(u64::from(need.count)).unwrap_or(u64::MAX))
}

/// Accelerators on a node that will do and are free. More free than there are is a false report; the total counts.
fn devices_free(node: &Node, need: &Need) -> u32 {
    node.devices.iter().filter(|d| need.accepts(d)).fold(0, |sum, d| sum.saturating_add(d.free.min(d.total)))
}

/// How many pods of `need` nodes hold together.
pub(super) fn room(nodes: &[Node], need: &Need) -> u64 {
    nodes.iter().fold(0u64, |sum, node| sum.saturating_add(pods_on(node, need)))
}

/// Gives back what `pods` pods of `need` took on a node, no more than there is in all.
pub(super) fn release(node: &mut Node, need: &Need, pods: u32) {
    node.cpu_millis = node.cpu_millis.saturating_add(need.cpu_millis.saturating_mul(u64::from(pods)));
    node.memory_bytes = node.memory_bytes.saturating_add(need.memory_bytes.saturating_mul(u64::from(pods)));
    let mut devices = need.count.saturating_mul(pods);
    for d in node.devices.iter_mut().filter(|d| need.accepts(d)) {
        let back = d.total.saturating_sub(d.free).min(devices);
        d.free += back;
        devices -= back;
    }
}

/// Accelerators that would be left free on a member after `pods` pods, or what is missing for them.
pub(super) fn fit(member: &Member, need: &Need, pods: u32) -> Result<u64, Shortage> {
    let room = room(&member.nodes, need);
    if room < u64::from(pods) {
        return Err(shortage(member, need, pods, room));
    }
    let free: u64 = member.nodes.iter().map(|node| u64::from(devices_free(node, need))).sum();
    Ok(free.saturating_sub(u64::from(need.count) * u64::from(pods)))
}

/// The scarcest thing: accelerators, then cores, then memory; or room, when each would do on its own.
fn shortage(member: &Member, need: &Need, pods: u32, room: u64) -> Shortage {
    let sum = |value: &dyn Fn(&Node) -> u64| member.nodes.iter().fold(0u64, |s, n| s.saturating_add(value(n)));
    let pods = u64::from(pods);
    if let Some(resource) = &need.resource {
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
    Shortage { resource: "room".to_owned(), free: room, total: None, needed: pods }
}

/// Takes `pods` pods of `need` out of a member, fullest nodes first; what doesn't fit is not taken.
pub(super) fn take(member: &mut Member, need: &Need, pods: u32) {
    let mut left = u64::from(pods);
    let mut order: Vec<usize> = (0..member.nodes.len()).collect();
    order.sort_by_key(|&i| (devices_free(&member.nodes[i], need), member.nodes[i].cpu_millis, i));
    for i in order {
        let node = &mut member.nodes[i];
        let here = pods_on(node, need).min(left);
        node.cpu_millis = node.cpu_millis.saturating_sub(need.cpu_millis.saturating_mul(here));
        node.memory_bytes = node.memory_bytes.saturating_sub(need.memory_bytes.saturating_mul(here));
        let mut devices = u64::from(need.count) * here;
        for d in node.devices.iter_mut().filter(|d| need.accepts(d)) {
            let taken = u64::from(d.free.min(d.total)).min(devices);
            d.free = d.free.min(d.total).saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
            devices -= taken;
        }
        left -= here;
    }
}
