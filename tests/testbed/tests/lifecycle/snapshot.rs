//! What the testbed could leave behind on a machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The machine's mounts, links, groups, firewall and folders, and the processes that can be of a testbed.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    links: BTreeSet<String>,
    groups: BTreeSet<String>,
    folders: Vec<(&'static str, bool)>,
    firewall: String,
    forwarding: String,
}

impl Snapshot {
    pub fn take() -> Self {
        let folders = [
            super::STATE,
            "/run/eai-testbed",
            "/run/netns",
            "/run/containerd",
            "/var/lib/containerd",
            "/var/lib/kubelet",
            "/var/lib/cni",
            "/var/lib/eai-testbed-other",
            "/opt/containerd",
        ];
        let nft = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
        Self {
            processes: processes(),
            mounts: lines("/proc/self/mountinfo", |line| line.split(' ').nth(4)),
            links: lines("/proc/net/dev", |line| line.split_once(':').map(|(name, _)| name.trim())),
            groups: groups(Path::new("/sys/fs/cgroup")).into_iter().collect(),
            folders: folders.map(|folder| (folder, Path::new(folder).exists())).to_vec(),
            firewall: String::from_utf8_lossy(&nft.stdout).into_owned(),
            forwarding: fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(),
        }
    }

    /// Fails with what is new or gone.
    pub fn assert_same(&self, after: &Self) {
        for (what, before, after) in [
            ("processes", &self.processes, &after.processes),
            ("mounts", &self.mounts, &after.mounts),
            ("links", &self.links, &after.links),
            ("groups", &self.groups, &after.groups),
        ] {
            let new: Vec<_> = after.difference(before).collect();
            let gone: Vec<_> = before.difference(after).collect();
            // A stranger's process may have ended meanwhile; nothing else may.
            assert!(new.is_empty() && (gone.is_empty() || what == "processes"), "{what}: new {new:?}, gone {gone:?}");
        }
        assert_eq!(
            (&self.folders, &self.firewall, &self.forwarding),
            (&after.folders, &after.firewall, &after.forwarding)
        );
    }
}

fn lines(path: &str, pick: impl Fn(&str) -> Option<&str>) -> BTreeSet<String> {
    fs::read_to_string(path).unwrap().lines().filter_map(|line| pick(line).map(str::to_owned)).collect()
}

/// Processes that are in other namespaces than ours, in a group of the testbed, or that name its folder. Ended ones are
/// waited for: init takes a moment to reap them.
fn processes() -> BTreeSet<String> {
    let end = Instant::now() + Duration::from_secs(5);
    while zombies() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let own = namespaces("self");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|pid| pid.parse::<u32>().is_ok());
    pids.filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?.replace('\0', " ");
        let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let others = namespaces(&pid);
        let namespaced = others.iter().zip(&own).any(|(other, own)| other.is_some() && other != own);
        let ours = namespaced || group.contains("eai-testbed") || text.contains(super::STATE);
        ours.then(|| format!("{pid} {text}"))
    })
    .collect()
}

/// Whether a process that init inherited from a testbed has ended and isn't reaped.
fn zombies() -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let mut stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.any(|stat| stat.contains(") Z 1 "))
}

fn namespaces(pid: &str) -> [Option<std::path::PathBuf>; 2] {
    ["net", "mnt"].map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok())
}

fn groups(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path().display().to_string();
            // Others come and go on a machine in use.
            if path.contains("eai-") || path.contains("kubepods") || path.contains("k8s") {
                found.push(path);
            }
            found.extend(groups(&entry.path()));
        }
    }
    found
}
