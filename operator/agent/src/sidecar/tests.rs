#![allow(clippy::unwrap_used)]
use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::PathBuf,
    time::Duration,
};

use eai_core::digest::Digest;

use super::{
    read::{Stat, StatProblem, stat},
    *,
};

/// A directory of its own, gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("eai-sidecar-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("output/deep")).unwrap();
        Self(path)
    }

    fn output(&self) -> PathBuf {
        self.0.join("output")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_has_a_size_and_a_digest() {
    let scratch = Scratch::new("stat");
    fs::write(scratch.output().join("deep/model.bin"), b"weights").unwrap();
    fs::write(scratch.output().join("empty"), b"").unwrap();
    let of = |path: &str| stat(&scratch.output(), path, 100);
    assert_eq!(of("deep/model.bin"), Stat::File { size: 7, digest: Digest::of(b"weights") });
    assert_eq!(of("empty"), Stat::File { size: 0, digest: Digest::of(b"") });
}

#[test]
fn a_file_larger_than_asked_for_is_told_and_not_read() {
    let scratch = Scratch::new("large");
    fs::write(scratch.output().join("model"), [0; 101]).unwrap();
    assert_eq!(stat(&scratch.output(), "model", 100), Stat::Problem(StatProblem::TooLarge(101)));
    assert!(matches!(stat(&scratch.output(), "model", 101), Stat::File { size: 101, .. }));
}

#[test]
fn what_is_not_there_is_missing() {
    let scratch = Scratch::new("missing");
    for path in ["model", "deep/model", "nowhere/model"] {
        assert_eq!(stat(&scratch.output(), path, 100), Stat::Problem(StatProblem::Missing), "{path}");
    }
}

#[test]
fn nothing_leads_out_of_the_output_directory() {
    let scratch = Scratch::new("links");
    let output = scratch.output();
    fs::write(scratch.0.join("secret"), b"secret").unwrap();
    fs::create_dir(scratch.0.join("elsewhere")).unwrap();
    fs::write(scratch.0.join("elsewhere/secret"), b"secret").unwrap();
    symlink(scratch.0.join("secret"), output.join("link")).unwrap();
    symlink("../secret", output.join("relative")).unwrap();
    symlink(scratch.0.join("elsewhere"), output.join("directory")).unwrap();
    symlink(&output, output.join("loop")).unwrap();
    fs::write(output.join("file"), b"").unwrap();
    for path in [
        "link",
        "relative",
        "directory/secret",
        "loop/file",
        "../secret",
        "deep/../../secret",
        "./file",
        "",
        "deep",
        "deep/",
        "/etc/passwd",
    ] {
        assert_eq!(stat(&output, path, 100), Stat::Problem(StatProblem::NotAFile), "{path}");
    }
    // A file on the way isn't a directory.
    assert_ne!(stat(&output, "file/x", 100), stat(&output, "file", 100));
}

#[test]
fn what_is_no_plain_file_is_not_opened() {
    let scratch = Scratch::new("socket");
    let _listener = UnixListener::bind(scratch.output().join("socket")).unwrap();
    // Opening a pipe would wait for a writer for ever; the kind is looked at first.
    assert_eq!(stat(&scratch.output(), "socket", 100), Stat::Problem(StatProblem::NotAFile));
}

#[test]
fn the_answer_reads_back() {
    for stat in [
        Stat::File { size: 3, digest: Digest::of(b"abc") },
        Stat::Problem(StatProblem::Missing),
        Stat::Problem(StatProblem::TooLarge(7)),
    ] {
        let text = serde_json::to_string(&stat).unwrap();
        assert_eq!(serde_json::from_str::<Stat>(&text).unwrap(), stat, "{text}");
    }
}

#[tokio::test]
async fn it_waits_until_it_is_done() {
    let scratch = Scratch::new("wait");
    let control = scratch.0.clone();
    let waiting = tokio::spawn(async move { wait(&control).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    done(&scratch.0).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced() {
    let scratch = Scratch::new("left");
    drop(UnixListener::bind(scratch.0.join("done.sock")).unwrap());
    let control = scratch.0.clone();
    let waiting = tokio::spawn(async move { wait(&control).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    done(&scratch.0).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().unwrap();
}
