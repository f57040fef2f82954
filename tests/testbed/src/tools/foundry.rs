//! Foundry's programs. Its npm packages for 64-bit Intel and AMD carry them as they are; the lock file holds the digests.

use std::path::{Path, PathBuf};

use super::{digest, need, write_all};
use crate::cache::Cache;
use crate::error::{Context, Result};
use crate::run;

const VERSION: &str = "1.7.1";
const PACKAGE: &str = include_str!("../../foundry/package.json");
const LOCK: &str = include_str!("../../foundry/package-lock.json");

/// anvil, cast and forge.
pub(super) fn foundry(cache: &Cache) -> Result<PathBuf> {
    let sources = digest(&[PACKAGE.as_bytes(), LOCK.as_bytes()]);
    cache.get_or_build(&format!("foundry-{VERSION}-{sources}"), |out| {
        need("npm", "install Node.js 20 or later with npm")?;
        write_all(out, &[("package.json", PACKAGE), ("package-lock.json", LOCK)])?;
        let mut npm = run::command("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run::output(npm.current_dir(out))?;
        for program in ["anvil", "cast", "forge"] {
            take(out, program)?;
        }
        let modules = out.join("node_modules");
        std::fs::remove_dir_all(&modules).context(|| format!("removing {}", modules.display()))
    })
}

/// Moves a program out of its package.
fn take(out: &Path, program: &str) -> Result<()> {
    let from = out.join(format!("node_modules/@foundry-rs/{program}-linux-amd64/bin/{program}"));
    std::fs::rename(&from, out.join(program)).context(|| format!("taking {}", from.display()))
}
