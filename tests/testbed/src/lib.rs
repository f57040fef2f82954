//! Real Kubernetes clusters, an image registry and an Ethereum chain on one Linux machine, for tests and the demo.
//!
//! Three single-node clusters run in network namespaces of their own: `hub`; `cloud`, which the hub can reach; and
//! `home`, behind a router that drops every connection from outside. Every part is the real program: etcd, API server,
//! controller manager, scheduler, kubelet, kube-proxy, containerd, runc, gVisor. **No accelerator is here**: a device
//! plugin makes simulated ones schedulable, and says so in a node label and in each container's environment.
//!
//! Everything blocks; an asynchronous caller uses its runtime's `spawn_blocking`. Root is needed.

mod cache;
mod cgroup;
mod cluster;
mod config;
mod dirs;
mod down;
mod error;
mod etcd;
mod mounts;
mod names;
mod net;
mod node;
mod owner;
mod pki;
mod process;
mod run;
mod services;
mod shared;
mod testbed;
#[cfg(test)]
mod testing;
mod times;
mod tools;
mod tunnel;

pub use cache::Cache;
pub use cluster::Cluster;
pub use config::BUSYBOX_IMAGE;
pub use dirs::Dirs;
pub use error::{Error, Result};
pub use names::{
    BLOCK_SECONDS, CHAIN_ID, CHAIN_MNEMONIC, CHAIN_RPC, ClusterName, Component, HOST, REGISTRY, Service, WAN,
};
pub use process::State;
pub use testbed::{Options, Testbed};
pub use times::ContainerRun;
pub use tools::{KUBERNETES, Tool, Tools, install_packages};
pub use tunnel::Tunnel;
