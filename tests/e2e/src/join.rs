//! Members joining, as their owners and the hub's admin do it.

use eai_core::address::Address;
use serde_json::{Value, json};

use crate::{
    balances::Contracts,
    compat,
    deploy::{Images, image_values, registry_of, values_file},
    error::Result,
    people::Person,
    run,
    stage::{Member, Mode, Stage},
};

/// The agent's namespace on a member.
pub const AGENT_NAMESPACE: &str = "eai-agent";

/// What a member charges, EAI per unit-hour.
pub const PRICES: [(&str, &str); 3] =
    [("nvidia.com/gpu", "1.2"), ("xilinx.com/fpga-xilinx_u250", "0.9"), ("cpu", "0.04")];

/// Joins a member and waits until it is ready for work.
pub fn member(stage: &Stage, member: &Member, owner: &Person, images: &Images, contracts: &Contracts) -> Result<()> {
    match member.mode {
        Mode::Pull => pull(stage, member, owner, images, contracts)?,
        Mode::Push => push(stage, member, owner, images, contracts)?,
    }
    let name = &member.cluster.name;
    stage.hub.kubectl(&["wait", "--for=condition=Ready", &format!("computenode/{name}"), "--timeout=120s"])?;
    Ok(())
}

/// The admin invites, the owner installs the agent's chart with the invite, the admin approves.
fn pull(stage: &Stage, member: &Member, owner: &Person, images: &Images, contracts: &Contracts) -> Result<()> {
    let name = &member.cluster.name;
    let invite = stage.dir.join("values").join(format!("invite-{name}.yaml"));
    let _ = std::fs::remove_file(&invite);
    run::output(stage.eai(None)?.args(["invite", name, "--out"]).arg(&invite))?;
    let values = values_file(stage, name, &agent_values(stage, member, owner, images, contracts)?)?;
    install(stage, member, &[&invite.display().to_string(), &values.display().to_string()])?;
    run::wait(&format!("{name} asking to join"), 120, || {
        stage.hub.get(&["computenode", name]).map(|_| ()).map_err(|error| error.to_string())
    })?;
    run::output(stage.eai(None)?.args(["approve", name]))?;
    Ok(())
}

/// The owner prepares the member's cluster with the same chart and hands the admin a kubeconfig; the hub runs the agent.
fn push(stage: &Stage, member: &Member, owner: &Person, images: &Images, contracts: &Contracts) -> Result<()> {
    let name = &member.cluster.name;
    let values = agent_values(stage, member, owner, images, contracts)?;
    let file = values_file(stage, name, &values)?.display().to_string();
    install(stage, member, &[&file])?;
    let kubeconfig = stage.dir.join("values").join(format!("kubeconfig-{name}"));
    run::write_secret(&kubeconfig, &owner_kubeconfig(member)?)?;
    let config = stage.dir.join("values").join(format!("agent-{name}.yaml"));
    let allowed = ["get", "configmap", "eai-agent", "-n", AGENT_NAMESPACE, "-o", "jsonpath={.data.agent\\.yaml}"];
    run::write_secret(&config, &member.cluster.kubectl(&allowed)?)?;
    let key = stage.dir.join("keys").join(format!("owner-{name}"));
    run::write_secret(&key, &owner.key)?;
    let mut join = stage.eai(None)?;
    join.args(["join", name, "--push", "--member-kubeconfig"]).arg(&kubeconfig);
    join.arg("--config").arg(&config).arg("--owner-key-file").arg(&key);
    run::output(join.args(["--form", "Business", "--site", "Cloud"]))?;
    Ok(())
}

fn install(stage: &Stage, member: &Member, values: &[&str]) -> Result<()> {
    let chart = stage.repository.join("charts/eai-agent").display().to_string();
    let mut arguments = vec!["upgrade", "--install", "eai-agent", &chart, "-n", AGENT_NAMESPACE, "--create-namespace"];
    for file in values {
        arguments.extend(["-f", file]);
    }
    member.cluster.helm(&arguments)?;
    Ok(())
}

/// The agent's chart values for a member: in push mode the hub knows the rest.
fn agent_values(
    stage: &Stage,
    member: &Member,
    owner: &Person,
    images: &Images,
    contracts: &Contracts,
) -> Result<Value> {
    let (mode, form, site) = match member.mode {
        Mode::Pull => ("Pull", "Personal", "Home"),
        Mode::Push => ("Push", "Business", "Cloud"),
    };
    let mut values = json!({
        "mode": mode,
        "image": image_values(&images.agent),
        "member": {"name": member.cluster.name, "form": form, "site": site, "region": "demo"},
        "prices": prices(),
        "limits": {
            "registries": [registry_of(&images.examples)], "accelerators": accelerators(), "allowExec": true,
        },
    });
    if member.mode == Mode::Pull {
        values["ownerKey"] = json!({"value": owner.key.trim_start_matches("0x")});
        values["chain"] = json!({"id": contracts.chain_id, "escrow": contracts.escrow});
    }
    if stage.is_another_release() {
        compat::fit(&mut values, &stage.repository.join("charts/eai-agent"))?;
    }
    Ok(values)
}

fn prices() -> Vec<Value> {
    PRICES.iter().map(|(class, rate)| json!({"class": class, "rate": rate})).collect()
}

fn accelerators() -> Value {
    json!({"nvidia.com/gpu": 4, "xilinx.com/fpga-xilinx_u250": 1})
}

/// A kubeconfig for the rights that the agent's chart gives on the member, as its notes say.
fn owner_kubeconfig(member: &Member) -> Result<String> {
    let token =
        ["get", "secret", "eai-agent-push", "-n", AGENT_NAMESPACE, "-o", "go-template={{.data.token | base64decode}}"];
    let token = member.cluster.kubectl(&token)?;
    let text = member.cluster.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"])?;
    let view: Value =
        serde_json::from_str(&text).map_err(|error| crate::Error::unexpected("kubectl config view", error))?;
    let cluster = &view["clusters"][0]["cluster"];
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "member",
        "contexts": [{"name": "member", "context": {"cluster": "member", "user": "hub"}}],
        "clusters": [{"name": "member", "cluster": {
            "server": cluster["server"],
            "certificate-authority-data": cluster["certificate-authority-data"],
        }}],
        "users": [{"name": "hub", "user": {"token": token.trim()}}],
    });
    Ok(config.to_string())
}

/// The vendor's namespace, money and word: deposits, and authorises the hub for the namespace.
pub fn vendor(stage: &Stage, namespace: &str, deposit: &str, cap: &str, max_rate: &str) -> Result<Address> {
    let key = stage.dir.join("keys/vendor");
    run::write_secret(&key, &stage.people.vendor.key)?;
    let yaml = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    stage.hub.apply(&yaml.to_string())?;
    run::output(stage.eai(Some(&key))?.args(["deposit", deposit]))?;
    let authorize = ["authorize", "-n", namespace, "--cap", cap, "--max-rate", max_rate, "--expires", "7d"];
    run::output(stage.eai(Some(&key))?.args(authorize))?;
    Ok(stage.people.vendor.address)
}
