//! Mount namespaces: each node has one, so that its kubelet's and containerd's fixed paths are its own, and so that all
//! its mounts end with its last process.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dirs::{self, RUN};
use crate::error::{Context, Result};
use crate::names::ClusterName;
use crate::run;

/// Paths that programs of a node can't be told to change, and the folder of the cluster's that each stands for.
pub(crate) const PRIVATE: [(&str, &str); 5] = [
    ("/var/lib/kubelet", "kubelet"),
    ("/var/lib/cni", "cni"),
    ("/var/lib/containerd", "containerd"),
    ("/run/containerd", "run-containerd"),
    ("/var/log", "varlog"),
];

/// The folder of the pins. Mount namespaces can only be pinned on a mount that isn't shared.
pub(crate) fn create_pins() -> Result<()> {
    dirs::create(Path::new(RUN))?;
    run::sh("mount", &["--bind", RUN, RUN])?;
    run::sh("mount", &["--make-private", RUN]).map(drop)
}

/// A cluster's mount namespace.
pub(crate) fn create(cluster: ClusterName, dir: &Path) -> Result<()> {
    let pin = dirs::mount_pin(cluster);
    fs::write(&pin, "").context(|| format!("creating {}", pin.display()))?;
    // Shared within the namespace: containers and the kubelet rely on mounts reaching each other.
    let mut script = String::from("set -e; mount --make-rshared /; ");
    for (path, own) in PRIVATE {
        let own = dir.join(own);
        dirs::create(&own)?;
        script = format!("{script}mount --bind '{}' '{path}'; ", own.display());
    }
    let pin = format!("--mount={}", pin.display());
    run::sh("unshare", &[&pin, "--propagation", "private", "sh", "-c", &script]).map(drop)
}

/// The mount points at and below `dir`, the inner ones first.
pub(crate) fn below(dir: &Path) -> Vec<PathBuf> {
    let info = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    points_below(&info, dir)
}

fn points_below(info: &str, dir: &Path) -> Vec<PathBuf> {
    let points = info.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| PathBuf::from(unescape(point)));
    let mut found: Vec<PathBuf> = points.filter(|point| point.starts_with(dir)).collect();
    found.reverse(); // the kernel lists them in the order in which they were mounted
    found
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_folder_come_innermost_first() {
        let info = "1 0 0:1 / / rw - ext4 a rw\n\
                    2 1 0:2 / /run/eai-testbed rw - tmpfs t rw\n\
                    3 2 0:3 mnt:[4] /run/eai-testbed/a\\040b.mnt rw - nsfs nsfs rw\n\
                    4 1 0:2 / /run/eai-testbed-other rw - tmpfs t rw\n";
        let found = points_below(info, Path::new("/run/eai-testbed"));
        assert_eq!(found, [Path::new("/run/eai-testbed/a b.mnt"), Path::new("/run/eai-testbed")]);
    }
}
