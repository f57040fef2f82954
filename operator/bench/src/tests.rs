//! The published figures, from the published data, and what the engine adds to them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use crate::{
    args::{Mix, Policy},
    policy,
    replay::Outcome,
    trace::{Trace, TraceError},
};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

fn read(seed: u32) -> Trace {
    let arrivals = data().join(format!("arrivals/default_{seed}.txt"));
    Trace::read(&data().join("nodes.csv"), &data().join("pods/default.csv"), &arrivals).unwrap()
}

/// The means over the seeds at 100 and 130 per cent.
fn means(outcomes: &[Outcome]) -> (f64, f64) {
    let n = outcomes.len() as f64;
    let sum = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / n;
    (sum(&|o| o.alloc_at_100), sum(&|o| o.alloc_at_130))
}

fn run(policy: Policy, mix: Mix, seeds: impl Iterator<Item = u32>) -> Vec<Outcome> {
    seeds.map(|seed| policy::run(&read(seed), policy, mix)).collect()
}

/// The published mean of a policy on `default`.
fn published(policy: &str) -> (f64, f64) {
    let text = std::fs::read_to_string(data().join("published_default.csv")).unwrap();
    let row = text.lines().find(|line| line.starts_with(&format!("default,{policy},"))).unwrap();
    let column = |i: usize| row.split(',').nth(i).unwrap().parse().unwrap();
    (column(3), column(5))
}

fn near(ours: (f64, f64), theirs: (f64, f64), within: f64) {
    assert!((ours.0 - theirs.0).abs() <= within && (ours.1 - theirs.1).abs() <= within, "{ours:?} for {theirs:?}");
}

#[test]
fn best_fit_is_as_published() {
    near(means(&run(Policy::Bestfit, Mix::Given, 42..=51)), published("BestFit"), 0.02);
}

#[test]
fn fgd_is_as_published() {
    near(means(&run(Policy::Fgd, Mix::Given, 42..=51)), published("FGD"), 0.35);
}

#[test]
fn random_is_as_published() {
    near(means(&run(Policy::Random, Mix::Given, 42..=51)), published("Random"), 0.5);
}

/// Two seeds, so that it is quick; `make bench-placement` prints all.
#[test]
fn the_engine_beats_fgd() {
    let fgd = means(&run(Policy::Fgd, Mix::Given, 42..=43));
    for (mix, least) in [(Mix::Given, 0.5), (Mix::Learned, 0.3)] {
        let eai = run(Policy::Eai, mix, 42..=43);
        assert!(eai.iter().all(|o| o.cpu_only_refused_milli == 0));
        let ours = means(&eai);
        assert!(ours.0 >= fgd.0 + least && ours.1 >= fgd.1 + least, "{mix:?}: {ours:?}, FGD {fgd:?}");
    }
}

fn written(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("eai-bench-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

fn refused(nodes: &str, pods: &str, arrivals: &str) -> String {
    let hash = nodes.len() * 1_000_000 + pods.len() * 1000 + arrivals.len();
    let files = [("nodes", nodes), ("pods", pods), ("arrivals", arrivals)]
        .map(|(name, text)| written(&format!("{hash}-{name}"), text));
    let error = Trace::read(&files[0], &files[1], &files[2]).unwrap_err();
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
    match error {
        TraceError::Line { line, what, .. } => format!("line {line}: {what}"),
        error @ TraceError::Read { .. } => panic!("{error}"),
    }
}

#[test]
fn bad_files_are_refused_by_line_and_column() {
    let nodes = "sn,cpu_milli,memory_mib,gpu,model\nn,1000,1000,2,T4\n";
    let pods = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\np,1000,1000,1,500,\n";
    let said = [
        refused(&nodes.replace(",2,", ",17,"), pods, "0\n0\n"),
        refused(&nodes.replace("1000,2", "-1,2"), pods, "0\n0\n"),
        refused(nodes, &pods.replace(",1,500", ",2,500"), "0\n0\n"),
        refused(nodes, &pods.replace(",1,500", ",1,NaN"), "0\n0\n"),
        refused(nodes, &pods.replace("num_gpu", "gpus"), "0\n0\n"),
        refused(nodes, pods, "1\n0\n"),
        refused(nodes, pods, "0\n\n"),
    ];
    let expected = [
        "line 2: gpu is 17, more than 16",
        "line 2: memory_mib is \"-1\", not a number in its range",
        "line 2: gpu_milli is 500 for 2 accelerators",
        "line 2: gpu_milli is \"NaN\", not a number in its range",
        "line 1: there is no column num_gpu",
        "line 1: \"1\" is not a number below 1",
        "line 2: 0 ranks for 1 nodes",
    ];
    assert_eq!(said, expected.map(ToOwned::to_owned));
}
