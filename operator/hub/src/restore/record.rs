//! What the hub writes down of its generation, in ConfigMap `eai-hub-info`, so that a backup holds it.

use std::{collections::BTreeMap, str::FromStr};

use eai_api::names::HUB_INFO;
use eai_chain::Tenure;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};

use crate::{context::Context, fencing::SETTLED_IN};

/// Its field manager: the rest of that ConfigMap is written on its own.
const MANAGER: &str = "eai-operator-generation";
const GENERATION: &str = "generation";
const HOLDER: &str = "generationHolder";
const RAISING: &str = "raisingTo";
const RAISING_HOLDER: &str = "raisingHolder";
/// The last block of the chain up to which every lease in this hub's name is on record.
const BLOCK: &str = "knownToBlock";

/// What is on record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// As what this hub went on, as the chain confirmed it.
    pub held: Option<Tenure>,
    /// As what it was about to go on: written before it was sent.
    pub raising: Option<Tenure>,
    /// The last generation that has settled in.
    pub settled_in: u64,
    /// The block up to which every lease is on record.
    pub block: Option<u64>,
    /// The version that this was read at, for conditional writes.
    pub(super) version: Option<String>,
}

impl Record {
    /// Whether `tenure` is this hub's.
    pub fn is_ours(&self, tenure: Tenure) -> bool {
        self.held == Some(tenure) || self.raising == Some(tenure)
    }

    /// The highest generation that this hub ever had; at least 1.
    pub fn highest(&self) -> u64 {
        let of = |tenure: Option<Tenure>| tenure.map_or(0, |tenure| tenure.generation);
        self.settled_in.max(of(self.held)).max(of(self.raising)).max(1)
    }

    /// Whether a hub that the `chain` doesn't know, and that becomes `generation`, wasn't restored from anything.
    pub fn is_fresh(&self, chain: Option<Tenure>, generation: u64) -> bool {
        chain.is_none() && generation == self.highest()
    }

    /// What `map` says.
    pub fn read(map: Option<&ConfigMap>) -> Self {
        Self {
            held: pair(map, GENERATION, HOLDER),
            raising: pair(map, RAISING, RAISING_HOLDER),
            settled_in: entry(map, SETTLED_IN).unwrap_or(0),
            block: entry(map, BLOCK),
            version: map.and_then(|map| map.metadata.resource_version.clone()),
        }
    }

    fn entries(&self) -> BTreeMap<String, String> {
        let pairs = [(GENERATION, HOLDER, self.held), (RAISING, RAISING_HOLDER, self.raising)];
        let pairs = pairs.into_iter().filter_map(|(number, holder, tenure)| Some((number, holder, tenure?)));
        pairs
            .flat_map(|(number, holder, tenure)| {
                [(number.to_owned(), tenure.generation.to_string()), (holder.to_owned(), tenure.holder.to_string())]
            })
            .chain(self.block.map(|block| (BLOCK.to_owned(), block.to_string())))
            .collect()
    }
}

fn entry<T: FromStr>(map: Option<&ConfigMap>, key: &str) -> Option<T> {
    map?.data.as_ref()?.get(key)?.parse().ok()
}

fn pair(map: Option<&ConfigMap>, number: &str, holder: &str) -> Option<Tenure> {
    Some(Tenure { generation: entry(map, number)?, holder: entry(map, holder)? })
}

/// Reads and writes it.
pub struct Records(Api<ConfigMap>);

impl Records {
    /// Where `ctx` has it.
    pub fn of(ctx: &Context) -> Self {
        Self(Api::namespaced(ctx.client.clone(), &ctx.config.namespace))
    }

    /// What is there now.
    pub async fn read(&self) -> Result<Record, kube::Error> {
        Ok(Record::read(self.0.get_opt(HUB_INFO).await?.as_ref()))
    }

    /// Writes it if nobody wrote the ConfigMap since `record` was read.
    pub async fn write(&self, record: &Record) -> Result<(), kube::Error> {
        let mut map = ConfigMap { data: Some(record.entries()), ..ConfigMap::default() };
        map.metadata.name = Some(HUB_INFO.to_owned());
        map.metadata.resource_version.clone_from(&record.version);
        self.0.patch(HUB_INFO, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&map)).await?;
        Ok(())
    }
}
