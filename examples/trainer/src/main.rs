//! `eai-trainer train|search|filter|score`: see the library's front page.

use std::io::{self, Write};
use std::process::ExitCode;

use eai_trainer::settings::Settings;
use eai_trainer::stop::Stop;
use eai_trainer::{Error, filter, score, search, train};

/// What `--help` prints.
const HELP: &str = "eai-trainer train|search|filter|score

  train    train a small neural network on handwritten digits; writes model.safetensors and metrics.json
  search   choose its settings by cross-validation on every core given; writes search.json
  filter   stream the images through fixed-point FIR filters; writes features.safetensors and metrics.json
  score    train, score by class and sign the scores with SIGNING_KEY; writes scores.json and scores.json.hmac

Environment:
  EAI_OUTPUT_DIR  folder for what is written (default ./out)
  EPOCHS          times that the network sees every image (default 40; 10 in search)
  SEED            decides everything random (default 1)
  MIN_SECONDS     keep working at least that long (default 0)
  SIGNING_KEY     the secret of score, at least 16 bytes

Everything is computed on the CPU, whatever accelerator the container was given.
";

/// A job: reads its settings, works until done or stopped, writes its outputs and logs to the last argument.
type Job = fn(&Settings, &Stop, &mut dyn Write) -> Result<(), Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let job: Job = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["train"] => train::run,
        ["search"] => search::run,
        ["filter"] => filter::run,
        ["score"] => score::run,
        ["help" | "--help" | "-h"] => return print(&mut io::stdout(), HELP, ExitCode::SUCCESS),
        _ => return print(&mut io::stderr(), HELP, ExitCode::from(2)),
    };
    match run(job) {
        Ok(()) => ExitCode::SUCCESS,
        // 128 + SIGTERM, as a shell reports a process that the signal ended.
        Err(error @ Error::Stopped { .. }) => print(&mut io::stderr(), &format!("{error}\n"), ExitCode::from(143)),
        Err(error) => print(&mut io::stderr(), &format!("error: {error}\n"), ExitCode::FAILURE),
    }
}

/// Runs a job with this process's environment and signals.
fn run(job: Job) -> Result<(), Error> {
    let stop = Stop::on_signals()?;
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    job(&Settings::read(environment)?, &stop, &mut io::stdout().lock())
}

/// Writes `text`; an error there can be told to nobody.
fn print(to: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    let _ = to.write_all(text.as_bytes());
    code
}
