//! The manifests beside this crate against the kinds they are written in and the program they run.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eai_api::AIJob;
use eai_core::image::ImageRef;
use serde::Deserialize as _;
use serde_json::Value;

const FILES: [&str; 4] = ["cpu-search", "digits-training", "fpga-filter", "secret-score"];
const IMAGE: &str =
    "127.0.0.1:5000/eai/eai-examples@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const ACCOUNT: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All documents of a manifest.
fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    serde_norway::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn document(all: &[Value], kind: &str) -> Value {
    let mut found = all.iter().filter(|document| document["kind"] == kind);
    let first = found.next().unwrap().clone();
    assert_eq!(found.next(), None, "two of {kind}");
    first
}

/// The manifests as checked in, by name.
fn manifests() -> BTreeMap<&'static str, Vec<Value>> {
    FILES.into_iter().map(|name| (name, documents(&examples().join(format!("{name}.yaml"))))).collect()
}

fn job(documents: &[Value]) -> AIJob {
    serde_json::from_value(document(documents, "AIJob")).unwrap()
}

/// Panics at the first field of `written` that `understood` lacks or holds otherwise.
fn assert_kept(written: &Value, understood: &Value, path: &str) {
    match (written, understood) {
        (Value::Object(fields), Value::Object(kept)) => {
            for (name, value) in fields {
                assert_kept(value, kept.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"));
            }
        }
        (Value::Array(items), Value::Array(kept)) => {
            assert_eq!(items.len(), kept.len(), "{path}");
            items.iter().zip(kept).for_each(|(item, kept)| assert_kept(item, kept, &format!("{path}[]")));
        }
        (Value::String(text), Value::String(kept)) => {
            assert!(text.eq_ignore_ascii_case(kept), "{path}: {text} became {kept}"); // addresses get their checksum's case
        }
        _ => assert_eq!(written, understood, "{path} isn't a field that the kind knows"),
    }
}

/// The folder holds these manifests and no other, each an `AIJob` of its file's name.
#[test]
fn every_manifest_is_tested_here() {
    let mut found: Vec<String> = fs::read_dir(examples())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().strip_suffix(".yaml").map(str::to_owned))
        .collect();
    found.sort();
    assert_eq!(found, FILES);
    for (name, documents) in manifests() {
        assert_eq!(job(&documents).metadata.name.as_deref(), Some(name));
    }
}

/// A misspelt field would be dropped in silence by a lenient reader; here it fails.
#[test]
fn the_kind_knows_every_field_that_is_written() {
    for (name, documents) in manifests() {
        let written = document(&documents, "AIJob");
        let understood = serde_json::to_value(job(&documents)).unwrap();
        assert_kept(&written, &understood, name);
    }
}

/// Each job, run with its own arguments, environment and secrets, leaves every output that it promises, within its size.
#[test]
fn every_job_leaves_the_outputs_it_declares() {
    for (name, documents) in manifests() {
        let spec = job(&documents).spec;
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("manifest-{name}"));
        let _ = fs::remove_dir_all(&out);
        let secret = |reference: &eai_api::aijob::SecretEnv| {
            let secret = document(&documents, "Secret");
            assert_eq!(secret["metadata"]["name"], reference.secret_name.as_str());
            secret["stringData"][&reference.key].as_str().unwrap().to_owned()
        };
        let ran = Command::new(env!("CARGO_BIN_EXE_eai-trainer"))
            .args(&spec.args)
            .env_clear()
            .envs(spec.env.iter().map(|variable| (&variable.name, &variable.value)))
            .envs(spec.secrets.iter().map(|reference| (&reference.name, secret(reference))))
            .env("MIN_SECONDS", "0") // its only purpose is to keep a demonstration visible
            .env("EAI_OUTPUT_DIR", &out)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
        for output in &spec.outputs {
            let size =
                fs::metadata(out.join(&output.path)).unwrap_or_else(|_| panic!("{name} left no {}", output.path)).len();
            assert!((1..=output.max_bytes).contains(&size), "{name}: {} has {size} bytes", output.path);
        }
        assert_eq!(fs::read_dir(&out).unwrap().count(), spec.outputs.len(), "{name} leaves more than it declares");
    }
}

/// The Role opens one Secret, the one that the job refers to, to the hub and to nobody else.
#[test]
fn the_hub_may_read_that_secret_alone() {
    let documents = &manifests()["secret-score"];
    let role = document(documents, "Role");
    let secret = &job(documents).spec.secrets[0].secret_name;
    assert_eq!(
        role["rules"],
        serde_json::json!([{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"] }])
    );
    let binding = document(documents, "RoleBinding");
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(
        binding["subjects"],
        serde_json::json!([{ "kind": "ServiceAccount", "name": "eai-operator", "namespace": "eai-system" }])
    );
}

/// `render.sh` changes the image, the account and the key, each where it stands, and nothing else.
#[test]
fn rendering_sets_the_marked_lines_alone() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rendered");
    let _ = fs::remove_dir_all(&out);
    let render = |image: &str, account: &str| {
        let script = examples().join("render.sh");
        Command::new(script).args(["--image", image, "--account", account]).arg(&out).output().unwrap()
    };
    for (image, account) in [("registry.example.com/eai-examples:latest", ACCOUNT), (IMAGE, "0x1234")] {
        let refused = render(image, account);
        assert!(!refused.status.success() && !out.exists(), "{image} {account}");
    }
    let rendered = render(IMAGE, ACCOUNT);
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));

    for (name, checked_in) in manifests() {
        let after = documents(&out.join(format!("{name}.yaml")));
        let spec = job(&after).spec;
        assert_eq!(spec.image.parse::<ImageRef>().unwrap().to_string(), IMAGE);
        assert!(spec.payment.account.to_string().eq_ignore_ascii_case(ACCOUNT));
        let undone: Vec<Value> =
            after.into_iter().zip(&checked_in).map(|(after, before)| undo(after, before)).collect();
        assert_eq!(undone, checked_in, "{name}");
    }
    let key =
        |folder: &Path| document(&documents(&folder.join("secret-score.yaml")), "Secret")["stringData"]["key"].clone();
    let first = key(&out);
    assert_eq!(hex::decode(first.as_str().unwrap()).unwrap().len(), 32);
    assert!(render(IMAGE, ACCOUNT).status.success());
    assert_ne!(key(&out), first, "two renderings have the same key");
}

/// `after` with the three settable fields as they were in `before`.
fn undo(mut after: Value, before: &Value) -> Value {
    for pointer in ["/spec/image", "/spec/payment/account", "/stringData/key"] {
        if let (Some(field), Some(original)) = (after.pointer_mut(pointer), before.pointer(pointer)) {
            *field = original.clone();
        }
    }
    after
}
