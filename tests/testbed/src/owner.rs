//! Who holds the machine's one testbed, and what was made outside its state directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::dirs::{self, Dirs, RUN};
use crate::error::{Context, Error, Result};
use crate::mounts;

/// Empty, and never removed: a lock on a removed file guards nothing.
const LOCK: &str = "/run/eai-testbed.lock";

/// The file that says which state directory the testbed on this machine belongs to.
fn owner_file() -> PathBuf {
    Path::new(RUN).join("owner")
}

/// The file that marks a state directory as ours; it lists the folders that were made to mount on.
pub(crate) fn mark(dirs: &Dirs) -> PathBuf {
    dirs.root().join("eai-testbed")
}

/// Whether `up` has marked the state directory.
pub(crate) fn is_ours(dirs: &Dirs) -> bool {
    mark(dirs).is_file()
}

/// Takes the lock under which the machine's testbed is changed. It ends with the process, however it ends.
pub(crate) fn lock() -> Result<File> {
    let file = File::create(LOCK).context(|| format!("creating {LOCK}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Busy),
        Err(fs::TryLockError::Error(source)) => Err(Error::Io { what: format!("locking {LOCK}"), source }),
    }
}

/// Fails when the machine's testbed belongs to another state directory.
pub(crate) fn check(dirs: &Dirs) -> Result<()> {
    match fs::read_to_string(owner_file()) {
        Ok(owner) if Path::new(owner.trim()) != dirs.root() => Err(Error::Elsewhere(PathBuf::from(owner.trim()))),
        _ => Ok(()),
    }
}

/// Whether anything of a testbed is on this machine.
pub(crate) fn taken() -> bool {
    Path::new(RUN).exists()
}

/// Marks the machine and the state directory, and makes what is mounted on. From here on, `down` cleans up.
pub(crate) fn take(dirs: &Dirs) -> Result<()> {
    dirs::create(dirs.root())?;
    let strangers = fs::read_dir(dirs.root()).context(|| format!("reading {}", dirs.root().display()))?.flatten();
    let strangers: Vec<_> = strangers.map(|entry| entry.file_name()).collect();
    if !strangers.is_empty() && !is_ours(dirs) {
        let why = format!("it holds {}, which isn't of a testbed", strangers[0].display());
        return Err(Error::Broken { dir: dirs.root().to_owned(), why });
    }
    let missing: Vec<&str> =
        mounts::PRIVATE.iter().map(|(path, _)| *path).filter(|path| !Path::new(path).exists()).collect();
    dirs::write(&mark(dirs), &missing.join("\n"))?;
    for path in missing {
        dirs::create(Path::new(path))?;
    }
    mounts::create_pins()?;
    dirs::write(&owner_file(), &dirs.root().display().to_string())
}

/// Removes the folders that were made to mount on, if still empty.
pub(crate) fn remove_mount_points(dirs: &Dirs) -> Result<()> {
    match fs::read_to_string(mark(dirs)) {
        Ok(made) => made.lines().for_each(|path| drop(fs::remove_dir(path))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::Io { what: format!("reading {}", mark(dirs).display()), source }),
    }
    Ok(())
}
