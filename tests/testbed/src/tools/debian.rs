//! What the distribution brings.

use std::path::Path;

use crate::error::{Error, Result};
use crate::run;

/// A program, and the Debian package that has it.
const NEEDED: [(&str, &str); 12] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("umoci", "umoci"),
    ("skopeo", "skopeo"),
    ("busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("docker-registry", "docker-registry"),
    ("nsenter", "util-linux"),
    ("cc", "gcc"),
];
/// A file that no PATH has, and its package.
const BRIDGE: (&str, &str) = ("/usr/lib/cni/bridge", "containernetworking-plugins");

/// The packages that are missing here.
fn missing() -> Vec<&'static str> {
    let programs = NEEDED.iter().filter(|(program, _)| !run::on_path(program));
    let plugin = Some(&BRIDGE).filter(|(path, _)| !Path::new(path).exists());
    programs.chain(plugin).map(|&(_, package)| package).collect()
}

/// Fails with the list of what is missing.
pub(super) fn check() -> Result<()> {
    let missing = missing();
    if missing.is_empty() { Ok(()) } else { Err(Error::MissingPackages(missing)) }
}

/// Installs what is missing with apt-get, as root on Debian or Ubuntu; elsewhere fails with the list.
pub fn install_packages(progress: &dyn Fn(&str)) -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if !run::on_path("apt-get") || !crate::process::is_root() {
        return Err(Error::MissingPackages(missing));
    }
    progress(&format!("installing {}", missing.join(" ")));
    let apt = |arguments: &[&str]| {
        run::output(run::command("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
    };
    apt(&["update", "-qq"])?;
    apt(&[&["install", "-y", "-qq", "--no-install-recommends"], missing.as_slice()].concat())?;
    if missing.contains(&"docker-registry") && Path::new("/run/systemd/system").exists() {
        // Its package starts an open registry on every address of the machine, which nobody asked for.
        run::sh("systemctl", &["disable", "--now", "docker-registry"])?;
    }
    check()
}
