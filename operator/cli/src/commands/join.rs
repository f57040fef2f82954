//! Joining a member in push mode: the hub runs its agent, with a kubeconfig for the member.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use eai_api::{
    ComputeNode,
    names::{
        AGENT_CONFIG_DIR, AGENT_CONFIG_KEY, AGENT_CONFIG_SECRET, IDENTITY_SECRET, KUBECONFIG_KEY, KUBECONFIG_SECRET,
        MEMBER_DIR, OWNER_KEY_KEY, SEALING_KEY_KEY, member_namespace,
    },
};
use eai_chain::Key;
use eai_core::seal::KeyPair;
use eai_runtime::kubeconfig;
use k8s_openapi::{
    ByteString,
    api::core::v1::{Secret, ServiceAccount},
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    arguments::Join,
    error::{Error, Result},
    hub::{Hub, Info},
    output,
};

/// How long to wait for the hub to make the member's namespace.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a push member is joined with.
struct Files<'a> {
    kubeconfig: &'a Path,
    config: &'a Path,
    owner_key: &'a Path,
}

/// Joins a member in push mode, or says how its owner joins it.
pub async fn run(hub: &Hub, arguments: &Join) -> Result<()> {
    let files = (&arguments.member_kubeconfig, &arguments.config, &arguments.owner_key_file);
    match files {
        (Some(kubeconfig), Some(config), Some(owner_key)) if arguments.push => {
            push(hub, arguments, &Files { kubeconfig, config, owner_key }).await
        }
        _ => {
            output::say(by_invite(&arguments.member))?;
            Ok(())
        }
    }
}

/// How a member joins that dials the hub.
fn by_invite(member: &str) -> String {
    format!(
        "A member that dials the hub joins with an invite. The hub's admin makes it:\n  \
         kubectl eai invite {member} --out invite-{member}.yaml\n\
         The member's owner, on the member's cluster, with their prices and limits in YOUR-VALUES:\n  \
         helm install eai-agent charts/eai-agent -n eai-agent --create-namespace -f invite-{member}.yaml -f YOUR-VALUES\n\
         The admin again:\n  kubectl eai approve {member}"
    )
}

/// Joins a member and hands the hub what its agent needs. What is there already is brought up to date.
async fn push(hub: &Hub, arguments: &Join, files: &Files<'_>) -> Result<()> {
    let kubeconfig = read(files.kubeconfig)?;
    let member = kubeconfig::parse_strict(&kubeconfig)
        .map_err(|source| Error::Refused { path: files.kubeconfig.to_owned(), source })?;
    let owner_key = read(files.owner_key)?;
    let owner = Key::parse(&owner_key)?.address();
    let config = agent_config(&read(files.config)?, files.config, arguments, &hub.info().await?)?;
    let sealing_key = identity(member, &agent_namespace(&config)).await?;

    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    let node = json!({
        "apiVersion": "eai.network/v1alpha1",
        "kind": "ComputeNode",
        "metadata": {"name": arguments.member},
        "spec": {
            "owner": owner, "form": arguments.form, "site": arguments.site, "region": arguments.region,
            "connection": "Push", "sealingKey": sealing_key, "accepted": true,
        },
    });
    let node: ComputeNode =
        serde_json::from_value(node).map_err(|error| Error::Usage(format!("--form or --site: {error}")))?;
    match nodes.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => update(&nodes, &node).await?,
        created => drop(created?),
    }

    let namespace = member_namespace(&arguments.member);
    await_namespace(hub, &namespace).await?;
    let secrets: Api<Secret> = Api::namespaced(hub.client.clone(), &namespace);
    let data = [(AGENT_CONFIG_KEY, config.as_str()), (OWNER_KEY_KEY, owner_key.trim())];
    put(&secrets, AGENT_CONFIG_SECRET, &data).await?;
    put(&secrets, KUBECONFIG_SECRET, &[(KUBECONFIG_KEY, &kubeconfig)]).await?;
    output::say(format!("{} joins; watch it: kubectl get computenode {} -w", arguments.member, arguments.member))?;
    Ok(())
}

/// Brings a push member that is there up to date; another's is left alone.
async fn update(nodes: &Api<ComputeNode>, wanted: &ComputeNode) -> Result<()> {
    let name = wanted.name_any();
    let there = nodes.get(&name).await?;
    if there.spec.connection != wanted.spec.connection || there.spec.owner != wanted.spec.owner {
        let why =
            format!("{name} is there already, as another member: choose another name, or kubectl eai leave {name}");
        return Err(Error::Failed(why));
    }
    let spec = json!({ "form": wanted.spec.form, "site": wanted.spec.site, "region": wanted.spec.region,
        "sealingKey": wanted.spec.sealing_key, "accepted": true });
    nodes.patch(&name, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::file(path))
}

