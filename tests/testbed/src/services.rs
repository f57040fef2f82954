//! The command line of every process.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cgroup::Cgroups;
use crate::dirs::{self, Dirs};
use crate::names::{BLOCK_SECONDS, CHAIN_ID, CHAIN_MNEMONIC, ClusterName, Component, Service, WAN};
use crate::net;
use crate::process::Launch;
use crate::tools::Tools;

/// How to start a service.
pub(crate) fn launch(service: Service, dirs: &Dirs, tools: &Tools, cgroups: &Cgroups) -> Launch {
    let shared = dirs.shared();
    let (argv, net, mount) = match service {
        Service::Cluster(cluster, component) => {
            let argv = component_argv(cluster, component, &dirs.cluster(cluster), tools);
            (argv, net::pin(cluster), Some(dirs::mount_pin(cluster)))
        }
        Service::Chain => (chain_argv(&shared, tools), net::wan_pin(), None),
        Service::Registry => {
            let config = shared.join("registry.json").display().to_string();
            (words(&["docker-registry", "serve", &config]), net::wan_pin(), None)
        }
    };
    // Nothing of the caller's environment: proxies, credentials and kubeconfigs aren't meant for these.
    let env = BTreeMap::from([
        ("PATH".to_owned(), tools.own_path()),
        ("HOME".to_owned(), dirs.root().join(service.place()).display().to_string()),
    ]);
    Launch { argv, env, net, mount, cgroups: cgroups.entry(service.place()), log: dirs.log(service) }
}

/// A block every two seconds and none in between, as on a real chain. The state is on disk at most a second late, and
/// entirely after a TERM.
fn chain_argv(dir: &Path, tools: &Tools) -> Vec<String> {
    let (anvil, state) = (tools.anvil.display().to_string(), dir.join("chain.json").display().to_string());
    words(&[
        &anvil,
        "--host",
        WAN,
        "--port",
        "8545",
        "--chain-id",
        &CHAIN_ID.to_string(),
        "--mnemonic",
        CHAIN_MNEMONIC,
        "--accounts",
        "20",
        "--block-time",
        &BLOCK_SECONDS.to_string(),
        "--state",
        &state,
        "--state-interval",
        "1",
    ])
}

fn component_argv(cluster: ClusterName, component: Component, dir: &Path, tools: &Tools) -> Vec<String> {
    let (kube, node) = (tools.kube.display().to_string(), tools.node.display().to_string());
    let file = |name: &str| dir.join(name).display().to_string();
    match component {
        Component::Etcd => words(&[
            &kube,
            "etcd",
            "--data-dir",
            &file("etcd"),
            "--listen-client-urls",
            "http://127.0.0.1:2379",
            "--advertise-client-urls",
            "http://127.0.0.1:2379",
            "--listen-peer-urls",
            "http://127.0.0.1:2380",
            "--unsafe-no-fsync",
            "--log-level",
            "warn",
        ]),
        Component::Containerd => words(&["containerd", "--config", &file("containerd.toml")]),
        Component::Apiserver => apiserver_argv(cluster, dir, &kube),
        Component::ControllerManager => words(&[
            &kube,
            "kube-controller-manager",
            "--kubeconfig",
            &file("controller-manager.kubeconfig"),
            "--service-account-private-key-file",
            &file("pki/sa.key"),
            "--root-ca-file",
            &file("pki/ca.crt"),
            "--use-service-account-credentials",
            "--cluster-signing-cert-file",
            &file("pki/ca.crt"),
            "--cluster-signing-key-file",
            &file("pki/ca.key"),
            "--leader-elect=false",
            "--controllers",
            "*,-nodeipam,-cloud-node-lifecycle,-attachdetach",
        ]),
        Component::Scheduler => {
            words(&[&kube, "kube-scheduler", "--kubeconfig", &file("scheduler.kubeconfig"), "--leader-elect=false"])
        }
        Component::Kubelet => words(&[
            &kube,
            "kubelet",
            "--config",
            &file("kubelet.json"),
            "--kubeconfig",
            &file("node.kubeconfig"),
            "--hostname-override",
            &cluster.node(),
            "--node-ip",
            &cluster.address(),
            "--node-labels",
            &crate::config::node_labels(cluster),
        ]),
        Component::Proxy => words(&[
            &kube,
            "kube-proxy",
            "--kubeconfig",
            &file("proxy.kubeconfig"),
            "--hostname-override",
            &cluster.node(),
            "--proxy-mode",
            "nftables",
            "--cluster-cidr",
            &cluster.pod_cidr(),
            "--conntrack-max-per-core",
            "0",
            "--conntrack-min",
            "0",
        ]),
        Component::Devices => {
            let devices = cluster.devices().iter().map(|(name, count)| format!("{name}={count}"));
            words(&[&node, "devices", "/var/lib/kubelet/plugins_registry"]).into_iter().chain(devices).collect()
        }
        Component::Recorder => words(&[&node, "record", "/run/containerd/containerd.sock", &file("containers.json")]),
    }
}

fn apiserver_argv(cluster: ClusterName, dir: &Path, kube: &str) -> Vec<String> {
    let file = |name: &str| dir.join(name).display().to_string();
    words(&[
        kube,
        "kube-apiserver",
        "--etcd-servers",
        "http://127.0.0.1:2379",
        "--secure-port",
        "6443",
        "--advertise-address",
        &cluster.address(),
        "--tls-cert-file",
        &file("pki/apiserver.crt"),
        "--tls-private-key-file",
        &file("pki/apiserver.key"),
        "--client-ca-file",
        &file("pki/ca.crt"),
        "--service-account-key-file",
        &file("pki/sa.pub"),
        "--service-account-signing-key-file",
        &file("pki/sa.key"),
        "--service-account-issuer",
        "https://kubernetes.default.svc",
        "--service-cluster-ip-range",
        "10.96.0.0/24",
        "--authorization-mode",
        "Node,RBAC",
        "--enable-admission-plugins",
        "NodeRestriction",
        "--allow-privileged",
        "--kubelet-preferred-address-types",
        "InternalIP",
        "--kubelet-certificate-authority",
        &file("pki/ca.crt"),
        "--kubelet-client-certificate",
        &file("pki/admin.crt"),
        "--kubelet-client-key",
        &file("pki/admin.key"),
        // API aggregation: who the API server is towards an extension, and how it tells it the user.
        "--enable-aggregator-routing=true",
        "--proxy-client-cert-file",
        &file("pki/aggregator.crt"),
        "--proxy-client-key-file",
        &file("pki/aggregator.key"),
        "--requestheader-client-ca-file",
        &file("pki/aggregator-ca.crt"),
        "--requestheader-allowed-names",
        "aggregator",
        "--requestheader-username-headers",
        "X-Remote-User",
        "--requestheader-group-headers",
        "X-Remote-Group",
        "--requestheader-extra-headers-prefix",
        "X-Remote-Extra-",
    ])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
