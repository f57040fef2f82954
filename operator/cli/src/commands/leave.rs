//! Removing a member.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use eai_api::{ComputeNode, names::invite_role};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::{Api, api::DeleteParams};
use tokio::time::{Instant, sleep};

use crate::{
    error::{Error, Result},
    hub::Hub,
    output,
};

/// How long to wait for the hub to let a member go.
const PATIENCE: Duration = Duration::from_mins(3);

/// Deletes the member and waits until the hub has taken back its rights and its namespace.
pub async fn run(hub: &Hub, member: &str, yes: bool) -> Result<()> {
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    // An invite that is still open goes too: else its holder would ask to join again at once.
    let roles: Api<ClusterRole> = Api::all(hub.client.clone());
    let invite = invite_role(member);
    let joined = nodes.get_opt(member).await?.is_some();
    if !joined && roles.get_metadata_opt(&invite).await?.is_none() {
        return Err(Error::NotFound(format!("no member or invite is called {member}")));
    }
    if joined && !yes && !confirmed(member)? {
        return Err(Error::Failed("nothing was done".to_owned()));
    }
    absent(roles.delete(&invite, &DeleteParams::background()).await.map(drop))?;
    if !joined {
        output::say(format!("the invite of {member} is withdrawn"))?;
        return Ok(());
    }
    absent(nodes.delete(member, &DeleteParams::default()).await.map(drop))?;
    let end = Instant::now() + PATIENCE;
    while let Some(node) = nodes.get_opt(member).await? {
        if Instant::now() >= end {
            let conditions = node.status.map(|status| status.conditions).unwrap_or_default();
            let why = conditions.iter().find(|c| c.type_ == "Ready").map_or("no word from the hub", |c| &c.message);
            return Err(Error::Failed(format!("{member} is still leaving: {why}")));
        }
        sleep(Duration::from_millis(500)).await;
    }
    output::say(format!("{member} has left"))?;
    Ok(())
}

/// What is gone already needn't be removed.
fn absent(result: std::result::Result<(), kube::Error>) -> Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}

fn confirmed(member: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage("this removes the member and its rights; say --yes".to_owned()));
    }
    print!("Remove {member}? Its running jobs end and are settled. [y/N] ");
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

    use serde_json::json;

    use super::*;
    use crate::testing::{hub, refused};

    const NODE: &str = "/apis/eai.network/v1alpha1/computenodes/home-1";
    const INVITE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/eai-invite-home-1";

    #[tokio::test]
    async fn a_member_leaves_with_its_invite() {
        let there = AtomicBool::new(true);
        let (hub, log) = hub(move |asked| match (asked.method.as_str(), asked.path.split('?').next().unwrap()) {
            ("GET", NODE) if there.load(Ordering::Relaxed) => {
                (200, json!({"metadata": {"name": "home-1"}, "spec": {"owner": format!("0x{}", "00".repeat(20))}}))
            }
            ("DELETE", NODE) => {
                there.store(false, Ordering::Relaxed);
                (200, json!({"kind": "Status", "status": "Success", "code": 200}))
            }
            _ => refused(404),
        });
        run(&hub, "home-1", true).await.unwrap();
        let lines = log.lines();
        let place = |line: String| lines.iter().position(|l| *l == line).unwrap();
        assert!(place(format!("DELETE {INVITE}")) < place(format!("DELETE {NODE}")), "or it would join again");
    }

    #[tokio::test]
    async fn an_invite_that_nobody_used_is_withdrawn() {
        let (hub, log) = hub(|asked| match asked.path.split('?').next().unwrap() {
            INVITE => (200, json!({"metadata": {"name": "eai-invite-home-1"}})),
            _ => refused(404),
        });
        run(&hub, "home-1", false).await.unwrap();
        assert!(log.lines().contains(&format!("DELETE {INVITE}")));
    }

    #[tokio::test]
    async fn nobody_cannot_leave() {
        let (hub, log) = hub(|_| refused(404));
        let error = run(&hub, "home-1", true).await.unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().as_str()), (3, "no member or invite is called home-1"));
        assert!(log.lines().iter().all(|line| line.starts_with("GET")));
    }

    #[tokio::test]
    async fn nobody_is_removed_by_mistake() {
        let (hub, log) = hub(|_| {
            (200, json!({"metadata": {"name": "home-1"}, "spec": {"owner": format!("0x{}", "00".repeat(20))}}))
        });
        // Tests have no terminal to confirm on.
        assert_eq!(run(&hub, "home-1", false).await.unwrap_err().exit_code(), 2);
        assert!(log.lines().iter().all(|line| line.starts_with("GET")));
    }
}
