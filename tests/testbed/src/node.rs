//! Bringing one cluster up.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cgroup::Cgroups;
use crate::dirs::{self, Dirs};
use crate::error::{Context, Error, Result};
use crate::names::{ClusterName, Component, REGISTRY, Service};
use crate::pki::{self, Authority};
use crate::process::{self, Record};
use crate::tools::Tools;
use crate::{config, mounts, net, run, services};

/// What bringing a part up needs to know.
pub(crate) struct Plan<'a> {
    pub dirs: &'a Dirs,
    pub tools: &'a Tools,
    pub cgroups: &'a Cgroups,
    pub progress: &'a (dyn Fn(&str) + Sync),
}

impl Plan<'_> {
    /// Starts a service.
    pub(crate) fn start(&self, service: Service) -> Result<Record> {
        process::start(services::launch(service, self.dirs, self.tools, self.cgroups), &self.dirs.record(service))
    }

    /// Waits until `done`; an error carries the end of the service's log, at once when it has ended.
    pub(crate) fn wait(
        &self,
        service: Service,
        what: &str,
        seconds: u64,
        done: impl Fn(&Record) -> bool,
    ) -> Result<()> {
        let record = process::load(&self.dirs.record(service))?;
        let Some(record) = record else { return Err(Error::NotUp(self.dirs.root().to_owned())) };
        let over = process::until(Duration::from_secs(seconds), || done(&record) || !record.alive());
        if over && done(&record) {
            return Ok(());
        }
        let (log, what) = (self.dirs.log(service), what.to_owned());
        let tail = run::tail_of(&log);
        Err(if over { Error::Ended { service, what, log, tail } } else { Error::Timeout { what, seconds, log, tail } })
    }
}

/// Brings a cluster up and returns when its node takes pods.
pub(crate) fn up(plan: &Plan, cluster: ClusterName) -> Result<()> {
    let dir = plan.dirs.cluster(cluster);
    prepare(plan, cluster, &dir)?;
    mounts::create(cluster, &dir)?;
    let start = |component| plan.start(Service::Cluster(cluster, component)).map(drop);
    for component in [Component::Etcd, Component::Containerd, Component::Apiserver] {
        start(component)?;
    }
    import_images(plan, cluster, &dir)?;
    wait_for_api(plan, cluster)?;
    (plan.progress)(&format!("{cluster}: the API server answers"));
    for component in Component::of(cluster).skip(3) {
        start(component)?;
    }
    let kubectl =
        |arguments: &[&str]| run::output(&mut super::cluster::kubectl(plan.dirs, plan.tools, cluster, arguments));
    let objects = config::objects(cluster, &dir);
    let arguments = ["apply", "--server-side", "--validate=false", "-f", "-"];
    run::output_with_input(&mut super::cluster::kubectl(plan.dirs, plan.tools, cluster, &arguments), &objects)?;
    let node = format!("node/{}", cluster.node());
    kubectl(&["wait", "--for=create", &node, "--timeout=120s"])?;
    kubectl(&["wait", "--for=condition=Ready", &node, "--timeout=120s"])?;
    for (name, count) in cluster.devices() {
        let path = format!("{{.status.allocatable.{}}}={count}", name.replace('.', "\\."));
        kubectl(&["wait", &format!("--for=jsonpath={path}"), &node, "--timeout=120s"])?;
    }
    kubectl(&["wait", "--for=create", "serviceaccount/default", "--timeout=120s"])?;
    (plan.progress)(&format!("{cluster}: the node is ready"));
    Ok(())
}

/// Everything on disk and the network, before the first process.
fn prepare(plan: &Plan, cluster: ClusterName, dir: &Path) -> Result<()> {
    let certs = dir.join("certs.d").join(REGISTRY);
    for below in ["pki", "logs", "run", "artifacts", "volume-plugins", "cni-conf"] {
        dirs::create(&dir.join(below))?;
    }
    dirs::create(&certs)?;
    open_to_all(&dir.join("artifacts"))?;
    plan.cgroups.create(cluster.as_str())?;
    net::create_cluster(cluster)?;
    certificates(cluster, dir)?;
    dirs::write(&dir.join("kubelet.json"), &config::kubelet(cluster, dir))?;
    dirs::write(&dir.join("containerd.toml"), &config::containerd(dir))?;
    dirs::write(&dir.join("runsc.toml"), &config::runsc())?;
    dirs::write(&dir.join("cni-conf/10-bridge.conflist"), &config::cni(cluster))?;
    dirs::write(&certs.join("hosts.toml"), &config::registry_host(&plan.dirs.registry_ca()))
}

