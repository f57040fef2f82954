//! The files that a node's programs read. Pure: names and paths in, text out.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cgroup::Cgroups;
use crate::names::{ClusterName, REGISTRY};
use crate::pki::Certified;

/// The image of a pod's sandbox.
pub(crate) const PAUSE_IMAGE: &str = "eai.local/pause:1";
/// An image with a shell that every node has from the start.
pub const BUSYBOX_IMAGE: &str = "eai.local/busybox:1";

/// A kubeconfig with everything in it. `server` is the URL.
pub(crate) fn kubeconfig(cluster: ClusterName, server: &str, ca: &str, user: &Certified) -> String {
    let base64 = |pem: &str| STANDARD.encode(pem);
    let name = cluster.as_str();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": base64(ca)}}],
        "users": [{"name": name, "user": {
            "client-certificate-data": base64(&user.certificate),
            "client-key-data": base64(&user.key),
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    })
    .to_string()
}

/// The kubelet's configuration. `dir` is the cluster's folder.
pub(crate) fn kubelet(cluster: ClusterName, dir: &Path) -> String {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": Cgroups::pods(cluster.as_str()),
        "failCgroupV1": false,
        "failSwapOn": false,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": dir.join("pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        // Lowering it needs CAP_SYS_RESOURCE.
        "oomScoreAdj": 0,
        "tlsCertFile": dir.join("pki/node.crt"),
        "tlsPrivateKeyFile": dir.join("pki/node.key"),
        "volumePluginDir": dir.join("volume-plugins"),
        "localStorageCapacityIsolation": false,
        "evictionHard": {"memory.available": "100Mi"},
        // Never collect: the disk is the machine's, and the sandbox image can't be pulled again.
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "5s",
        "nodeStatusReportFrequency": "30s",
        "shutdownGracePeriod": "0s",
    })
    .to_string()
}

/// The pods' network: a bridge, addresses from the cluster's range, and the node's address towards the outside.
pub(crate) fn cni(cluster: ClusterName) -> String {
    json!({
        "cniVersion": "0.4.0",
        "name": cluster.netns(),
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": cluster.pod_cidr()}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
    .to_string()
}

/// containerd's configuration, all of whose default paths are the node's own (see `mounts`).
pub(crate) fn containerd(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Where CAP_SYS_RESOURCE is missing, no container could start otherwise.
  restrict_oom_score_adj = true
  # A profile would stay in the kernel afterwards.
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{dir}/cni-conf"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{dir}/certs.d"
  # Listing any runtime drops the built-in runc, so it is listed too.
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]
    runtime_type = "io.containerd.runsc.v1"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc.options]
      TypeUrl = "io.containerd.runsc.v1.options"
      ConfigPath = "{dir}/runsc.toml"
"#
    )
}

/// gVisor's settings: no network inside the sandbox, whatever the network plugin enforces.
pub(crate) fn runsc() -> String {
    "[runsc_config]\n  network = \"none\"\n  platform = \"systrap\"\n  ignore-cgroups = \"true\"\n".into()
}

/// How containerd reaches the registry. `ca` is the path of its authority's certificate.
pub(crate) fn registry_host(ca: &Path) -> String {
    format!(
        "server = \"https://{REGISTRY}\"\n[host.\"https://{REGISTRY}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  \
         ca = \"{}\"\n",
        ca.display()
    )
}

/// The registry's configuration.
pub(crate) fn registry(dir: &Path) -> String {
    json!({
        "version": "0.1",
        "log": {"accesslog": {"disabled": true}, "level": "warn"},
        "storage": {"filesystem": {"rootdirectory": dir.join("registry")}, "delete": {"enabled": true}},
        "http": {
            "addr": REGISTRY,
            "tls": {"certificate": dir.join("pki/registry.crt"), "key": dir.join("pki/registry.key")},
        },
    })
    .to_string()
}

/// The node's labels. Those of the GPU are the ones that NVIDIA's feature discovery sets.
pub(crate) fn node_labels(cluster: ClusterName) -> String {
    if cluster.devices().is_empty() {
        return "eai.network/testbed=true".into();
    }
    "eai.network/testbed=true,eai.network/simulated-devices=true,nvidia.com/gpu.product=Simulated-A100,\
     nvidia.com/gpu.memory=40960"
        .into()
}

/// The objects that every new cluster gets; the hub also a volume for its artifacts.
pub(crate) fn objects(cluster: ClusterName, dir: &Path) -> String {
    let mut items = vec![json!({
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "gvisor"},
        "handler": "runsc",
    })];
    if cluster == ClusterName::Hub {
        items.push(artifacts(dir));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn artifacts(dir: &Path) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "artifacts"},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "hostPath": {"path": dir.join("artifacts"), "type": "Directory"},
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_kubelets_share_no_path_or_group() {
        let file = |cluster: ClusterName| -> Value {
            serde_json::from_str(&kubelet(cluster, &Path::new("/state").join(cluster.as_str()))).unwrap()
        };
        let (hub, home) = (file(ClusterName::Hub), file(ClusterName::Home));
        for key in ["cgroupRoot", "tlsCertFile", "volumePluginDir"] {
            assert_ne!(hub[key], home[key], "{key}");
        }
        // Fixed paths are private to each node's mount namespace.
        assert!(crate::mounts::PRIVATE.iter().any(|(path, _)| *path == "/run/containerd"));
        assert!(crate::mounts::PRIVATE.iter().any(|(path, _)| *path == "/var/log"));
    }

    #[test]
    fn only_nodes_with_simulated_devices_are_labelled_so() {
        assert!(!node_labels(ClusterName::Hub).contains("simulated"));
        for member in [ClusterName::Cloud, ClusterName::Home] {
            assert!(node_labels(member).contains("eai.network/simulated-devices=true"));
        }
    }

    #[test]
    fn a_kubeconfig_holds_its_certificates() {
        let user = Certified { certificate: "CERT".into(), key: "KEY".into() };
        let text = kubeconfig(ClusterName::Home, "https://10.77.3.2:6443", "CA", &user);
        let config: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config["clusters"][0]["cluster"]["certificate-authority-data"], STANDARD.encode("CA"));
        assert_eq!(config["users"][0]["user"]["client-key-data"], STANDARD.encode("KEY"));
    }

    #[test]
    fn only_the_hub_has_the_artifacts_volume() {
        let dir = Path::new("/state/hub");
        assert!(objects(ClusterName::Hub, dir).contains("/state/hub/artifacts"));
        assert!(!objects(ClusterName::Cloud, dir).contains("PersistentVolume"));
    }
}
