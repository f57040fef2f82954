//! Pods of the whole cluster, reduced to what they ask of their node.

use std::{borrow::Cow, collections::BTreeMap};

use eai_core::quantity;
use k8s_openapi::{
    api::core::v1::{Pod, ResourceRequirements},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use kube::Resource;
use serde::Deserialize;

/// A pod without all that capacity doesn't depend on: a member may have thousands.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct LightPod {
    /// Its identity.
    pub metadata: ObjectMeta,
    /// What it asks for.
    #[serde(default)]
    pub spec: LightSpec,
}

/// What a pod asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LightSpec {
    /// The node it is on.
    #[serde(default)]
    pub node_name: Option<String>,
    #[serde(default)]
    containers: Vec<LightContainer>,
    #[serde(default)]
    init_containers: Vec<LightContainer>,
    #[serde(default)]
    overhead: BTreeMap<String, Quantity>,
    #[serde(default)]
    resources: Option<ResourceRequirements>,
    /// The sum, once it is known.
    #[serde(skip)]
    pub requests: Requests,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LightContainer {
    #[serde(default)]
    resources: Option<ResourceRequirements>,
    #[serde(default)]
    restart_policy: Option<String>,
}

/// Amounts by resource: cores in thousandths, everything else in whole units.
pub type Requests = BTreeMap<String, u64>;

impl Resource for LightPod {
    type DynamicType = ();
    type Scope = <Pod as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        Pod::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        Pod::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        Pod::version(&())
    }
    fn api_version((): &()) -> Cow<'_, str> {
        Pod::api_version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        Pod::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Adds up what `pod` asks for and drops the rest.
pub fn trim(pod: &mut LightPod) {
    let meta = std::mem::take(&mut pod.metadata);
    pod.metadata = ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        resource_version: meta.resource_version,
        ..ObjectMeta::default()
    };
    let spec = std::mem::take(&mut pod.spec);
    pod.spec = LightSpec { requests: requests(&spec), node_name: spec.node_name, ..LightSpec::default() };
}

/// What the scheduler sets aside for a pod: its containers together, or its init containers where one alone needs more,
/// and the overhead of its runtime.
fn requests(spec: &LightSpec) -> Requests {
    let mut running = Requests::new();
    spec.containers.iter().for_each(|container| add(&mut running, &of(container.resources.as_ref())));
    let mut sidecars = Requests::new();
    let mut starting = Requests::new();
    for container in &spec.init_containers {
        let own = of(container.resources.as_ref());
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut sidecars, &own);
            raise(&mut starting, &sidecars);
        } else {
            let mut with_sidecars = sidecars.clone();
            add(&mut with_sidecars, &own);
            raise(&mut starting, &with_sidecars);
        }
    }
    add(&mut running, &sidecars);
    raise(&mut running, &starting);
    // What is asked for the pod as a whole stands in place of its containers' sum.
    running.extend(of(spec.resources.as_ref()));
    add(&mut running, &amounts(&spec.overhead));
    running
}

fn of(resources: Option<&ResourceRequirements>) -> Requests {
    resources.and_then(|r| r.requests.as_ref()).map(amounts).unwrap_or_default()
}

/// Quantities as integers. One that can't be read counts nothing: it is the API server's to refuse.
pub fn amounts(quantities: &BTreeMap<String, Quantity>) -> Requests {
    let parse = |(name, text): (&String, &Quantity)| {
        let amount = if name == "cpu" { quantity::parse_milli(&text.0) } else { quantity::parse_units(&text.0) };
        amount.ok().map(|amount| (name.clone(), amount))
    };
    quantities.iter().filter_map(parse).collect()
}

fn add(sum: &mut Requests, other: &Requests) {
    for (name, amount) in other {
        let slot = sum.entry(name.clone()).or_default();
        *slot = slot.saturating_add(*amount);
    }
}

fn raise(most: &mut Requests, other: &Requests) {
    for (name, amount) in other {
        let slot = most.entry(name.clone()).or_default();
        *slot = (*slot).max(*amount);
    }
}
