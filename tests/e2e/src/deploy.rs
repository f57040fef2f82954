//! Contracts and hub, as an admin installs them.

use std::path::PathBuf;

use eai_core::address::Address;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    balances::{Contracts, SUPPLY},
    compat,
    error::{Error, Result},
    run,
    stage::Stage,
};

/// The namespace of the hub.
pub const HUB_NAMESPACE: &str = "eai-system";

/// The images in use, by digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Images {
    /// eai-operator.
    pub operator: String,
    /// eai-agent.
    pub agent: String,
    /// The examples' trainer.
    pub examples: String,
}

impl Images {
    /// Pushes all three.
    pub fn push(stage: &Stage) -> Result<Self> {
        Ok(Self {
            operator: stage.push_image("eai-operator")?,
            agent: stage.push_image("eai-agent")?,
            examples: stage.push_image("eai-examples")?,
        })
    }
}

/// Splits `registry/repository@sha256:...` for a chart's values.
pub fn image_values(image: &str) -> Value {
    let (repository, digest) = image.split_once('@').unwrap_or((image, ""));
    json!({"repository": repository, "digest": digest})
}

/// The registry that an image is in, as an owner allows it.
pub fn registry_of(image: &str) -> String {
    image.split('/').next().unwrap_or_default().to_owned()
}

/// What the vendor has at first: 100 EAI.
const VENDOR_WEI: u128 = 100 * 10u128.pow(18);

/// Deploys the contracts, with all EAI at the foundation but for the vendor's, unless that was done before.
pub fn contracts(stage: &Stage) -> Result<Contracts> {
    let book = stage.dir.join("addresses.json");
    if !book.exists() {
        let config = stage.dir.join("genesis.json");
        let genesis = json!({
            "closingWindow": 72 * 3600,
            "genesis": [
                {"recipient": stage.people.foundation.address, "amount": (SUPPLY - VENDOR_WEI).to_string()},
                {"recipient": stage.people.vendor.address, "amount": VENDOR_WEI.to_string()},
            ],
        });
        run::write(&config, &genesis.to_string())?;
        let mut node = std::process::Command::new("node");
        run::output(
            node.arg(stage.repository.join("contracts/tools/deploy.mjs"))
                .env("RPC_URL", &stage.rpc)
                .env("DEPLOYER_KEY", &stage.people.foundation.key)
                .env("CONFIG", &config)
                .env("OUT", &book),
        )?;
    }
    address_book(stage)
}

/// What an earlier deployment wrote down.
fn address_book(stage: &Stage) -> Result<Contracts> {
    let book = stage.dir.join("addresses.json");
    let text = run::read(&book)?;
    let book: Value = serde_json::from_str(&text).map_err(|error| Error::unexpected("addresses.json", error))?;
    let address = |field: &str| -> Result<Address> {
        let text = book[field].as_str().unwrap_or_default();
        text.parse().map_err(|error| Error::unexpected(format!("addresses.json: {field}"), error))
    };
    Ok(Contracts {
        rpc: stage.rpc.clone(),
        chain_id: stage.chain_id,
        token: address("token")?,
        escrow: address("escrow")?,
        hub_registry: address("hubRegistry").ok(),
    })
}

/// Drops what was written down for a chain that is gone: a testbed that was made anew has a new one.
pub async fn forget_another_chain(stage: &Stage) -> Result<()> {
    let Ok(contracts) = address_book(stage) else { return Ok(()) };
    if contracts.reader()?.token().await.is_ok() {
        return Ok(());
    }
    let book = stage.dir.join("addresses.json");
    std::fs::remove_file(&book).map_err(|source| Error::File { path: book, source })
}

/// Installs the CRDs and the hub with helm and waits until it serves.
pub fn hub(stage: &Stage, images: &Images, contracts: &Contracts) -> Result<()> {
    let hub = &stage.hub;
    let registry = contracts.hub_registry.map(|at| at.to_string()).unwrap_or_default();
    let chart = |name: &str| stage.repository.join("charts").join(name).display().to_string();
    hub.helm(&["upgrade", "--install", "eai-crds", &chart("eai-crds"), "-n", HUB_NAMESPACE, "--create-namespace"])?;
    let mut values = json!({
        "image": image_values(&images.operator),
        "hub": {"key": {"value": stage.people.hub.key.trim_start_matches("0x")}, "generation": generation(stage, contracts)?},
        "chain": {
            "id": contracts.chain_id,
            "rpcUrl": contracts.rpc,
            "escrow": contracts.escrow.to_string(),
            "token": contracts.token.to_string(),
            "hubRegistry": registry,
        },
        "agent": {"image": images.agent},
        "artifacts": {"persistence": {"storageClass": "-", "size": "5Gi", "retain": false}},
    });
    if let Some(registry) = node_registry(stage)? {
        values["chain"]["nodeRegistry"] = registry;
    }
    if stage.is_another_release() {
        compat::fit(&mut values, &stage.repository.join("charts/eai-hub"))?;
    }
    let file = values_file(stage, "hub", &values)?;
    let file = file.display().to_string();
    hub.helm(&[
        "upgrade",
        "--install",
        "eai-hub",
        &chart("eai-hub"),
        "-n",
        HUB_NAMESPACE,
        "-f",
        &file,
        "--wait",
        "--timeout",
        "180s",
    ])?;
    hub.kubectl(&["wait", "--for=condition=Available", "apiservice/v1alpha1.artifacts.eai.network", "--timeout=60s"])?;
    Ok(())
}

/// The generation that the hub must be given: one that was uninstalled and is installed again has lost its record, and
/// goes on by its admin's word alone.
fn generation(stage: &Stage, contracts: &Contracts) -> Result<u64> {
    let info = ["configmap", "eai-hub-info", "-n", HUB_NAMESPACE, "--ignore-not-found", "-o", "name"];
    if !stage.hub.kubectl(&[&["get"], &info[..]].concat())?.trim().is_empty() {
        return Ok(1);
    }
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::unexpected("a runtime", error))?;
        runtime.block_on(contracts.tenure(&stage.people.hub.key))
    };
    // On a thread of its own: the caller may be within a runtime.
    let asked = std::thread::scope(|scope| scope.spawn(ask).join());
    let tenure = asked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    Ok(tenure.map_or(1, |tenure| tenure.generation + 1))
}

/// The NodeRegistry's address, if one was deployed.
fn node_registry(stage: &Stage) -> Result<Option<Value>> {
    let book: Value = serde_json::from_str(&run::read(&stage.dir.join("addresses.json"))?)
        .map_err(|error| Error::unexpected("addresses.json", error))?;
    Ok(book.pointer("/policy/registry").cloned())
}

/// Writes a chart's values, which may hold keys.
pub fn values_file(stage: &Stage, name: &str, values: &Value) -> Result<PathBuf> {
    let path = stage.dir.join("values").join(format!("{name}.json"));
    run::write_secret(&path, &format!("{values:#}"))?;
    Ok(path)
}
