//! What placement looks at: members with what they have free, and what a job needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{class::Class, money::Amount};

/// A whole accelerator, in thousandths.
pub const WHOLE_MILLI: u16 = 1000;

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
    /// How much of the work it was given it saw through, in per cent.
    pub trust: u8,
    /// Digests of the images and data that are there already.
    pub content: BTreeSet<String>,
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
    /// Its name, to speak of it.
    pub name: String,
    /// Millicores.
    pub cpu_millis: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Accelerators.
    pub devices: Vec<Devices>,
    /// The interconnect that its accelerators share with those of the nodes that name the same; none is known if empty.
    pub island: String,
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
    /// How many are free as a whole.
    pub free: u32,
    /// Whether something there sees to it that a job keeps to its share of one.
    pub divisible: bool,
    /// What those that are in use in part have free, in thousandths of one.
    pub parts: Vec<u16>,
}

/// What a lease rests on, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// L0: Kubernetes keeps the work apart, as far as was probed.
    #[default]
    Isolated,
    /// L1: a sandbox of its own, without network.
    Sandboxed,
    /// L2: a trusted execution environment, verified before a key is released.
    Attested,
    /// L3: nothing is there in the clear.
    Encrypted,
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{} {self:?}", *self as u8)
    }
}

/// What a job needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
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
    /// Whether all its pods need to be on one interconnect.
    pub one_island: bool,
    /// The least that the member must have seen through of what it was given, in per cent.
    pub least_trust: u8,
    /// What it must be able to rest on at least.
    pub least_assurance: Assurance,
    /// Digests of the images and data it works with.
    pub content: Vec<String>,
    /// The longest it runs, in seconds; 0 if that isn't known. Fetching what isn't there counts more for a short job.
    pub seconds: u64,
    /// Members that failed it before; taken last.
    pub avoid: Vec<String>,
    /// Members that refused it before, and why; not asked again.
    pub refused: BTreeMap<String, String>,
}

/// What one pod needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
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
    /// What it needs of one accelerator, in thousandths; 0 for whole ones. With it, `count` is 1.
    pub share_milli: u16,
}

/// One attribute and the values that will do; an empty list allows all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
            && (devices.divisible || !self.is_share())
    }

    /// Whether it takes a part of an accelerator and leaves the rest to others.
    pub fn is_share(&self) -> bool {
        (1..WHOLE_MILLI).contains(&self.share_milli)
    }
}

impl Member {
    /// What a job there rests on.
    pub fn assurance(&self, internet: bool) -> Assurance {
        if self.sandbox && !internet { Assurance::Sandboxed } else { Assurance::Isolated }
    }
}

impl Snapshot {
    /// What a member lacks to run `request` now; `None` if it fits, or nothing is known of the member.
    pub fn shortage(&self, member: &str, request: &Request) -> Option<super::Shortage> {
        super::fit::fit(self.members.iter().find(|m| m.name == member)?, &request.gang()).err()
    }

    /// Takes what `request` uses out of a member's free capacity, tightest nodes first. For work that was assigned and
    /// isn't in the member's report yet. Takes what is there if that is less; an unknown member is left alone.
    pub fn reserve(&mut self, member: &str, request: &Request) {
        if let Some(member) = self.members.iter_mut().find(|m| m.name == member) {
            super::fit::take(member, &request.gang());
        }
    }
}

/// What is placed whole or not at all: so many pods, each of one need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gang<'a> {
    pub need: &'a Need,
    pub pods: u32,
    pub one_island: bool,
}

impl Request {
    pub(super) fn gang(&self) -> Gang<'_> {
        // A pod is on one node, and so on one interconnect.
        Gang { need: &self.need, pods: self.parallelism, one_island: self.one_island && self.parallelism > 1 }
    }
}
