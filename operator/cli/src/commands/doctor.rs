//! Looking for what is wrong, and saying what to do about each thing.

use std::fmt::Write as _;

use eai_api::{
    ComputeNode, condition,
    names::{ARTIFACTS_GROUP, GROUP},
};
use eai_chain::Authorization;
use eai_core::money::Amount;
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
    duration::age,
    error::{Error, Result},
    hub::Hub,
    output,
};

/// The label of the operator's Deployment and pods.
const OPERATOR: &str = "app.kubernetes.io/name=eai-operator";
/// An authorisation that ends sooner than this is worth a word, in seconds.
const SOON: u64 = 24 * 3600;

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

    /// Something that the caller may not look at is nobody's fault.
    fn hidden(name: &'static str, error: &kube::Error, what: &str) -> Self {
        match error {
            kube::Error::Api(status) if status.is_forbidden() => {
                Self { name, ok: None, says: format!("you may not look at {what}") }
            }
            kube::Error::Api(status) => Self::new(name, Err(status.message.clone())),
            other => Self::new(name, Err(format!("the hub's API server can't be reached: {other}"))),
        }
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
            Err(error) => return Check::hidden("kinds", &error, "definitions"),
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
        Err(error) => return Check::hidden("logs and outputs", &error, "APIServices"),
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
    let list = match deployments.list(&ListParams::default().labels(OPERATOR)).await {
        Ok(list) => list.items,
        Err(error) => return Check::hidden("operator", &error, "Deployments of the hub"),
    };
    let ready: i32 = list.iter().filter_map(|d| d.status.as_ref()?.ready_replicas).sum();
    Check::new(
        "operator",
        match (list.len(), ready) {
            (0, _) => Err(format!("not installed in {}: helm install eai-hub", hub.namespace)),
            (_, 0) => Err(format!("not ready: kubectl -n {} logs -l {OPERATOR}", hub.namespace)),
            (_, ready) => Ok(format!("{ready} ready")),
        },
    )
}

async fn members(hub: &Hub) -> Check {
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    let list = match nodes.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => return Check::hidden("members", &error, "members; ask the hub's admin for eai-market-reader"),
    };
    let ready = |node: &&ComputeNode| {
        node.status.as_ref().is_some_and(|status| condition::is_true(&status.conditions, condition::READY))
    };
    let count = list.iter().filter(ready).count();
    let mut says = format!("{count} of {} ready", list.len());
    for node in list.iter().filter(|node| !ready(node)) {
        // Writing to a String can't fail.
        let _ = write!(says, "; {}: {}", node.name_any(), why_not(node));
    }
    Check::new(
        "members",
        if count > 0 { Ok(says) } else { Err(format!("{says}; none takes work: kubectl eai invite NAME")) },
    )
}

/// Why a member isn't ready, in the hub's words.
fn why_not(node: &ComputeNode) -> String {
    let conditions = node.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|c| c.type_ == condition::READY);
    ready.map_or_else(|| "the hub hasn't looked at it yet".to_owned(), |c| c.message.clone())
}

/// What a vendor does in their namespace, as (verb, group, resource, subresource, in words).
const ACTS: [(&str, &str, &str, &str, &str); 4] = [
    ("create", GROUP, "aijobs", "", "create AIJobs"),
    ("get", GROUP, "aijobs", "", "see them"),
    ("get", ARTIFACTS_GROUP, "aijobs", "log", "read their logs"),
    ("get", ARTIFACTS_GROUP, "aijobs", "outputs", "fetch their outputs"),
];

async fn rights(hub: &Hub) -> Check {
    let namespace = &hub.job_namespace;
    let mut missing = Vec::new();
    for act in ACTS {
        match may(hub, act).await {
            Ok(true) => {}
            Ok(false) => missing.push(act.4),
            Err(error) => return Check::hidden("your rights", &error, "your own rights"),
        }
    }
    Check::new(
        "your rights",
        if missing.is_empty() {
            Ok(format!("you may run AIJobs in {namespace} and fetch what they leave"))
        } else {
            let missing = missing.join(", ");
            Err(format!("in {namespace} you may not {missing}: ask its admin for the ClusterRole eai-vendor or edit"))
        },
    )
}

async fn may(hub: &Hub, act: (&str, &str, &str, &str, &str)) -> std::result::Result<bool, kube::Error> {
    let (verb, group, resource, subresource, _) = act;
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: (!subresource.is_empty()).then(|| subresource.to_owned()),
        verb: Some(verb.to_owned()),
        namespace: Some(hub.job_namespace.clone()),
        ..ResourceAttributes::default()
    };
    let spec =
        SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(hub.client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
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
        Ok::<_, Error>((authorization, reader.balance(key.address()).await?))
    };
    let result = match authorised.await {
        Ok((authorization, free)) => judge(&authorization, free, head.time, &hub.job_namespace),
        Err(error) => Err(error.to_string()),
    };
    checks.push(Check::new("your authorisation", result));
    checks
}

