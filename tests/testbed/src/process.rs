//! Long-running processes: started apart from the caller, found again by process id and start time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::{dirs, run};

/// What a service's process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Running,
    /// It was stopped by a signal and can go on.
    Stopped,
    /// It has ended, or was never started.
    Ended,
}

impl State {
    /// The state in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
        }
    }
}

/// How to start a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// All of its environment.
    pub env: BTreeMap<String, String>,
    /// The pinned network namespace to run in.
    pub net: PathBuf,
    /// The pinned mount namespace to run in.
    pub mount: Option<PathBuf>,
    /// The `cgroup.procs` files to enter, so that its descendants can be found whatever they do.
    pub cgroups: Vec<PathBuf>,
    /// Where its output is appended.
    pub log: PathBuf,
}

/// A process that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// How it was started, to start it again.
    pub launch: Launch,
    /// Its process id.
    pub pid: u32,
    /// When the kernel says it started, in clock ticks since boot: tells it from a later process of the same id.
    pub started: u64,
}

/// Starts the process as a child of init, so that it outlives us and no one has to wait for it.
const START: &str = r#"log=$1; cgroups=$2; shift 2
(for file in $cgroups; do echo 0 > "$file" || exit 1; done; exec "$@") < /dev/null >> "$log" 2>&1 &
echo $!"#;

/// Starts a process and writes its record to `file`.
pub(crate) fn start(launch: Launch, file: &Path) -> Result<Record> {
    let cgroups = launch.cgroups.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
    let mut command = run::command("sh", &["-c", START, "sh", &launch.log.display().to_string(), &cgroups]);
    command.arg("nsenter").arg(format!("--net={}", launch.net.display()));
    if let Some(mount) = &launch.mount {
        command.arg(format!("--mount={}", mount.display()));
    }
    command.arg("--").args(&launch.argv).env_clear().envs(&launch.env);
    // Of its own process group: the caller's Ctrl-C isn't meant for it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let pid: u32 = run::output(&mut command)?.trim().parse().map_err(|_| Error::Command {
        command: launch.argv.join(" "),
        status: "not started".into(),
        output: run::tail_of(&launch.log),
    })?;
    let (_, started) = stat(pid).ok_or_else(|| Error::Command {
        command: launch.argv.join(" "),
        status: "ended at once".into(),
        output: run::tail_of(&launch.log),
    })?;
    let record = Record { launch, pid, started };
    save(&record, file)?;
    Ok(record)
}

/// Reads the record in `file`; nothing if there is none.
pub(crate) fn load(file: &Path) -> Result<Option<Record>> {
    match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { what: format!("reading {}", file.display()), source }),
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| Error::Json { what: file.display().to_string(), source }),
    }
}

fn save(record: &Record, file: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(record)
        .map_err(|source| Error::Json { what: file.display().to_string(), source })?;
    let new = file.with_extension("new");
    dirs::write(&new, &text)?;
    std::fs::rename(&new, file).context(|| format!("writing {}", file.display()))
}

impl Record {
    /// What this very process does.
    pub(crate) fn state(&self) -> State {
        match stat(self.pid) {
            Some((state, started)) if started == self.started => state,
            _ => State::Ended,
        }
    }

    /// Whether it hasn't ended; one that is stopped hasn't.
    pub(crate) fn alive(&self) -> bool {
        self.state() != State::Ended
    }

    /// Sends a signal (`TERM`, `KILL`, `STOP`, `CONT`) if the process still runs.
    pub(crate) fn signal(&self, signal: &str) {
        if self.alive() {
            send(signal, &[self.pid]);
        }
    }

    /// Stops the process and waits until it stands: a signal is on its way for a moment, longer on a busy machine. False if
    /// it still runs.
    pub(crate) fn stop(&self, patience: Duration) -> bool {
        self.signal("STOP");
        until(patience, || self.state() != State::Running)
    }

    /// Sends a signal and waits for the process to end; kills it after `patience`.
    pub(crate) fn end(&self, signal: &str, patience: Duration) {
        self.signal(signal);
        if !until(patience, || !self.alive()) {
            self.signal("KILL");
            until(Duration::from_secs(5), || !self.alive());
        }
    }
}

/// Sends a signal to processes that may have ended meanwhile.
pub(crate) fn send(signal: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let mut command = run::command("kill", &["-s", signal, "--"]);
    // One that has ended makes `kill` fail; that is what is wanted.
    let _ = command.args(&pids).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Asks `done` until it says yes; false if it hasn't by the end of `patience`.
pub(crate) fn until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The ids of all processes.
pub(crate) fn all() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process is there; one that has ended and isn't reaped yet isn't.
pub(crate) fn exists(pid: u32) -> bool {
    stat(pid).is_some()
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|of_us| of_us.uid() == 0)
}

/// What a process does and when it started, in clock ticks since boot; nothing for one that has ended.
fn stat(pid: u32) -> Option<(State, u64)> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(stat: &str) -> Option<(State, u64)> {
    // The program's name is in parentheses and may hold spaces and parentheses itself.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let state = match *fields.first()? {
        "Z" | "X" => return None, // not reaped yet
        "T" | "t" => State::Stopped,
        _ => State::Running,
    };
    Some((state, fields.get(19)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_start_time_is_read_after_a_name_with_parentheses() {
        let stat = "7 (a ) (b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(parse_stat(stat), Some((State::Running, 4242)));
        assert_eq!(parse_stat(&stat.replace(" S ", " T ")), Some((State::Stopped, 4242)));
        assert_eq!(parse_stat(&stat.replace(" S ", " Z ")), None);
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn a_process_is_told_from_a_later_one_of_the_same_id() {
        let pid = std::process::id();
        let launch = Launch {
            argv: vec![],
            env: BTreeMap::new(),
            net: PathBuf::new(),
            mount: None,
            cgroups: vec![],
            log: PathBuf::new(),
        };
        let (_, started) = stat(pid).unwrap();
        let ours = Record { launch, pid, started };
        assert!(ours.alive());
        assert!(!Record { started: started + 1, ..ours }.alive());
    }
}
