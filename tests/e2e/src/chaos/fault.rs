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
    /// A crowd of members that cost nothing falls silent at once, while `home` is cut off for good reason.
    CrowdSilent,
    /// A process of a cluster, or the chain, is killed and started again.
    Kill(Service),
    /// It stands still, and goes on.
    Freeze(Service),
    /// The hub's operator is killed; its Deployment starts it again.
    KillHub,
    /// It stands still, and goes on: what it lends comes late.
    FreezeHub,
    /// A member's agent is killed; its Deployment starts it again.
    KillAgent(ClusterName),
    /// It stands still, and goes on.
    FreezeAgent(ClusterName),
    /// A member's agent and its controller manager stand still together, so that nothing there can end work.
    FreezeAgentAndControllers(ClusterName),
    /// The hub's operator is so many seconds ahead of its machine's time of day, or behind it.
    HubClock(i64),
    /// The agent of `home` is.
    AgentClock(i64),
}

/// When it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// As soon as its turn comes.
    Any,
    /// While an attempt is being started: claimed, leased, lent.
    Grant,
    /// In the second in which some work is done.
    Completion,
    /// While a bill is being settled.
    Settlement,
}

/// A fault, when, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What breaks.
    pub fault: Fault,
    /// When.
    pub moment: Moment,
    /// For how many seconds.
    pub seconds: u64,
}

/// At least and at most so many seconds.
type Span = (u64, u64);

/// Faults that are over before a grant can have run out.
const SHORT: Span = (5, 35);
/// Faults after which an attempt may have been given to another: longer than the hub's wait.
const LONG: Span = (130, 160);
/// For a cluster's processes, whose clients take some time to come back by themselves.
const BRIEF: Span = (3, 20);
/// For a clock that is off: whoever is told so starts anew first.
const WRONG: Span = (40, 60);
/// By how many seconds clocks are off.
const OFF: i64 = 600;
/// How many of the long ones a round has: each takes as long as ten others.
const LONG_PER_ROUND: usize = 3;

/// Those that each round has, with how long each may last.
fn every_round() -> Vec<(Fault, Moment, Span)> {
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
    let mut all: Vec<_> = all.into_iter().map(|(fault, span)| (fault, Moment::Any, span)).collect();
    for moment in [Moment::Grant, Moment::Completion, Moment::Settlement] {
        all.push((Fault::Partition(Home), moment, SHORT));
    }
    all.push((Fault::KillHub, Moment::Settlement, (0, 0)));
    all.push((Fault::Kill(Service::Chain), Moment::Settlement, BRIEF));
    all
}

/// Those that take long: a round has some of them, and all have their turn.
fn long() -> Vec<(Fault, Moment, Span)> {
    use ClusterName::{Cloud, Home};
    let any = |fault| (fault, Moment::Any, LONG);
    vec![
        any(Fault::Partition(Home)),
        any(Fault::FreezeAgent(Home)),
        (Fault::AgentClock(OFF), Moment::Any, WRONG),
        (Fault::HubClock(OFF), Moment::Any, WRONG),
        any(Fault::FreezeHub),
        any(Fault::AllSilent),
        (Fault::Partition(Home), Moment::Completion, LONG),
        any(Fault::FreezeAgentAndControllers(Home)),
        any(Fault::Partition(Cloud)),
        any(Fault::CrowdSilent),
        (Fault::AgentClock(-OFF), Moment::Any, WRONG),
        (Fault::HubClock(-OFF), Moment::Any, WRONG),
        any(Fault::FreezeAgent(Cloud)),
        any(Fault::FreezeAgentAndControllers(Cloud)),
    ]
}

/// `count` faults, in rounds, each in an order of its own. The same seed gives the same plan.
pub fn plan(seed: u64, count: usize) -> Vec<Planned> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut plan = Vec::with_capacity(count);
    let mut turns = long().into_iter().cycle();
    while plan.len() < count {
        let mut round: Vec<_> = every_round().into_iter().chain(turns.by_ref().take(LONG_PER_ROUND)).collect();
        random.shuffle(&mut round);
        for (fault, moment, (least, most)) in round.into_iter().take(count - plan.len()) {
            plan.push(Planned { fault, moment, seconds: random.u64(least..=most) });
        }
    }
    plan
}

impl Planned {
    /// Whether this breaks what docs/fencing.md assumes of a member: then work may run twice, and is paid once.
    pub fn breaks_assumptions(&self) -> bool {
        // Longer than a grant: nothing on the member ends work that was lent no longer.
        matches!(self.fault, Fault::FreezeAgentAndControllers(_)) && self.seconds >= LONG.0
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.moment {
            Moment::Any => write!(f, "{}", self.fault),
            Moment::Grant => write!(f, "{} during a grant", self.fault),
            Moment::Completion => write!(f, "{} at completion", self.fault),
            Moment::Settlement => write!(f, "{} during settlement", self.fault),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition(member) => write!(f, "partition {member}"),
            Self::AllSilent => f.write_str("partition all members"),
            Self::CrowdSilent => f.write_str("partition home, and a crowd falls silent"),
            Self::Kill(service) => write!(f, "kill {service}"),
            Self::Freeze(service) => write!(f, "freeze {service}"),
            Self::KillHub => f.write_str("kill hub/operator"),
            Self::FreezeHub => f.write_str("freeze hub/operator"),
            Self::KillAgent(member) => write!(f, "kill {member}/agent"),
            Self::FreezeAgent(member) => write!(f, "freeze {member}/agent"),
            Self::FreezeAgentAndControllers(member) => write!(f, "freeze {member}/agent and controller-manager"),
            Self::HubClock(seconds) => write!(f, "clock of hub/operator off by {seconds} s"),
            Self::AgentClock(seconds) => write!(f, "clock of home/agent off by {seconds} s"),
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
    fn each_round_has_what_is_short_once_and_what_is_long_has_its_turn() {
        let (round, rounds) = (every_round().len() + LONG_PER_ROUND, long().len());
        let plan = plan(3, round * rounds);
        let times = |planned: &Planned| {
            plan.iter().filter(|other| other.to_string() == planned.to_string() && same_span(other, planned)).count()
        };
        for planned in &plan {
            let long = planned.seconds >= WRONG.0;
            assert_eq!(times(planned), if long { LONG_PER_ROUND } else { rounds }, "{planned}");
        }
        assert!(plan[..round].iter().filter(|planned| planned.seconds >= WRONG.0).count() == LONG_PER_ROUND);
    }

    fn same_span(one: &Planned, other: &Planned) -> bool {
        (one.seconds >= WRONG.0) == (other.seconds >= WRONG.0)
    }

    #[test]
    fn only_a_member_on_which_nothing_can_end_work_breaks_what_is_assumed() {
        let of = |fault, seconds| Planned { fault, moment: Moment::Any, seconds }.breaks_assumptions();
        assert!(of(Fault::FreezeAgentAndControllers(ClusterName::Home), 130));
        assert!(!of(Fault::FreezeAgentAndControllers(ClusterName::Home), 35));
        assert!(!of(Fault::FreezeAgent(ClusterName::Home), 160) && !of(Fault::AllSilent, 160));
    }
}
