//! An owner lets the hub's admin update the agent: only to what the owner's key signed, without touching the work that
//! runs, and back again by itself when the new agent is no good.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use eai_e2e::{Cluster, join::AGENT_NAMESPACE, run};
use serde_json::{Value, json};

use crate::{
    racing::once,
    support::{END, START, says, text, world},
};

const HOME: &str = "home";

/// A release engineer: a key made with openssl, as docs/updates.md says.
struct Engineer {
    dir: PathBuf,
}

impl Engineer {
    fn new(name: &str) -> Self {
        let dir = world().stage.dir.join("updating").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let engineer = Self { dir };
        engineer.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem"]);
        engineer.openssl(&["ec", "-in", "key.pem", "-pubout", "-out", "key.pub"]);
        engineer
    }

    fn openssl(&self, arguments: &[&str]) -> String {
        run::output(Command::new("openssl").args(arguments).current_dir(&self.dir)).unwrap()
    }

    fn public(&self) -> PathBuf {
        self.dir.join("key.pub")
    }

    /// The `AgentRelease` of an image under a version, signed by this engineer, for all members at once.
    fn release(&self, name: &str, version: &str, image: &str) -> Value {
        let (repository, digest) = image.split_once('@').unwrap();
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": {"eai.network/version": version},
        });
        run::write(&self.dir.join("payload.json"), &payload.to_string()).unwrap();
        self.openssl(&["dgst", "-sha256", "-sign", "key.pem", "-out", "payload.sig", "payload.json"]);
        let base64 = |file: &str| self.openssl(&["base64", "-A", "-in", file]).trim().to_owned();
        json!({
            "apiVersion": "eai.network/v1alpha1",
            "kind": "AgentRelease",
            "metadata": {"name": name},
            "spec": {
                "version": version,
                "image": image,
                "signature": {"payload": base64("payload.json"), "signature": base64("payload.sig")},
                "waves": ["100%"],
                "soakSeconds": 5,
                "progressDeadlineSeconds": 600,
            },
        })
    }
}

/// The agent's image with something changed in its configuration, so that it has another digest; pushed.
fn variant(tag: &str, change: &[&str]) -> String {
    let w = world();
    let dir = w.stage.dir.join("updating").join(tag);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    let archive = w.stage.repository.join("target/images/eai-agent.tar");
    let (from, layout) = (format!("oci-archive:{}", archive.display()), format!("{}:{tag}", dir.display()));
    run::output(Command::new("skopeo").args(["copy", "--quiet", "--insecure-policy", &from, &format!("oci:{layout}")]))
        .unwrap();
    run::output(Command::new("umoci").args(["config", "--image", &layout]).args(change)).unwrap();
    w.stage.testbed.as_ref().unwrap().push_image(&dir, "eai-agent", tag).unwrap()
}

fn digest(image: &str) -> &str {
    image.split_once('@').unwrap().1
}

fn home() -> &'static Cluster {
    &world().stage.member(HOME).unwrap().cluster
}

/// The agent's pods on home, by UID, that aren't on their way out.
fn pods() -> Vec<String> {
    let list = home().get(&["pods", "-n", AGENT_NAMESPACE, "-l", "app.kubernetes.io/name=eai-agent"]).unwrap();
    let living = list["items"].as_array().unwrap().iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    living.map(|pod| text(&pod["metadata"]["uid"]).to_owned()).collect()
}

/// The image that home's Deployment of the agent asks for.
fn wanted() -> String {
    let deployment = home().get(&["deployment", "eai-agent", "-n", AGENT_NAMESPACE]).unwrap();
    text(&deployment["spec"]["template"]["spec"]["containers"][0]["image"]).to_owned()
}

/// The owner's hand: the same chart with other values of `update`.
fn upgrade(arguments: &[&str]) -> eai_e2e::error::Result<()> {
    let chart = world().stage.repository.join("charts/eai-agent").display().to_string();
    let mut all = vec!["upgrade", "eai-agent", &chart, "-n", AGENT_NAMESPACE, "--reuse-values", "--wait"];
    all.extend(["--timeout", "240s"]);
    all.extend(arguments);
    home().helm(&all).map(drop)
}

/// Waits until home's report has `updates` as `matches` wants them.
fn reported(what: &str, matches: impl Fn(&Value) -> bool) {
    run::wait(what, START, || {
        let report = world().stage.hub.get(&["memberreport", HOME, "-n", "cn-home"]).map_err(|e| e.to_string())?;
        let updates = &report["spec"]["updates"];
        if matches(updates) { Ok(()) } else { Err(updates.to_string()) }
    })
    .unwrap();
}

