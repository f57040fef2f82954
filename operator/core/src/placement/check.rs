//! Input that can't be true is left out, with the field, and the rest stays usable.

use std::{collections::HashSet, fmt};

use super::model::{Member, Node, Request, Snapshot, WHOLE_MILLI};

/// Accelerators of one kind on a node, at most.
pub const MOST_DEVICES: u32 = 1024;
/// Nodes of a member, at most.
pub const MOST_NODES: usize = 20_000;
/// Cores of a node, at most, in thousandths.
pub const MOST_CPU_MILLIS: u64 = 1_000_000_000;
/// Memory of a node, at most, in bytes.
pub const MOST_MEMORY_BYTES: u64 = 1 << 50;
/// What a job may need of one accelerator, at least, in thousandths.
pub const LEAST_SHARE: u16 = 10;
/// Pods of a gang, at most.
pub const MOST_PODS: u32 = 100_000;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadInput {
    /// The path of the field.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

impl Snapshot {
    /// Takes out members that come twice and nodes that can't be as they are reported, and says why. What is left can be
    /// decided on.
    pub fn take_out_bad(&mut self) -> Vec<BadInput> {
        let mut bad = Vec::new();
        let mut names = HashSet::new();
        self.members.retain(|member| {
            let new = names.insert(member.name.clone());
            if !new {
                bad.push(BadInput { field: member.name.clone(), why: "is there twice; the first counts".to_owned() });
            }
            new
        });
        self.members.iter_mut().for_each(|member| take_out_bad_nodes(member, &mut bad));
        bad
    }
}

fn take_out_bad_nodes(member: &mut Member, bad: &mut Vec<BadInput>) {
    if member.nodes.len() > MOST_NODES {
        let why = format!("{} nodes, more than {MOST_NODES}; the first count", member.nodes.len());
        bad.push(BadInput { field: format!("{}.nodes", member.name), why });
        member.nodes.truncate(MOST_NODES);
    }
    let mut at = 0;
    member.nodes.retain(|node| {
        let wrong = wrong(node);
        if let Some((field, why)) = &wrong {
            bad.push(BadInput { field: format!("{}.nodes[{at}].{field}", member.name), why: why.clone() });
        }
        at += 1;
        wrong.is_none()
    });
}

/// The first field of a node that can't be true.
fn wrong(node: &Node) -> Option<(String, String)> {
    if node.cpu_millis > MOST_CPU_MILLIS {
        return Some(("cpu".to_owned(), format!("{}m is more than {MOST_CPU_MILLIS}m", node.cpu_millis)));
    }
    if node.memory_bytes > MOST_MEMORY_BYTES {
        return Some(("memory".to_owned(), format!("{} bytes is more than {MOST_MEMORY_BYTES}", node.memory_bytes)));
    }
    node.devices.iter().enumerate().find_map(|(i, d)| {
        if d.total > MOST_DEVICES {
            return Some((format!("accelerators[{i}].total"), format!("{} is more than {MOST_DEVICES}", d.total)));
        }
        if let Some((at, part)) = d.parts.iter().enumerate().find(|(_, part)| !(1..WHOLE_MILLI).contains(*part)) {
            let field = format!("accelerators[{i}].parts[{at}]");
            return Some((field, format!("{part} is not between 1 and {} thousandths", WHOLE_MILLI - 1)));
        }
        let free = u64::from(d.free) + d.parts.len() as u64;
        let more = free > u64::from(d.total);
        more.then(|| (format!("accelerators[{i}].free"), format!("{free} is more than its total {}", d.total)))
    })
}

impl Request {
    /// What of it can never be met, or makes no sense.
    pub fn check(&self) -> Result<(), BadInput> {
        let bad = |field: &str, why: String| Err(BadInput { field: field.to_owned(), why });
        if self.parallelism == 0 || self.parallelism > MOST_PODS {
            return bad("parallelism", format!("{} is not between 1 and {MOST_PODS}", self.parallelism));
        }
        if self.need.resource.is_some() != (self.need.count > 0) {
            return bad("accelerator.count", format!("{} with resource {:?}", self.need.count, self.need.resource));
        }
        if self.need.count > MOST_DEVICES {
            return bad("accelerator.count", format!("{} is more than {MOST_DEVICES}", self.need.count));
        }
        let share = self.need.share_milli;
        if share != 0 && (!(LEAST_SHARE..=WHOLE_MILLI).contains(&share) || self.need.count != 1) {
            let why =
                format!("{share} thousandths of {} is not {LEAST_SHARE} to {WHOLE_MILLI} of one", self.need.count);
            return bad("accelerator.share", why);
        }
        if self.need.cpu_millis > MOST_CPU_MILLIS {
            return bad("resources.cpu", format!("{}m is more than {MOST_CPU_MILLIS}m", self.need.cpu_millis));
        }
        if self.need.memory_bytes > MOST_MEMORY_BYTES {
            return bad(
                "resources.memory",
                format!("{} bytes is more than {MOST_MEMORY_BYTES}", self.need.memory_bytes),
            );
        }
        Ok(())
    }
}
