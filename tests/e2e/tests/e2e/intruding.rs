//! A vendor whose image looks for a way out: it tries the owner's network, the node, the cloud's metadata and the member's
//! API server from each network mode, and what a pod could be given by mistake. It finds nothing, or it doesn't run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use eai_e2e::{Cluster, join::AGENT_NAMESPACE, run};
use eai_testbed::{ClusterName, REGISTRY, WAN};
use serde_json::{Value, json};

use crate::support::{END, START, says, world};

/// What every pod of a cluster could reach if nothing kept it from that, as `host:port`.
fn targets() -> Vec<String> {
    let node = |cluster: ClusterName| [format!("{}:6443", cluster.address()), format!("{}:10250", cluster.address())];
    let mut targets: Vec<String> =
        [ClusterName::Home, ClusterName::Cloud, ClusterName::Hub].into_iter().flat_map(node).collect();
    targets.extend([
        format!("{WAN}:8545"),
        REGISTRY.to_owned(),
        "10.96.0.1:443".to_owned(),
        "169.254.169.254:80".to_owned(),
    ]);
    targets
}

/// A script that ends with 7 if it found anything, and says what. A refused connection is a way out, too.
fn burglar() -> String {
    let targets = targets().join(" ");
    format!(
        r#"found=
        for target in {targets}; do
          said=$(echo | timeout 4 nc -w 3 ${{target%:*}} ${{target#*:}} 2>&1); code=$?
          # It fails by itself after 3 s where nothing answers; a connection that stays open is ended after 4.
          case "$code $said" in 0*|124*|143*|*refused*|*reset*) found="$found $target" ;; esac
        done
        for path in /var/run/secrets/kubernetes.io /run/containerd/containerd.sock /var/run/docker.sock /host /etc/kubernetes \
          /var/lib/kubelet /dev/kmsg /dev/mem /dev/vda /dev/sda; do
          [ -e $path ] && found="$found $path"
        done
        [ "$(id -u)" = 0 ] && found="$found root"
        echo x > /sys/kernel/uevent_helper && found="$found sysfs"
        mount -t tmpfs none /mnt && found="$found mount"
        mknod /tmp/disk b 8 0 && found="$found mknod"
        echo "found:$found"; [ -z "$found" ] || exit 7"#
    )
}

fn home() -> &'static Cluster {
    &world().stage.member("home").unwrap().cluster
}

/// A job of the burglar's.
fn change(network: &str) -> Value {
    json!({"command": ["sh", "-c", burglar()], "network": network, "placement": {"members": ["home"]},
        "retry": {"maxAttempts": 1}})
}

/// The owner's mind about the internet. The agent starts anew, and probes.
fn allow_internet(allowed: bool) {
    let chart = world().stage.repository.join("charts/eai-agent").display().to_string();
    let set = format!("limits.allowInternet={allowed}");
    let upgrade = ["upgrade", "eai-agent", &chart, "-n", AGENT_NAMESPACE, "--reuse-values", "--set", &set];
    home().helm(&[&upgrade[..], &["--wait", "--timeout", "180s"]].concat()).unwrap();
}

/// Has the agent begin anew, and probe.
fn probe_anew() {
    home().kubectl(&["rollout", "restart", "deployment/eai-agent", "-n", AGENT_NAMESPACE]).unwrap();
    home().kubectl(&["rollout", "status", "deployment/eai-agent", "-n", AGENT_NAMESPACE, "--timeout=180s"]).unwrap();
}

/// Waits until the agent has reported what its probe of the internet found.
fn probed(isolated: bool) {
    run::wait("the probe's word", START, || {
        let hub = &world().stage.hub;
        let report = hub.get(&["memberreport", "home", "-n", "cn-home"]).map_err(|error| error.to_string())?;
        let found = &report["spec"]["probes"]["internetIsolated"];
        if *found == json!(isolated) { Ok(()) } else { Err(found.to_string()) }
    })
    .unwrap();
}

/// While it lives the testbed's `home` enforces what the agent's chart asks of a network plugin for work: its pods reach no
/// private address. Pods of other namespaces do, from a moment after they have their addresses.
struct Enforced {
    over: Arc<AtomicBool>,
    watch: Option<JoinHandle<()>>,
}

impl Enforced {
    fn begin() -> Self {
        let private = "ip daddr { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16 }";
        // Before kube-proxy gives a Service's address away for an endpoint's.
        let table = format!(
            "table inet e2e_policy {{
               set others {{ type ipv4_addr; }}
               chain from_pods {{
                 type filter hook prerouting priority -300;
                 ct state established accept
                 iifname \"cni0\" ip saddr != @others {private} drop
               }}
             }}"
        );
        nft(&["-f", "-"], Some(&table)).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let watch = std::thread::spawn(move || {
            while !told.load(Ordering::Acquire) {
                let _ = let_others_through(); // again in a moment
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        Self { over, watch: Some(watch) }
    }
}

/// Lets the pods through that aren't work's.
fn let_others_through() -> eai_e2e::Result<()> {
    let pods = home().get(&["pods", "-A", "--field-selector", "metadata.namespace!=eai-work"])?;
    let addresses = pods["items"].as_array().into_iter().flatten().filter_map(|pod| pod["status"]["podIP"].as_str());
    let set = format!("add element inet e2e_policy others {{ {} }}", addresses.collect::<Vec<_>>().join(", "));
    nft(&["-f", "-"], Some(&set))
}

impl Drop for Enforced {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = self.watch.take().map(JoinHandle::join);
        let _ = nft(&["delete", "table", "inet", "e2e_policy"], None);
    }
}

fn nft(arguments: &[&str], input: Option<&str>) -> eai_e2e::Result<()> {
    let mut command = home().command("nft")?;
    command.args(arguments);
    match input {
        Some(input) => run::output_with_input(&mut command, input).map(drop),
        None => run::output(&mut command).map(drop),
    }
}

/// The burglar as an ordinary pod of the member's: there is something to find, or the others prove nothing.
fn finds_its_way_as_an_ordinary_pod() {
    let image = &world().shell;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "burglar", "namespace": "default"},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "burglar", "image": image, "command": ["sh", "-c", burglar()]}]},
    });
    home().apply(&pod.to_string()).unwrap();
    let exit = run::wait("the ordinary burglar's end", START, || {
        let pod = home().get(&["pod", "burglar", "-n", "default"]).map_err(|error| error.to_string())?;
        let state = &pod["status"]["containerStatuses"][0]["state"];
        state["terminated"]["exitCode"].as_i64().ok_or_else(|| state.to_string())
    });
    let said = home().kubectl(&["logs", "burglar", "-n", "default"]).unwrap();
    home().kubectl(&["delete", "pod", "burglar", "-n", "default", "--grace-period=0", "--force"]).unwrap();
    assert_eq!(exit.unwrap(), 7, "{said}");
    says(&said, &["10.77.3.2:6443", "10.77.3.2:10250", "10.96.0.1:443", "/var/run/secrets/kubernetes.io", "root"]);
}

