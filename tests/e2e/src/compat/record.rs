//! What was seen, step by step: on standard output as it comes, and in target/compat.json.

use std::{path::Path, time::Instant};

use serde::Serialize;

use crate::{
    error::{Error, Result},
    run,
};

/// The steps so far.
#[derive(Debug, Serialize)]
pub struct Record {
    /// Where the earlier release was built.
    from: String,
    steps: Vec<Step>,
    #[serde(skip)]
    start: Instant,
}

/// One step.
#[derive(Debug, Default, Serialize)]
struct Step {
    name: String,
    at_seconds: u64,
    /// What was seen, a sentence each.
    seen: Vec<String>,
    /// What isn't as it should be.
    faults: Vec<String>,
}

impl Record {
    /// Nothing yet.
    pub fn new(from: &Path) -> Self {
        Self { from: from.display().to_string(), steps: Vec::new(), start: Instant::now() }
    }

    /// When the run began.
    pub const fn start(&self) -> Instant {
        self.start
    }

    /// Begins a step.
    pub fn step(&mut self, name: &str) {
        let at_seconds = self.start.elapsed().as_secs();
        println!("[{at_seconds:>4} s] {name}");
        self.steps.push(Step { name: name.to_owned(), at_seconds, ..Step::default() });
    }

    /// Says what was seen in it.
    pub fn saw(&mut self, what: impl Into<String>) {
        let what = what.into();
        println!("         {what}");
        if let Some(step) = self.steps.last_mut() {
            step.seen.push(what);
        }
    }

    /// Says what is wrong. The run goes on: what comes after may tell why.
    pub fn faults(&mut self, faults: Vec<String>) {
        for fault in &faults {
            println!("  FAULT  {fault}");
        }
        if let Some(step) = self.steps.last_mut() {
            step.faults.extend(faults);
        }
    }

    /// Writes all of it. An error if anything was wrong.
    pub fn end(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::unexpected("the record", error))?;
        run::write(out, &text)?;
        let faults: Vec<&str> = self.steps.iter().flat_map(|step| &step.faults).map(String::as_str).collect();
        println!("{} steps, {} faults; in {}", self.steps.len(), faults.len(), out.display());
        if faults.is_empty() { Ok(()) } else { Err(Error::unexpected("compat", faults.join("\n  "))) }
    }
}
