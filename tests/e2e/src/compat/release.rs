//! Upgrading and rolling back, as admin and owners do it: docs/upgrades.md.

use serde_json::Value;

use crate::{
    cluster::Cluster,
    deploy::{HUB_NAMESPACE, Images, image_values},
    error::{Error, Result},
    join::AGENT_NAMESPACE,
    run,
    stage::{Member, Mode, Stage},
};

/// Seconds for which the new hub lends: the least it takes, so that what a rollback does shows within minutes.
pub const VALID_FOR: u64 = 60;
const PATIENCE: &str = "--timeout=180s";

/// The kinds, as `stage`'s release has them.
pub fn crds(stage: &Stage) -> Result<()> {
    let chart = chart(stage, "eai-crds");
    stage.hub.helm(&["upgrade", "eai-crds", &chart, "-n", HUB_NAMESPACE]).map(drop)
}

/// The hub of `stage`'s release, with the agent's image `agent` for push members.
pub fn hub(stage: &Stage, operator: &str, agent: &str) -> Result<()> {
    let chart = chart(stage, "eai-hub");
    let (image, agent) = (set_image(operator), format!("agent.image={agent}"));
    let grants = format!("fencing.validForSeconds={VALID_FOR}");
    let upgrade = ["upgrade", "eai-hub", &chart, "-n", HUB_NAMESPACE, "--reset-then-reuse-values"];
    let values = ["--set", &image, "--set", &agent, "--set", &grants, "--wait", PATIENCE];
    stage.hub.helm(&[&upgrade[..], &values[..]].concat())?;
    serves(stage)
}

/// The hub as it was at a revision of its release.
pub fn hub_back(stage: &Stage, revision: &str) -> Result<()> {
    stage.hub.helm(&["rollback", "eai-hub", revision, "-n", HUB_NAMESPACE, "--wait", PATIENCE])?;
    serves(stage)
}

fn serves(stage: &Stage) -> Result<()> {
    let service = "apiservice/v1alpha1.artifacts.eai.network";
    stage.hub.kubectl(&["wait", "--for=condition=Available", service, "--timeout=120s"])?;
    ready(stage)
}

/// All members' agents of `stage`'s release: the owners upgrade, and the admin tells the hub of `now` what push members run.
pub fn agents(stage: &Stage, images: &Images, operator: &str) -> Result<()> {
    for member in &stage.members {
        let (chart, image) = (chart(stage, "eai-agent"), set_image(&images.agent));
        let upgrade =
            ["upgrade", "eai-agent", &chart, "-n", AGENT_NAMESPACE, "--reset-then-reuse-values", "--set", &image];
        member.cluster.helm(&upgrade)?;
    }
    hub(stage, operator, &images.agent)?;
    agents_run(stage, &images.agent)
}

/// All members' agents as they were before they were upgraded; `images` and `now` as they are afterwards.
pub fn agents_back(now: &Stage, images: &Images, operator: &str) -> Result<()> {
    for member in &now.members {
        member.cluster.helm(&["rollback", "eai-agent", "-n", AGENT_NAMESPACE])?;
    }
    hub(now, operator, &images.agent)?;
    agents_run(now, &images.agent)
}

/// Waits until every member's agent is from `image` and is heard.
fn agents_run(stage: &Stage, image: &str) -> Result<()> {
    for member in &stage.members {
        agent_runs(stage, member, image)?;
    }
    ready(stage)
}

/// Waits until a member's agent is from `image`.
pub fn agent_runs(stage: &Stage, member: &Member, image: &str) -> Result<()> {
    let own = format!("cn-{}", member.cluster.name);
    let (cluster, namespace): (&Cluster, &str) = match member.mode {
        Mode::Pull => (&member.cluster, AGENT_NAMESPACE),
        Mode::Push => (&stage.hub, &own),
    };
    run::wait(&format!("the agent of {} from {image}", member.cluster.name), 180, || {
        let object = cluster.get(&["deployment", "eai-agent", "-n", namespace]).map_err(|error| error.to_string())?;
        let seen = object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        if seen == image { Ok(()) } else { Err(seen.to_owned()) }
    })?;
    cluster.kubectl(&["rollout", "status", "deployment/eai-agent", "-n", namespace, PATIENCE]).map(drop)
}

fn ready(stage: &Stage) -> Result<()> {
    stage.hub.kubectl(&["wait", "--for=condition=Ready", "computenodes", "--all", PATIENCE]).map(drop)
}

/// The revision that is installed of the hub.
pub fn hub_revision(stage: &Stage) -> Result<String> {
    let text = stage.hub.helm(&["status", "eai-hub", "-n", HUB_NAMESPACE, "-o", "json"])?;
    let status: Value = serde_json::from_str(&text).map_err(|error| Error::unexpected("helm status", error))?;
    status["version"].as_u64().map(|version| version.to_string()).ok_or_else(|| Error::unexpected("helm status", text))
}

/// Whether the hub of `stage`'s release lends the right to run; what one that doesn't has to do with work that another
/// began under a grant is in docs/upgrades.md.
pub fn lends(stage: &Stage) -> Result<bool> {
    Ok(run::read(&stage.repository.join("charts/eai-hub/values.yaml"))?.lines().any(|line| line == "fencing:"))
}

fn chart(stage: &Stage, name: &str) -> String {
    stage.repository.join("charts").join(name).display().to_string()
}

fn set_image(image: &str) -> String {
    let values = image_values(image);
    let text = |name: &str| values[name].as_str().unwrap_or_default().to_owned();
    format!("image.repository={},image.digest={}", text("repository"), text("digest"))
}
