//! Every workload of a folder, each seed against FGD on the same seed.

use std::{fs, path::Path};

use crate::{
    args::{BenchError, Compare, Mix, Policy},
    policy,
    replay::Outcome,
    stress,
    trace::Trace,
};

/// What one seed showed, in points over FGD, but for the first two.
#[derive(Clone, Copy, Debug)]
struct Pair {
    fgd: [f64; 2],
    over: [f64; 2],
    /// Cores of CPU-only pods refused beyond FGD's, in per cent of those that arrived.
    refused: f64,
    decisions_per_s: f64,
    p99_us: f64,
}

/// Prints a table for each way of knowing the mix.
pub fn run(args: &Compare) -> Result<(), BenchError> {
    let workloads = if args.workloads.is_empty() { workloads(&args.data) } else { args.workloads.clone() };
    let runs: Vec<(String, Vec<Trace>)> = if args.stress {
        stress::workloads(&traces(&args.data, "default")?)
    } else {
        workloads.into_iter().map(|w| Ok((w.clone(), traces(&args.data, &w)?))).collect::<Result<_, BenchError>>()?
    };
    if runs.iter().all(|(_, traces)| traces.is_empty()) {
        return Err(BenchError::Nothing(args.data.display().to_string()));
    }
    published(&runs);
    for mix in [Mix::Given, Mix::Learned] {
        println!("\nPoints over FGD, paired by seed, mix {mix:?}: mean (deviation) [least, most]");
        println!("{:<15} FGD @100/@130   @100                          @130                          CPU refused", "");
        let rows: Vec<(String, Vec<Pair>)> =
            runs.iter().map(|(w, traces)| (w.clone(), traces.iter().map(|t| pair(t, mix)).collect())).collect();
        for (workload, pairs) in &rows {
            row(workload, pairs);
        }
        let means = |at: usize| rows.iter().map(|(_, pairs)| spread(pairs, &|p| p.over[at]).mean).collect::<Vec<_>>();
        let summary = |values: Vec<f64>| {
            let all = Spread::of(&values);
            format!("{:+.3}, worst workload {:+.3}", all.mean, all.least)
        };
        println!("{:<15} @100 {}; @130 {}", "mean", summary(means(0)), summary(means(1)));
    }
    Ok(())
}

/// Whether the harness tells the truth: published means on `default` beside ours.
fn published(runs: &[(String, Vec<Trace>)]) {
    let Some((_, traces)) = runs.iter().find(|(workload, _)| workload == "default") else { return };
    for (policy, name, at_100, at_130) in
        [(Policy::Bestfit, "BestFit", 92.862, 93.076), (Policy::Fgd, "FGD", 95.227, 95.391)]
    {
        let outcomes: Vec<Outcome> = traces.iter().map(|t| policy::run(t, policy, Mix::Given)).collect();
        let mean = |of: &dyn Fn(&Outcome) -> f64| Spread::of(&outcomes.iter().map(of).collect::<Vec<_>>()).mean;
        let ours = (mean(&|o| o.alloc_at_100), mean(&|o| o.alloc_at_130));
        println!("{name} on default: {:.3} / {:.3}, published {at_100:.3} / {at_130:.3}", ours.0, ours.1);
    }
}

fn pair(trace: &Trace, mix: Mix) -> Pair {
    let fgd = policy::run(trace, Policy::Fgd, Mix::Given);
    let eai = policy::run(trace, Policy::Eai, mix);
    let refused = eai.cpu_only_refused_milli as f64 - fgd.cpu_only_refused_milli as f64;
    Pair {
        fgd: [fgd.alloc_at_100, fgd.alloc_at_130],
        over: [eai.alloc_at_100 - fgd.alloc_at_100, eai.alloc_at_130 - fgd.alloc_at_130],
        refused: 100.0 * refused / eai.cpu_arrived_milli.max(1) as f64,
        decisions_per_s: eai.decisions_per_s(),
        p99_us: eai.quantile_us(0.99),
    }
}

fn row(workload: &str, pairs: &[Pair]) {
    let [fgd_100, fgd_130] = [0, 1].map(|at| spread(pairs, &|p| p.fgd[at]).mean);
    let [over_100, over_130] = [0, 1].map(|at| spread(pairs, &|p| p.over[at]).text());
    let refused = spread(pairs, &|p| p.refused).mean;
    let (per_s, p99) = (spread(pairs, &|p| p.decisions_per_s).mean, spread(pairs, &|p| p.p99_us).mean);
    println!(
        "{workload:<15} {fgd_100:.2}/{fgd_130:.2}     {over_100}  {over_130}  {refused:+.2} %   {per_s:.0}/s, p99 {p99:.0} us"
    );
}

struct Spread {
    mean: f64,
    deviation: f64,
    least: f64,
    most: f64,
}

fn spread(pairs: &[Pair], of: &dyn Fn(&Pair) -> f64) -> Spread {
    Spread::of(&pairs.iter().map(of).collect::<Vec<_>>())
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        Self { mean, deviation: square.sqrt(), least, most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max) }
    }

    fn text(&self) -> String {
        format!("{:+.3} ({:.2}) [{:+.2}, {:+.2}]", self.mean, self.deviation, self.least, self.most)
    }
}

/// The names of the pod files, in order.
fn workloads(data: &Path) -> Vec<String> {
    let mut names = stems(&data.join("pods"), "csv");
    names.sort();
    names
}

/// A workload in each order of arrival there is.
fn traces(data: &Path, workload: &str) -> Result<Vec<Trace>, BenchError> {
    let mut orders = stems(&data.join("arrivals"), "txt");
    orders.retain(|order| order.rsplit_once('_').is_some_and(|(name, _)| name == workload));
    orders.sort();
    let read = |order: &String| {
        let pods = data.join("pods").join(format!("{workload}.csv"));
        Trace::read(&data.join("nodes.csv"), &pods, &data.join("arrivals").join(format!("{order}.txt")))
    };
    Ok(orders.iter().map(read).collect::<Result<_, _>>()?)
}

fn stems(folder: &Path, extension: &str) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == extension));
    files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}
