//! Members and their prices.

use eai_api::{ComputeNode, condition};
use eai_core::money::Amount;
use jiff::Timestamp;
use kube::{Api, ResourceExt as _, api::ListParams};
use serde::Serialize;

use crate::{
    duration::age,
    error::{Error, Result},
    hub::Hub,
    output::{self, Format},
};

/// A member in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    name: String,
    ready: bool,
    reason: String,
    site: String,
    form: String,
    connection: String,
    region: String,
    accelerators: String,
    owner: String,
    last_seen: Option<String>,
}

impl Member {
    fn of(node: &ComputeNode) -> Self {
        let status = node.status.clone().unwrap_or_default();
        let ready = status.conditions.iter().find(|c| c.type_ == condition::READY);
        let degraded = status.conditions.iter().find(|c| c.type_ == condition::DEGRADED);
        let degraded = degraded.filter(|_| ready.is_some_and(|c| c.status == "True" && c.reason == "Ready"));
        Self {
            name: node.name_any(),
            ready: condition::is_true(&status.conditions, condition::READY),
            reason: degraded.or(ready).map_or("NotSeen", |c| &c.reason).to_owned(),
            site: format!("{:?}", node.spec.site),
            form: format!("{:?}", node.spec.form),
            connection: format!("{:?}", node.spec.connection),
            region: node.spec.region.clone(),
            accelerators: status.summary.unwrap_or_default(),
            owner: node.spec.owner.to_string(),
            last_seen: status.last_seen.map(|time| time.0.to_string()),
        }
    }

    fn row(&self, now: Timestamp) -> [String; 7] {
        let seen = self.last_seen.as_ref().and_then(|time| time.parse::<Timestamp>().ok());
        [
            self.name.clone(),
            match (self.ready, self.reason.as_str()) {
                (true, "Ready") => "True".to_owned(),
                // Ready but cordoned or degraded, say.
                (ready, reason) => format!("{} ({reason})", if ready { "True" } else { "False" }),
            },
            self.site.clone(),
            self.connection.clone(),
            self.region.clone(),
            self.accelerators.clone(),
            seen.map_or_else(|| "never".to_owned(), |seen| age(now.as_second() - seen.as_second())),
        ]
    }
}

/// The members and what they have.
pub async fn nodes(hub: &Hub, format: Format) -> Result<()> {
    let members: Vec<_> = list(hub).await?.iter().map(Member::of).collect();
    let now = Timestamp::now();
    output::print(format, &members, |members| {
        let rows: Vec<_> = members.iter().map(|member| member.row(now)).collect();
        output::table(["NAME", "READY", "SITE", "CONNECTION", "REGION", "ACCELERATORS", "SEEN"], &rows)
    })
}

async fn list(hub: &Hub) -> Result<Vec<ComputeNode>> {
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    Ok(nodes.list(&ListParams::default()).await?.items)
}

/// A price in a list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Price {
    class: String,
    /// EAI per unit-hour.
    rate: Amount,
    member: String,
}

/// What members that take work charge, cheapest first within each class.
pub async fn prices(hub: &Hub, class: Option<&str>, format: Format) -> Result<()> {
    let prices = offered(&list(hub).await?, class);
    if prices.is_empty() {
        return Err(Error::NotFound(format!("nobody offers {}", class.unwrap_or("anything"))));
    }
    output::print(format, &prices, |prices| {
        let rows: Vec<_> = prices.iter().map(|p| [p.class.clone(), p.rate.to_string(), p.member.clone()]).collect();
        output::table(["CLASS", "EAI/HOUR", "MEMBER"], &rows)
    })
}

fn offered(nodes: &[ComputeNode], class: Option<&str>) -> Vec<Price> {
    let mut prices = Vec::new();
    for node in nodes {
        let Some(status) = &node.status else { continue };
        if condition::is_true(&status.conditions, condition::READY) {
            let wanted = status.prices.iter().filter(|price| class.is_none_or(|class| price.class == class));
            prices.extend(wanted.map(|p| Price { class: p.class.clone(), rate: p.rate, member: node.name_any() }));
        }
    }
    prices.sort();
    prices
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn node(name: &str, ready: &str, rate: &str) -> ComputeNode {
        serde_json::from_value(json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "ComputeNode", "metadata": {"name": name},
            "spec": {"owner": format!("0x{}", "00".repeat(20))},
            "status": {
                "conditions": [{"type": "Ready", "status": ready, "reason": "Silent", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "lastSeen": "2026-01-01T00:00:00Z",
                "summary": "nvidia.com/gpu 1/2",
                "prices": [{"class": "nvidia.com/gpu", "rate": rate}, {"class": "cpu", "rate": "0.1"}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn cheapest_first_and_only_who_takes_work() {
        let nodes = [node("a", "True", "2"), node("b", "True", "1.5"), node("c", "False", "0.1")];
        let prices = offered(&nodes, Some("nvidia.com/gpu"));
        let names: Vec<_> = prices.iter().map(|price| price.member.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(offered(&nodes, None).len(), 4);
    }

    #[test]
    fn a_row_says_why_a_member_is_not_ready() {
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        let row = Member::of(&node("c", "False", "1")).row(now);
        assert_eq!(row, ["c", "False (Silent)", "Home", "Pull", "", "nvidia.com/gpu 1/2", "60s"].map(str::to_owned));
    }

    #[test]
    fn a_row_says_what_a_member_that_takes_work_lacks() {
        let mut node = node("c", "True", "1");
        let conditions = &mut node.status.as_mut().unwrap().conditions;
        conditions[0].reason = "Ready".to_owned();
        let degraded = k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
            type_: "Degraded".to_owned(),
            reason: "NodesAway".to_owned(),
            ..conditions[0].clone()
        };
        let ready = |node: &ComputeNode| Member::of(node).row("2026-01-01T00:01:00Z".parse().unwrap())[1].clone();
        assert_eq!(ready(&node), "True");
        node.status.as_mut().unwrap().conditions.push(degraded);
        assert_eq!(ready(&node), "True (NodesAway)");
        node.status.as_mut().unwrap().conditions[0].reason = "Cordoned".to_owned();
        assert_eq!(ready(&node), "True (Cordoned)", "which says more");
    }
}
