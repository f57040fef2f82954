//! The tests of the parts in Go, run with the module that the testbed builds them from.
#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_nodes_own_parts() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/kube");
    let output = Command::new("go").args(["test", "./node"]).env("GOWORK", "off").current_dir(dir).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
