//! What is built once for all checkouts on a machine, by version.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};

/// A folder of finished things, each under a name that holds its version. A thing is there whole or not at all.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache at `$EAI_CACHE`, else `$XDG_CACHE_HOME/eai`, else `~/.cache/eai`.
    pub fn from_env() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("EAI_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("eai")))
            .unwrap_or_else(|| set("HOME").unwrap_or_else(|| "/root".into()).join(".cache/eai"));
        Self::at(root)
    }

    /// The cache in a given folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder that holds `name`, if it is there.
    pub fn get(&self, name: &str) -> Option<PathBuf> {
        Some(self.root.join(name)).filter(|dir| dir.is_dir())
    }

    /// The folder that holds `name`; `build` fills it when it isn't there. Others who ask at the same time, also from
    /// another checkout, wait and get the same folder. When `build` fails, nothing is left behind.
    pub fn get_or_build(&self, name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        if let Some(dir) = self.get(name) {
            return Ok(dir);
        }
        fs::create_dir_all(&self.root).context(|| format!("creating {}", self.root.display()))?;
        let path = self.root.join(format!("{name}.lock"));
        let lock = File::create(&path).context(|| format!("creating {}", path.display()))?;
        lock.lock().context(|| format!("locking {}", path.display()))?;
        if let Some(dir) = self.get(name) {
            return Ok(dir); // built by another while we waited
        }
        let temporary = self.root.join(format!("{name}.new"));
        discard(&temporary)?; // of one that was killed: we hold the lock
        fs::create_dir_all(&temporary).context(|| format!("creating {}", temporary.display()))?;
        if let Err(error) = build(&temporary) {
            discard(&temporary)?;
            return Err(error);
        }
        let dir = self.root.join(name);
        fs::rename(&temporary, &dir).context(|| format!("moving {} into place", dir.display()))?;
        Ok(dir)
    }
}

fn discard(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("removing {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn is_built_once_by_many_at_a_time() {
        let dir = TempDir::new("cache-once");
        let cache = Cache::at(dir.path());
        let times = AtomicU32::new(0);
        let build = |into: &Path| {
            times.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(50));
            fs::write(into.join("file"), "x").context(String::new)
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let found = cache.get_or_build("thing-1", build).unwrap();
                    assert_eq!(fs::read_to_string(found.join("file")).unwrap(), "x");
                });
            }
        });
        assert_eq!(times.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failed_build_leaves_nothing_and_can_be_tried_again() {
        let dir = TempDir::new("cache-fail");
        let cache = Cache::at(dir.path());
        let failed = cache.get_or_build("thing-1", |into| {
            fs::write(into.join("half"), "x").context(String::new)?;
            crate::run::sh("false", &[]).map(drop)
        });
        assert!(failed.is_err());
        assert!(cache.get("thing-1").is_none() && !dir.path().join("thing-1.new").exists());
        let again = cache.get_or_build("thing-1", |_| Ok(())).unwrap();
        assert!(!again.join("half").exists());
    }

    #[test]
    fn what_a_killed_build_left_is_not_kept() {
        let dir = TempDir::new("cache-killed");
        fs::create_dir_all(dir.path().join("thing-1.new/half")).unwrap();
        let found = Cache::at(dir.path()).get_or_build("thing-1", |_| Ok(())).unwrap();
        assert!(!found.join("half").exists());
    }
}
