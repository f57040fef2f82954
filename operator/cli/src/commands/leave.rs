//! Removing a member.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use eai_api::{ComputeNode, names::invite_role};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::{Api, api::DeleteParams};
use tokio::time::{Instant, sleep};

use super::drain::{self, End};
use crate::{
    arguments::Leave,
    error::{Error, Result},
    hub::Hub,
    output,
};

/// How long to wait for the hub to let a member go.
const PATIENCE: Duration = Duration::from_mins(3);

/// Beyond the bound, how long the last work may take to end and be settled. What doesn't is left to the hub.
const GRACE: Duration = Duration::from_mins(2);

/// Has the member emptied unless forced, deletes it, and waits until the hub has taken back its rights and its namespace.
pub async fn run(hub: &Hub, arguments: &Leave) -> Result<()> {
    let member = &arguments.member;
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    // An invite that is still open goes too: else its holder would ask to join again at once.
    let roles: Api<ClusterRole> = Api::all(hub.client.clone());
    let invite = invite_role(member);
    let node = nodes.get_opt(member).await?;
    if node.is_none() && roles.get_metadata_opt(&invite).await?.is_none() {
        return Err(Error::NotFound(format!("no member or invite is called {member}")));
    }
    if node.is_some() && !arguments.yes && !confirmed(arguments)? {
        return Err(Error::Failed("nothing was done".to_owned()));
    }
    absent(roles.delete(&invite, &DeleteParams::background()).await.map(drop))?;
    let Some(node) = node else { return output::say(format!("the invite of {member} is withdrawn")) };
    let has_work = node.spec.accepted && node.metadata.deletion_timestamp.is_none();
    if has_work && !arguments.force {
        empty(hub, arguments).await?;
    }
    absent(nodes.delete(member, &DeleteParams::default()).await.map(drop))?;
    output::say(format!("{member} leaves: its tokens and rights end, then its namespace goes"))?;
    gone(&nodes, member).await?;
    output::say(format!("{member} has left"))
}

/// Empties the member, or says what is left on it after the bound: that goes on elsewhere all the same.
async fn empty(hub: &Hub, arguments: &Leave) -> Result<()> {
    let member = &arguments.member;
    match drain::empty(hub, member, arguments.within, GRACE).await? {
        End::Empty => output::say(format!("{member} is empty, and all it did is settled")),
        End::Left(why) => {
            output::say(format!("{member} isn't empty, and is removed all the same: {why}"))?;
            output::say("what is left begins elsewhere once its grants have run out, a quarter of an hour at most")
        }
        End::Unknown => {
            output::say("this hub is of an earlier version and can't drain: jobs there end with the member")
        }
        End::Gone => Ok(()),
    }
}

