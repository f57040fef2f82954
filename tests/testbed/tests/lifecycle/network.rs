//! Who reaches whom.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use eai_testbed::{ClusterName, Testbed};

pub fn router_keeps_home_closed_and_open_to_the_outside(testbed: &Testbed) {
    let opens = |from: ClusterName, to: &str| {
        let mut command = testbed.cluster(from).unwrap().command("sh");
        let (address, port) = to.split_once(':').unwrap();
        let script = format!("echo | busybox timeout 5 busybox nc -w 2 {address} {port}");
        command.args(["-c", &script]).output().unwrap().status.success()
    };
    let address = |cluster: ClusterName| format!("{}:6443", cluster.address());
    assert!(opens(ClusterName::Hub, &address(ClusterName::Cloud)));
    assert!(!opens(ClusterName::Hub, &address(ClusterName::Home)), "home must not be reachable from the hub");
    assert!(!opens(ClusterName::Cloud, &address(ClusterName::Home)), "home must not be reachable from the cloud");
    assert!(opens(ClusterName::Home, &address(ClusterName::Hub)));
    let home: SocketAddr = address(ClusterName::Home).parse().unwrap();
    assert!(TcpStream::connect_timeout(&home, Duration::from_secs(2)).is_err(), "nor from this machine");

    // A test's own way in, by entering its namespace.
    let tunnel = testbed.cluster(ClusterName::Home).unwrap().tunnel().unwrap();
    let file = testbed.dirs().root().join("shared/tunnel.kubeconfig");
    std::fs::write(&file, tunnel.kubeconfig()).unwrap();
    let nodes = Command::new(&testbed.tools().kubectl)
        .args(["get", "nodes", "-o", "name", "--kubeconfig"])
        .arg(&file)
        .env("KUBECACHEDIR", testbed.dirs().root().join("shared/kubectl-cache"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&nodes.stdout),
        "node/home-node\n",
        "{}",
        String::from_utf8_lossy(&nodes.stderr)
    );
}

pub fn registry_is_trusted_by_its_authority_only(testbed: &Testbed) {
    let catalog = |arguments: &[&str]| {
        let mut command = Command::new("skopeo");
        command.args(["list-tags", "docker://10.77.0.1:5000/none"]).args(arguments).output().unwrap().stderr
    };
    let refused = String::from_utf8(catalog(&[])).unwrap();
    assert!(refused.contains("unknown authority"), "{refused}");
    let certificates = testbed.registry_ca().parent().unwrap().display().to_string();
    let answered = String::from_utf8(catalog(&["--cert-dir", &certificates])).unwrap();
    assert!(answered.contains("404"), "the registry itself answers: {answered}");
}

/// The hub's own extension of the API is a Service: the API server must reach one, and so must a pod.
pub fn api_server_reaches_services(testbed: &Testbed, image: &str) {
    let hub = testbed.cluster(ClusterName::Hub).unwrap();
    let objects = format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [
        {{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "web", "labels": {{"app": "web"}}}}, "spec": {{
          "containers": [{{"name": "c", "image": "{image}", "command": ["sh", "-c", "echo served > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"]}}]}}}},
        {{"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "web"}}, "spec": {{
          "selector": {{"app": "web"}}, "ports": [{{"port": 80, "targetPort": 8080}}]}}}}]}}"#
    );
    hub.kubectl_with_input(&["apply", "-f", "-"], &objects).unwrap();
    hub.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"]).unwrap();
    hub.kubectl(&["wait", "--for=jsonpath={.subsets[0].addresses[0].ip}", "endpoints/web", "--timeout=60s"]).unwrap();
    let path = "/api/v1/namespaces/default/services/http:web:80/proxy/index.html";
    assert_eq!(hub.kubectl(&["get", "--raw", path]).unwrap(), "served\n");
    let address = hub.kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]).unwrap();
    // Debian's static busybox crashes in wget's name look-up, so the request is written by hand.
    let fetch = format!(
        "for i in 1 2 3 4 5; do printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | timeout 5 nc -w 2 {address} 80 && exit; sleep 1; done"
    );
    let answer = hub.kubectl(&["exec", "web", "--", "sh", "-c", &fetch]).unwrap();
    assert!(answer.ends_with("served\n"), "{answer}");
}
