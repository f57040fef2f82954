//! The programs that the testbed runs, built or fetched once per machine.

mod debian;
mod foundry;
mod go;
mod images;

use std::path::{Path, PathBuf};

pub use debian::install_packages;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::run;

/// The version of Kubernetes that the testbed runs.
pub const KUBERNETES: &str = "1.36.3";

/// Where every program and image is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tools {
    /// All components of Kubernetes in one program.
    pub kube: PathBuf,
    /// kubectl, of the same version.
    pub kubectl: PathBuf,
    /// The testbed's own parts of a node: the device plugin and the container clock.
    pub node: PathBuf,
    /// gVisor's `runsc`; its containerd shim lies beside it.
    pub runsc: PathBuf,
    /// Helm 3.
    pub helm: PathBuf,
    /// The Ethereum node.
    pub anvil: PathBuf,
    /// Foundry's compiler front end and test runner.
    pub forge: PathBuf,
    /// Foundry's command line client.
    pub cast: PathBuf,
    /// The image of a pod's sandbox, an OCI archive.
    pub pause_image: PathBuf,
    /// An image with a shell, an OCI archive.
    pub busybox_image: PathBuf,
}

/// One thing that is built or fetched on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Kubernetes.
    Kube,
    /// The testbed's own parts of a node.
    Node,
    /// gVisor.
    Gvisor,
    /// Helm.
    Helm,
    /// forge, cast and anvil.
    Foundry,
    /// The pause and busybox images.
    Images,
}

impl Tool {
    /// Every tool, in the order in which they are built.
    pub const ALL: [Self; 6] = [Self::Foundry, Self::Images, Self::Kube, Self::Node, Self::Gvisor, Self::Helm];

    /// The tool's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kube => "kube",
            Self::Node => "node",
            Self::Gvisor => "gvisor",
            Self::Helm => "helm",
            Self::Foundry => "foundry",
            Self::Images => "images",
        }
    }

    /// Builds or fetches the tool unless the cache has it, and returns its folder.
    pub fn ensure(self, cache: &Cache) -> Result<PathBuf> {
        match self {
            Self::Kube => go::kube(cache),
            Self::Node => go::node(cache),
            Self::Gvisor => go::gvisor(cache),
            Self::Helm => go::helm(cache),
            Self::Foundry => foundry::foundry(cache),
            Self::Images => images::images(cache),
        }
    }
}

impl std::str::FromStr for Tool {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name).ok_or_else(|| Error::Unknown {
            kind: "tool",
            name: name.into(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

impl Tools {
    /// Builds or fetches whatever the cache lacks; minutes for the first call on a machine, milliseconds afterwards.
    /// `progress` hears what is about to be done.
    pub fn ensure(cache: &Cache, progress: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        debian::check()?;
        let dir = |tool: Tool| {
            progress(&format!("tools: {}", tool.name()));
            tool.ensure(cache)
        };
        let [foundry, images, kube, node, gvisor, helm] = Tool::ALL.map(dir);
        let (foundry, images, kube) = (foundry?, images?, kube?);
        Ok(Self {
            kubectl: kube.join("kubectl"),
            kube: kube.join("kube"),
            node: node?.join("node"),
            runsc: gvisor?.join("runsc"),
            helm: helm?.join("helm"),
            anvil: foundry.join("anvil"),
            forge: foundry.join("forge"),
            cast: foundry.join("cast"),
            pause_image: images.join("pause.tar"),
            busybox_image: images.join("busybox.tar"),
        })
    }

    /// A PATH with these programs and the system's, and nothing of the caller's.
    pub(crate) fn own_path(&self) -> String {
        let own = [&self.kubectl, &self.helm, &self.node, &self.runsc, &self.anvil];
        let own = own.iter().filter_map(|tool| tool.parent()).map(|dir| dir.display().to_string());
        own.chain(["/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()]).collect::<Vec<_>>().join(":")
    }

    /// A PATH on which these programs come first and the caller's follow.
    pub fn path(&self) -> String {
        format!("{}:{}", self.own_path(), run::path())
    }
}

/// A short digest of sources, so that changed sources are another thing in the cache.
fn digest(sources: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for source in sources {
        hash.update(u64::try_from(source.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(source);
    }
    hex::encode(&hash.finalize()[..6])
}

/// Checks that a program is there, and says where it comes from if not.
fn need(program: &'static str, hint: &'static str) -> Result<()> {
    if run::on_path(program) { Ok(()) } else { Err(Error::MissingProgram { program, hint }) }
}

/// Writes files into a folder, with the folders between.
fn write_all(dir: &Path, files: &[(&str, &str)]) -> Result<()> {
    use crate::error::Context;
    for (name, text) in files {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).context(|| format!("creating {}", parent.display()))?;
        }
        std::fs::write(&path, text).context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_digest_tells_sources_apart_and_sees_where_one_ends() {
        assert_eq!(digest(&[b"a", b"b"]), digest(&[b"a", b"b"]));
        assert_ne!(digest(&[b"a", b"b"]), digest(&[b"ab", b""]));
        assert_eq!(digest(&[b"a"]).len(), 12);
    }

    #[test]
    fn tools_have_the_names_they_are_asked_by() {
        for tool in Tool::ALL {
            assert_eq!(tool.name().parse::<Tool>().unwrap(), tool);
        }
        let error = "kuber".parse::<Tool>().unwrap_err().to_string();
        assert!(error.contains("kuber") && error.contains("gvisor"), "{error}");
    }
}
