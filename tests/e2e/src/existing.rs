//! Running on clusters that exist, as given on the command line.

use std::path::{Path, PathBuf};

use crate::{
    error::{Error, Result},
    run,
    stage::{Existing, Mode},
};

/// Clusters, registry and chain that exist. All of them, or none: then the testbed is used.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Arguments {
    /// The hub's kubeconfig.
    #[arg(long, env = "HUB", default_value = "")]
    pub hub: String,
    /// Members as NAME=KUBECONFIG, with :push at the end for one whose agent the hub runs; separated by commas.
    #[arg(long, env = "MEMBERS", default_value = "")]
    pub members: String,
    /// A registry and path that this machine can push to and the members pull from.
    #[arg(long, env = "REGISTRY", default_value = "")]
    pub registry: String,
    /// The chain's JSON-RPC endpoint.
    #[arg(long, env = "RPC_URL", default_value = "")]
    pub rpc_url: String,
    /// The chain's id.
    #[arg(long, env = "CHAIN_ID", default_value_t = 0)]
    pub chain_id: u64,
    /// A file of private keys that have gas money there, one a line: foundation, hub, vendor, each member's owner.
    #[arg(long, env = "KEYS", default_value = "")]
    pub keys: String,
}

impl Arguments {
    /// What was given; `None` if nothing was.
    pub fn read(&self) -> Result<Option<Existing>> {
        let given = [&self.hub, &self.members, &self.registry, &self.rpc_url, &self.keys];
        if given.iter().all(|text| text.is_empty()) {
            return Ok(None);
        }
        if given.iter().any(|text| text.is_empty()) || self.chain_id == 0 {
            let why = "existing clusters need all of HUB, MEMBERS, REGISTRY, RPC_URL, CHAIN_ID and KEYS";
            return Err(Error::unexpected("the arguments", why));
        }
        Ok(Some(Existing {
            hub: PathBuf::from(&self.hub),
            members: self.members.split(',').map(member).collect::<Result<_>>()?,
            registry: self.registry.clone(),
            rpc: self.rpc_url.clone(),
            chain_id: self.chain_id,
            keys: run::read(Path::new(&self.keys))?.split_whitespace().map(str::to_owned).collect(),
        }))
    }
}

fn member(text: &str) -> Result<(String, PathBuf, Mode)> {
    let (name, path) = text
        .split_once('=')
        .ok_or_else(|| Error::unexpected("MEMBERS", format!("{text:?} isn't NAME=KUBECONFIG[:push]")))?;
    let (path, mode) = path.strip_suffix(":push").map_or((path, Mode::Pull), |path| (path, Mode::Push));
    Ok((name.to_owned(), PathBuf::from(path), mode))
}
