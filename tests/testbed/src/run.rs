//! Running other programs to their end.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::error::{Context, Error, Result};

/// How much of a failed program's output an error carries, in bytes.
const TAIL: usize = 4000;

/// Where Debian keeps programs for root, which isn't on everyone's PATH.
const ROOTS_OWN: &str = "/usr/sbin:/sbin";

/// A command without input, found on the PATH or among root's programs.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env("PATH", path());
    command
}

/// The caller's PATH, with root's programs at its end.
pub(crate) fn path() -> String {
    format!("{}:{ROOTS_OWN}", std::env::var("PATH").unwrap_or_default())
}

/// Runs a command to its end and returns what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context(|| format!("running {}", describe(command)))?;
    check(command, &output)
}

/// Runs a command with `input` on its standard input.
pub(crate) fn output_with_input(command: &mut Command, input: &str) -> Result<String> {
    let what = describe(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| format!("running {what}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).context(|| format!("writing to {what}"))?;
    }
    let output = child.wait_with_output().context(|| format!("running {what}"))?;
    check(command, &output)
}

/// Runs `program` with arguments; shorthand for the common case.
pub(crate) fn sh(program: &str, arguments: &[&str]) -> Result<String> {
    output(&mut command(program, arguments))
}

fn check(command: &Command, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut all = String::from_utf8_lossy(&output.stdout).into_owned();
    all.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Command {
        command: describe(command),
        status: output.status.to_string(),
        output: tail(all.trim(), TAIL).to_owned(),
    })
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last `bytes` bytes of a text, cut at a character.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    let start = text.len().saturating_sub(bytes);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[start..]
}

/// The end of a log, or nothing when it can't be read.
pub(crate) fn tail_of(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    tail(String::from_utf8_lossy(&bytes).trim_end(), TAIL).to_owned()
}

/// Whether a program is on the PATH or among root's programs.
pub(crate) fn on_path(program: &str) -> bool {
    path().split(':').any(|dir| Path::new(dir).join(program).is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_error_carries_the_command_and_the_end_of_its_output() {
        let error = sh("sh", &["-c", "echo out; echo bad >&2; exit 3"]).unwrap_err().to_string();
        assert!(error.contains("sh -c") && error.contains("exit status: 3") && error.contains("bad"), "{error}");
    }

    #[test]
    fn input_reaches_the_program() {
        assert_eq!(output_with_input(&mut command("cat", &[]), "hello").unwrap(), "hello");
    }

    #[test]
    fn a_tail_is_cut_between_characters() {
        assert_eq!(tail("abc", 2), "bc");
        assert_eq!(tail("aé", 1), "");
        assert_eq!(tail("ab", 9), "ab");
    }
}
