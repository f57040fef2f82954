//! Using a cluster that is up.

use std::path::PathBuf;
use std::process::Command;

use crate::dirs::{self, Dirs};
use crate::error::Result;
use crate::names::ClusterName;
use crate::tools::Tools;
use crate::tunnel::Tunnel;
use crate::{net, run};

/// One cluster of a testbed.
#[derive(Debug, Clone, Copy)]
pub struct Cluster<'a> {
    pub(crate) name: ClusterName,
    pub(crate) dirs: &'a Dirs,
    pub(crate) tools: &'a Tools,
}

impl Cluster<'_> {
    /// Which one it is.
    pub fn name(&self) -> ClusterName {
        self.name
    }

    /// The path of the administrator's kubeconfig. `home`'s works only from within: see [`Cluster::command`].
    pub fn kubeconfig(&self) -> PathBuf {
        self.dirs.kubeconfig(self.name)
    }

    /// The URL of the API server on the shared network.
    pub fn server(&self) -> String {
        self.name.server()
    }

    /// A command that runs in the cluster's network namespace, with its kubeconfig and the testbed's tools on the PATH.
    /// Add the program's own arguments to it.
    pub fn command(&self, program: &str) -> Command {
        inside(self.dirs, self.tools, self.name, program)
    }

    /// A command that also sees the node's mounts: its containerd, kubelet and volumes. It starts in `/`.
    pub fn node_command(&self, program: &str) -> Command {
        let mut command = on_node(self.dirs, self.tools, self.name);
        command.arg(program);
        command
    }

    /// Makes the API server reachable from this process's own network, also where a router keeps it from the hub.
    pub fn tunnel(&self) -> Result<Tunnel> {
        Tunnel::open(self)
    }

    /// Runs kubectl and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        run::output(&mut kubectl(self.dirs, self.tools, self.name, arguments))
    }

    /// Runs kubectl with `input` on its standard input, for `apply -f -` and the like.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        run::output_with_input(&mut kubectl(self.dirs, self.tools, self.name, arguments), input)
    }
}

/// A command in a cluster's network namespace.
pub(crate) fn inside(dirs: &Dirs, tools: &Tools, cluster: ClusterName, program: &str) -> Command {
    let command = run::command("nsenter", &[&format!("--net={}", net::pin(cluster).display()), "--", program]);
    with_access(command, dirs, tools, cluster)
}

/// The beginning of a command in a cluster's network and mount namespaces.
pub(crate) fn on_node(dirs: &Dirs, tools: &Tools, cluster: ClusterName) -> Command {
    let net = format!("--net={}", net::pin(cluster).display());
    let mut command =
        run::command("nsenter", &[&net, &format!("--mount={}", dirs::mount_pin(cluster).display()), "--"]);
    command.env("KUBECONFIG", dirs.kubeconfig(cluster)).env("PATH", tools.path());
    command
}

/// The environment of a command that talks to a cluster as its administrator.
fn with_access(mut command: Command, dirs: &Dirs, tools: &Tools, cluster: ClusterName) -> Command {
    command.env("KUBECONFIG", dirs.kubeconfig(cluster)).env("PATH", tools.path());
    // What kubectl remembers of an API must not outlive the cluster: the next one has the same address.
    command.env("KUBECACHEDIR", dirs.cluster(cluster).join("kubectl-cache"));
    command
}

/// kubectl as a cluster's administrator.
pub(crate) fn kubectl(dirs: &Dirs, tools: &Tools, cluster: ClusterName, arguments: &[&str]) -> Command {
    let mut command = inside(dirs, tools, cluster, &tools.kubectl.display().to_string());
    command.args(arguments);
    command
}
