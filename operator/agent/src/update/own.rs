//! This agent's own pod and Deployment.

use eai_core::image::ImageRef;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
};
use semver::Version;
use serde_json::{Value, json};

use super::decide::State;

/// Annotations of the Deployment: what this agent asked for last, what it was then, and under which version that was
/// signed; and digests that never got ready.
const TO: &str = "eai.network/update-to";
const FROM: &str = "eai.network/update-from";
const VERSION: &str = "eai.network/update-version";
const FAILED: &str = "eai.network/update-failed";
/// As many failed digests are remembered.
const REMEMBERED: usize = 8;
/// The agent's container.
const CONTAINER: &str = "agent";

/// Why the agent can't see to itself.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// The member's API server.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// A pod or Deployment without a container of the agent's by digest.
    #[error("{0} has no container {CONTAINER} with an image by digest")]
    NoImage(&'static str),
}

/// This agent and its Deployment, as they are.
pub struct Own {
    api: Api<Deployment>,
    deployment: Deployment,
    /// What is decided on.
    pub state: State,
}

impl Own {
    /// Reads the pod and the Deployment of those names.
    pub async fn read(member: &Client, namespace: &str, deployment: &str, pod: &str) -> Result<Self, OwnError> {
        let pods: Api<Pod> = Api::namespaced(member.clone(), namespace);
        let api: Api<Deployment> = Api::namespaced(member.clone(), namespace);
        let (pod, deployment) = (pods.get(pod).await?, api.get(deployment).await?);
        let state = state(&pod, &deployment)?;
        Ok(Self { api, deployment, state })
    }

    /// Has the Deployment ask for `image`.
    pub async fn start(&self, image: &ImageRef, version: &Version) -> Result<(), OwnError> {
        let marks = json!({ TO: image.to_string(), FROM: self.state.image.to_string(), VERSION: version.to_string() });
        self.ask(image, marks).await
    }

    /// Has it ask for this agent's own image again, and remembers that `digest` never got ready.
    pub async fn roll_back(&self, digest: &str) -> Result<(), OwnError> {
        let own = &self.state.image;
        let earlier = self.state.failed.iter().rev().take(REMEMBERED - 1).rev();
        let failed: Vec<&str> = earlier.map(String::as_str).chain([digest]).collect();
        let version = self.state.version.to_string();
        self.ask(own, json!({ TO: own.to_string(), FROM: null, VERSION: version, FAILED: failed.join(",") })).await
    }

    /// Conditional on the version that was decided on: the owner may be changing it, too.
    async fn ask(&self, image: &ImageRef, marks: Value) -> Result<(), OwnError> {
        let patch = json!({
            "metadata": { "annotations": marks, "resourceVersion": self.deployment.resource_version() },
            "spec": { "template": { "spec": { "containers": [{ "name": CONTAINER, "image": image.to_string() }] } } },
        });
        let params = PatchParams { field_manager: Some("eai-agent".to_owned()), ..PatchParams::default() };
        self.api.patch(&self.deployment.name_any(), &params, &Patch::Strategic(patch)).await?;
        Ok(())
    }
}

/// What is decided on. Pure.
pub fn state(pod: &Pod, deployment: &Deployment) -> Result<State, OwnError> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let image = containers.filter(|c| c.name == CONTAINER).find_map(|c| c.image.as_deref()?.parse::<ImageRef>().ok());
    let image = image.ok_or(OwnError::NoImage("this agent's pod"))?;
    let template = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let containers = template.iter().flat_map(|spec| &spec.containers);
    let wanted = containers.filter(|c| c.name == CONTAINER).find_map(|c| c.image.clone());
    let wanted = wanted.ok_or(OwnError::NoImage("this agent's Deployment"))?;
    let marks = deployment.annotations();
    let mark = |key: &str| marks.get(key).filter(|text| !text.is_empty()).cloned();
    let built: Version = env!("CARGO_PKG_VERSION").parse().unwrap_or(Version::new(0, 0, 0));
    // What its image was signed as, if this agent's predecessor put that there.
    let signed = mark(VERSION).filter(|_| mark(TO) == Some(image.to_string())).and_then(|text| text.parse().ok());
    let failed = mark(FAILED).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default();
    Ok(State {
        version: signed.map_or(built.clone(), |signed: Version| signed.max(built)),
        image,
        wanted,
        started: mark(TO).zip(mark(FROM)),
        gave_up: gave_up(deployment),
        failed,
    })
}

/// Whether Kubernetes has given up what the Deployment asks for now.
fn gave_up(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    let seen = status.observed_generation >= deployment.metadata.generation;
    let conditions = status.conditions.iter().flatten();
    let late = |reason: Option<&str>| reason == Some("ProgressDeadlineExceeded");
    seen && conditions.into_iter().any(|c| c.type_ == "Progressing" && c.status == "False" && late(c.reason.as_deref()))
}
