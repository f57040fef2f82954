//! The examples, as a vendor submits them.

use std::path::{Path, PathBuf};

use eai_core::address::Address;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    run,
};

/// What fills the blanks of an example: where its image is, who pays, where it should run.
#[derive(Clone, Debug)]
pub struct Order {
    /// The file, such as `examples/digits-training.yaml`.
    pub example: PathBuf,
    /// The image, by digest.
    pub image: String,
    /// Who pays.
    pub payer: Address,
    /// The only member that may take it; any if `None`.
    pub member: Option<String>,
    /// The vendor's namespace.
    pub namespace: String,
}

/// A job that was submitted.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Order {
    /// The example's manifests with the blanks filled, and the AIJob's name among them.
    pub fn manifests(&self, hub: &Cluster) -> Result<(Vec<Value>, String)> {
        let file = self.example.display().to_string();
        let text =
            run::output(hub.command("kubectl")?.args(["create", "--dry-run=client", "-o", "json", "-f", &file]))?;
        let mut objects = Vec::new();
        for object in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            let object = object.map_err(|error| Error::unexpected(&file, error))?;
            match object["items"].as_array() {
                Some(items) => objects.extend(items.iter().cloned()),
                None => objects.push(object),
            }
        }
        let mut name = None;
        for object in &mut objects {
            object["metadata"]["namespace"] = json!(self.namespace);
            if object["kind"] == "AIJob" {
                name = Some(self.fill(object));
            }
        }
        name.map(|name| (objects, name)).ok_or_else(|| Error::unexpected(&file, "it has no AIJob"))
    }

    fn fill(&self, job: &mut Value) -> String {
        let mut name = job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if let Some(member) = &self.member {
            name = format!("{name}-{member}");
            job["spec"]["placement"]["members"] = json!([member]);
        }
        job["metadata"]["name"] = json!(name);
        job["spec"]["image"] = json!(self.image);
        job["spec"]["payment"]["account"] = json!(self.payer.to_string());
        name
    }

    /// Writes the filled manifests to `dir` and applies them, as a vendor would.
    pub fn submit(&self, hub: &Cluster, dir: &Path) -> Result<Job> {
        let (objects, name) = self.manifests(hub)?;
        let path = dir.join(format!("{name}.json"));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        run::write(&path, &format!("{list:#}"))?;
        hub.kubectl(&["apply", "-f", &path.display().to_string()])?;
        Ok(Job { namespace: self.namespace.clone(), name })
    }
}

impl Job {
    /// The AIJob as it is now.
    pub fn read(&self, hub: &Cluster) -> Result<Value> {
        hub.get(&["aijob", &self.name, "-n", &self.namespace])
    }

    /// Waits until the job has ended and its bill is settled.
    pub fn wait(&self, hub: &Cluster, seconds: u64) -> Result<Value> {
        self.wait_for(hub, seconds, "its end", |job| matches!(phase(job), "Succeeded" | "Failed" | "Cancelled"))
    }

    /// Waits until the job is as wanted.
    pub fn wait_for(&self, hub: &Cluster, seconds: u64, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        run::wait(&format!("{}/{}: {what}", self.namespace, self.name), seconds, || match self.read(hub) {
            Ok(job) if wanted(&job) => Ok(job),
            Ok(job) => Err(format!("{}: {}", phase(&job), message(&job))),
            Err(error) => Err(error.to_string()),
        })
    }
}

/// A job's phase.
pub fn phase(job: &Value) -> &str {
    job["status"]["phase"].as_str().unwrap_or("Pending")
}

/// What the Ready condition says.
pub fn message(job: &Value) -> String {
    condition(job, "Ready").map_or_else(String::new, |ready| {
        format!("{}: {}", ready["reason"].as_str().unwrap_or_default(), ready["message"].as_str().unwrap_or_default())
    })
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}
