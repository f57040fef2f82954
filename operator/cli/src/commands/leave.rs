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
        println!("the invite of {member} is withdrawn");
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
    println!("{member} has left");
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