/// A host path volume keeps its folder's mode whatever group the pod asks for, and the hub isn't root.
fn open_to_all(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).context(|| format!("opening {}", dir.display()))
}

fn certificates(cluster: ClusterName, dir: &Path) -> Result<()> {
    let (pki, address, node) = (dir.join("pki"), cluster.address(), cluster.node());
    let ca = Authority::new(&format!("{cluster}-ca"))?;
    let ca_certified = ca.certified();
    ca_certified.write(&pki, "ca")?;
    let names =
        ["127.0.0.1", &address, "10.96.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    ca.issue("kube-apiserver", None, &names)?.write(&pki, "apiserver")?;
    let node_user = ca.issue(&format!("system:node:{node}"), Some("system:nodes"), &[&node, &address])?;
    node_user.write(&pki, "node")?;
    let admin = ca.issue("admin", Some("system:masters"), &[])?;
    admin.write(&pki, "admin")?;
    let users = [
        ("admin", admin),
        ("node", node_user),
        ("controller-manager", ca.issue("system:kube-controller-manager", None, &[])?),
        ("scheduler", ca.issue("system:kube-scheduler", None, &[])?),
        ("proxy", ca.issue("system:kube-proxy", None, &[])?),
    ];
    for (name, user) in &users {
        let text = config::kubeconfig(cluster, &cluster.server(), &ca_certified.certificate, user);
        dirs::write(&dir.join(format!("{name}.kubeconfig")), &text)?;
    }
    // Of an authority of its own: what it signs is believed about the user it speaks for.
    let aggregator = Authority::new(&format!("{cluster}-aggregator-ca"))?;
    aggregator.certified().write(&pki, "aggregator-ca")?;
    aggregator.issue("aggregator", None, &[])?.write(&pki, "aggregator")?;
    let (private, public) = pki::token_keys()?;
    dirs::write(&pki.join("sa.key"), &private)?;
    dirs::write(&pki.join("sa.pub"), &public)
}

fn import_images(plan: &Plan, cluster: ClusterName, dir: &Path) -> Result<()> {
    let containerd = Service::Cluster(cluster, Component::Containerd);
    let socket = dir.join("run-containerd/containerd.sock");
    plan.wait(containerd, "containerd's socket", 60, |_| socket.exists())?;
    for image in [&plan.tools.pause_image, &plan.tools.busybox_image] {
        let mut command = super::cluster::on_node(plan.dirs, plan.tools, cluster);
        run::output(command.args(["ctr", "-n", "k8s.io", "images", "import"]).arg(image))?;
    }
    Ok(())
}

fn wait_for_api(plan: &Plan, cluster: ClusterName) -> Result<()> {
    let apiserver = Service::Cluster(cluster, Component::Apiserver);
    // Asking costs a process, so first see from outside that the port is open.
    plan.wait(apiserver, "the API server's port", 90, |record| listens(record.pid, 6443))?;
    plan.wait(apiserver, "the API server to be ready", 60, |_| {
        let ready =
            run::output(&mut super::cluster::kubectl(plan.dirs, plan.tools, cluster, &["get", "--raw", "/readyz"]));
        ready.is_ok_and(|answer| answer == "ok")
    })
}

/// Whether something listens on a port in the network namespace of a process.
pub(crate) fn listens(pid: u32, port: u16) -> bool {
    let tables =
        ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    tables.iter().any(|table| has_listener(table, port))
}

fn has_listener(table: &str, port: u16) -> bool {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().is_some_and(|local| local.ends_with(&suffix));
        local && fields.nth(1) == Some("0A")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                     0: 0100007F:192B 0100007F:9999 01 0:0 0:0\n\
                     1: 00000000:0050 00000000:0000 0A 0:0 0:0\n";
        assert!(has_listener(table, 80));
        assert!(!has_listener(table, 6443));
    }
}
