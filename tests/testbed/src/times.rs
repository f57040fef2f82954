//! When containers ran, as containerd says.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::names::ClusterName;
use crate::run;
use crate::testbed::Testbed;

/// One container's life. Times are nanoseconds since 1970 in UTC, as containerd's CRI answers give them; 0 means not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRun {
    /// containerd's id of it.
    pub id: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID.
    pub pod_uid: String,
    /// The container's name in the pod.
    pub container: String,
    /// How many times it was started before in this pod.
    pub attempt: u32,
    /// `CONTAINER_CREATED`, `CONTAINER_RUNNING`, `CONTAINER_EXITED` or `CONTAINER_UNKNOWN`.
    pub state: String,
    /// The exit code, once it has exited.
    pub exit_code: i32,
    /// Why it ended: `Completed`, `Error`, `OOMKilled`.
    pub reason: String,
    /// When it was made.
    #[serde(rename = "createdAtNs")]
    pub created_at: i64,
    /// When its process started.
    #[serde(rename = "startedAtNs")]
    pub started_at: i64,
    /// When its process ended.
    #[serde(rename = "finishedAtNs")]
    pub finished_at: i64,
}

impl Testbed {
    /// Every container that ran on a cluster, also those that the kubelet has removed, in the order of their starts. One
    /// that was made and removed within a fifth of a second can be missing.
    pub fn container_runs(&self, cluster: ClusterName) -> Result<Vec<ContainerRun>> {
        let node = self.cluster(cluster)?.node_command("node");
        let mut node = node;
        let now = run::output(node.args(["times", "/run/containerd/containerd.sock"]))?;
        let now: Vec<ContainerRun> = parse("the container runtime's answer", &now)?;
        let path = self.dirs().cluster(cluster).join("containers.json");
        let before: BTreeMap<String, ContainerRun> = match fs::read_to_string(&path) {
            Ok(text) => parse(&path.display().to_string(), &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(Error::Io { what: format!("reading {}", path.display()), source }),
        };
        Ok(merge(before, now))
    }
}

/// What is known now takes the place of what was recorded before.
fn merge(mut runs: BTreeMap<String, ContainerRun>, now: Vec<ContainerRun>) -> Vec<ContainerRun> {
    runs.extend(now.into_iter().map(|run| (run.id.clone(), run)));
    let mut runs: Vec<_> = runs.into_values().collect();
    runs.sort_by_key(|run| (run.started_at, run.created_at));
    runs
}

fn parse<T: for<'de> Deserialize<'de>>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Json { what: what.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(id: &str, started_at: i64, finished_at: i64) -> ContainerRun {
        ContainerRun {
            id: id.into(),
            namespace: "default".into(),
            pod: "p".into(),
            pod_uid: "u".into(),
            container: "c".into(),
            attempt: 0,
            state: String::new(),
            exit_code: 0,
            reason: String::new(),
            created_at: 0,
            started_at,
            finished_at,
        }
    }

    #[test]
    fn a_removed_container_is_kept_and_a_newer_answer_wins() {
        let before = [run_of("b", 20, 0), run_of("a", 10, 15)].map(|run| (run.id.clone(), run)).into();
        let runs = merge(before, vec![run_of("b", 20, 30), run_of("c", 5, 0)]);
        let times: Vec<_> = runs.iter().map(|run| (run.id.as_str(), run.finished_at)).collect();
        assert_eq!(times, [("c", 0), ("a", 15), ("b", 30)]);
    }
}
