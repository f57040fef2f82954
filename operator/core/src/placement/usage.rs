//! What work takes of the whole, and the share of it that counts.

use std::collections::BTreeMap;

use super::model::{Member, Need};

/// Cores, memory and accelerators, taken or there to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Millicores.
    pub cpu_millis: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Accelerators by the extended resource's name.
    pub devices: BTreeMap<String, u64>,
}

/// The largest of the parts that some work takes of each resource, its dominant share (Ghodsi et al., NSDI'11), in
/// 2^-40 of the whole; rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u128);

impl Share {
    const BITS: u32 = 40;

    /// All there is.
    pub const WHOLE: Self = Self(1 << Self::BITS);
}

impl Usage {
    /// What `pods` pods of `need` take.
    pub fn of(need: &Need, pods: u32) -> Self {
        let pods = u64::from(pods);
        let devices = need.resource.iter().map(|name| (name.clone(), u64::from(need.count).saturating_mul(pods)));
        Self {
            cpu_millis: need.cpu_millis.saturating_mul(pods),
            memory_bytes: need.memory_bytes.saturating_mul(pods),
            devices: devices.collect(),
        }
    }

    /// What members have free, and accelerators in use besides.
    pub fn of_members<'a>(members: impl IntoIterator<Item = &'a Member>) -> Self {
        let mut sum = Self::default();
        for node in members.into_iter().flat_map(|member| &member.nodes) {
            sum.cpu_millis = sum.cpu_millis.saturating_add(node.cpu_millis);
            sum.memory_bytes = sum.memory_bytes.saturating_add(node.memory_bytes);
            for devices in &node.devices {
                let total = sum.devices.entry(devices.resource.clone()).or_default();
                *total = total.saturating_add(u64::from(devices.total));
            }
        }
        sum
    }

    /// Takes in what more is used.
    pub fn add(&mut self, more: &Self) {
        self.cpu_millis = self.cpu_millis.saturating_add(more.cpu_millis);
        self.memory_bytes = self.memory_bytes.saturating_add(more.memory_bytes);
        for (name, count) in &more.devices {
            let sum = self.devices.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The dominant share of `total`. Of what there is none of, nothing is taken.
    pub fn dominant(&self, total: &Self) -> Share {
        let part = |used: u64, of: u64| (u128::from(used) << Share::BITS).checked_div(u128::from(of)).unwrap_or(0);
        let devices = self.devices.iter().map(|(n, used)| part(*used, total.devices.get(n).copied().unwrap_or(0)));
        let own = [part(self.cpu_millis, total.cpu_millis), part(self.memory_bytes, total.memory_bytes)];
        Share(devices.chain(own).max().unwrap_or(0))
    }
}
