//! A cluster's store, saved and put back, as an admin backs a cluster up and restores it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cluster::inside;
use crate::error::{Context, Error, Result};
use crate::names::{ClusterName, Component, Service};
use crate::process;
use crate::run;
use crate::testbed::Testbed;

/// What writes to the store, in the order in which it is stopped; it is started the other way round.
const WRITERS: [Component; 4] =
    [Component::Kubelet, Component::Scheduler, Component::ControllerManager, Component::Apiserver];
/// By how much the store's revision is raised beyond the last one that anybody can have seen.
const BEYOND: u64 = 1_000;
/// Asks etcd how far it is, through its JSON gateway.
const STATUS: &str = r"exec 3<>/dev/tcp/127.0.0.1/2379
printf 'POST /v3/maintenance/status HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}' >&3; cat <&3";
/// Writes one key of no meaning again and again, on one connection.
const BUMP: &str = r#"exec 3<>/dev/tcp/127.0.0.1/2379
cat <&3 >/dev/null &
body='{"key":"YnVtcA==","value":"YnVtcA=="}'
put() { printf 'POST /v3/kv/put HTTP/1.1\r\nHost: etcd\r\n%sContent-Length: %d\r\n\r\n%s' "$1" "${#body}" "$body"; }
for ((i = 1; i < $1; i++)); do put ''; done >&3
put $'Connection: close\r\n' >&3
wait"#;

impl Testbed {
    /// Saves all objects of a cluster in the folder `to`, which must not exist. Its API server has no store for a second.
    pub fn save_etcd(&self, cluster: ClusterName, to: &Path) -> Result<()> {
        let etcd = Service::Cluster(cluster, Component::Etcd);
        self.terminate(etcd)?;
        let saved = copy(&self.dirs().cluster(cluster).join("etcd"), to);
        self.start(etcd)?;
        saved.and_then(|()| self.revision(cluster).map(drop))
    }

    /// Puts back what was saved: every object is as it was then, and what came later is gone. Whatever talks to the API
    /// server is cut off meanwhile. The store's revision is raised beyond all that anybody saw, as `etcdutl snapshot
    /// restore --bump-revision` does: a watcher that waited for a later one would hear nothing until then.
    pub fn restore_etcd(&self, cluster: ClusterName, from: &Path) -> Result<()> {
        let seen = self.revision(cluster)?;
        for component in WRITERS.into_iter().chain([Component::Etcd]) {
            self.terminate(Service::Cluster(cluster, component))?;
        }
        let data = self.dirs().cluster(cluster).join("etcd");
        fs::remove_dir_all(&data).context(|| format!("removing {}", data.display()))?;
        copy(from, &data)?;
        self.start(Service::Cluster(cluster, Component::Etcd))?;
        let restored = self.revision(cluster)?;
        let wanted = seen.saturating_add(BEYOND);
        self.bump(cluster, wanted.saturating_sub(restored))?;
        let bumped = self.revision(cluster)?;
        if bumped < wanted {
            let source = std::io::Error::other(format!("its revision is {bumped}, not {wanted}"));
            return Err(Error::Io { what: format!("raising the revision of {cluster}'s etcd"), source });
        }
        WRITERS.into_iter().rev().try_for_each(|component| self.start(Service::Cluster(cluster, component)))
    }

    /// The store's revision, once it answers.
    fn revision(&self, cluster: ClusterName) -> Result<u64> {
        let mut answer = Err(Error::NotStarted(cluster));
        process::until(Duration::from_secs(30), || {
            let mut ask = inside(self.dirs(), self.tools(), cluster, "timeout");
            answer = run::output(ask.args(["10", "bash", "-c", STATUS])).and_then(|text| revision_in(&text));
            answer.is_ok()
        });
        answer
    }

    fn bump(&self, cluster: ClusterName, by: u64) -> Result<()> {
        let mut bump = inside(self.dirs(), self.tools(), cluster, "timeout");
        run::output(bump.args(["300", "bash", "-c", BUMP, "bump", &by.max(1).to_string()])).map(drop)
    }
}

/// The revision in etcd's answer.
fn revision_in(answer: &str) -> Result<u64> {
    let number = answer.split("\"revision\":\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok());
    number.ok_or_else(|| {
        let source = std::io::Error::other(format!("no revision in: {}", run::tail(answer, 300)));
        Error::Io { what: "asking etcd".to_owned(), source }
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    run::sh("cp", &["-a", "-T", &from.display().to_string(), &to.display().to_string()]).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_revision_is_read_from_etcds_answer() {
        let answer = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n\
                      {\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\",\"revision\":\"4711\",\"raft_term\":\"2\"},\"version\":\"3.6\"}";
        assert_eq!(revision_in(answer).unwrap(), 4711);
        assert!(revision_in("HTTP/1.0 503 Unavailable\r\n\r\n").is_err());
    }
}
