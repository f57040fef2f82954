//! The hub, as the caller sees it: its API server with the caller's own rights, and what it says of itself.

use std::collections::BTreeMap;

use eai_api::names;
use eai_chain::{HubId, NamespaceId};
use eai_core::address::Address;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Config, ResourceExt as _,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    arguments::HubArguments,
    error::{Error, Result},
};

/// A connection to the hub.
pub struct Hub {
    /// The API server, as the caller.
    pub client: Client,
    /// The namespace of the hub itself.
    pub namespace: String,
    /// The namespace that the caller means.
    pub job_namespace: String,
    /// The API server's URL and CA, as the kubeconfig has them.
    pub config: Config,
}

/// What the hub says of itself (ConfigMap `eai-hub-info`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its id in authorisations.
    pub hub_id: HubId,
    /// The key that opens leases.
    pub hub_key: Address,
    /// EIP-155.
    pub chain_id: u64,
    /// JSON-RPC for the public; empty if the hub names none.
    pub rpc_url: String,
    /// The Escrow.
    pub escrow: Address,
    /// The operator's version.
    pub version: String,
}

impl Hub {
    /// Connects as the kubeconfig says.
    pub async fn connect(arguments: &HubArguments) -> Result<Self> {
        let bad = |error: &dyn std::fmt::Display| Error::Kubeconfig(error.to_string());
        let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
        let config = match &arguments.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path).map_err(|error| bad(&error))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| bad(&error))?
            }
            None if arguments.context.is_some() => {
                Config::from_kubeconfig(&options).await.map_err(|error| bad(&error))?
            }
            None => Config::infer().await.map_err(|error| bad(&error))?,
        };
        let job_namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config.clone())?;
        Ok(Self { client, namespace: arguments.hub_namespace.clone(), job_namespace, config })
    }

    /// The namespace that a file names, or else the one that the caller means.
    pub fn namespace_or(&self, named: Option<String>) -> String {
        named.unwrap_or_else(|| self.job_namespace.clone())
    }

    /// Objects of the job's namespace.
    pub fn in_namespace<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.job_namespace)
    }

    /// Objects of the hub's own namespace.
    pub fn in_system<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// What the hub says of itself.
    pub async fn info(&self) -> Result<Info> {
        let api: Api<ConfigMap> = self.in_system();
        let map = api.get_opt(names::HUB_INFO).await?.ok_or_else(|| {
            Error::NotFound(format!(
                "no hub in namespace {}: it has no ConfigMap {}; name the hub's namespace with --hub-namespace",
                self.namespace,
                names::HUB_INFO
            ))
        })?;
        Info::read(&map.data.unwrap_or_default())
    }

    /// The id under which a namespace of this hub is authorised: by its UID, so that one made again inherits nothing.
    pub async fn namespace_id(&self, hub_id: HubId, namespace: &str) -> Result<NamespaceId> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let uid = api.get(namespace).await?.uid().unwrap_or_default();
        Ok(NamespaceId::of(hub_id, &uid))
    }
}

impl Info {
    fn read(data: &BTreeMap<String, String>) -> Result<Self> {
        fn field<T: std::str::FromStr>(data: &BTreeMap<String, String>, name: &str) -> Result<T> {
            let broken = || Error::Failed(format!("ConfigMap {}: {name} is missing or malformed", names::HUB_INFO));
            data.get(name).and_then(|text| text.parse().ok()).ok_or_else(broken)
        }
        Ok(Self {
            hub_id: field(data, "hubId")?,
            hub_key: field(data, "hubKey")?,
            chain_id: field(data, "chainId")?,
            rpc_url: data.get("rpcUrl").cloned().unwrap_or_default(),
            escrow: field(data, "escrow")?,
            version: data.get("hubVersion").cloned().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn data() -> BTreeMap<String, String> {
        [
            ("hubId", format!("0x{}", "11".repeat(32))),
            ("hubKey", format!("0x{}", "22".repeat(20))),
            ("chainId", "31337".to_owned()),
            ("rpcUrl", "http://chain".to_owned()),
            ("escrow", format!("0x{}", "33".repeat(20))),
            ("hubVersion", "0.1.0".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    #[test]
    fn reads_what_the_hub_writes() {
        let info = Info::read(&data()).unwrap();
        assert_eq!((info.chain_id, info.rpc_url.as_str()), (31337, "http://chain"));
    }

    #[test]
    fn names_what_is_missing_or_malformed() {
        for name in ["hubId", "hubKey", "chainId", "escrow"] {
            for value in [None, Some("nonsense")] {
                let mut data = data();
                data.remove(name);
                data.extend(value.map(|value| (name.to_owned(), value.to_owned())));
                assert!(Info::read(&data).unwrap_err().to_string().contains(name));
            }
        }
    }
}
