//! What placement looks at: members with what they have free, and what a job needs.

use std::collections::BTreeMap;

use crate::{class::Class, money::Amount};

/// All members at one moment. Decisions are taken from it in turn, each reserving what it uses.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The members, in any order.
    pub members: Vec<Member>,
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Why it takes no new work at all, in words; `None` if it does.
    pub closed: Option<String>,
    /// What jobs can ask for by value: `form`, `site`, `region`, `member`.
    pub attributes: BTreeMap<&'static str, String>,
    /// A sandbox without network was probed to work.
    pub sandbox: bool,
    /// The internet is offered, and was probed to be all that is in reach.
    pub internet: bool,
    /// What it charges, by class.
    pub offers: BTreeMap<Class, Offered>,
    /// What its nodes have free.
    pub nodes: Vec<Node>,
}

/// A member's price for a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// EAI per unit-hour.
    pub rate: Amount,
    /// Unix seconds at which the offer ends.
    pub valid_until: u64,
}

/// What a node has free for work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Millicores.
    pub cpu_millis: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Accelerators.
    pub devices: Vec<Devices>,
}

/// Accelerators of one kind on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// The extended resource's name.
    pub resource: String,
    /// The product; empty if unknown.
    pub model: String,
    /// Memory of each in MiB; 0 if unknown.
    pub memory_mib: u64,
    /// How many there are.
    pub total: u32,
    /// How many are free.
    pub free: u32,
}

/// What a job needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What each pod needs.
    pub need: Need,
    /// Pods at once, all on one member.
    pub parallelism: u32,
    /// The most it pays per unit-hour.
    pub max_price: Amount,
    /// Attributes it insists on.
    pub constraints: Vec<Constraint>,
    /// Whether it needs the internet. Without, it runs in a sandbox without network.
    pub internet: bool,
    /// Members that failed it before; taken last.
    pub avoid: Vec<String>,
}

/// What one pod needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Millicores.
    pub cpu_millis: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// The accelerator's extended resource; `None` for class `cpu`.
    pub resource: Option<String>,
    /// Accelerators; 0 for class `cpu`.
    pub count: u32,
    /// Products that will do; any if empty.
    pub models: Vec<String>,
    /// The least memory of each, in MiB.
    pub memory_mib: u64,
}

/// One attribute and the values that will do; an empty list allows all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The attribute.
    pub attribute: &'static str,
    /// Values that will do.
    pub allowed: Vec<String>,
}

impl Need {
    /// The class this is billed in.
    pub fn class(&self) -> Class {
        self.resource.clone().map_or_else(Class::cpu, Class)
    }

    /// Whether an accelerator of this kind will do.
    pub(super) fn accepts(&self, devices: &Devices) -> bool {
        self.resource.as_deref() == Some(devices.resource.as_str())
            && (self.models.is_empty() || self.models.contains(&devices.model))
            && devices.memory_mib >= self.memory_mib
    }
}

impl Snapshot {
    /// What a member lacks to run `pods` pods of `need` now; `None` if they fit, or nothing is known of the member.
    pub fn shortage(&self, member: &str, need: &Need, pods: u32) -> Option<super::Shortage> {
        super::fit::fit(self.members.iter().find(|m| m.name == member)?, need, pods).err()
    }

    /// Takes what `pods` pods of `need` use out of a member's free capacity, tightest nodes first. For work that was
    /// assigned and isn't in the member's report yet. Takes what is there if that is less; an unknown member is left
    /// alone.
    pub fn reserve(&mut self, member: &str, need: &Need, pods: u32) {
        if let Some(member) = self.members.iter_mut().find(|m| m.name == member) {
            super::fit::take(member, need, pods);
        }
    }
}
