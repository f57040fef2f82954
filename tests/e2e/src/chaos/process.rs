//! Stopping the process of a container where it stands.

use std::{fs, process::Command};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    run,
};

/// Sends `signal` (such as `STOP`) to every process of the containers of the pods that `selector` names.
pub fn signal(cluster: &Cluster, namespace: &str, selector: &str, signal: &str) -> Result<usize> {
    let ids = containers(cluster, namespace, selector)?;
    let pids: Vec<String> = ids.iter().flat_map(|id| processes(id)).collect();
    if pids.is_empty() {
        return Err(Error::unexpected(format!("{namespace}: {selector}"), "no process of it was found"));
    }
    signal_all(&pids, signal)?;
    Ok(pids.len())
}

/// Lets processes go on that stood still, whichever are left of them.
fn signal_all(pids: &[String], signal: &str) -> Result<()> {
    let mut kill = Command::new("kill");
    let (_, _) = run::attempt_text(kill.arg(format!("-{signal}")).args(pids), None)?;
    Ok(())
}

/// The ids of running containers.
fn containers(cluster: &Cluster, namespace: &str, selector: &str) -> Result<Vec<String>> {
    let pods = cluster.get(&["pods", "-n", namespace, "-l", selector])?;
    let statuses = pods["items"].as_array().into_iter().flatten().filter_map(|pod| {
        pod["status"]["containerStatuses"].as_array().map(|all| all.iter().filter_map(|c| c["containerID"].as_str()))
    });
    Ok(statuses.flatten().filter_map(|id| id.rsplit('/').next()).map(str::to_owned).collect())
}

/// The processes in the control group of the container `id`.
fn processes(id: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.parse::<u32>().is_ok());
    pids.filter(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.contains(id))).collect()
}
