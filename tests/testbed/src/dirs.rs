//! Where the testbed keeps its state.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::names::{ClusterName, Service};

/// Holds what must be found from any checkout: the owner's name and the pinned mount namespaces.
pub(crate) const RUN: &str = "/run/eai-testbed";

/// The state directory: `$EAI_TESTBED`, by default `/var/lib/eai-testbed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    root: PathBuf,
}

impl Dirs {
    /// The directory that the environment names.
    pub fn from_env() -> Self {
        let set = std::env::var_os("EAI_TESTBED").filter(|value| !value.is_empty());
        Self::at(set.map_or_else(|| "/var/lib/eai-testbed".into(), PathBuf::from))
    }

    /// A given directory.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A cluster's folder.
    pub fn cluster(&self, cluster: ClusterName) -> PathBuf {
        self.root.join(cluster.as_str())
    }

    /// The folder of the registry and the chain.
    pub fn shared(&self) -> PathBuf {
        self.root.join("shared")
    }

    /// The certificate of the authority that signed the registry's.
    pub fn registry_ca(&self) -> PathBuf {
        self.shared().join("registry-ca/ca.crt")
    }

    /// A service's log.
    pub fn log(&self, service: Service) -> PathBuf {
        self.root.join(service.place()).join("logs").join(format!("{}.log", service.file()))
    }

    /// The record of a service's process.
    pub(crate) fn record(&self, service: Service) -> PathBuf {
        self.root.join(service.place()).join("run").join(format!("{}.json", service.file()))
    }

    /// The administrator's kubeconfig of a cluster.
    pub fn kubeconfig(&self, cluster: ClusterName) -> PathBuf {
        self.cluster(cluster).join("admin.kubeconfig")
    }

    /// What says which parts were asked for, written when all of them are up.
    pub(crate) fn up_file(&self) -> PathBuf {
        self.root.join("up.json")
    }
}

/// The file that pins a cluster's mount namespace.
pub(crate) fn mount_pin(cluster: ClusterName) -> PathBuf {
    Path::new(RUN).join(format!("{cluster}.mnt"))
}

/// Creates a folder and those above it.
pub(crate) fn create(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).context(|| format!("creating {}", dir.display()))
}

/// Writes a file that only its owner can read: many hold keys.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).context(|| format!("writing {}", path.display()))
}
