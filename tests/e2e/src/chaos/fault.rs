//! The faults, and a plan of them from a seed.

use std::fmt;

use eai_testbed::{ClusterName, Component, Service};

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A member is cut off from everything else.
    Partition(ClusterName),
    /// Both members are, at once.
    AllSilent,
    /// A process of a cluster, or the chain, is killed and started again.
    Kill(Service),
    /// It stands still, and goes on.
    Freeze(Service),
    /// The hub's operator is killed; its Deployment starts it again.
    KillHub,
    /// It stands still, and goes on.
    FreezeHub,
    /// A member's agent is killed; its Deployment starts it again.
    KillAgent(ClusterName),
    /// It stands still, and goes on.
    FreezeAgent(ClusterName),
    /// A member's agent and its controller manager stand still together, so that nothing there can end work.
    FreezeAgentAndControllers(ClusterName),
}

/// A fault, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What breaks.
    pub fault: Fault,
    /// For how many seconds.
    pub seconds: u64,
}

/// Faults that are over before a grant can have run out: at least the shortest, at most the longest.
const SHORT: (u64, u64) = (5, 35);
/// Faults after which an attempt may have been given to another: longer than the hub's wait.
const LONG: (u64, u64) = (130, 160);
/// For a cluster's processes, whose clients take some time to come back by themselves.
const BRIEF: (u64, u64) = (3, 20);

/// All faults, each with how long it may last.
fn all() -> Vec<(Fault, (u64, u64))> {
    use ClusterName::{Cloud, Home, Hub};
    use Component::{Apiserver, Containerd, ControllerManager, Etcd, Kubelet};
    let mut all = Vec::new();
    for member in [Cloud, Home] {
        all.push((Fault::Partition(member), SHORT));
        all.push((Fault::KillAgent(member), (0, 0)));
        all.push((Fault::FreezeAgent(member), SHORT));
        all.push((Fault::FreezeAgentAndControllers(member), SHORT));
        for component in [Kubelet, Containerd, ControllerManager, Apiserver, Etcd] {
            all.push((Fault::Kill(Service::Cluster(member, component)), BRIEF));
            all.push((Fault::Freeze(Service::Cluster(member, component)), BRIEF));
        }
    }
    for component in [Apiserver, Etcd, ControllerManager, Kubelet] {
        all.push((Fault::Kill(Service::Cluster(Hub, component)), BRIEF));
        all.push((Fault::Freeze(Service::Cluster(Hub, component)), BRIEF));
    }
    all.push((Fault::Kill(Service::Chain), BRIEF));
    all.push((Fault::Freeze(Service::Chain), BRIEF));
    all.push((Fault::KillHub, (0, 0)));
    all.push((Fault::FreezeHub, SHORT));
    all.push((Fault::AllSilent, SHORT));
    all.push((Fault::Partition(Home), LONG));
    all.push((Fault::FreezeAgent(Home), LONG));
    all
}

/// `count` faults: rounds of all of them, each in an order of its own. The same seed gives the same plan.
pub fn plan(seed: u64, count: usize) -> Vec<Planned> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut plan = Vec::with_capacity(count);
    while plan.len() < count {
        let mut round = all();
        random.shuffle(&mut round);
        for (fault, (least, most)) in round.into_iter().take(count - plan.len()) {
            plan.push(Planned { fault, seconds: random.u64(least..=most) });
        }
    }
    plan
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition(member) => write!(f, "partition {member}"),
            Self::AllSilent => f.write_str("partition all members"),
            Self::Kill(service) => write!(f, "kill {service}"),
            Self::Freeze(service) => write!(f, "freeze {service}"),
            Self::KillHub => f.write_str("kill hub/operator"),
            Self::FreezeHub => f.write_str("freeze hub/operator"),
            Self::KillAgent(member) => write!(f, "kill {member}/agent"),
            Self::FreezeAgent(member) => write!(f, "freeze {member}/agent"),
            Self::FreezeAgentAndControllers(member) => write!(f, "freeze {member}/agent and controller-manager"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        assert_eq!(plan(1, 200), plan(1, 200));
        assert_ne!(plan(1, 200), plan(2, 200));
        assert_eq!(plan(7, 10), plan(7, 200)[..10], "a shorter run is the beginning of a longer one");
    }

    #[test]
    fn a_round_has_every_fault_once() {
        let whole = all().len();
        let names = |plan: &[Planned]| {
            let mut names: Vec<_> = plan.iter().map(|p| p.fault.to_string()).collect();
            names.sort();
            names
        };
        let plan = plan(3, 2 * whole);
        assert_eq!(names(&plan[..whole]), names(&plan[whole..]));
    }
}
