//! The testbed's control groups: one tree of its own below every hierarchy.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};

/// The name of the tree.
const TREE: &str = "eai-testbed";

/// The control group hierarchies of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Cgroups {
    /// The roots: one with cgroup v2, one for each controller with v1.
    roots: Vec<PathBuf>,
    /// Whether the machine has v2 alone.
    unified: bool,
}

impl Cgroups {
    /// What is mounted on /sys/fs/cgroup.
    pub(crate) fn detect() -> Self {
        Self::at(Path::new("/sys/fs/cgroup"))
    }

    fn at(base: &Path) -> Self {
        if base.join("cgroup.controllers").exists() {
            return Self { roots: vec![base.to_owned()], unified: true };
        }
        let entries = fs::read_dir(base).into_iter().flatten().flatten();
        // Links such as cpu,cpuacct name a hierarchy a second time.
        let real = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
        let mut roots: Vec<PathBuf> = real.filter(|dir| dir.join("cgroup.procs").exists()).collect();
        roots.sort();
        Self { roots, unified: false }
    }

    /// The group below which a cluster's kubelet makes those of its pods, as the kubelet wants it named.
    pub(crate) fn pods(place: &str) -> String {
        format!("/{TREE}/{place}/pods")
    }

    /// Creates a place's groups: `pods` for its kubelet, `system` for its own processes.
    pub(crate) fn create(&self, place: &str) -> Result<()> {
        for root in &self.roots {
            for leaf in ["pods", "system"] {
                let group = root.join(TREE).join(place).join(leaf);
                fs::create_dir_all(&group).context(|| format!("creating {}", group.display()))?;
                let below = group.strip_prefix(root).unwrap_or(&group);
                if self.unified { enable_controllers(root, below)? } else { copy_cpuset(root, below)? }
            }
        }
        Ok(())
    }

    /// The files that a place's own processes are written to. One hierarchy is enough to find them again: v2, in which
    /// v1's container runtimes leave processes alone, else systemd's.
    pub(crate) fn entry(&self, place: &str) -> Vec<PathBuf> {
        let named = |name: &str| self.roots.iter().find(|root| root.file_name().is_some_and(|own| own == name));
        let root = named("unified").or_else(|| named("systemd")).or_else(|| self.roots.first());
        root.map(|root| root.join(TREE).join(place).join("system/cgroup.procs")).into_iter().collect()
    }

    /// Every process in the testbed's groups.
    pub(crate) fn pids(&self) -> BTreeSet<u32> {
        let files = self.groups().into_iter().map(|group| group.join("cgroup.procs"));
        let text: String = files.filter_map(|file| fs::read_to_string(file).ok()).collect();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// The testbed's groups, the inner ones first.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for root in &self.roots {
            collect(&root.join(TREE), &mut found);
        }
        found
    }

    /// Removes the testbed's groups; those with processes in them stay.
    pub(crate) fn remove(&self) {
        for group in self.groups() {
            // One that is busy or went away by itself: the caller looks again at what is left.
            let _ = fs::remove_dir(group);
        }
    }
}

fn collect(group: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        collect(&entry.path(), into);
    }
    into.push(group.to_owned());
}

/// v1: a new cpuset has no processor and no memory node until it is told.
fn copy_cpuset(root: &Path, below: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let Ok(value) = fs::read_to_string(root.join(file)) else { continue };
        let mut group = root.to_owned();
        for part in below {
            group.push(part);
            let path = group.join(file);
            fs::write(&path, value.trim()).context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(())
}

/// v2: a group has the controllers that every group above hands down.
fn enable_controllers(root: &Path, below: &Path) -> Result<()> {
    let path = root.join("cgroup.controllers");
    let controllers = fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
    let mut group = root.to_owned();
    for part in below {
        for controller in controllers.split_whitespace() {
            // Some can't be handed down on some machines; the kubelet says which it misses.
            let _ = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        group.push(part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::TempDir;

    fn file(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn v1_takes_each_hierarchy_once_and_fills_cpusets() {
        let dir = TempDir::new("cgroup-v1");
        for root in ["cpu", "cpuset", "systemd", "unified"] {
            file(&dir.path().join(root).join("cgroup.procs"), "");
        }
        file(&dir.path().join("cpuset/cpuset.cpus"), "0-1\n");
        file(&dir.path().join("cpuset/cpuset.mems"), "0\n");
        std::os::unix::fs::symlink("cpu", dir.path().join("cpu,cpuacct")).unwrap();
        let cgroups = Cgroups::at(dir.path());
        assert_eq!(cgroups.roots.len(), 4);
        cgroups.create("hub").unwrap();
        let cpus = dir.path().join("cpuset/eai-testbed/hub/pods/cpuset.cpus");
        assert_eq!(fs::read_to_string(cpus).unwrap(), "0-1");
        assert_eq!(cgroups.entry("hub"), [dir.path().join("unified/eai-testbed/hub/system/cgroup.procs")]);
    }

    #[test]
    fn v2_hands_controllers_down_to_the_place_but_not_into_its_leaves() {
        let dir = TempDir::new("cgroup-v2");
        file(&dir.path().join("cgroup.controllers"), "cpu memory\n");
        let cgroups = Cgroups::at(dir.path());
        cgroups.create("hub").unwrap();
        let tree = dir.path().join(TREE);
        assert!(tree.join("cgroup.subtree_control").exists() && tree.join("hub/cgroup.subtree_control").exists());
        assert!(!tree.join("hub/pods/cgroup.subtree_control").exists());
        assert_eq!(cgroups.entry("hub"), [tree.join("hub/system/cgroup.procs")]);
    }

    #[test]
    fn finds_processes_and_removes_only_its_own_tree() {
        let dir = TempDir::new("cgroup-pids");
        fs::create_dir_all(dir.path().join("someone/else")).unwrap();
        file(&dir.path().join("cgroup.controllers"), "");
        let cgroups = Cgroups::at(dir.path());
        cgroups.create("hub").unwrap();
        let procs = dir.path().join("eai-testbed/hub/system/cgroup.procs");
        file(&procs, "12\n7\n");
        assert_eq!(cgroups.pids().into_iter().collect::<Vec<_>>(), [7, 12]);
        fs::remove_file(procs).unwrap(); // in a real hierarchy the files go with the folder
        for group in cgroups.groups() {
            let _ = fs::remove_file(group.join("cgroup.subtree_control"));
        }
        cgroups.remove();
        assert!(!dir.path().join(TREE).exists() && dir.path().join("someone/else").exists());
    }
}
