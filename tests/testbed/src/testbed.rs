//! The testbed as a whole.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::cgroup::Cgroups;
use crate::cluster::Cluster;
use crate::dirs::{self, Dirs};
use crate::error::{Context, Error, Result};
use crate::names::{ClusterName, Component, Service};
use crate::node::{self, Plan};
use crate::process::State;
use crate::tools::Tools;
use crate::{down, net, owner, process, shared};

/// What to bring up and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which clusters.
    pub clusters: Vec<ClusterName>,
    /// Where the state is kept.
    pub dirs: Dirs,
    /// Where built programs are kept.
    pub cache: Cache,
    /// Whether to say on standard error what is being done.
    pub verbose: bool,
}

impl Default for Options {
    fn default() -> Self {
        let clusters = ClusterName::ALL.to_vec();
        Self { clusters, dirs: Dirs::from_env(), cache: Cache::from_env(), verbose: false }
    }
}

/// What was asked for, kept for those who come later.
#[derive(Debug, Serialize, Deserialize)]
struct Up {
    clusters: Vec<ClusterName>,
    tools: Tools,
}

/// A testbed that is up. Dropping it leaves it up; [`Testbed::down`] removes it.
#[derive(Debug, Clone)]
pub struct Testbed {
    dirs: Dirs,
    tools: Tools,
    clusters: Vec<ClusterName>,
    verbose: bool,
}

impl Testbed {
    /// Brings the testbed up, or takes the one that is already up with these clusters. Programs that the cache lacks are
    /// built first. Blocks until every node takes pods. What an earlier `up` left halfway is removed first; a failed one
    /// leaves what it made, logs included, for a look and for [`Testbed::remove`].
    pub fn up(options: &Options) -> Result<Self> {
        if !process::is_root() {
            return Err(Error::NotRoot);
        }
        let progress = progress(options.verbose);
        let tools = Tools::ensure(&options.cache, &progress)?;
        let dirs = &options.dirs;
        let _lock = owner::lock()?;
        owner::check(dirs)?;
        if dirs.up_file().exists() && owner::taken() {
            let testbed = Self::attach(dirs)?;
            return if options.clusters.iter().all(|cluster| testbed.clusters.contains(cluster)) {
                testbed.check_alive().map(|()| testbed)
            } else {
                Err(Error::Broken { dir: dirs.root().to_owned(), why: "not all of these clusters are up".into() })
            };
        }
        if owner::taken() || owner::is_ours(dirs) {
            down::down(dirs, &progress)?;
        }
        owner::take(dirs)?;
        let cgroups = Cgroups::detect();
        start_all(&Plan { dirs, tools: &tools, cgroups: &cgroups, progress: &progress }, &options.clusters)?;
        let up = Up { clusters: options.clusters.clone(), tools: tools.clone() };
        let text =
            serde_json::to_string_pretty(&up).map_err(|source| Error::Json { what: "up.json".into(), source })?;
        dirs::write(&dirs.up_file(), &text)?;
        Ok(Self { dirs: dirs.clone(), tools, clusters: up.clusters, verbose: options.verbose })
    }

    /// The testbed that is up in a state directory.
    pub fn attach(dirs: &Dirs) -> Result<Self> {
        owner::check(dirs)?;
        let path = dirs.up_file();
        // After a reboot the state is still there, and nothing runs.
        if !owner::taken() || !path.exists() {
            return Err(Error::NotUp(dirs.root().to_owned()));
        }
        let text = std::fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
        let up: Up =
            serde_json::from_str(&text).map_err(|source| Error::Json { what: path.display().to_string(), source })?;
        Ok(Self { dirs: dirs.clone(), tools: up.tools, clusters: up.clusters, verbose: false })
    }

    /// Ends every process and removes all that was made. Works on what is there, also after a crash; a second call finds
    /// nothing to do.
    pub fn remove(dirs: &Dirs, verbose: bool) -> Result<()> {
        if !process::is_root() {
            return Err(Error::NotRoot);
        }
        let _lock = owner::lock()?;
        owner::check(dirs)?;
        down::down(dirs, &progress(verbose))?;
        let _ = std::fs::remove_dir(dirs.root()); // someone else's files may be in it
        Ok(())
    }

    /// [`Testbed::remove`] for this one.
    pub fn down(self) -> Result<()> {
        Self::remove(&self.dirs, self.verbose)
    }

    /// The clusters that are up.
    pub fn clusters(&self) -> &[ClusterName] {
        &self.clusters
    }