/// The owner's configuration with what the command line and the hub say of it filled in.
fn agent_config(text: &str, path: &Path, arguments: &Join, info: &Info) -> Result<String> {
    let bad = |error: &dyn std::fmt::Display| Error::Usage(format!("{}: {error}", path.display()));
    let mut config: BTreeMap<String, Value> = serde_norway::from_str(text).map_err(|error| bad(&error))?;
    let set = [
        ("member", json!(arguments.member)),
        ("mode", json!("Push")),
        ("form", json!(arguments.form)),
        ("site", json!(arguments.site)),
        ("region", json!(arguments.region)),
        ("memberKubeconfig", json!(format!("{MEMBER_DIR}/{KUBECONFIG_KEY}"))),
        ("ownerKeyFile", json!(format!("{AGENT_CONFIG_DIR}/{OWNER_KEY_KEY}"))),
        ("chain", json!({"id": info.chain_id, "escrow": info.escrow})),
    ];
    config.extend(set.map(|(name, value)| (name.to_owned(), value)));
    config.remove("hub");
    serde_norway::to_string(&config).map_err(|error| bad(&error))
}

/// The namespace on the member that the agent keeps its keys in: the configuration's, or its default.
fn agent_namespace(config: &str) -> String {
    let config: Value = serde_norway::from_str(config).unwrap_or_default();
    config["agentNamespace"].as_str().unwrap_or("eai-agent").to_owned()
}

/// The member's public sealing key. The private one is made here unless the member has one, and kept there alone.
async fn identity(member: Kubeconfig, namespace: &str) -> Result<String> {
    let config = Config::from_custom_kubeconfig(member, &KubeConfigOptions::default()).await;
    let config = config.map_err(|error| Error::Kubeconfig(error.to_string()))?;
    let secrets: Api<Secret> = Api::namespaced(Client::try_from(config)?, namespace);
    let unusable = |error: &dyn std::fmt::Display| {
        Error::Failed(format!("the member's Secret {namespace}/{IDENTITY_SECRET} holds no usable key: {error}"))
    };
    if let Some(secret) = secrets.get_opt(IDENTITY_SECRET).await? {
        let data = secret.data.unwrap_or_default().remove(SEALING_KEY_KEY).unwrap_or_default();
        let text = String::from_utf8(data.0).map_err(|error| unusable(&error))?;
        return Ok(KeyPair::from_private(&text).map_err(|error| unusable(&error))?.public());
    }
    let keys = KeyPair::generate();
    let data = BTreeMap::from([(SEALING_KEY_KEY.to_owned(), ByteString(keys.private().as_bytes().to_vec()))]);
    let mut secret = Secret { data: Some(data), ..Secret::default() };
    secret.metadata.name = Some(IDENTITY_SECRET.to_owned());
    secrets.create(&PostParams::default(), &secret).await?;
    Ok(keys.public())
}

/// Waits until the hub has made the member's namespace and rights.
async fn await_namespace(hub: &Hub, namespace: &str) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(hub.client.clone(), namespace);
    let end = Instant::now() + PATIENCE;
    while accounts.get_opt(eai_api::names::AGENT_ACCOUNT).await?.is_none() {
        if Instant::now() >= end {
            let why = format!("the hub hasn't made namespace {namespace}; kubectl eai doctor tells what keeps it");
            return Err(Error::Failed(why));
        }
        sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

async fn put(secrets: &Api<Secret>, name: &str, data: &[(&str, &str)]) -> Result<()> {
    let data: BTreeMap<&str, ByteString> =
        data.iter().map(|(key, value)| (*key, ByteString(value.as_bytes().to_vec()))).collect();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data});
    secrets.patch(name, &PatchParams::apply("kubectl-eai").force(), &Patch::Apply(secret)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eai_core::address::Address;

    use super::*;

    fn arguments() -> Join {
        Join {
            member: "cloud-1".into(),
            push: true,
            member_kubeconfig: Some("k".into()),
            config: Some("agent.yaml".into()),
            owner_key_file: Some("o".into()),
            form: "Business".into(),
            site: "Cloud".into(),
            region: "eu".into(),
        }
    }

    fn info() -> Info {
        let address = Address([0x11; 20]);
        let hub_id = "0x".to_owned() + &"22".repeat(32);
        Info {
            hub_id: hub_id.parse().unwrap(),
            hub_key: address,
            chain_id: 5,
            rpc_url: String::new(),
            escrow: address,
            version: String::new(),
        }
    }

    #[test]
    fn what_the_hub_knows_is_filled_in_and_the_rest_kept() {
        let text = "member: wrong\nhub: {url: x}\nprices: [{class: cpu, rate: '1'}]\n";
        let config: Value =
            serde_norway::from_str(&agent_config(text, Path::new("agent.yaml"), &arguments(), &info()).unwrap())
                .unwrap();
        assert_eq!(config["member"], "cloud-1");
        assert_eq!(config["mode"], "Push");
        assert_eq!(config["memberKubeconfig"], "/etc/eai/member/kubeconfig");
        assert_eq!(config["ownerKeyFile"], "/etc/eai/agent/owner-key");
        assert_eq!(config["chain"]["id"], 5);
        assert_eq!(config["prices"][0]["class"], "cpu");
        assert!(config.get("hub").is_none());
    }

    #[test]
    fn a_broken_file_is_named() {
        let error = agent_config("[", Path::new("agent.yaml"), &arguments(), &info()).unwrap_err();
        assert!(error.to_string().starts_with("agent.yaml:"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}
