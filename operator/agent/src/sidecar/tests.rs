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

/// A directory for checkpoints with a file beside it.
fn checkpoints(name: &str) -> (Scratch, PathBuf) {
    let scratch = Scratch::new(name);
    let root = scratch.0.join("checkpoint");
    fs::create_dir(&root).unwrap();
    (scratch, root)
}

#[test]
fn a_checkpoint_is_what_was_renamed_into_place() {
    let (_scratch, root) = checkpoints("checkpoint");
    assert_eq!(
        (checkpoint::mark(&root), checkpoint::stat(&root, 9)),
        (String::new(), Stat::Problem(StatProblem::Missing))
    );
    // What is being written isn't one.
    fs::write(root.join(".next"), b"step 1").unwrap();
    assert_eq!(checkpoint::mark(&root), "");
    fs::rename(root.join(".next"), root.join("latest")).unwrap();
    let first = checkpoint::mark(&root);
    assert_eq!(checkpoint::stat(&root, 6), Stat::File { size: 6, digest: Digest::of(b"step 1") });
    assert_eq!(checkpoint::stat(&root, 5), Stat::Problem(StatProblem::TooLarge(6)));
    assert_eq!(checkpoint::mark(&root), first, "the same is the same");
    let mut part = Vec::new();
    checkpoint::copy(&root, 5, &mut part).unwrap();
    assert_eq!(part, b"1");
    // Another of the same length is another.
    fs::write(root.join(".next"), b"step 2").unwrap();
    fs::rename(root.join(".next"), root.join("latest")).unwrap();
    assert_ne!(checkpoint::mark(&root), first);
}

#[test]
fn nothing_that_the_work_puts_there_leads_elsewhere_or_waits() {
    let (scratch, root) = checkpoints("trap");
    fs::write(scratch.0.join("secret"), b"secret").unwrap();
    let latest = root.join("latest");
    let is_trap = || (checkpoint::mark(&root).is_empty(), matches!(checkpoint::stat(&root, 99), Stat::Problem(_)));
    symlink(scratch.0.join("secret"), &latest).unwrap();
    assert_eq!(is_trap(), (true, true));
    assert!(checkpoint::copy(&root, 0, &mut Vec::new()).is_err());
    fs::remove_file(&latest).unwrap();
    fs::create_dir(&latest).unwrap();
    assert_eq!(is_trap(), (true, true));
    fs::remove_dir(&latest).unwrap();
    // Opening a pipe that nobody writes to would wait for ever.
    assert!(std::process::Command::new("mkfifo").arg(&latest).status().unwrap().success());
    assert_eq!(is_trap(), (true, true));
    fs::remove_file(&latest).unwrap();
    let _listener = UnixListener::bind(&latest).unwrap();
    assert_eq!(is_trap(), (true, true));
}

#[test]
fn what_is_put_back_is_what_was_taken_or_nothing() {
    let (_scratch, root) = checkpoints("back");
    let digest = Digest::of(b"step 7");
    let store = |mut input: &[u8], size| checkpoint::store(&root, &mut input, size, digest);
    assert!(store(b"step", 6).is_err(), "it broke off");
    assert!(store(b"step 8", 6).is_err(), "it is another");
    assert_eq!(checkpoint::mark(&root), "");
    store(b"step 7 and more", 6).unwrap();
    assert_eq!(fs::read(root.join("latest")).unwrap(), b"step 7");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1, "nothing else is left");
    // It may be put back twice.
    store(b"step 7", 6).unwrap();
    assert_eq!(checkpoint::stat(&root, 6), Stat::File { size: 6, digest });
}
