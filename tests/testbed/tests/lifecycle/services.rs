//! Services are ended and started again, as tests of failures do.

use std::process::Command;

use eai_testbed::{ClusterName, Component, Service, State, Testbed};

/// All of a cluster's services are killed at once; its running container must not notice.
pub fn come_back_after_a_kill(testbed: &Testbed) {
    let hub = testbed.cluster(ClusterName::Hub).unwrap();
    let started = || {
        let path = "jsonpath={.status.containerStatuses[0].state.running.startedAt}";
        hub.kubectl(&["get", "pod", "web", "-o", path]).unwrap()
    };
    let before = started();
    let services: Vec<Service> =
        Component::of(ClusterName::Hub).map(|component| Service::Cluster(ClusterName::Hub, component)).collect();
    for &service in &services {
        testbed.stop(service).unwrap();
        assert_eq!(testbed.state(service).unwrap(), State::Stopped, "{service}");
        testbed.kill(service).unwrap();
        assert_eq!(testbed.state(service).unwrap(), State::Ended, "{service}");
    }
    for &service in &services {
        testbed.start(service).unwrap();
    }
    hub.kubectl(&["wait", "--for=condition=Ready", "node/hub-node", "--timeout=60s"]).unwrap();
    hub.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"]).unwrap();
    assert_eq!(started(), before);
    let logs = Command::new(env!("CARGO_BIN_EXE_eai-testbed"))
        .args(["logs", "hub", "apiserver"])
        .env("EAI_TESTBED", super::STATE)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&logs.stdout).contains("Serving securely"));
}
