//! The rows of `table/`: one change to a good object, and what is said to it.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    samples::{remove, sample, set},
    server::{Fault, Server},
};

/// One change to a good object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    case: String,
    kind: String,
    /// Changes made to the sample before: what is stored when the change arrives.
    #[serde(default)]
    first: Vec<Change>,
    change: Vec<Change>,
    /// Where the refusal points; nowhere if the change is accepted.
    path: Option<String>,
    #[serde(default)]
    says: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Change {
    Set { set: String, to: Value },
    Remove { remove: String },
}

fn change(object: &mut Value, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Set { set: pointer, to } => set(object, pointer, to.clone()),
            Change::Remove { remove: pointer } => remove(object, pointer),
        }
    }
}

fn rows(text: &str) -> Vec<Row> {
    let rows: Vec<Row> = serde_norway::from_str(text).unwrap();
    assert!(rows.len() > 5);
    rows
}

/// What is wrong with how a row went, if anything.
fn judge(row: &Row, outcome: &Result<Value, Vec<Fault>>) -> Option<String> {
    let case = &row.case;
    match (&row.path, outcome) {
        (None, Ok(_)) => None,
        (None, Err(faults)) => Some(format!("{case}: refused: {faults:?}")),
        (Some(path), Ok(_)) => Some(format!("{case}: accepted, though {path} is wrong")),
        (Some(path), Err(faults)) => {
            let told = faults.iter().any(|fault| &fault.path == path && fault.says.contains(&row.says));
            (!told).then(|| format!("{case}: nothing says {:?} of {path}, only {faults:?}", row.says))
        }
    }
}

fn run(text: &str, updates: bool) {
    let mut wrong = Vec::new();
    for row in rows(text) {
        let server = Server::of(&row.kind);
        let mut before = sample(&row.kind);
        change(&mut before, &row.first);
        let mut after = before.clone();
        change(&mut after, &row.change);
        wrong.extend(judge(&row, &server.admit(&after, updates.then_some(&before))));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn bad_objects_are_refused_with_the_path_and_a_sentence() {
    run(include_str!("../table/creations.yaml"), false);
}

#[test]
fn what_must_not_change_does_not() {
    run(include_str!("../table/changes.yaml"), true);
}
