//! Breaking things, and mending them again.

use eai_testbed::{ClusterName, Component, Service, Testbed};

use super::{fault::Fault, process};
use crate::{
    cluster::Cluster,
    deploy::HUB_NAMESPACE,
    error::{Error, Result},
    join::AGENT_NAMESPACE,
    stage::{Mode, Stage},
};

/// The labels of the hub's pods.
const OPERATOR: &str = "app.kubernetes.io/name=eai-operator";

/// Where a member's agent runs: the cluster, the namespace, and the labels of its pods.
struct Agent<'a> {
    cluster: &'a Cluster,
    namespace: String,
    selector: &'static str,
}

/// Breaks what `fault` says.
pub fn inflict(stage: &Stage, fault: Fault) -> Result<()> {
    let testbed = testbed(stage)?;
    match fault {
        Fault::Partition(member) => testbed.cut(member)?,
        Fault::AllSilent => {
            testbed.cut(ClusterName::Cloud)?;
            testbed.cut(ClusterName::Home)?;
        }
        Fault::Kill(service) => testbed.kill(service)?,
        Fault::Freeze(service) => testbed.stop(service)?,
        Fault::KillHub => drop(process::signal(&stage.hub, HUB_NAMESPACE, OPERATOR, "KILL")?),
        Fault::FreezeHub => drop(process::signal(&stage.hub, HUB_NAMESPACE, OPERATOR, "STOP")?),
        Fault::KillAgent(member) => signal(stage, member, "KILL")?,
        Fault::FreezeAgent(member) => signal(stage, member, "STOP")?,
        Fault::FreezeAgentAndControllers(member) => {
            testbed.stop(Service::Cluster(member, Component::ControllerManager))?;
            signal(stage, member, "STOP")?;
        }
    }
    Ok(())
}

/// Mends it.
pub fn mend(stage: &Stage, fault: Fault) -> Result<()> {
    let testbed = testbed(stage)?;
    match fault {
        Fault::Partition(member) => testbed.mend(member)?,
        Fault::AllSilent => {
            testbed.mend(ClusterName::Cloud)?;
            testbed.mend(ClusterName::Home)?;
        }
        Fault::Kill(service) => testbed.start(service)?,
        Fault::Freeze(service) => testbed.cont(service)?,
        Fault::FreezeHub => drop(process::signal(&stage.hub, HUB_NAMESPACE, OPERATOR, "CONT")?),
        Fault::FreezeAgent(member) => signal(stage, member, "CONT")?,
        Fault::FreezeAgentAndControllers(member) => {
            testbed.cont(Service::Cluster(member, Component::ControllerManager))?;
            signal(stage, member, "CONT")?;
        }
        // What its Deployment starts again.
        Fault::KillHub | Fault::KillAgent(_) => {}
    }
    Ok(())
}

fn testbed(stage: &Stage) -> Result<&Testbed> {
    stage.testbed.as_ref().ok_or_else(|| Error::unexpected("chaos", "faults need the testbed"))
}

fn signal(stage: &Stage, member: ClusterName, signal: &str) -> Result<()> {
    let agent = agent(stage, member)?;
    process::signal(agent.cluster, &agent.namespace, agent.selector, signal).map(drop)
}

fn agent(stage: &Stage, member: ClusterName) -> Result<Agent<'_>> {
    let found = stage.members.iter().find(|candidate| candidate.cluster.name == member.as_str());
    let found = found.ok_or_else(|| Error::unexpected("chaos", format!("no member is called {member}")))?;
    let selector = "app.kubernetes.io/name=eai-agent";
    Ok(match found.mode {
        Mode::Pull => Agent { cluster: &found.cluster, namespace: AGENT_NAMESPACE.to_owned(), selector },
        Mode::Push => Agent { cluster: &stage.hub, namespace: format!("cn-{member}"), selector },
    })
}
