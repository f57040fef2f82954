//! The clusters, their parts, and the fixed addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The address of the shared network's router, registry and chain.
pub const WAN: &str = "10.77.0.1";
/// The address under which the machine itself takes part in the shared network.
pub const HOST: &str = "10.77.255.1";
/// The image registry's host and port.
pub const REGISTRY: &str = "10.77.0.1:5000";
/// The chain's JSON-RPC endpoint.
pub const CHAIN_RPC: &str = "http://10.77.0.1:8545";
/// The chain's id.
pub const CHAIN_ID: u64 = 31337;
/// The phrase from which the chain's funded accounts derive. It is publicly known and worth nothing elsewhere.
pub const CHAIN_MNEMONIC: &str = "test test test test test test test test test test test junk";
/// The seconds between two blocks; nothing is mined in between.
pub const BLOCK_SECONDS: u64 = 2;

/// One of the three clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterName {
    /// Where the operator runs.
    Hub,
    /// A member that the hub can reach.
    Cloud,
    /// A member behind a router that drops every connection from outside.
    Home,
}

impl ClusterName {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Hub, Self::Cloud, Self::Home];

    /// The name, as used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Cloud => "cloud",
            Self::Home => "home",
        }
    }

    fn index(self) -> u8 {
        match self {
            Self::Hub => 1,
            Self::Cloud => 2,
            Self::Home => 3,
        }
    }

    /// The node's address on the shared network.
    pub fn address(self) -> String {
        format!("10.77.{}.2", self.index())
    }

    /// The URL of the API server.
    pub fn server(self) -> String {
        format!("https://{}:6443", self.address())
    }

    /// The addresses that pods get.
    pub fn pod_cidr(self) -> String {
        format!("10.88.{}.0/24", self.index())
    }

    /// The only node's name.
    pub fn node(self) -> String {
        format!("{self}-node")
    }

    /// The network namespace's name, as `ip netns` lists it.
    pub fn netns(self) -> String {
        format!("eai-{self}")
    }

    /// The simulated devices: resource names as the vendors' own device plugins give them, and how many of each.
    pub fn devices(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Hub => &[],
            Self::Cloud => &[("nvidia.com/gpu", 4), ("xilinx.com/fpga-xilinx_u250", 1)],
            Self::Home => &[("nvidia.com/gpu", 2), ("xilinx.com/fpga-xilinx_u250", 1)],
        }
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClusterName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        parse("cluster", name, &Self::ALL, |cluster| cluster.as_str())
    }
}

/// One process of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The store.
    Etcd,
    /// The API server.
    Apiserver,
    /// The controller manager.
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// The container runtime.
    Containerd,
    /// The node's agent.
    Kubelet,
    /// The service proxy.
    Proxy,
    /// The device plugin of the simulated accelerators.
    Devices,
    /// What notes when each container ran, for tests.
    Recorder,
}

impl Component {
    /// All of them, in the order in which they start.
    pub const ALL: [Self; 9] = [
        Self::Etcd,
        Self::Containerd,
        Self::Apiserver,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kubelet,
        Self::Proxy,
        Self::Devices,
        Self::Recorder,
    ];

    /// The processes of a cluster, in the order in which they start: one without devices needs no plugin for them.
    pub fn of(cluster: ClusterName) -> impl Iterator<Item = Self> {
        let devices = !cluster.devices().is_empty();
        Self::ALL.into_iter().filter(move |component| devices || *component != Self::Devices)
    }

    /// The name, as used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Apiserver => "apiserver",
            Self::ControllerManager => "controller-manager",
            Self::Scheduler => "scheduler",
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
            Self::Proxy => "proxy",
            Self::Devices => "devices",
            Self::Recorder => "recorder",
        }
    }
}

impl FromStr for Component {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        parse("component", name, &Self::ALL, |component| component.as_str())
    }
}

/// One process of the testbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// A part of a cluster.
    Cluster(ClusterName, Component),
    /// The Ethereum chain.
    Chain,
    /// The image registry.
    Registry,
}

impl Service {
    /// The service called `name` (`chain`, `registry`, or a cluster with its component).
    pub fn named(name: &str, component: Option<&str>) -> Result<Self, Error> {
        match (name, component) {
            (_, Some("chain")) | ("chain", None) => Ok(Self::Chain),
            (_, Some("registry")) | ("registry", None) => Ok(Self::Registry),
            (cluster, Some(component)) => Ok(Self::Cluster(cluster.parse()?, component.parse()?)),
            (name, None) => {
                let known = Component::ALL.map(Component::as_str).join(", ");
                Err(Error::Unknown {
                    kind: "service",
                    name: name.into(),
                    known: format!("chain, registry, or a cluster and one of {known}"),
                })
            }
        }
    }

    /// The folder below the state directory that holds its files.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Self::Cluster(cluster, _) => cluster.as_str(),
            Self::Chain | Self::Registry => "shared",
        }
    }

    /// The name of its log and record, without an ending.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Cluster(_, component) => component.as_str(),
            Self::Chain => "chain",
            Self::Registry => "registry",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(cluster, component) => write!(f, "{cluster}/{}", component.as_str()),
            Self::Chain => f.write_str("chain"),
            Self::Registry => f.write_str("registry"),
        }
    }
}

fn parse<T: Copy>(kind: &'static str, name: &str, all: &[T], text: impl Fn(&T) -> &'static str) -> Result<T, Error> {
    all.iter().copied().find(|item| text(item) == name).ok_or_else(|| Error::Unknown {
        kind,
        name: name.into(),
        known: all.iter().map(text).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for cluster in ClusterName::ALL {
            assert_eq!(cluster.to_string().parse::<ClusterName>().unwrap(), cluster);
        }
        for component in Component::ALL {
            assert_eq!(component.as_str().parse::<Component>().unwrap(), component);
        }
        assert_eq!(Service::named("home", Some("kubelet")).unwrap().to_string(), "home/kubelet");
        assert_eq!(Service::named("chain", None).unwrap(), Service::Chain);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = Service::named("hub", Some("etdc")).unwrap_err().to_string();
        assert!(error.contains("etdc") && error.contains("controller-manager"), "{error}");
        let error = Service::named("hub", None).unwrap_err().to_string();
        assert!(error.contains("registry"), "{error}");
    }
}
