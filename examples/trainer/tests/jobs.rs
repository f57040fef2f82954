//! Runs the built program as a container would and judges what it leaves behind.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use eai_trainer::safetensors::File;
use eai_trainer::{data, model, score, trainer};
use serde_json::Value;

/// An empty folder for one test's outputs.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// The program with only these variables in its environment.
fn program(job: &str, output: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eai-trainer"));
    command.arg(job).env_clear().envs(environment.iter().copied()).env("EAI_OUTPUT_DIR", output);
    command
}

fn run(job: &str, output: &Path, environment: &[(&str, &str)]) -> Output {
    program(job, output, environment).output().unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn train_leaves_a_model_as_good_as_it_says() {
    let out = folder("train");
    let ran = run("train", &out, &[("NVIDIA_VISIBLE_DEVICES", "GPU-7")]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let log = text(&ran.stdout);
    assert!(log.contains("NVIDIA_VISIBLE_DEVICES=GPU-7") && log.contains("computes on the CPU"), "{log}");
    assert_eq!(log.lines().filter(|line| line.starts_with("epoch ")).count(), 40);
    assert_eq!(files(&out), ["metrics.json", "model.safetensors"]);

    let metrics = json(&out.join("metrics.json"));
    assert!(metrics["held_out_accuracy"].as_f64().unwrap() >= 0.97, "{metrics}");
    assert_eq!(metrics["accelerator_given"], serde_json::json!(["NVIDIA_VISIBLE_DEVICES=GPU-7"]));
    let network = model::decode(&fs::read(out.join("model.safetensors")).unwrap()).unwrap();
    let right = trainer::correct(&network, &data::load_split().unwrap().held_out);
    assert_eq!(metrics["held_out_correct"], right);
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_gives_others() {
    let train = |name: &str, seed: &str| {
        let out = folder(name);
        assert!(run("train", &out, &[("SEED", seed), ("EPOCHS", "2")]).status.success());
        (fs::read(out.join("model.safetensors")).unwrap(), fs::read(out.join("metrics.json")).unwrap())
    };
    let first = train("seed-a", "5");
    assert_eq!(first, train("seed-b", "5"));
    assert_ne!(first.0, train("seed-c", "6").0);
}

#[test]
fn the_least_time_is_kept_and_the_log_stays_short() {
    let out = folder("pace");
    let start = Instant::now();
    let ran = run("train", &out, &[("MIN_SECONDS", "2"), ("EPOCHS", "3")]);
    assert!(start.elapsed() >= Duration::from_secs(2));
    let lines = text(&ran.stdout).lines().filter(|line| line.starts_with("epoch ")).count();
    assert!((4..=8).contains(&lines), "{lines} lines");
    assert!(json(&out.join("metrics.json"))["epochs"].as_u64().unwrap() > 3);
    assert!(json(&out.join("metrics.json"))["held_out_accuracy"].as_f64().unwrap() >= 0.97);
}

#[test]
fn search_ranks_every_candidate_and_judges_the_best() {
    let out = folder("search");
    let ran = run("search", &out, &[("EPOCHS", "3")]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    assert_eq!(files(&out), ["search.json"]);
    let report = json(&out.join("search.json"));
    let candidates = report["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 12);
    let most = candidates.iter().map(|candidate| candidate["correct"].as_u64().unwrap()).max();
    assert_eq!(report["best"]["correct"].as_u64(), most);
    assert!(report["held_out_accuracy"].as_f64().unwrap() > 0.9, "{report}");
}

#[test]
fn filter_gives_features_that_tell_digits_apart() {
    let out = folder("filter");
    let ran = run("filter", &out, &[]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    assert_eq!(files(&out), ["features.safetensors", "metrics.json"]);
    let metrics = json(&out.join("metrics.json"));
    assert!(metrics["held_out_accuracy_by_features"].as_f64().unwrap() >= 0.97, "{metrics}");
    let file = File::decode(&fs::read(out.join("features.safetensors")).unwrap()).unwrap();
    assert_eq!(file.tensors["features"].shape, [1797, 128]);
    assert_eq!(file.tensors["digits"].shape, [1797]);
}

#[test]
fn score_signs_its_scores_and_shows_the_key_to_nobody() {
    let out = folder("score");
    let key = "a-key-of-more-than-16-bytes";
    let ran = run("score", &out, &[("SIGNING_KEY", key)]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    assert_eq!(files(&out), ["scores.json", "scores.json.hmac"]);
    let scores = fs::read(out.join("scores.json")).unwrap();
    let signature = text(&fs::read(out.join("scores.json.hmac")).unwrap());
    assert_eq!(signature.trim_end(), score::sign(key.as_bytes(), &scores).unwrap());
    assert_ne!(signature.trim_end(), score::sign(b"another-key-of-16-bytes", &scores).unwrap());
    assert!(!text(&ran.stdout).contains(key) && !text(&ran.stderr).contains(key) && !text(&scores).contains(key));
}

#[test]
fn a_job_that_cannot_work_says_why_and_writes_nothing() {
    let cases = [("score", ("SEED", "1"), "SIGNING_KEY"), ("train", ("EPOCHS", "many"), "EPOCHS")];
    for (job, setting, expected) in cases {
        let out = folder("refused");
        let ran = run(job, &out, &[setting]);
        assert_eq!(ran.status.code(), Some(1));
        assert!(text(&ran.stderr).contains(expected), "{}", text(&ran.stderr));
        assert!(!out.exists());
    }
    let blocked = folder("blocked");
    fs::create_dir_all(&blocked).unwrap();
    fs::write(blocked.join("file"), "").unwrap();
    let ran = run("train", &blocked.join("file"), &[]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stderr).contains("EAI_OUTPUT_DIR"), "{}", text(&ran.stderr));
    assert_eq!(run("dance", &blocked, &[]).status.code(), Some(2));
}

/// SIGTERM ends every job within a moment, with a shell's exit code for it and no output half-written.
#[test]
fn a_request_to_stop_is_heard() {
    for job in ["train", "search", "filter", "score"] {
        let out = folder(&format!("stop-{job}"));
        let settings = [("MIN_SECONDS", "600"), ("SIGNING_KEY", "sixteen bytes...")];
        let mut child = program(job, &out, &settings).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let start = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(143), "{job}");
        assert!(start.elapsed() < Duration::from_secs(3), "{job} took {:?}", start.elapsed());
        assert!(files(&out).is_empty(), "{job} left {:?}", files(&out));
    }
}
