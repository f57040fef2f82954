//! Bringing home a job's outputs.

use eai_api::{AIJob, AIJobSpec, aijob::Phase, artifact::OutputArtifact};
use eai_core::digest::Digest;
use serde::Serialize;

use crate::{
    arguments::Fetch,
    artifacts::{Promise, Source, destination, fetch},
    error::{Error, Result},
    hub::Hub,
    output::{self, Format},
};

/// A file that was brought home.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fetched {
    output: String,
    index: u32,
    file: String,
    size_bytes: u64,
    digest: Digest,
}

impl Fetched {
    fn text(&self) -> String {
        format!("{}  {} bytes  {}", self.file, self.size_bytes, self.digest)
    }
}

/// Brings home outputs.
pub async fn run(hub: &Hub, arguments: &Fetch, format: Format) -> Result<()> {
    let job = hub.in_namespace::<AIJob>().get(&arguments.job).await?;
    let status = job.status.unwrap_or_default();
    let mut fetched = Vec::new();
    for artifact in choose(&job.spec, &status.outputs, arguments, status.phase)? {
        let path = job.spec.outputs.iter().find(|output| output.name == artifact.name).map(|output| &output.path);
        let path = path.ok_or_else(|| Error::NotFound(format!("the job declares no output {}", artifact.name)))?;
        let to = destination(&arguments.dir, path, artifact.index, job.spec.completions)?;
        let source = Source {
            namespace: &hub.job_namespace,
            job: &arguments.job,
            output: Some(&artifact.name),
            index: artifact.index,
            epoch: status.attempt.as_ref().map(|attempt| attempt.epoch),
        };
        let promise = Promise { digest: artifact.digest, size: artifact.size_bytes };
        fetch(&source, &hub.client, &to, promise, arguments.force).await?;
        fetched.push(Fetched {
            output: artifact.name.clone(),
            index: artifact.index,
            file: to.display().to_string(),
            size_bytes: artifact.size_bytes,
            digest: artifact.digest,
        });
    }
    output::print(format, &fetched, |fetched| fetched.iter().map(Fetched::text).collect::<Vec<_>>().join("\n"))
}

/// The outputs asked for, all if none is named.
fn choose<'a>(
    spec: &AIJobSpec,
    outputs: &'a [OutputArtifact],
    arguments: &Fetch,
    phase: Phase,
) -> Result<Vec<&'a OutputArtifact>> {
    for name in &arguments.outputs {
        if !outputs.iter().any(|output| output.name == *name) {
            let declared = spec.outputs.iter().any(|output| output.name == *name);
            return Err(Error::NotFound(missing(name, declared, phase)));
        }
    }
    let wanted: Vec<_> = outputs
        .iter()
        .filter(|output| arguments.outputs.is_empty() || arguments.outputs.contains(&output.name))
        .filter(|output| arguments.index.is_none_or(|index| output.index == index))
        .collect();
    if wanted.is_empty() {
        return Err(Error::NotFound(match phase {
            phase if phase.is_final() => format!("{} left no outputs", arguments.job),
            phase => format!("{} has no outputs yet: it is {phase}", arguments.job),
        }));
    }
    Ok(wanted)
}

fn missing(name: &str, declared: bool, phase: Phase) -> String {
    match (declared, phase.is_final()) {
        (false, _) => format!("the job declares no output {name}; see spec.outputs"),
        (true, false) => format!("{name} isn't there yet: the job is {phase}"),
        (true, true) => format!("the job wrote no {name}, or one larger than its maxBytes; see kubectl eai logs"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn spec() -> AIJobSpec {
        serde_json::from_value(json!({
            "image": "x", "maxPrice": "1", "payment": {"account": format!("0x{}", "00".repeat(20))},
            "outputs": [{"name": "model", "path": "m"}, {"name": "metrics", "path": "x"}],
        }))
        .unwrap()
    }

    fn left() -> Vec<OutputArtifact> {
        let output =
            |name: &str| OutputArtifact { name: name.into(), index: 0, digest: Digest::of(b""), size_bytes: 0 };
        vec![output("model")]
    }

    fn arguments(outputs: &[&str]) -> Fetch {
        let outputs = outputs.iter().map(|&name| name.to_owned()).collect();
        Fetch { job: "digits".into(), outputs, index: None, dir: ".".into(), force: false }
    }

    #[test]
    fn all_outputs_unless_some_are_named() {
        assert_eq!(choose(&spec(), &left(), &arguments(&[]), Phase::Succeeded).unwrap().len(), 1);
        assert_eq!(choose(&spec(), &left(), &arguments(&["model"]), Phase::Succeeded).unwrap().len(), 1);
    }

    #[test]
    fn says_why_an_output_is_missing() {
        let why = |names: &[&str], phase| choose(&spec(), &left(), &arguments(names), phase).unwrap_err().to_string();
        assert!(why(&["other"], Phase::Succeeded).contains("declares no output other"));
        assert!(why(&["metrics"], Phase::Running).contains("isn't there yet: the job is Running"));
        assert!(why(&["metrics"], Phase::Succeeded).contains("maxBytes"));
        let none = choose(&spec(), &[], &arguments(&[]), Phase::Starting).unwrap_err();
        assert_eq!(none.to_string(), "digits has no outputs yet: it is Starting");
        assert_eq!(none.exit_code(), 3);
    }
}
