//! Real containers on every node.

use eai_testbed::{Cluster, ClusterName, ContainerRun, Testbed};

/// Reaches what every member must reach, from a pod.
const OUTWARD: &str = "for at in 10.77.1.2:6443 10.77.0.1:8545 10.77.0.1:5000 $KUBERNETES_SERVICE_HOST:443; do \
    echo | timeout 5 nc -w 3 ${at%:*} ${at#*:} > /dev/null && echo reached; done";

/// What a pod asks for: no simulated device on the hub, which has none.
fn limits(cluster: ClusterName, resource: &str) -> String {
    if cluster.devices().is_empty() { String::new() } else { format!(r#""{resource}": "1""#) }
}

fn pod(name: &str, image: &str, runtime: &str, limits: &str, script: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}"}}, "spec": {{"restartPolicy": "Never", {runtime}
        "containers": [{{"name": "c", "image": "{image}", "command": ["sh", "-c", "{script}"], "resources": {{"limits": {{{limits}}}}}}}]}}}}"#
    )
}

pub fn run_under_runc_and_gvisor_with_devices(testbed: &Testbed, image: &str) {
    let clusters: Vec<Cluster> = ClusterName::ALL.iter().map(|&name| testbed.cluster(name).unwrap()).collect();
    for cluster in &clusters {
        allocatable_is_as_promised(cluster);
        let (gpu, fpga) =
            (limits(cluster.name(), "nvidia.com/gpu"), limits(cluster.name(), "xilinx.com/fpga-xilinx_u250"));
        let plain = format!("{OUTWARD}; env | grep EAI_; sleep 2");
        let items = [
            pod("plain", image, "", &gpu, &plain),
            pod(
                "sandboxed",
                image,
                r#""runtimeClassName": "gvisor","#,
                &fpga,
                "dmesg | grep -c gVisor; env | grep EAI_; sleep 2",
            ),
        ];
        let list = format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{}]}}"#, items.join(","));
        cluster.kubectl_with_input(&["apply", "-f", "-"], &list).unwrap();
    }
    for cluster in &clusters {
        let wait = ["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/plain", "pod/sandboxed", "--timeout=90s"];
        cluster.kubectl(&wait).unwrap_or_else(|error| panic!("{error}\n{}", describe(cluster)));
        let (plain, sandboxed) = (logs(cluster, "plain"), logs(cluster, "sandboxed"));
        assert_eq!(plain.matches("reached").count(), 4, "{}: {plain}", cluster.name());
        assert!(sandboxed.starts_with("1\n"), "{}: not gVisor: {sandboxed}", cluster.name());
        if cluster.name() != ClusterName::Hub {
            assert!(plain.contains("EAI_TESTBED_SIMULATED_DEVICES=simulated-gpu-"), "{plain}");
            assert!(sandboxed.contains("EAI_TESTBED_SIMULATED_DEVICES=simulated-fpga-xilinx_u250-0"), "{sandboxed}");
        }
        times_are_containerds(testbed, cluster);
    }
    volume_binds(&clusters[0], image);
}

fn allocatable_is_as_promised(cluster: &Cluster) {
    for (resource, count) in cluster.name().devices() {
        let path = format!("jsonpath={{.items[0].status.allocatable.{}}}", resource.replace('.', "\\."));
        assert_eq!(cluster.kubectl(&["get", "nodes", "-o", &path]).unwrap(), count.to_string(), "{resource}");
    }
}

/// The runtime's times agree with those in the pod's status, which are whole seconds, and outlive the pod.
fn times_are_containerds(testbed: &Testbed, cluster: &Cluster) {
    let status = "jsonpath={.status.containerStatuses[0].state.terminated.startedAt}";
    let started = cluster.kubectl(&["get", "pod", "plain", "-o", status]).unwrap();
    let of_plain = || -> ContainerRun {
        let runs = testbed.container_runs(cluster.name()).unwrap();
        runs.into_iter().find(|run| run.pod == "plain" && run.namespace == "default").expect("the container is known")
    };
    let run = of_plain();
    // containerd notes the start when the runtime has answered, a little after the process began.
    let nanoseconds = run.finished_at.checked_sub(run.started_at).unwrap();
    assert!((1_500_000_000..15_000_000_000).contains(&nanoseconds), "{run:?}");
    assert!(run.created_at <= run.started_at && run.exit_code == 0, "{run:?}");
    let clock = std::process::Command::new("date").args(["-d", &started, "+%s"]).output().unwrap().stdout;
    let shown: i64 = String::from_utf8(clock).unwrap().trim().parse().unwrap();
    assert_eq!(run.started_at / 1_000_000_000, shown, "{run:?} {started}");
    cluster.kubectl(&["delete", "pod", "plain", "--timeout=60s"]).unwrap();
    assert_eq!(of_plain(), run, "a removed container is still known");
}

/// The hub chart's claim finds the volume that was made for it.
fn volume_binds(hub: &Cluster, image: &str) {
    let claim = r#"{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "artifacts"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "5Gi"}}}}"#;
    hub.kubectl_with_input(&["apply", "-f", "-"], claim).unwrap();
    let pod = format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "writer"}}, "spec": {{"restartPolicy": "Never",
        "securityContext": {{"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}}, "volumes": [{{"name": "v", "persistentVolumeClaim": {{"claimName": "artifacts"}}}}],
        "containers": [{{"name": "c", "image": "{image}", "command": ["sh", "-c", "echo kept > /data/file"],
          "volumeMounts": [{{"name": "v", "mountPath": "/data"}}]}}]}}}}"#
    );
    hub.kubectl_with_input(&["apply", "-f", "-"], &pod).unwrap();
    hub.kubectl(&["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/writer", "--timeout=60s"])
        .unwrap_or_else(|error| panic!("{error}\n{}", describe(hub)));
}

fn logs(cluster: &Cluster, pod: &str) -> String {
    cluster.kubectl(&["logs", pod]).unwrap()
}

fn describe(cluster: &Cluster) -> String {
    cluster.kubectl(&["describe", "pods"]).unwrap_or_else(|error| error.to_string())
}
