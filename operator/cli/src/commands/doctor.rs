//! Looking for what is wrong, and saying what to do about each thing.

use eai_api::{ComputeNode, condition, names::ARTIFACTS_GROUP};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use serde::Serialize;

use crate::{
    arguments::Cli,
    chain::Chain,
    error::{Error, Result},
    hub::Hub,
    output,
};

/// One thing looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    /// `None` where it couldn't be told.
    ok: Option<bool>,
    /// What was seen, and what to do about it.
    says: String,
}

impl Check {
    fn new(name: &'static str, result: std::result::Result<String, String>) -> Self {
        let ok = Some(result.is_ok());
        Self { name, ok, says: result.unwrap_or_else(|problem| problem) }
    }

    fn row(&self) -> [String; 3] {
        let mark = match self.ok {
            Some(true) => "ok",
            Some(false) => "WRONG",
            None => "-",
        };
        [mark.to_owned(), self.name.to_owned(), self.says.clone()]
    }
}

/// Looks at everything; fails if anything is wrong.
pub async fn run(hub: &Hub, cli: &Cli) -> Result<()> {
    let mut checks = vec![kinds(hub).await, artifacts(hub).await, operator(hub).await, members(hub).await];
    checks.push(rights(hub).await);
    checks.extend(chain(hub, cli).await);
    output::print(cli.output, &checks, |checks| {
        output::table(["", "WHAT", "SAYS"], &checks.iter().map(Check::row).collect::<Vec<_>>())
    })?;
    match checks.iter().filter(|check| check.ok == Some(false)).count() {
        0 => Ok(()),
        wrong => Err(Error::Failed(format!("{wrong} of {} things are wrong", checks.len()))),
    }
}

async fn kinds(hub: &Hub) -> Check {
    let crds: Api<CustomResourceDefinition> = Api::all(hub.client.clone());
    let mut missing = Vec::new();
    for crd in eai_api::crds() {
        match crds.get_opt(&crd.name_any()).await {
            Ok(Some(_)) => {}
            Ok(None) => missing.push(crd.name_any()),
            // Whoever may not look at definitions sees by the rest whether they are there.
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Check { name: "kinds", ok: None, says: "you may not look at CRDs".to_owned() };
            }
            Err(error) => return Check::new("kinds", Err(error.to_string())),
        }
    }
    let missing = missing.join(", ");
    let result = if missing.is_empty() {
        Ok("installed".to_owned())
    } else {
        Err(format!("{missing} missing: helm install eai-crds"))
    };
    Check::new("kinds", result)
}

async fn artifacts(hub: &Hub) -> Check {
    let services: Api<APIService> = Api::all(hub.client.clone());
    let name = format!("{}.{ARTIFACTS_GROUP}", eai_api::names::VERSION);
    let service = match services.get_opt(&name).await {
        Ok(Some(service)) => service,
        Ok(None) => {
            return Check::new("logs and outputs", Err(format!("APIService {name} is missing: helm install eai-hub")));
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            return Check { name: "logs and outputs", ok: None, says: "you may not look at APIServices".to_owned() };
        }
        Err(error) => return Check::new("logs and outputs", Err(error.to_string())),
    };
    let conditions = service.status.and_then(|status| status.conditions).unwrap_or_default();
    let available = conditions.iter().find(|c| c.type_ == "Available");
    Check::new(
        "logs and outputs",
        match available {
            Some(c) if c.status == "True" => Ok("served".to_owned()),
            Some(c) => Err(c.message.clone().unwrap_or_else(|| "not available".to_owned())),
            None => Err("the API server hasn't looked at it yet".to_owned()),
        },
    )
}

async fn operator(hub: &Hub) -> Check {
    let deployments: Api<Deployment> = hub.in_system();
    let list = match deployments.list(&ListParams::default().labels("app.kubernetes.io/name=eai-hub")).await {
        Ok(list) => list.items,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            return Check { name: "operator", ok: None, says: "you may not look at it".to_owned() };
        }
        Err(error) => return Check::new("operator", Err(error.to_string())),
    };
    let ready: i32 = list.iter().filter_map(|d| d.status.as_ref()?.ready_replicas).sum();
    Check::new(
        "operator",
        match (list.len(), ready) {
            (0, _) => Err(format!("not installed in {}: helm install eai-hub", hub.namespace)),
            (_, 0) => Err(format!("not ready: kubectl -n {} logs -l app.kubernetes.io/name=eai-hub", hub.namespace)),
            (_, ready) => Ok(format!("{ready} ready")),
        },
    )
}