/// Waits until a release is in a phase; returns the reason and the message of its Ready condition.
fn reaches(name: &str, phase: &str) -> (String, String) {
    let ready = |object: &Value| {
        let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
    };
    run::wait(&format!("{name} to be {phase}"), END, || {
        let object = world().stage.hub.get(&["agentrelease", name]).map_err(|error| error.to_string())?;
        let said = ready(&object);
        if object["status"]["phase"] == phase {
            return Ok((text(&said["reason"]).to_owned(), text(&said["message"]).to_owned()));
        }
        Err(format!("{}: {}", object["status"]["phase"], said["message"]))
    })
    .unwrap()
}

/// Puts home back as the owner had it, whatever happened.
struct Back;

impl Drop for Back {
    fn drop(&mut self) {
        let hub = &world().stage.hub;
        let _ = hub.kubectl(&["delete", "agentreleases", "e2e-a", "e2e-b", "e2e-c", "--ignore-not-found"]);
        let _ = upgrade(&["--set", "update.enabled=false"]);
        let _ = hub.kubectl(&["wait", "--for=condition=Available", "computenode/home", "--timeout=180s"]);
    }
}

fn opt_in(key: &Path) {
    let key = format!("update.releaseKey={}", key.display());
    upgrade(&["--set", "update.enabled=true,update.progressDeadlineSeconds=60", "--set-file", &key]).unwrap();
    reported("home to take updates", |updates| updates["accepts"] == true && !text(&updates["digest"]).is_empty());
}

#[test]
fn an_agent_takes_what_its_owners_key_signed_and_comes_back_from_what_is_broken() {
    let w = world();
    let (ours, strangers) = (Engineer::new("ours"), Engineer::new("strangers"));
    let good = variant("e2e-good", &["--config.label", "e2e=good"]);
    let broken = variant("e2e-broken", &["--config.entrypoint", "/nowhere"]);
    assert!(digest(&good) != digest(&w.images.agent) && digest(&broken) != digest(&good));
    let back = Back;
    opt_in(&ours.public());
    let before = wanted();
    assert_eq!(digest(&before), digest(&w.images.agent));

    // Signed by somebody else: refused with its reason, which hub and member both say.
    w.stage.hub.apply(&strangers.release("e2e-a", "0.1.1", &good).to_string()).unwrap();
    let (reason, message) = reaches("e2e-a", "Stopped");
    assert_eq!(reason, "BadSignature");
    says(&message, &[HOME, "update.releaseKey", "create another AgentRelease"]);
    assert_eq!(wanted(), before);
    run::wait("the ComputeNode to say so", START, || {
        let said = w.stage.hub.kubectl(&["describe", "computenode", HOME]).map_err(|error| error.to_string())?;
        if said.contains("refused (BadSignature)") { Ok(()) } else { Err(said) }
    })
    .unwrap();

    // Signed by the owner's engineer: taken, and what runs meanwhile isn't touched.
    let vendor = w.vendor("updating", "1");
    let job = w.submit(&vendor, "undisturbed", 60, &json!({"placement": {"members": [HOME]}}));
    w.reach(&job, "Running", START);
    let old = pods();
    w.stage.hub.apply(&ours.release("e2e-b", "0.1.2", &good).to_string()).unwrap();
    reaches("e2e-b", "Complete");
    assert_eq!(digest(&wanted()), digest(&good));
    reported("home to run it", |updates| updates["digest"] == digest(&good) && updates["version"] == "0.1.2");
    let new = pods();
    assert!(new.len() == 1 && !old.contains(&new[0]), "{old:?}, then {new:?}");
    once(&w.reach(&job, "Succeeded", END));

    // What never gets ready: the old agent stays in charge, takes the image back, and the market goes on.
    w.stage.hub.apply(&ours.release("e2e-c", "0.1.3", &broken).to_string()).unwrap();
    let meanwhile = w.submit(&vendor, "meanwhile", 10, &json!({"placement": {"members": [HOME]}}));
    once(&w.reach(&meanwhile, "Succeeded", END));
    let (reason, message) = reaches("e2e-c", "Stopped");
    assert_eq!(reason, "NeverReady");
    says(&message, &[HOME]);
    assert_eq!(digest(&wanted()), digest(&good));
    run::wait("the broken agent to go", START, || match pods() {
        left if left == new => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .unwrap();
    let after = w.submit(&vendor, "after", 5, &json!({"placement": {"members": [HOME]}}));
    once(&w.reach(&after, "Succeeded", END));
    drop(back);
    assert_eq!(digest(&wanted()), digest(&w.images.agent), "helm upgrade sets the chart's image");
    vendor.leave(&w.stage, START).unwrap();
}