/// Waits until the hub has let the member go.
async fn gone(nodes: &Api<ComputeNode>, member: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let mut said = String::new();
    while let Some(node) = nodes.get_opt(member).await? {
        let conditions = node.status.map(|status| status.conditions).unwrap_or_default();
        let ready = conditions.iter().find(|c| c.type_ == "Ready" && c.reason == "Leaving");
        let why = ready.map_or("no word from the hub yet", |c| &c.message);
        if Instant::now() >= end {
            return Err(Error::Failed(format!("{member} is still leaving: {why}")));
        }
        if why != said {
            output::say(format!("  {why}"))?;
            why.clone_into(&mut said);
        }
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// What is gone already needn't be removed.
fn absent(result: std::result::Result<(), kube::Error>) -> Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}

fn confirmed(arguments: &Leave) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage("this removes the member and its rights; say --yes".to_owned()));
    }
    let member = &arguments.member;
    if arguments.force {
        print!("Remove {member} now? What it has begins elsewhere once its grants have run out. [y/N] ");
    } else {
        let within = arguments.within.0;
        print!("Remove {member}? It is emptied first; what still runs in {within} s begins elsewhere. [y/N] ");
    }
    let io = |error: std::io::Error| Error::Failed(error.to_string());
    std::io::stdout().flush().map_err(io)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(io)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        duration::Seconds,
        testing::{Log, hub, refused},
    };

    const NODE: &str = "/apis/eai.network/v1alpha1/computenodes/home-1";
    const INVITE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/eai-invite-home-1";

    fn arguments(force: bool, yes: bool) -> Leave {
        Leave { member: "home-1".to_owned(), within: Seconds(1), force, yes }
    }

    fn node(accepted: bool, drained: Option<bool>) -> Value {
        let reason = if drained == Some(true) { "Drained" } else { "Draining" };
        let conditions = drained.map(|_| {
            json!([{"type": "Draining", "status": "True", "reason": reason, "message": "so much is left",
                "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z"}])
        });
        let mut node = json!({"metadata": {"name": "home-1", "generation": 2},
            "spec": {"owner": format!("0x{}", "00".repeat(20)), "accepted": accepted},
            "status": {"conditions": conditions.unwrap_or_else(|| json!([]))}});
        if drained.is_some() {
            node["spec"]["drain"] = json!({"by": "2026-01-01T00:00:00Z"});
        }
        node
    }

    /// A hub with this member, which goes when it is deleted.
    fn with(node: Value) -> (Hub, Log) {
        let there = AtomicBool::new(true);
        hub(move |asked| match (asked.method.as_str(), asked.path.split('?').next().unwrap()) {
            ("GET" | "PATCH", NODE) if there.load(Ordering::Relaxed) => (200, node.clone()),
            ("DELETE", NODE) => {
                there.store(false, Ordering::Relaxed);
                (200, json!({"kind": "Status", "status": "Success", "code": 200}))
            }
            _ => refused(404),
        })
    }

    fn place(log: &Log, line: &str) -> Option<usize> {
        log.lines().iter().position(|l| l == line)
    }

    #[tokio::test]
    async fn a_member_is_emptied_before_it_leaves_with_its_invite() {
        let (hub, log) = with(node(true, Some(true)));
        run(&hub, &arguments(false, true)).await.unwrap();
        let [invite, drain, gone] = [format!("DELETE {INVITE}"), format!("PATCH {NODE}"), format!("DELETE {NODE}")]
            .map(|line| place(&log, &line));
        assert!(invite < gone && invite.is_some(), "or it would join again");
        assert!(drain < gone && drain.is_some(), "jobs move first");
        assert!(log.body("PATCH", NODE)["spec"]["drain"]["by"].is_string());
    }

    #[tokio::test]
    async fn by_force_or_without_work_it_leaves_at_once() {
        for (node, force) in [(node(true, None), true), (node(false, None), false)] {
            let (hub, log) = with(node);
            run(&hub, &arguments(force, true)).await.unwrap();
            assert_eq!(place(&log, &format!("PATCH {NODE}")), None);
            assert!(place(&log, &format!("DELETE {NODE}")).is_some());
        }
    }

    #[tokio::test]
    async fn a_hub_that_cannot_drain_lets_it_go_all_the_same() {
        let (hub, log) = with(node(true, None));
        run(&hub, &arguments(false, true)).await.unwrap();
        assert!(place(&log, &format!("DELETE {NODE}")).is_some());
    }

    #[tokio::test]
    async fn an_invite_that_nobody_used_is_withdrawn() {
        let (hub, log) = hub(|asked| match asked.path.split('?').next().unwrap() {
            INVITE => (200, json!({"metadata": {"name": "eai-invite-home-1"}})),
            _ => refused(404),
        });
        run(&hub, &arguments(false, false)).await.unwrap();
        assert!(log.lines().contains(&format!("DELETE {INVITE}")));
    }

    #[tokio::test]
    async fn nobody_cannot_leave() {
        let (hub, log) = hub(|_| refused(404));
        let error = run(&hub, &arguments(false, true)).await.unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().as_str()), (3, "no member or invite is called home-1"));
        assert!(log.lines().iter().all(|line| line.starts_with("GET")));
    }

    #[tokio::test]
    async fn nobody_is_removed_by_mistake() {
        let (hub, log) = hub(|_| {
            (200, json!({"metadata": {"name": "home-1"}, "spec": {"owner": format!("0x{}", "00".repeat(20))}}))
        });
        // Tests have no terminal to confirm on.
        assert_eq!(run(&hub, &arguments(false, false)).await.unwrap_err().exit_code(), 2);
        assert!(log.lines().iter().all(|line| line.starts_with("GET")));
    }
}
