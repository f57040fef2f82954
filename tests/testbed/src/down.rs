//! Removing everything, also after a crash halfway: by the records, the groups and the namespaces, not by any plan of
//! what should be there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cgroup::Cgroups;
use crate::dirs::{Dirs, RUN};
use crate::error::{Context, Error, Result};
use crate::names::{ClusterName, Component, Service};
use crate::{mounts, net, owner, process, run};

/// Ends every process of the testbed in `dirs` and removes what it made. Nothing to do is no error.
pub(crate) fn down(dirs: &Dirs, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let cgroups = Cgroups::detect();
    progress("ending all processes");
    let ended = process::until(Duration::from_secs(20), || {
        let running = running(dirs, &cgroups);
        process::send("KILL", &running);
        running.is_empty()
    });
    if !ended {
        return Err(left_over(dirs, &cgroups));
    }
    progress("removing namespaces, links and groups");
    for point in mounts::below(Path::new(RUN)).iter().chain(&mounts::below(dirs.root())) {
        run::sh("umount", &["--lazy", &point.display().to_string()])?;
    }
    let gone = process::until(Duration::from_secs(10), || {
        cgroups.remove();
        if link_exists() {
            // It also goes with the namespace at its other end, maybe at this very moment.
            let _ = run::sh("ip", &["link", "delete", net::HOST_LINK]);
        }
        cgroups.groups().is_empty() && !link_exists()
    });
    if !gone {
        return Err(left_over(dirs, &cgroups));
    }
    owner::remove_mount_points(dirs)?;
    remove_state(dirs)?;
    remove(Path::new(RUN))
}

/// Every process of the testbed: those recorded, those in its groups, those in its namespaces.
fn running(dirs: &Dirs, cgroups: &Cgroups) -> Vec<u32> {
    let mut found: BTreeSet<u32> = cgroups.pids();
    let records = services().into_iter().filter_map(|service| process::load(&dirs.record(service)).ok().flatten());
    found.extend(records.filter(process::Record::alive).map(|record| record.pid));
    let namespaces: BTreeSet<(u64, u64)> = pins().iter().filter_map(|pin| identity(pin)).collect();
    if !namespaces.is_empty() {
        found.extend(process::all().into_iter().filter(|pid| {
            ["net", "mnt"]
                .iter()
                .filter_map(|kind| identity(Path::new(&format!("/proc/{pid}/ns/{kind}"))))
                .any(|namespace| namespaces.contains(&namespace))
        }));
    }
    found.remove(&std::process::id());
    found.into_iter().filter(|&pid| process::exists(pid)).collect()
}

/// Every service that can have a record.
pub(crate) fn services() -> Vec<Service> {
    let clusters = ClusterName::ALL.into_iter();
    let parts =
        clusters.flat_map(|cluster| Component::of(cluster).map(move |component| Service::Cluster(cluster, component)));
    parts.chain([Service::Registry, Service::Chain]).collect()
}

/// The pins that are mounted; an unmounted one is a plain file and no namespace.
fn pins() -> Vec<PathBuf> {
    mounts::below(Path::new(RUN)).into_iter().filter(|point| point != Path::new(RUN)).collect()
}

fn identity(namespace: &Path) -> Option<(u64, u64)> {
    fs::metadata(namespace).ok().map(|of_it| (of_it.dev(), of_it.ino()))
}

fn link_exists() -> bool {
    Path::new("/sys/class/net").join(net::HOST_LINK).exists()
}

fn left_over(dirs: &Dirs, cgroups: &Cgroups) -> Error {
    let processes = running(dirs, cgroups).into_iter().map(|pid| format!("process {pid}"));
    let groups = cgroups.groups().into_iter().map(|group| format!("group {}", group.display()));
    let link = link_exists().then(|| format!("link {}", net::HOST_LINK));
    Error::LeftOver(processes.chain(groups).chain(link).collect())
}

/// Removes the state directory's contents, only where `up` has marked it as its own.
fn remove_state(dirs: &Dirs) -> Result<()> {
    if !owner::is_ours(dirs) {
        return Ok(());
    }
    for cluster in ClusterName::ALL {
        remove(&dirs.cluster(cluster))?;
    }
    remove(&dirs.shared())?;
    for file in [dirs.up_file(), owner::mark(dirs)] {
        let _ = fs::remove_file(file);
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("removing {}", dir.display()))
        }
        _ => Ok(()),
    }
}
