//! Everything that is there before the first job: clusters, chain, images, people.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use eai_testbed::{CHAIN_ID, CHAIN_RPC, ClusterName, Options, Testbed};
use serde::{Deserialize, Serialize};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    people::{DEVELOPMENT_KEYS, People},
    run,
};

/// How a member's agent reaches the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The agent runs on the member and dials the hub.
    Pull,
    /// The hub runs the agent and dials the member.
    Push,
}

/// A cluster that takes part as a member.
#[derive(Clone, Debug)]
pub struct Member {
    /// The cluster; its name is the member's.
    pub cluster: Cluster,
    /// Who dials whom.
    pub mode: Mode,
}

/// The clusters, the chain and the people.
pub struct Stage {
    /// Where this repository is.
    pub repository: PathBuf,
    /// Where what is made goes.
    pub dir: PathBuf,
    /// The hub's cluster.
    pub hub: Cluster,
    /// The members.
    pub members: Vec<Member>,
    /// JSON-RPC of the chain, reachable from here and from the hub.
    pub rpc: String,
    /// EIP-155.
    pub chain_id: u64,
    /// Everyone's keys.
    pub people: People,
    /// The testbed, if it is what runs all this.
    pub testbed: Option<Testbed>,
    /// Where images are pushed, when it isn't the testbed's: a registry and path prefix.
    pub registry: Option<String>,
}

/// What exists already, given instead of the testbed.
#[derive(Clone, Debug)]
pub struct Existing {
    /// The hub's kubeconfig.
    pub hub: PathBuf,
    /// Members: name, kubeconfig and mode.
    pub members: Vec<(String, PathBuf, Mode)>,
    /// A registry and path prefix that this machine can push to and the members pull from.
    pub registry: String,
    /// JSON-RPC of a chain.
    pub rpc: String,
    /// EIP-155.
    pub chain_id: u64,
    /// Private keys with gas money there: foundation, hub, vendor, and each member's owner.
    pub keys: Vec<String>,
}

impl Stage {
    /// Brings the testbed up, or takes the one that is up.
    pub fn on_testbed(dir: &Path) -> Result<Self> {
        Self::of_release(&repository(), dir)
    }

    /// The same with the charts, images and tools of the release that was built in the checkout `repository`.
    pub fn of_release(repository: &Path, dir: &Path) -> Result<Self> {
        let testbed = Testbed::up(&Options { verbose: true, ..Options::default() })?;
        let cluster = |name| Cluster::of_testbed(&testbed, name);
        Ok(Self {
            repository: repository.to_owned(),
            dir: dir.to_owned(),
            hub: cluster(ClusterName::Hub),
            members: vec![
                Member { cluster: cluster(ClusterName::Cloud), mode: Mode::Push },
                Member { cluster: cluster(ClusterName::Home), mode: Mode::Pull },
            ],
            rpc: CHAIN_RPC.to_owned(),
            chain_id: CHAIN_ID,
            people: People::with_keys(DEVELOPMENT_KEYS.into_iter().take(5))?,
            testbed: Some(testbed),
            registry: None,
        })
    }

    /// Takes clusters that exist.
    pub fn existing(dir: &Path, existing: &Existing) -> Result<Self> {
        let members = existing.members.iter();
        Ok(Self {
            repository: repository(),
            dir: dir.to_owned(),
            hub: Cluster::existing("hub", &existing.hub),
            members: members
                .map(|(name, kubeconfig, mode)| Member { cluster: Cluster::existing(name, kubeconfig), mode: *mode })
                .collect(),
            rpc: existing.rpc.clone(),
            chain_id: existing.chain_id,
            people: People::with_keys(existing.keys.iter().map(String::as_str))?,
            testbed: None,
            registry: Some(existing.registry.clone()),
        })
    }

    /// Whether its charts, images and tools are another release's than this program.
    pub fn is_another_release(&self) -> bool {
        self.repository != repository()
    }

    /// Pushes an image built into target/images and returns its reference by digest.
    pub fn push_image(&self, name: &str) -> Result<String> {
        let archive = self.repository.join("target/images").join(format!("{name}.tar"));
        if let Some(testbed) = &self.testbed {
            return Ok(testbed.push_image(&archive, name, "demo")?);
        }
        let registry = self.registry.as_deref().unwrap_or_default();
        let digest = run::read(&archive.with_extension("digest"))?;
        let (from, to) = (format!("oci-archive:{}", archive.display()), format!("docker://{registry}/{name}:demo"));
        run::output(Command::new("skopeo").args(["copy", "--quiet", &from, &to]))?;
        Ok(format!("{registry}/{name}@{}", digest.trim()))
    }

    /// A `kubectl eai` command of somebody on the hub; `key` is the path of their chain key, if they need one.
    pub fn eai(&self, key: Option<&Path>) -> Result<Command> {
        let program = self.repository.join("target/debug/kubectl-eai");
        let mut command = self.hub.command(&program.display().to_string())?;
        if let Some(key) = key {
            command.env("EAI_KEY_FILE", key);
        }
        Ok(command)
    }

    /// The member called `name`.
    pub fn member(&self, name: &str) -> Result<&Member> {
        self.members
            .iter()
            .find(|member| member.cluster.name == name)
            .ok_or_else(|| Error::unexpected("the members", format!("none is called {name}")))
    }

    /// Whether the hub's cluster can open a connection to a member's API server. `None` where that can't be tried from
    /// the hub's own network.
    pub fn hub_reaches(&self, member: &Cluster) -> Result<Option<bool>> {
        let (Some(_), Some((testbed, name))) = (self.hub.testbed(), member.testbed()) else { return Ok(None) };
        let server = testbed.cluster(name)?.server();
        let address = server.trim_start_matches("https://").replace(':', "/");
        let dial = format!("exec 3<>/dev/tcp/{address}");
        let (code, _) = run::attempt_text(self.hub.command("timeout")?.args(["3", "bash", "-c", &dial]), None)?;
        Ok(Some(code == 0))
    }
}

/// The root of this repository, where it was built.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").components().collect()
}
