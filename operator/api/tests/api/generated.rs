//! crds/ and the chart that installs them are what the code says.

use std::{fs, path::Path};

/// As `cargo xtask crds` writes them.
#[test]
fn crds_are_generated_from_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for crd in eai_api::crds() {
        let yaml = serde_norway::to_string(&crd).unwrap();
        let name = &crd.spec.names.plural;
        for dir in ["crds", "charts/eai-crds/templates"] {
            let path = root.join(dir).join(format!("{name}.yaml"));
            let text = fs::read_to_string(&path).unwrap();
            let body = text.split_once('\n').map(|(_, body)| body).unwrap_or_default();
            assert!(body == yaml, "{dir}/{name}.yaml differs from operator/api: run `cargo xtask crds`");
        }
    }
}
