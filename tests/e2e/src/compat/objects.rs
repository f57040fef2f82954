//! Whether what is stored can be read and written after an upgrade.

use serde_json::Value;

use crate::{error::Result, stage::Stage};

const KINDS: [&str; 4] = ["aijobs", "computenodes", "assignments", "memberreports"];

/// An object that was stored: kind, namespace if it has one, name.
pub type Stored = (&'static str, Option<String>, String);

/// All that is stored now.
pub fn stored(stage: &Stage) -> Result<Vec<Stored>> {
    let mut stored = Vec::new();
    for kind in KINDS {
        let list = stage.hub.get(&[kind, "-A"])?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        for object in list["items"].as_array().into_iter().flatten() {
            let metadata = &object["metadata"];
            stored.push((kind, text(&metadata["namespace"]), text(&metadata["name"]).unwrap_or_default()));
        }
    }
    Ok(stored)
}

/// Writes each of `objects` that is still there. Says of which ones that failed, and why.
pub fn unwritable(stage: &Stage, objects: &[Stored], mark: &str) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let annotation = format!("eai.network/compat={mark}");
    for (kind, namespace, name) in objects {
        let mut arguments = vec!["annotate", kind, name, &annotation, "--overwrite"];
        if let Some(namespace) = namespace {
            arguments.extend(["-n", namespace]);
        }
        let (code, said) = stage.hub.try_kubectl(&arguments, None)?;
        if code != 0 && !said.contains("NotFound") {
            faults.push(format!("{kind} {name} can't be written: {said}"));
        }
    }
    Ok(faults)
}
