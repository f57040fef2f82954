//! The image registry and the chain, which all clusters share.

use std::path::Path;
use std::time::Duration;

use crate::dirs::{self, Dirs};
use crate::error::{Error, Result};
use crate::names::{REGISTRY, Service, WAN};
use crate::node::{Plan, listens};
use crate::pki::Authority;
use crate::process::{self, Record};
use crate::{config, run};

/// Starts both and returns when they answer.
pub(crate) fn up(plan: &Plan) -> Result<()> {
    prepare(plan.dirs)?;
    plan.cgroups.create("shared")?;
    plan.start(Service::Registry)?;
    plan.start(Service::Chain)?;
    plan.wait(Service::Registry, "the registry's port", 60, |record| listens(record.pid, 5000))?;
    wait_for_chain(plan)?;
    (plan.progress)("the registry and the chain answer");
    Ok(())
}

/// Waits for the chain's port.
pub(crate) fn wait_for_chain(plan: &Plan) -> Result<()> {
    plan.wait(Service::Chain, "the chain's port", 60, |record| listens(record.pid, 8545))
}

/// Stops the chain at a moment when its state file is whole: it writes in place, which a real chain wouldn't do, and a
/// file cut in half by a kill would keep it from starting again.
pub(crate) fn stop_between_writes(chain: &Record, dirs: &Dirs) {
    let path = dirs.shared().join("chain.json");
    process::until(Duration::from_secs(10), || {
        let stopped = chain.stop(Duration::from_secs(1));
        let text = std::fs::read(&path).unwrap_or_default();
        let whole = stopped && serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok();
        if !whole {
            chain.signal("CONT");
        }
        whole
    });
}

/// The registry's certificate and configuration, before any node needs them.
fn prepare(dirs: &Dirs) -> Result<()> {
    let dir = dirs.shared();
    for below in ["pki", "logs", "run", "registry", "registry-ca"] {
        dirs::create(&dir.join(below))?;
    }
    let ca = Authority::new("eai-testbed-registry-ca")?;
    dirs::write(&dirs.registry_ca(), &ca.certified().certificate)?;
    ca.issue("registry", None, &[WAN])?.write(&dir.join("pki"), "registry")?;
    dirs::write(&dir.join("registry.json"), &config::registry(&dir))
}

/// Copies an image to the registry. `source` is an OCI archive (a file) or an OCI layout (a folder, with its one image).
/// Returns the reference by digest under which nodes pull it.
pub(crate) fn push_image(dirs: &Dirs, source: &Path, name: &str, tag: &str) -> Result<String> {
    let transport = if source.is_dir() { "oci" } else { "oci-archive" };
    let digest_file = dirs.shared().join(format!("run/push-{}-{}.digest", name.replace('/', "_"), std::process::id()));
    let certificates = dirs.registry_ca();
    let certificates = certificates.parent().unwrap_or(&certificates).display().to_string();
    let from = format!("{transport}:{}", source.display());
    let to = format!("docker://{REGISTRY}/{name}:{tag}");
    let file = digest_file.display().to_string();
    run::sh(
        "skopeo",
        &[
            "copy",
            "--quiet",
            "--insecure-policy",
            "--dest-cert-dir",
            &certificates,
            "--dest-no-creds",
            "--preserve-digests",
            "--digestfile",
            &file,
            &from,
            &to,
        ],
    )?;
    let digest = std::fs::read_to_string(&digest_file)
        .map_err(|source| Error::Io { what: format!("reading {file}"), source })?;
    let _ = std::fs::remove_file(digest_file);
    Ok(format!("{REGISTRY}/{name}@{}", digest.trim()))
}
