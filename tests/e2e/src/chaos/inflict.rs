//! Breaking things, and mending them again.

use eai_testbed::{ClusterName, Component, Service, Testbed};

use super::{fault::Fault, process};
use crate::{
    cluster::Cluster,
    deploy::HUB_NAMESPACE,
    error::{Error, Result},
    ghost::Crowd,
    join::AGENT_NAMESPACE,
    stage::{Mode, Stage},
};

/// What one fault consists of.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A cluster is off the network.
    Cut(ClusterName),
    /// A process is dead, until it is started again.
    Dead(Service),
    /// A process stands still.
    Still(Service),
    /// A program of ours is killed: its Deployment starts it again.
    Killed(Program),
    /// It stands still.
    Asleep(Program),
    /// It has the wrong time of day.
    Wrong(Program, i64),
    /// A crowd that was heard says nothing.
    Silent,
}

/// A program of ours.
#[derive(Clone, Copy, Debug)]
enum Program {
    /// The hub's operator.
    Hub,
    /// A member's agent.
    Agent(ClusterName),
}

/// Where a program runs.
struct Place<'a> {
    cluster: &'a Cluster,
    namespace: String,
    deployment: &'static str,
    selector: &'static str,
}

fn parts(fault: Fault) -> Vec<Part> {
    use ClusterName::{Cloud, Home};
    match fault {
        Fault::Partition(member) => vec![Part::Cut(member)],
        Fault::AllSilent => vec![Part::Cut(Cloud), Part::Cut(Home)],
        Fault::CrowdSilent => vec![Part::Silent, Part::Cut(Home)],
        Fault::Kill(service) => vec![Part::Dead(service)],
        Fault::Freeze(service) => vec![Part::Still(service)],
        Fault::KillHub => vec![Part::Killed(Program::Hub)],
        Fault::FreezeHub => vec![Part::Asleep(Program::Hub)],
        Fault::KillAgent(member) => vec![Part::Killed(Program::Agent(member))],
        Fault::FreezeAgent(member) => vec![Part::Asleep(Program::Agent(member))],
        Fault::FreezeAgentAndControllers(member) => vec![
            Part::Still(Service::Cluster(member, Component::ControllerManager)),
            Part::Asleep(Program::Agent(member)),
        ],
        Fault::HubClock(seconds) => vec![Part::Wrong(Program::Hub, seconds)],
        Fault::AgentClock(seconds) => vec![Part::Wrong(Program::Agent(Home), seconds)],
    }
}

/// What can be broken.
pub struct Breakable<'a> {
    /// The clusters and what runs there.
    pub stage: &'a Stage,
    /// Members without a cluster, while they matter.
    pub crowd: Option<Crowd>,
}

impl Breakable<'_> {
    /// Breaks what `fault` says.
    pub async fn inflict(&mut self, fault: Fault) -> Result<()> {
        for part in parts(fault) {
            match part {
                Part::Silent => {
                    let crowd = Crowd::enrol(self.stage, "crowd", CROWD).await?;
                    crowd.fall_silent();
                    self.crowd = Some(crowd);
                }
                other => self.set(other, true)?,
            }
        }
        Ok(())
    }

    /// Mends it. All of it is tried, whatever fails.
    pub fn mend(&mut self, fault: Fault) -> Result<()> {
        let mended: Vec<Result<()>> = parts(fault).into_iter().map(|part| self.set(part, false)).collect();
        mended.into_iter().collect()
    }

    fn set(&mut self, part: Part, broken: bool) -> Result<()> {
        let testbed = self.testbed()?;
        match (part, broken) {
            (Part::Cut(member), true) => testbed.cut(member)?,
            (Part::Cut(member), false) => testbed.mend(member)?,
            (Part::Dead(service), true) => testbed.kill(service)?,
            (Part::Dead(service), false) => testbed.start(service)?,
            (Part::Still(service), true) => testbed.stop(service)?,
            (Part::Still(service), false) => testbed.cont(service)?,
            (Part::Killed(program), true) => self.signal(program, "KILL")?,
            (Part::Asleep(program), true) => self.signal(program, "STOP")?,
            (Part::Asleep(program), false) => self.signal(program, "CONT")?,
            (Part::Wrong(program, seconds), true) => self.clock(program, &format!("{CLOCK}={seconds}"))?,
            (Part::Wrong(program, _), false) => self.clock(program, &format!("{CLOCK}-"))?,
            (Part::Silent, false) => self.crowd.take().map_or(Ok(()), |crowd| crowd.leave(self.stage))?,
            (Part::Killed(_), false) | (Part::Silent, true) => {}
        }
        Ok(())
    }

    fn testbed(&self) -> Result<&Testbed> {
        self.stage.testbed.as_ref().ok_or_else(|| Error::unexpected("chaos", "faults need the testbed"))
    }

    fn signal(&self, program: Program, signal: &str) -> Result<()> {
        let place = self.place(program)?;
        process::signal(place.cluster, &place.namespace, place.selector, signal).map(drop)
    }

    /// Sets or removes (`NAME-`) what tells a program how wrong its clock is. It is started anew with that.
    fn clock(&self, program: Program, setting: &str) -> Result<()> {
        let Place { cluster, namespace, deployment, .. } = self.place(program)?;
        let deployment = format!("deployment/{deployment}");
        cluster.kubectl(&["set", "env", &deployment, "-n", &namespace, setting]).map(drop)
    }

    fn place(&self, program: Program) -> Result<Place<'_>> {
        let Program::Agent(member) = program else {
            let selector = "app.kubernetes.io/name=eai-operator";
            let namespace = HUB_NAMESPACE.to_owned();
            return Ok(Place { cluster: &self.stage.hub, namespace, deployment: "eai-operator", selector });
        };
        let found = self.stage.member(member.as_str())?;
        let (deployment, selector) = ("eai-agent", "app.kubernetes.io/name=eai-agent");
        Ok(match found.mode {
            Mode::Pull => {
                Place { cluster: &found.cluster, namespace: AGENT_NAMESPACE.to_owned(), deployment, selector }
            }
            Mode::Push => Place { cluster: &self.stage.hub, namespace: format!("cn-{member}"), deployment, selector },
        })
    }
}

/// How many members without a cluster make a crowd: far more than there are others.
const CROWD: usize = 20;
/// What tells hub and agent by how many seconds their clocks are wrong.
const CLOCK: &str = "EAI_CLOCK_AHEAD_SECONDS";
