//! Whether objects, and programs, of an earlier release get along with the kinds as they are now.
//!
//! A hub and agents one minor version apart share one API server. What the older writes must be accepted, and what it
//! stored before must stay valid: a definition may grow, but nothing in it goes, changes its type or gets stricter.

mod keywords;
mod rules;
mod schema;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::Value;

/// A change that an earlier release may not get along with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The definition's name, such as `aijobs.eai.network`.
    pub definition: String,
    /// Where in the object, such as `spec.resources.cpu`; a list's entries are `[]`, a map's values `{}`.
    pub at: String,
    /// What is different.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.definition, self.at, self.what)
    }
}

/// A change that was thought about: why an earlier release gets along with it all the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    definition: String,
    at: String,
    what: String,
    /// For whoever reads the file; there is no exception without one.
    reason: String,
}

impl Exception {
    fn allows(&self, change: &Change) -> bool {
        let same = (&self.definition, &self.at, &self.what) == (&change.definition, &change.at, &change.what);
        same && !self.reason.trim().is_empty()
    }
}

/// The changes from `old` to `new` definitions that no exception allows.
pub fn changes(old: &[Value], new: &[Value], exceptions: &[Exception]) -> Vec<Change> {
    let named: BTreeMap<&str, &Value> = new.iter().map(|definition| (name(definition), definition)).collect();
    let mut found = Vec::new();
    for definition in old {
        let mut log = Log { definition: name(definition).to_owned(), found: &mut found };
        match named.get(name(definition)) {
            Some(new) => compare(definition, new, &mut log),
            None => log.add("", "the definition is gone"),
        }
    }
    found.retain(|change| !exceptions.iter().any(|exception| exception.allows(change)));
    found
}

/// Collects what is found in one definition.
struct Log<'a> {
    definition: String,
    found: &'a mut Vec<Change>,
}

impl Log<'_> {
    fn add(&mut self, at: &str, what: impl Into<String>) {
        self.found.push(Change { definition: self.definition.clone(), at: at.to_owned(), what: what.into() });
    }
}

fn name(definition: &Value) -> &str {
    definition["metadata"]["name"].as_str().unwrap_or_default()
}

fn compare(old: &Value, new: &Value, log: &mut Log<'_>) {
    for field in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"] {
        if old.pointer(field) != new.pointer(field) {
            log.add("", format!("{} changed", field.trim_start_matches('/').replace('/', ".")));
        }
    }
    for version in versions(old).filter(|version| version["served"] == true) {
        let label = version["name"].as_str().unwrap_or_default();
        match versions(new).find(|new| new["name"] == version["name"] && new["served"] == true) {
            Some(now) => compare_version(version, now, log),
            None => log.add("", format!("version {label} isn't served any more")),
        }
    }
    let stored =
        |definition| versions(definition).find(|version| version["storage"] == true).map(|v| v["name"].clone());
    if stored(old) != stored(new) {
        log.add("", "another version is stored; it needs a conversion");
    }
}

fn compare_version(old: &Value, new: &Value, log: &mut Log<'_>) {
    for subresource in ["status", "scale"] {
        if old["subresources"].get(subresource).is_some() && new["subresources"].get(subresource).is_none() {
            log.add("", format!("the subresource {subresource} is gone"));
        }
    }
    for field in old["selectableFields"].as_array().into_iter().flatten() {
        if !new["selectableFields"].as_array().is_some_and(|fields| fields.contains(field)) {
            log.add("", format!("objects can't be selected by {field} any more"));
        }
    }
    schema::compare(&old["schema"]["openAPIV3Schema"], &new["schema"]["openAPIV3Schema"], "", log);
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"].as_array().into_iter().flatten()
}