#[test]
fn an_image_without_a_network_finds_no_way_out() {
    finds_its_way_as_an_ordinary_pod();
    let w = world();
    let vendor = w.vendor("burglar-none", "1");
    let job = w.submit(&vendor, "burglar", 1, &change("None"));
    w.reach(&job, "Succeeded", END);
    says(&vendor.eai(&w.stage, &["logs", "burglar"]).unwrap(), &["found:\n"]);
    vendor.leave(&w.stage, START).unwrap();
}

#[test]
fn an_image_with_the_internet_runs_only_where_it_finds_no_way_in() {
    let w = world();
    let vendor = w.vendor("burglar-internet", "1");
    allow_internet(true);
    probed(false);
    let refused = w.submit(&vendor, "too-open", 1, &change("Internet"));
    says(&w.reason(&refused, "NoMemberFits", START), &["home", "internet"]);
    w.patch(&refused, &json!({"spec": {"cancel": true}}));
    w.reach(&refused, "Cancelled", END);
    {
        let _enforced = Enforced::begin();
        probe_anew();
        probed(true);
        let job = w.submit(&vendor, "burglar", 1, &change("Internet"));
        w.reach(&job, "Succeeded", END);
        says(&vendor.eai(&w.stage, &["logs", "burglar"]).unwrap(), &["found:\n"]);
    }
    allow_internet(false);
    vendor.leave(&w.stage, START).unwrap();
}