    /// One of them.
    pub fn cluster(&self, name: ClusterName) -> Result<Cluster<'_>> {
        if self.clusters.contains(&name) {
            Ok(Cluster { name, dirs: &self.dirs, tools: &self.tools })
        } else {
            Err(Error::NotStarted(name))
        }
    }

    /// The programs in use.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Where the state is.
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// The chain's JSON-RPC endpoint, reachable from here and from every pod.
    pub fn chain_rpc(&self) -> &'static str {
        crate::names::CHAIN_RPC
    }

    /// The certificate of the authority behind the registry's.
    pub fn registry_ca(&self) -> PathBuf {
        self.dirs.registry_ca()
    }

    /// Copies an image to the registry and returns its reference by digest. `source` is an OCI archive or an OCI layout
    /// folder that holds one image.
    pub fn push_image(&self, source: &Path, name: &str, tag: &str) -> Result<String> {
        shared::push_image(&self.dirs, source, name, tag)
    }

    /// Stops a service's process where it stands, until [`Testbed::cont`]. It stands when this returns.
    pub fn stop(&self, service: Service) -> Result<()> {
        if self.record(service)?.stop(Duration::from_secs(10)) { Ok(()) } else { Err(Error::StillRuns(service)) }
    }

    /// Lets a stopped service go on.
    pub fn cont(&self, service: Service) -> Result<()> {
        self.record(service).map(|record| record.signal("CONT"))
    }

    /// Kills a service at once and waits for its end. The chain's state on disk is then at most a second old.
    pub fn kill(&self, service: Service) -> Result<()> {
        let record = self.record(service)?;
        if service == Service::Chain {
            shared::stop_between_writes(&record, &self.dirs);
        }
        record.end("KILL", Duration::from_secs(10));
        Ok(())
    }

    /// Cuts a cluster off from all others, the chain and the registry, until [`Testbed::mend`]. Within it nothing changes.
    pub fn cut(&self, cluster: ClusterName) -> Result<()> {
        net::cut(self.cluster(cluster)?.name())
    }

    /// Joins a cluster that was cut off again; no harm to one that wasn't.
    pub fn mend(&self, cluster: ClusterName) -> Result<()> {
        net::mend(self.cluster(cluster)?.name())
    }

    /// Asks a service to end, waits, and kills it after ten seconds.
    pub fn terminate(&self, service: Service) -> Result<()> {
        self.record(service).map(|record| record.end("TERM", Duration::from_secs(10)))
    }

    /// Starts a service that has ended, as it was started before. A running one is left alone.
    pub fn start(&self, service: Service) -> Result<()> {
        let record = self.record(service)?;
        if record.alive() {
            return Ok(());
        }
        process::start(record.launch, &self.dirs.record(service))?;
        let cgroups = Cgroups::detect();
        let plan = Plan { dirs: &self.dirs, tools: &self.tools, cgroups: &cgroups, progress: &|_| {} };
        match service {
            Service::Chain => shared::wait_for_chain(&plan),
            Service::Registry => {
                plan.wait(service, "the registry's port", 30, |record| node::listens(record.pid, 5000))
            }
            Service::Cluster(_, Component::Apiserver) => {
                plan.wait(service, "the API server's port", 90, |record| node::listens(record.pid, 6443))
            }
            Service::Cluster(..) => Ok(()),
        }
    }

    /// Ends a service in order and starts it again. The chain goes on from the block at which it ended.
    pub fn restart(&self, service: Service) -> Result<()> {
        self.terminate(service)?;
        self.start(service)
    }

    /// What a service's process does.
    pub fn state(&self, service: Service) -> Result<State> {
        Ok(process::load(&self.dirs.record(service))?.map_or(State::Ended, |record| record.state()))
    }

    /// The services of this testbed.
    pub fn services(&self) -> Vec<Service> {
        let ours = |service: &Service| !matches!(service, Service::Cluster(name, _) if !self.clusters.contains(name));
        down::services().into_iter().filter(ours).collect()
    }

    fn check_alive(&self) -> Result<()> {
        for service in self.services() {
            let state = self.state(service)?;
            if state != State::Running {
                let why = format!("{service} is {}", state.as_str());
                return Err(Error::Broken { dir: self.dirs.root().to_owned(), why });
            }
        }
        Ok(())
    }

    fn record(&self, service: Service) -> Result<process::Record> {
        if let Service::Cluster(name, _) = service {
            self.cluster(name)?;
        }
        process::load(&self.dirs.record(service))?.ok_or_else(|| Error::NotUp(self.dirs.root().to_owned()))
    }
}

/// Starts the shared services and all clusters side by side.
fn start_all(plan: &Plan, clusters: &[ClusterName]) -> Result<()> {
    net::create_wan()?;
    std::thread::scope(|scope| {
        let shared = scope.spawn(|| shared::up(plan));
        let clusters: Vec<_> = clusters.iter().map(|&cluster| scope.spawn(move || node::up(plan, cluster))).collect();
        let results = clusters
            .into_iter()
            .chain([shared])
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        // All of them are waited for, and the first error is told.
        results.collect::<Vec<_>>().into_iter().collect()
    })
}

fn progress(verbose: bool) -> impl Fn(&str) + Sync {
    let start = Instant::now();
    move |what: &str| {
        if verbose {
            eprintln!("[{:5.1} s] {what}", start.elapsed().as_secs_f64());
        }
    }
}
