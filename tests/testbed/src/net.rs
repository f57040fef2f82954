//! The shared network: a namespace with a bridge, and a namespace of its own for each cluster.

use std::path::{Path, PathBuf};

use crate::dirs::RUN;
use crate::error::{Context, Result};
use crate::names::{ClusterName, HOST, WAN};
use crate::run;

/// The only link in the machine's own namespace.
pub(crate) const HOST_LINK: &str = "eai-host";

/// What a home router does: nothing from outside gets in, neither to the node nor through it.
const HOME_ROUTER: &str = "table inet home_router {
  chain inbound { type filter hook input priority 0; iifname \"eth0\" ct state new drop; }
  chain through { type filter hook forward priority 0; iifname \"eth0\" ct state new drop; }
}
";

/// The pin of the shared network's namespace, in which the registry and the chain run.
pub(crate) fn wan_pin() -> PathBuf {
    Path::new(RUN).join("wan.net")
}

/// The pin of a cluster's network namespace.
pub(crate) fn pin(cluster: ClusterName) -> PathBuf {
    Path::new(RUN).join(format!("{cluster}.net"))
}

/// The shared network, with the machine itself on it.
pub(crate) fn create_wan() -> Result<()> {
    let wan = wan_pin();
    create_namespace(&wan)?;
    let address = format!("{WAN}/16");
    ip(&wan, &["link", "add", "wan0", "type", "bridge"])?;
    ip(&wan, &["address", "add", &address, "dev", "wan0"])?;
    ip(&wan, &["link", "set", "wan0", "up"])?;
    let pin = wan.display().to_string();
    run::sh("ip", &["link", "add", HOST_LINK, "type", "veth", "peer", "name", "host", "netns", &pin])?;
    ip(&wan, &["link", "set", "host", "master", "wan0", "up"])?;
    run::sh("ip", &["address", "add", &format!("{HOST}/16"), "dev", HOST_LINK])?;
    run::sh("ip", &["link", "set", HOST_LINK, "up"]).map(drop)
}

/// A cluster's namespace, joined to the shared network; `home`'s behind its router.
pub(crate) fn create_cluster(cluster: ClusterName) -> Result<()> {
    let (own, wan) = (pin(cluster), wan_pin());
    create_namespace(&own)?;
    let (address, name) = (format!("{}/16", cluster.address()), cluster.as_str());
    ip(&own, &["link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", &wan.display().to_string()])?;
    ip(&wan, &["link", "set", name, "master", "wan0", "up"])?;
    ip(&own, &["address", "add", &address, "dev", "eth0"])?;
    ip(&own, &["link", "set", "eth0", "up"])?;
    ip(&own, &["route", "add", "default", "via", WAN])?;
    inside(&own, &["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;
    if cluster == ClusterName::Home {
        let mut nft = run::command("nsenter", &[&format!("--net={}", own.display()), "nft", "-f", "-"]);
        run::output_with_input(&mut nft, HOME_ROUTER)?;
    }
    Ok(())
}

/// Takes a cluster off the shared network. Its link stays up, so that within the cluster nothing changes.
pub(crate) fn cut(cluster: ClusterName) -> Result<()> {
    ip(&wan_pin(), &["link", "set", cluster.as_str(), "nomaster"])
}

/// Puts it back.
pub(crate) fn mend(cluster: ClusterName) -> Result<()> {
    ip(&wan_pin(), &["link", "set", cluster.as_str(), "master", "wan0"])
}

fn create_namespace(pin: &Path) -> Result<()> {
    std::fs::write(pin, "").context(|| format!("creating {}", pin.display()))?;
    run::sh("unshare", &[&format!("--net={}", pin.display()), "ip", "link", "set", "lo", "up"]).map(drop)
}

fn ip(namespace: &Path, arguments: &[&str]) -> Result<()> {
    inside(namespace, &[&["ip"], arguments].concat())
}

fn inside(namespace: &Path, arguments: &[&str]) -> Result<()> {
    run::sh("nsenter", &[&[format!("--net={}", namespace.display()).as_str()], arguments].concat()).map(drop)
}
