//! What everybody on the hub's cluster may know of it: ConfigMap `eai-hub-info`.

use std::collections::BTreeMap;

use eai_api::names::HUB_INFO;
use eai_chain::HubId;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use crate::context::{Context, Fatal};

/// The hub's id: as configured, or from the identity of its cluster.
pub async fn hub_id(client: &Client, configured: &str) -> Result<HubId, Fatal> {
    if !configured.is_empty() {
        return configured.parse().map_err(|error| Fatal::new("the hub's id (--hub-id)", error));
    }
    let api: Api<Namespace> = Api::all(client.clone());
    let system = api.get("kube-system").await.map_err(|error| Fatal::new("the hub's id", error))?;
    let uid = system.metadata.uid.ok_or_else(|| Fatal::new("the hub's id", "kube-system has no UID"))?;
    Ok(HubId::derived(&uid))
}

/// Writes it.
pub async fn publish(ctx: &Context, hub_id: HubId) -> Result<(), kube::Error> {
    let config = &ctx.config;
    let rpc = if config.public_rpc_url.is_empty() { &config.rpc_url } else { &config.public_rpc_url };
    let address = |address: Option<eai_core::address::Address>| address.map(|a| a.to_string()).unwrap_or_default();
    let data = BTreeMap::from([
        ("hubId".to_owned(), hub_id.to_string()),
        ("hubKey".to_owned(), ctx.ledger.hub_key().to_string()),
        ("chainId".to_owned(), config.chain_id.to_string()),
        ("rpcUrl".to_owned(), rpc.clone()),
        ("escrow".to_owned(), address(config.escrow)),
        ("token".to_owned(), address(config.token)),
        ("hubVersion".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    let mut map = ConfigMap { data: Some(data), ..ConfigMap::default() };
    map.metadata.name = Some(HUB_INFO.to_owned());
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &config.namespace);
    api.patch(HUB_INFO, &PatchParams::apply("eai-operator").force(), &Patch::Apply(&map)).await?;
    Ok(())
}
