//! Running programs, and waiting for what they bring about.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::error::{Error, Result};

/// Runs a command to its end and returns what it wrote to standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let output = attempt(command, None)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command { command: describe(command), output: both(&output) })
}

/// Runs a command with `input` on its standard input.
pub fn output_with_input(command: &mut Command, input: &str) -> Result<String> {
    let output = attempt(command, Some(input))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command { command: describe(command), output: both(&output) })
}

/// Runs a command that may fail; returns its exit code and all that it printed.
pub fn attempt_text(command: &mut Command, input: Option<&str>) -> Result<(i32, String)> {
    let output = attempt(command, input)?;
    Ok((output.status.code().unwrap_or(-1), both(&output)))
}

fn attempt(command: &mut Command, input: Option<&str>) -> Result<Output> {
    let start = |source| Error::Start { command: describe(command), source };
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = Command::new(command.get_program());
    child.args(command.get_args()).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => child.env(name, value),
            None => child.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        child.current_dir(dir);
    }
    let mut child = child.spawn().map_err(start)?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A program that ends before it has read all says why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().map_err(start)
}

fn both(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text.trim().to_owned()
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Tries `look` four times a second until it finds what it wants. It says `Err` with what it saw while it doesn't.
pub fn wait<T>(what: &str, seconds: u64, mut look: impl FnMut() -> std::result::Result<T, String>) -> Result<T> {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(last) if Instant::now() >= end => return Err(Error::Timeout { what: what.to_owned(), seconds, last }),
            Err(_) => thread::sleep(Duration::from_millis(250)),
        }
    }
}

/// Writes a file, its folder too.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let file = |source| Error::File { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(file)?;
    }
    fs::write(path, text).map_err(file)
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    write(path, text)?;
    let file = |source| Error::File { path: path.to_owned(), source };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(file)
}

/// Reads a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}