/// Whether an account and what it authorised will do for jobs of a namespace.
fn judge(
    authorization: &Authorization,
    free: Amount,
    now: u64,
    namespace: &str,
) -> std::result::Result<String, String> {
    let again = format!("kubectl eai authorize -n {namespace} --cap EAI --max-rate EAI");
    let left = authorization.left(now);
    if authorization.expiry == 0 || authorization.cap.is_zero() {
        return Err(format!("you authorised nothing for {namespace}: {again}"));
    }
    if authorization.expiry <= now {
        return Err(format!("your authorisation for {namespace} has expired: {again}"));
    }
    if left.is_zero() {
        let cap = authorization.cap;
        return Err(format!("all {cap} EAI that you authorised for {namespace} are in leases or spent: {again}"));
    }
    if free.is_zero() {
        return Err("your account in the Escrow is empty: kubectl eai deposit EAI".to_owned());
    }
    let ends = match authorization.expiry - now {
        soon @ 0..SOON => format!("; it ends in {}", age(i64::try_from(soon).unwrap_or(i64::MAX))),
        _ => String::new(),
    };
    let rate = authorization.max_rate;
    Ok(format!("{left} EAI left for {namespace} at {rate} per unit-hour at most, {free} in your account{ends}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::testing::{hub, refused};

    #[tokio::test]
    async fn what_is_hidden_is_not_called_wrong() {
        let (hub, _) = hub(|_| refused(403));
        for check in [kinds(&hub).await, artifacts(&hub).await, operator(&hub).await, members(&hub).await] {
            assert_eq!(check.ok, None, "{check:?}");
            assert!(check.says.starts_with("you may not look at"), "{check:?}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_says_how_to_get_it() {
        let (hub, _) = hub(|asked| {
            if asked.path.contains("/deployments") { (200, json!({"items": [], "metadata": {}})) } else { refused(404) }
        });
        for (check, says) in [
            (kinds(&hub).await, "helm install eai-crds"),
            (artifacts(&hub).await, "helm install eai-hub"),
            (operator(&hub).await, "helm install eai-hub"),
        ] {
            assert_eq!(check.ok, Some(false));
            assert!(check.says.contains(says), "{check:?}");
        }
    }

    #[tokio::test]
    async fn members_that_wait_are_told_with_the_hubs_own_words() {
        let node = |name: &str, ready: &str, message: &str| {
            json!({"metadata": {"name": name}, "spec": {"owner": format!("0x{}", "00".repeat(20))},
                "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "R", "message": message,
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
        };
        let list =
            json!({"metadata": {}, "items": [node("a", "True", "fine"), node("b", "False", "kubectl eai approve b")]});
        let check = members(&hub(move |_| (200, list.clone())).0).await;
        assert_eq!((check.ok, check.says.as_str()), (Some(true), "1 of 2 ready; b: kubectl eai approve b"));
    }

    #[tokio::test]
    async fn every_right_that_is_missing_is_named() {
        let check = rights(&hub(|_| (201, json!({"metadata": {}, "spec": {}, "status": {"allowed": false}}))).0).await;
        assert_eq!(check.ok, Some(false));
        assert!(check.says.contains("create AIJobs, see them, read their logs, fetch their outputs"), "{check:?}");
        let check = rights(&hub(|_| (201, json!({"metadata": {}, "spec": {}, "status": {"allowed": true}}))).0).await;
        assert_eq!(check.ok, Some(true));
    }

    #[test]
    fn an_authorisation_is_judged_by_what_can_still_be_done_with_it() {
        let eai = |text: &str| text.parse::<Amount>().unwrap();
        let good = Authorization { cap: eai("10"), used: eai("4"), max_rate: eai("2"), expiry: 1_000_000 };
        let judge = |a: &Authorization, free: &str| judge(a, eai(free), 1000, "vision");
        assert!(judge(&good, "5").unwrap().starts_with("6 EAI left for vision at 2 per unit-hour at most, 5 in"));
        assert!(judge(&Authorization { expiry: 1000 + 7200, ..good }, "5").unwrap().ends_with("it ends in 2h"));
        for (authorization, free, says) in [
            (Authorization::default(), "5", "you authorised nothing"),
            (Authorization { expiry: 1000, ..good }, "5", "has expired"),
            (Authorization { used: eai("10"), ..good }, "5", "are in leases or spent"),
            (good, "0", "kubectl eai deposit"),
        ] {
            let problem = judge(&authorization, free).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