async fn members(hub: &Hub) -> Check {
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    let list = match nodes.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => return Check::new("members", Err(error.to_string())),
    };
    let ready = |node: &&ComputeNode| {
        node.status.as_ref().is_some_and(|status| condition::is_true(&status.conditions, condition::READY))
    };
    let count = list.iter().filter(ready).count();
    let others: Vec<_> = list.iter().filter(|node| !ready(node)).map(ResourceExt::name_any).collect();
    let rest = if others.is_empty() {
        String::new()
    } else {
        format!("; not ready: {} (kubectl describe computenode)", others.join(", "))
    };
    let says = format!("{count} of {} ready{rest}", list.len());
    Check::new(
        "members",
        if count > 0 { Ok(says) } else { Err(format!("{says}; none takes work: kubectl eai invite NAME")) },
    )
}

async fn rights(hub: &Hub) -> Check {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(hub.client.clone());
    let attributes = ResourceAttributes {
        group: Some(eai_api::names::GROUP.to_owned()),
        resource: Some("aijobs".to_owned()),
        verb: Some("create".to_owned()),
        namespace: Some(hub.job_namespace.clone()),
        ..ResourceAttributes::default()
    };
    let spec =
        SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let namespace = &hub.job_namespace;
    Check::new(
        "your rights",
        match reviews.create(&PostParams::default(), &review).await {
            Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => {
                Ok(format!("you may create AIJobs in {namespace}"))
            }
            Ok(_) => Err(format!("you may not create AIJobs in {namespace}: ask its admin for the ClusterRole edit")),
            Err(error) => Err(error.to_string()),
        },
    )
}

/// The chain, the hub's gas money, and the caller's authorisation if they gave a key.
async fn chain(hub: &Hub, cli: &Cli) -> Vec<Check> {
    let connected = async {
        let chain = Chain::of(hub, &cli.chain).await?;
        let reader = chain.reader()?;
        let head = reader.head().await?;
        Ok::<_, Error>((chain, reader, head))
    };
    let (chain, reader, head) = match connected.await {
        Ok(connected) => connected,
        Err(error) => return vec![Check::new("chain", Err(error.to_string()))],
    };
    let mut checks = vec![Check::new("chain", Ok(format!("chain {} at block {}", chain.info.chain_id, head.number)))];
    let hub_key = chain.info.hub_key;
    checks.push(Check::new(
        "the hub's gas",
        match reader.gas_money(hub_key).await {
            Ok(0) => Err(format!("{hub_key} has none, so no lease can be opened: send it some of the chain's coin")),
            Ok(wei) => Ok(format!("{hub_key} has {wei} wei of the chain's coin")),
            Err(error) => Err(error.to_string()),
        },
    ));
    let Ok(key) = cli.chain.key() else {
        let says = "give your key's file with --key-file to have it looked at".to_owned();
        checks.push(Check { name: "your authorisation", ok: None, says });
        return checks;
    };
    let authorised = async {
        let namespace = hub.namespace_id(chain.info.hub_id, &hub.job_namespace).await?;
        let authorization = reader.authorization(key.address(), hub_key, namespace).await?;
        Ok::<_, Error>((authorization.left(head.time), reader.balance(key.address()).await?))
    };
    checks.push(Check::new(
        "your authorisation",
        match authorised.await {
            Ok((left, _)) if left.is_zero() => {
                Err(format!("nothing left for {}: kubectl eai authorize -n {}", hub.job_namespace, hub.job_namespace))
            }
            Ok((_, free)) if free.is_zero() => {
                Err("your account in the Escrow is empty: kubectl eai deposit".to_owned())
            }
            Ok((left, free)) => Ok(format!("{left} EAI left for {}, {free} in your account", hub.job_namespace)),
            Err(error) => Err(error.to_string()),
        },
    ));
    checks
}
